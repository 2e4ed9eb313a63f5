// Ranks of the harness, each started by hand as a launcher would start it, so that a test can stop one of
// them.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdlib>
#include <deque>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

#include "tests/harness/cli/process.hpp"

namespace fedval::harness {

/// Settings of a run that has no end.
inline const std::string endless = R"(name = "endless"
[data]
set = "digits"
[partition]
kind = "uni"
agents = 4
samples_per_agent = 40
[training]
rounds = 100000
local_epochs = 1
[evaluation]
test_samples = 50
)";

/// A port of the loopback interface that nobody listens at.
inline std::string free_port() {
  const int probe = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* const any = reinterpret_cast<sockaddr*>(&address);
  const bool bound = ::bind(probe, any, size) == 0 && ::getsockname(probe, any, &size) == 0;
  ::close(probe);
  if (!bound) throw std::runtime_error("no port is free");
  return std::to_string(ntohs(address.sin_port));
}

class Team {
 public:
  using Variables = std::map<std::string, std::string>;

  explicit Team(std::size_t ranks, std::string patience = "10")
      : common_{{"WORLD_SIZE", std::to_string(ranks)},
                {"MASTER_ADDR", "127.0.0.1"},
                {"MASTER_PORT", free_port()},
                {"FEDVAL_SECRET", "of this test"},
                {"FEDVAL_PATIENCE", std::move(patience)}} {}

  /// `harness ARGUMENTS` as this rank; `other`: in place of what all are given.
  /// `prefix`: a command that starts the harness.
  Process& start(std::size_t rank, const std::vector<std::string>& arguments, const Variables& other = {},
                 const std::vector<std::string>& prefix = {}) {
    Variables all = other;
    all.insert(common_.begin(), common_.end());
    all.insert({"RANK", std::to_string(rank)});
    for (const auto& [name, value] : all) ::setenv(name.c_str(), value.c_str(), 1);
    folders_.emplace_back();
    processes_.emplace_back(folders_.back(), arguments, RLIM_INFINITY, prefix);
    for (const auto& [name, value] : all) ::unsetenv(name.c_str());
    return processes_.back();
  }
  /// Every rank with the same arguments.
  void start(const std::vector<std::string>& arguments) {
    for (int rank = 0; rank < std::stoi(common_.at("WORLD_SIZE")); ++rank)
      start(static_cast<std::size_t>(rank), arguments);
  }

  /// In the order in which they were started.
  Process& operator[](std::size_t index) { return processes_[index]; }
  std::string err_of(std::size_t index) const { return text_of(folders_[index] / "stderr"); }

 private:
  Variables common_;
  std::deque<test_files::Folder> folders_;
  std::deque<Process> processes_;
};

}  // namespace fedval::harness
