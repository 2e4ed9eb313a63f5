// A few lines of code run by the processes of one run.
#pragma once

#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <functional>
#include <iostream>
#include <string>
#include <vector>

#include "fedval/error.hpp"
#include "harness/distributed/ranks.hpp"
#include "tests/harness/distributed/team.hpp"

namespace fedval::harness {

/// As CHECK, in a process that doctest does not know.
inline void demand(bool holds, const std::string& what) {
  if (!holds) fail("not so: ", what);
}

/// body in each of the processes of one run, as `common` but for its rank, at a free port. What each ended
/// with, 128 + the signal's number where that was one; who has stopped is killed when those after it have
/// ended. None may have used threads before.
inline std::vector<int> codes_of(Rendezvous common, const std::function<void(const Rendezvous&)>& body) {
  if (common.port == 0) common.port = static_cast<std::uint16_t>(std::stoi(free_port()));
  std::vector<pid_t> children;
  std::cout.flush();  // or each process would say again what is not written yet
  for (common.rank = 0; common.rank < common.ranks; ++common.rank) {
    const pid_t child = ::fork();
    if (child == 0) {
      std::signal(SIGPIPE, SIG_IGN);  // as the program does
      try {
        body(common);
      } catch (const std::exception& error) {
        std::cerr << "rank " << common.rank << " of " << common.ranks << ": " << error.what() << std::endl;
        ::_exit(1);
      }
      ::_exit(0);
    }
    children.push_back(child);
  }
  std::vector<int> codes(children.size());
  for (std::size_t rank = children.size(); rank-- > 0;) {
    int status = 0;
    ::waitpid(children[rank], &status, WUNTRACED);
    if (WIFSTOPPED(status)) {
      ::kill(children[rank], SIGKILL);
      ::waitpid(children[rank], &status, 0);
    }
    codes[rank] = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
  }
  return codes;
}

/// Ranks of this test, on this machine.
inline Rendezvous on_this_machine(std::size_t count, int patience) {
  return {.ranks = count,
          .address = "127.0.0.1",
          .secret = "of this test",
          .interface = "",
          .patience = std::chrono::seconds(patience)};
}

/// body in each of `count` processes that are ranks of one run, all of which reach its end.
inline void in_ranks(std::size_t count, const std::function<void(Ranks&)>& body) {
  const std::vector<int> codes = codes_of(on_this_machine(count, 20), [&](const Rendezvous& rendezvous) {
    Ranks ranks(rendezvous);
    body(ranks);
    ranks.finish();
  });
  CHECK(codes == std::vector<int>(count));
}

}  // namespace fedval::harness
