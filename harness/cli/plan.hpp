// What a run takes on several ranks, before it is started: a scale model, whose numbers are counted from what
// the ranks do (harness/distributed) and whose speeds are measured on this machine.
//
// With N agents that all take part, R ranks, models of S floats of which D are parameters and F the final
// layer's; h = ceil(N / R) agents are on a rank, and r is its share of a vector, 1/R in whole slices, of
// which there are 64 at most. In a round the leading rank, which receives the most, gets
//
//   updates      N (1 - 1/R) r D        its run of each that others have trained
//   layers       N (1 - 1/R) F          spectral scores read them on every rank
//   statistics   N (1 - 1/R) (S - D)
//   step         D (1 - 1/R)            the other ranks' runs of the server's step
//   Gram         N^2 doubles each       the sum, from rank to rank
//   checkpoint   N (1 - 1/R) S          where agents have models of their own
//
// and a rank holds h models three times (before, after, and their updates' runs), four times where they are
// the agents' own, and five vectors of the server's. When it saves agents' own models, the leading rank holds
// them all three times, as models and in the growing text of a checkpoint, and those h twice.
#pragma once

#include <cstddef>
#include <ostream>
#include <string>
#include <vector>

#include "harness/cli/laboratory.hpp"

namespace fedval::harness {

/// A run, in numbers.
struct Scale {
  double agents = 0;
  double parameters = 0;   ///< D
  double state = 0;        ///< S >= D
  double final_layer = 0;  ///< F
  /// What is done over and over: training everyone alone, then each method.
  struct Phase {
    double rounds = 0;
    double steps = 0;         ///< of training, all agents and rounds together
    double tests = 0;         ///< examples, all tests together
    bool sends = true;        ///< updates to the server; not when agents train alone
    bool own_models = false;  ///< agents keep models of their own
    bool joins = false;       ///< updates come back whole to where the agent is
    double grams = 0;         ///< Gram matrices a round
    double sums = 0;          ///< norms and sums of directions in their place, where agents are many
    double saves = 0;         ///< checkpoints in all
  };
  std::vector<Phase> phases = {};
};

/// How fast things go.
struct Speeds {
  double start = 0;          ///< seconds of a core until the first step: LibTorch, data, models
  double join = 0;           ///< seconds until several ranks have met
  double step = 0;           ///< seconds, on one core, with as many at work as will be
  double example = 0;        ///< seconds of a test, on one core
  double products = 0;       ///< of entries, a second, on one core: Gram matrices
  double link = 1;           ///< bytes a second that a rank can receive
  double cores = 1;          ///< of a machine
  double threads = 0;        ///< of a rank; 0: its machine's cores, shared by the ranks there
  double base = 0;           ///< bytes of a rank that holds no models
  bool one_machine = false;  ///< for all ranks
};

/// What the leading rank needs.
struct Needs {
  double seconds = 0;
  double memory = 0;    ///< bytes, at most at a time
  double received = 0;  ///< bytes, in all
};

/// For R >= 1 ranks that share agents of equal sizes, who take part in every round. O(phases).
Needs needs_of(const Scale& scale, const Speeds& speeds, std::size_t ranks);

/// A line that names what methods, scores, attacks and the truth do beside the clients' training, where there
/// is any: neither a plan nor a dry run counts it.
std::string uncounted_in(const Settings& settings);

/// What the settings ask for, with speeds that are measured now.
void print_plan(const Settings& settings, const Places& places, const std::vector<std::size_t>& ranks,
                double link, bool one_machine, std::ostream& out);

/// One round of averaging with one score by a Gram matrix, for any sizes.
void print_plan(double agents, double parameters, const std::vector<std::size_t>& ranks, double link,
                std::ostream& out);

}  // namespace fedval::harness
