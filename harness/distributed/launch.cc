#include "harness/distributed/launch.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <random>

#include "fedval/error.hpp"

namespace fedval::harness {

namespace {

/// A port of the loopback interface that nobody listens at now.
std::uint16_t free_port() {
  const int probe = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* const any = reinterpret_cast<sockaddr*>(&address);
  const bool found = probe >= 0 && ::bind(probe, any, size) == 0 && ::getsockname(probe, any, &size) == 0;
  if (probe >= 0) ::close(probe);
  if (!found) fail("launch: no free port: ", std::strerror(errno));
  return ntohs(address.sin_port);
}

std::string random_secret() {
  std::random_device device;
  std::string secret;
  for (int i = 0; i < 8; ++i) secret += std::to_string(device());
  return secret;
}

// For the handler alone: a signal between two calls of the loop below must not be lost.
std::vector<pid_t> children;
void pass_on(int signal) {
  for (const pid_t child : children)
    if (child > 0) ::kill(child, signal);
}

pid_t start(std::size_t rank, const std::vector<std::string>& arguments) {
  const pid_t launcher = ::getpid();
  const pid_t child = ::fork();
  if (child < 0) fail("launch: rank ", rank, " cannot be started: ", std::strerror(errno));
  if (child > 0) return child;
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);  // no rank outlives its launcher
  if (::getppid() != launcher) std::_Exit(1);
  std::signal(SIGTERM, SIG_DFL);
  std::signal(SIGINT, SIG_DFL);
  ::setenv("RANK", std::to_string(rank).c_str(), 1);
  std::string self = "harness";
  std::vector<char*> argv{self.data()};
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  ::execv("/proc/self/exe", argv.data());
  std::cerr << "harness: launch: /proc/self/exe cannot be started: " << std::strerror(errno) << std::endl;
  std::_Exit(1);
}

}  // namespace

int launch(std::size_t count, const std::vector<std::string>& arguments) {
  ::setenv("WORLD_SIZE", std::to_string(count).c_str(), 1);
  ::setenv("MASTER_ADDR", "127.0.0.1", 1);
  ::setenv("MASTER_PORT", std::to_string(free_port()).c_str(), 1);
  ::setenv("FEDVAL_SECRET", random_secret().c_str(), 1);
  ::unsetenv("TORCHELASTIC_USE_AGENT_STORE");  // of a torchrun around it: rank 0 keeps the store here
  std::signal(SIGCHLD, SIG_DFL);
  std::signal(SIGINT, SIG_IGN);  // a terminal sends it to the ranks, too; they save what they have
  children.assign(count, 0);
  std::signal(SIGTERM, pass_on);
  for (std::size_t rank = 0; rank < count; ++rank) children[rank] = start(rank, arguments);
  int result = 0;
  for (std::size_t left = count; left > 0;) {
    int status = 0;
    const pid_t ended = ::waitpid(-1, &status, 0);
    if (ended < 0 && errno == EINTR) continue;
    if (ended < 0) fail("launch: the ranks cannot be waited for: ", std::strerror(errno));
    const auto place = std::ranges::find(children, ended);
    if (place == children.end()) continue;  // somebody else's, from before this program took its process over
    *place = 0;
    --left;
    if (WIFSIGNALED(status))
      std::cerr << "harness: rank " << place - children.begin() << " was ended by signal " << WTERMSIG(status)
                << std::endl;
    if (result == 0) result = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
  }
  return result;
}

}  // namespace fedval::harness
