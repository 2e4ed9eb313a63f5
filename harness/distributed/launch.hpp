// Starts the ranks of a run on this machine, for people without a launcher.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace fedval::harness {

/// Runs this program `count` times with the arguments, as ranks 0 to count - 1 that meet at a free port of
/// the loopback interface under a secret of their own, and waits for all. 0, or the exit code of the first
/// one that failed; 128 + signal where a signal ended it, which is said. SIGTERM is passed on. Error when a
/// process cannot be started.
int launch(std::size_t count, const std::vector<std::string>& arguments);

}  // namespace fedval::harness
