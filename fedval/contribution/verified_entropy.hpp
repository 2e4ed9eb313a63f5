// Verified entropy: spectral entropy for what is new, what others bear out, and what nobody else has sent.
//
//   score_i = w_i min(H_i / med H, X_i / med X) e(E_i) e(Q_i) e(R_i) e(A_i)
//   gate      e(x_i) = min(1, x_i / (tau med x))^4
//
// All of H ... A are averages over rounds (mu, corrected for their start, contribution/start_corrected.hpp),
// all medians are upper ones weighted by the voices w (contribution/weighted_gates.hpp). With u_i, v_i and g
// as in contribution/innovation.hpp, W_i and G the final layers of u_i and g, W_i at length 1, and O_i =
// sum_{j != i} w_j (1 - s_ij) W_j (contribution/unit_layers.hpp):
//
//   s, w  likeness and voice (contribution/likeness.hpp): copies, noisy ones too, share what one would earn
//   H     entropy of W_i less its rows' projections on G's rows: the rows that all know earn nothing
//   X     entropy of the positive eigenvalues of (W_i O_i^T + O_i W_i^T) / 2: what no other client sends
//         earns nothing, such as noise in the final layer
//   E     ||W_i V||^2, V the right singular space of O_i, tau .85: features that nobody else moves are noise
//   Q     ||W_i - U diag(U^T W_i V) V^T|| with G = U S V^T, tau .85: g is not new, nor with other strengths S
//   R     upper weighted median over j != i of (1 - s_ij) |cos(v_i, v_j)|, tau .5: noise is related to nobody
//   A     max(0, cos(u_i, g)) of each round, tau .2: who turns against the last step is refused
//
// What breaks it. Several names of a client with real data, each under noise of its own inside the spaces
// that all know, are less alike than honest clients are, and each is paid nearly as one: five earn 2 to 3.5
// times their twin. One name that reshapes its final layer in those spaces gains up to 1.3 times. Q costs
// fairness where the global step hardly changes from round to round (short text). Gates have memory: who is
// honest first and cheats later keeps credit for some 1 / (1 - mu) rounds. Copies of a client that another is
// like in part take voice from him (contribution/likeness.hpp). The constants were chosen on 14 runs and
// judged on others: docs/spectral.md.
//
// Two classes, or one feature: a final layer has one direction, both entropies are 0 and so is every score;
// it says nothing there. A median of 0 divides nothing and opens its gate. One client alone is borne out by
// nobody and scores 0. A zero update has 0 of everything. In a round without a last global update, such as
// the first, the gates of Q, R and A are open and learn nothing. Needs update and final_weight of every
// client and, where there is a last global update, global_update and global_final_weight.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "fedval/contribution/client_states.hpp"
#include "fedval/contribution/likeness.hpp"
#include "fedval/contribution/start_corrected.hpp"
#include "fedval/contribution/state.hpp"
#include "fedval/contribution/unit_layers.hpp"
#include "fedval/contribution/weighted_gates.hpp"

namespace fedval {

class VerifiedEntropy {
 public:
  static constexpr std::string_view name = "VerifiedEntropy";

  struct Options {
    double momentum = 0.9;         ///< mu of all averages, in [0, 1)
    double inside_tau = 0.85;      ///< share of the median E from which a client counts in full
    double novelty_tau = 0.85;     ///< the same of Q
    double relation_tau = 0.5;     ///< the same of R
    double direction_tau = 0.2;    ///< the same of A
    double gate_power = 4;         ///< of the four gates
    double least_strength = 1e-4;  ///< singular value of O_i, relative to its largest, that counts, in [0, 1)
    /// From which average cosines on two clients are one.
    Likeness::Options likeness = {};
    Innovations::Options innovation = {};  ///< copy_cosine stands for likeness before there is a g
  };

  /// What the scores of a round were made of, in the order of its clients: score = base x gates x voice.
  struct Made {
    std::vector<double> base;    ///< the lesser of the two entropies
    std::vector<double> voices;  ///< w
    Gates inside,                ///< e of E
        novelty,                 ///< e of Q
        relation,                ///< e of R
        direction;               ///< e of A
  };

  VerifiedEntropy() : VerifiedEntropy(Options{}) {}
  explicit VerifiedEntropy(const Options& options) : options_(options) {
    check_momentum(options.momentum, name);
    check_gate(options.inside_tau, "inside_tau", name);
    check_gate(options.novelty_tau, "novelty_tau", name);
    check_gate(options.relation_tau, "relation_tau", name);
    check_gate(options.direction_tau, "direction_tau", name);
    check_gate(options.gate_power, "gate_power", name);
    if (!(options.least_strength >= 0 && options.least_strength < 1))
      fail(name, ": least_strength is ", options.least_strength, ", must be in [0, 1)");
    options.likeness.check(name);
    options.innovation.check(name);
  }

