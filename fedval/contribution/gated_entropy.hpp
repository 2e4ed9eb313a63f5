// Gated entropy: spectral entropy for those whose innovation the others agree with.
//
//   score_i = H_i min(1, l_i / (tau median_j l_j))^2 / (|copies(i)| + 1),   tau = .8
//
// Entropy alone pays pure noise the most; the gate refuses noise, sign flips and replayed global updates, and
// copies share one score. H and l are moving averages (mu). It does not see a client that adds noise to its
// final layer only: contribution/confirmed_entropy.hpp does. Needs update and final_weight of every client
// and, from the second round on, global_update. Innovation, copies and agreement as in
// contribution/innovation.hpp.
#pragma once

#include <string_view>
#include <utility>
#include <vector>

#include "fedval/contribution/client_states.hpp"
#include "fedval/contribution/innovation.hpp"
#include "fedval/contribution/round.hpp"
#include "fedval/contribution/state.hpp"
#include "fedval/spectral/entropy.hpp"

namespace fedval {

class GatedEntropy {
 public:
  static constexpr std::string_view name = "GatedEntropy";

  struct Options {
    double momentum = 0.9;     ///< mu of both averages, in [0, 1)
    double tau = 0.8;          ///< share of the median agreement from which a client counts in full, above 0
    double power = 2;          ///< of the gate, above 0
    bool share_copies = true;  ///< copies share one score; else each earns it
    /// What counts as new, and what as a copy.
    Innovations::Options innovation = {};
    /// Which entropy H is.
    spectral::EntropyOptions entropy = {};
  };

  GatedEntropy() : GatedEntropy(Options{}) {}
  explicit GatedEntropy(const Options& options) : options_(options) {
    check_momentum(options.momentum, name);
    check_gate(options.tau, "tau", name);
    check_gate(options.power, "power", name);
    options.innovation.check(name);
  }

  /// Scores of the round's clients. O(N^2 D + N C d min(C, d)). Error names the client whose part is absent,
  /// of another size or not finite, and a round after its first that lacks global_update.
  Scores observe(const Round& round) {
    if (round.size() == 0) return {};
    check_global_update(round, !entropy_.empty(), name);
    const Round::Parts weights = round.parts(&ClientParts::final_weight, "final_weight", name);
    const Innovations innovations(round, options_.innovation, name);
    std::vector<double> score = spectral::entropies(weights.tensors, options_.entropy, weights.names);

    score = entropy_.take(round, std::move(score), options_.momentum);
    last_ = gates(agreement_.take(round, innovations.agreement(), options_.momentum), options_.tau,
                  options_.power);
    for (std::size_t i = 0; i < score.size(); ++i) {
      score[i] *= last_.values[i];
      if (options_.share_copies) score[i] /= static_cast<double>(innovations.copies(i).size() + 1);
    }
    return make_scores(round, score);
  }

  /// The gates of the round observed last, in the order of its clients.
  const Gates& last_gates() const { return last_; }

  /// Its options and state, for save() and restore().
  void fields(auto& archive) {
    archive.option("momentum", options_.momentum);
    archive.option("tau", options_.tau);
    archive.option("power", options_.power);
    archive.option("share_copies", options_.share_copies);
    archive.option("innovation", options_.innovation);
    archive.option("entropy", options_.entropy);
    archive.state("entropies", entropy_);
    archive.state("agreements", agreement_);
    last_ = {};
  }

 private:
  Options options_;
  ClientAverages entropy_, agreement_;
  Gates last_;
};

}  // namespace fedval
