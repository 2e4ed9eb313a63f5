// Confirmed entropy: count only what the others confirm, then refuse what is not new or not agreed.
//
//   O_i = final layer of sum_{j != i, j not in copies(i)} u_j = U S V^T
//   k   = smallest rank with 90 % of ||O_i||_F^2
//   P_i = U_k^T W_i V_k,   h_i = S(P_i P_i^T / tr) / ln min(C, d),   e_i = ||P_i||_F^2 / ||W_i||_F^2
//   score_i = h_i e_i min(1, q_i / (.9 median q))^4 min(1, l_i / (.6 median l))^2 / (|copies(i)| + 1)
//
// h e, the novelty q and the agreement l are moving averages (mu). In the first studies no attacker earned
// more than its honest twin on average under it (docs/spectral.md); it costs some fairness among honest
// clients. One client alone is confirmed by nobody and scores 0. Needs update and final_weight of every
// client and, from the second round on, global_update. Innovation, copies, novelty and agreement as in
// contribution/innovation.hpp.
#pragma once

#include <string_view>
#include <utility>
#include <vector>

#include "fedval/contribution/client_states.hpp"
#include "fedval/contribution/consensus.hpp"
#include "fedval/contribution/state.hpp"
#include "fedval/spectral/entropy.hpp"

namespace fedval {

class ConfirmedEntropy {
 public:
  static constexpr std::string_view name = "ConfirmedEntropy";

  struct Options {
    double momentum = 0.9;       ///< mu of the three averages, in [0, 1)
    double energy = 0.9;         ///< share of the others' energy that their directions hold, in (0, 1]
    double confirmed_power = 1;  ///< of e, above 0
    double novelty_tau = 0.9;    ///< share of the median novelty from which a client counts in full
    double novelty_power = 4;    ///< of that gate
    double agreement_tau = 0.6;  ///< share of the median agreement from which a client counts in full
    double agreement_power = 2;  ///< of that gate
    bool share_copies = true;    ///< copies share one score; else each earns it
    /// What counts as new, and what as a copy.
    Innovations::Options innovation = {};
  };

  ConfirmedEntropy() : ConfirmedEntropy(Options{}) {}
  explicit ConfirmedEntropy(const Options& options) : options_(options) {
    check_momentum(options.momentum, name);
    if (!(options.energy > 0 && options.energy <= 1))
      fail(name, ": energy is ", options.energy, ", must be in (0, 1]");
    check_gate(options.confirmed_power, "confirmed_power", name);
    check_gate(options.novelty_tau, "novelty_tau", name);
    check_gate(options.novelty_power, "novelty_power", name);
    check_gate(options.agreement_tau, "agreement_tau", name);
    check_gate(options.agreement_power, "agreement_power", name);
    options.innovation.check(name);
  }

  /// Scores of the round's clients. O(N^2 D + N C^2 d) for C <= d. Error names the client whose part is
  /// absent, of another size or not finite, and a round after its first that lacks global_update.
  Scores observe(const Round& round) {
    if (round.size() == 0) return {};
    check_global_update(round, !confirmed_.empty(), name);
    const detail::FinalLayers layers(round, name);
    const Innovations innovations(round, options_.innovation, name);
    const detail::Consensus consensus(layers, innovations, detail::unit_coefficients(innovations),
                                      std::vector<double>(round.size(), 0.0), {});
    std::vector<double> score(round.size(), 0.0);
    detail::for_each_index(round.size(), round.size() * layers.classes * layers.features, [&](std::size_t i) {
      score[i] = confirmed(consensus.project(i, [&](std::span<const double> s) { return leading(s); }),
                           std::min(layers.classes, layers.features));
    });
    score = confirmed_.take(round, std::move(score), options_.momentum);
    novelty_gates_ = gates(novelty_.take(round, innovations.novelty(), options_.momentum),
                           options_.novelty_tau, options_.novelty_power);
    agreement_gates_ = gates(agreement_.take(round, innovations.agreement(), options_.momentum),
                             options_.agreement_tau, options_.agreement_power);
    for (std::size_t i = 0; i < score.size(); ++i) {
      score[i] *= novelty_gates_.values[i] * agreement_gates_.values[i];
      if (options_.share_copies) score[i] /= static_cast<double>(innovations.copies(i).size() + 1);
    }
    return make_scores(round, score);
  }

  /// The gates of the round observed last, in the order of its clients.
  const Gates& last_novelty_gates() const { return novelty_gates_; }
  /// The same for the agreement.
  const Gates& last_agreement_gates() const { return agreement_gates_; }

  /// Its options and state, for save() and restore().
  void fields(auto& archive) {
    archive.option("momentum", options_.momentum);
    archive.option("energy", options_.energy);
    archive.option("confirmed_power", options_.confirmed_power);
    archive.option("novelty_tau", options_.novelty_tau);
    archive.option("novelty_power", options_.novelty_power);
    archive.option("agreement_tau", options_.agreement_tau);
    archive.option("agreement_power", options_.agreement_power);
    archive.option("share_copies", options_.share_copies);
    archive.option("innovation", options_.innovation);
    archive.state("confirmed", confirmed_);
    archive.state("novelties", novelty_);
    archive.state("agreements", agreement_);
    novelty_gates_ = agreement_gates_ = {};
  }

 private:
  /// The smallest rank that holds the energy.
  std::size_t leading(std::span<const double> strengths) const {
    double total = 0, held = 0;
    for (const double s : strengths) total += s * s;
    std::size_t k = 0;
    while (k < strengths.size() && held < options_.energy * total) {
      held += strengths[k] * strengths[k];
      ++k;
    }
    return k;
  }

  /// h e^power of P.
  double confirmed(const detail::Projection& p, std::size_t least) const {
    double square = 0;
    for (const double value : p.m) square += value * value;
    if (!(square > 0) || least < 2) return 0;
    std::vector<double> squares = linalg::singular_values(p.m, p.size, p.size);
    for (double& value : squares) value *= value / square;
    const double h = spectral::von_neumann_entropy(squares) / std::log(static_cast<double>(least));
    return h * std::pow(std::min(1.0, square / p.square), options_.confirmed_power);
  }

  Options options_;
  ClientAverages confirmed_, novelty_, agreement_;
  Gates novelty_gates_, agreement_gates_;
};

}  // namespace fedval