  /// Scores of the round's clients. O(N^2 D + N^2 C d + N C^2 (C + d)). Error names the client whose part is
  /// absent, of another size or not finite, and a round after its first that lacks global_update.
  Scores observe(const Round& round) {
    if (round.size() == 0) return {};
    check_global_update(round, !entropy_.empty(), name);
    const detail::FinalLayers layers(round, name);
    const Innovations innovations(round, options_.innovation, name);
    const bool moved =
        innovations.gram().size() > round.size() && innovations.gram().scaled_norm(round.size()) > 0;
    const detail::UnitLayers units(round, layers, moved, name);

    const std::vector<double> likeness =
        likeness_.take(round, innovations, units.row_products(), moved, options_.likeness, options_.momentum);
    made_.voices = voices(likeness, round.size());
    observe_layers(round, units, likeness);
    const Gates open{std::vector<double>(round.size(), 1.0), true};
    made_.novelty = made_.relation = made_.direction = open;
    if (moved) observe_innovations(round, units, innovations, likeness);

    std::vector<double> score = made_.base;
    for (std::size_t i = 0; i < score.size(); ++i)
      score[i] *= made_.inside.values[i] * made_.novelty.values[i] * made_.relation.values[i] *
                  made_.direction.values[i] * made_.voices[i];
    return make_scores(round, score);
  }

  /// What the scores of the round observed last were made of.
  const Made& last() const { return made_; }

  /// Its options and state, for save() and restore().
  void fields(auto& archive) {
    archive.option("momentum", options_.momentum);
    archive.option("inside_tau", options_.inside_tau);
    archive.option("novelty_tau", options_.novelty_tau);
    archive.option("relation_tau", options_.relation_tau);
    archive.option("direction_tau", options_.direction_tau);
    archive.option("gate_power", options_.gate_power);
    archive.option("least_strength", options_.least_strength);
    archive.option("likeness", options_.likeness);
    archive.option("innovation", options_.innovation);
    archive.state("pairs of clients", likeness_);
    archive.state("entropies", entropy_);
    archive.state("agreed", agreed_);
    archive.state("inside", inside_);
    archive.state("novelties", novelty_);
    archive.state("relations", relation_);
    archive.state("directions", direction_);
    made_ = {};
  }

 private:
  /// The averages that these values make, as gates.
  Gates gates_of(CorrectedAverages& averages, const Round& round, std::vector<double> values, double tau) {
    return weighted_gates(averages.take(round, std::move(values), options_.momentum), made_.voices, tau,
                          options_.gate_power);
  }

  /// H, X and E.
  void observe_layers(const Round& round, const detail::UnitLayers& units, std::span<const double> likeness) {
    const std::size_t n = round.size();
    std::vector<double> agreed(n), inside(n);
    detail::for_each_index(n, n * n * units.size(), [&](std::size_t i) {
      std::vector<double> coefficients;
      for (std::size_t j = 0; j < n; ++j) coefficients.push_back(made_.voices[j] * (1 - likeness[i * n + j]));
      const auto confirmed = units.confirmed(i, coefficients, options_.least_strength);
      agreed[i] = confirmed.agreed;
      inside[i] = confirmed.inside;
    });
    const auto relative = [&](CorrectedAverages& averages, std::vector<double> values) {
      values = averages.take(round, std::move(values), options_.momentum);
      if (const double median = upper_median(values, made_.voices); median > 0)
        for (double& value : values) value /= median;
      return values;
    };
    made_.base = relative(entropy_, units.row_entropies());
    agreed = relative(agreed_, std::move(agreed));
    for (std::size_t i = 0; i < n; ++i) made_.base[i] = std::min(made_.base[i], agreed[i]);
    made_.inside = gates_of(inside_, round, std::move(inside), options_.inside_tau);
  }

  /// Q, R and A.
  void observe_innovations(const Round& round, const detail::UnitLayers& units,
                           const Innovations& innovations, std::span<const double> likeness) {
    const std::size_t n = round.size();
    std::vector<double> novelty(n), relation(n), direction(n);
    detail::for_each_index(n, n * units.size(), [&](std::size_t i) { novelty[i] = units.novelty(i); });
    for (std::size_t i = 0; i < n; ++i) {
      std::vector<double> cosines, weights;
      for (std::size_t j = 0; j < n; ++j) {
        if (j == i) continue;
        cosines.push_back((1 - likeness[i * n + j]) * std::abs(innovations.cosine(i, j)));
        weights.push_back(made_.voices[j]);
      }
      relation[i] = upper_median(cosines, weights);
      direction[i] = std::max(0.0, innovations.along_global(i));
    }
    made_.novelty = gates_of(novelty_, round, std::move(novelty), options_.novelty_tau);
    made_.relation = gates_of(relation_, round, std::move(relation), options_.relation_tau);
    made_.direction = gates_of(direction_, round, std::move(direction), options_.direction_tau);
  }

  Options options_;
  Likeness likeness_;
  CorrectedAverages entropy_, agreed_, inside_, novelty_, relation_, direction_;
  Made made_;
};

}  // namespace fedval
