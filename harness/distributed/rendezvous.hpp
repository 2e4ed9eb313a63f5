// Who this process is among several, as launchers tell it by environment variables.
//
// torchrun and `harness launch`: RANK, WORLD_SIZE; Slurm: SLURM_PROCID, SLURM_NTASKS; Open MPI:
// OMPI_COMM_WORLD_RANK, OMPI_COMM_WORLD_SIZE; with each of them MASTER_ADDR and MASTER_PORT say where rank 0
// can be reached. torchrun keeps the store in which the ranks meet itself, and says so by
// TORCHELASTIC_USE_AGENT_STORE; what it starts again after a failure finds the keys of the time before there.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

namespace fedval::harness {

struct Rendezvous {
  std::size_t rank = 0, ranks = 1;
  std::string address;           ///< of rank 0
  std::uint16_t port = 0;        ///< that rank 0 listens at
  bool launcher_serves = false;  ///< the launcher listens there instead
  std::size_t attempt = 0;       ///< how many times the launcher has started all of them before
  std::string secret;            ///< of the run: who does not know it cannot join (FEDVAL_SECRET)
  std::string interface;  ///< the network interface for the data, as "wg0" (FEDVAL_INTERFACE); "": by address
  bool goes_on =
      false;  ///< without ranks that are lost, from the last checkpoint (FEDVAL_ON_RANK_LOSS=continue)
  std::chrono::seconds patience{60};  ///< with a rank that is not heard of (FEDVAL_PATIENCE)
};

/// The value of an environment variable, if it is set and not empty.
using Environment = std::function<std::optional<std::string>(const std::string& name)>;
std::optional<std::string> from_environment(const std::string& name);

/// Nothing where no launcher has set anything, or only Slurm or Open MPI have and MASTER_ADDR is not set:
/// then one process was meant. Error that names the variable where one is missing or out of range.
std::optional<Rendezvous> rendezvous_of(const Environment& environment);

}  // namespace fedval::harness
