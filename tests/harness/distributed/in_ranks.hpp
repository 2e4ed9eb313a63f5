// A few lines of code run by the processes of one run.
#pragma once

#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

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

/// body in each of `count` processes that are ranks of one run. None may have used threads before.
inline void in_ranks(std::size_t count, const std::function<void(Ranks&)>& body) {
  const auto port = static_cast<std::uint16_t>(std::stoi(free_port()));
  std::vector<pid_t> children;
  for (std::size_t rank = 0; rank < count; ++rank) {
    const pid_t child = ::fork();
    if (child == 0) {
      try {
        Ranks ranks(Rendezvous{.rank = rank,
                               .ranks = count,
                               .address = "127.0.0.1",
                               .port = port,
                               .secret = "of this test",
                               .interface = "",
                               .patience = std::chrono::seconds(20)});
        body(ranks);
        ranks.finish();
      } catch (const std::exception& error) {
        std::cerr << "rank " << rank << " of " << count << ": " << error.what() << std::endl;
        ::_exit(1);
      }
      ::_exit(0);
    }
    children.push_back(child);
  }
  for (const pid_t child : children) {
    int status = 0;
    ::waitpid(child, &status, 0);
    CHECK(WIFEXITED(status));
    CHECK(WEXITSTATUS(status) == 0);
  }
}

}  // namespace fedval::harness
