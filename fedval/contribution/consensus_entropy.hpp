// Consensus entropy: the entropy only of what the others confirm, direction by direction.
//
//   others' final-layer innovation (copies of i left out) = U diag(s) V^T,   W = i's own final layer
//   a_j = max(0, u_j^T W v_j),  e = sum a_j^2 / ||W||_F^2,  p_j = a_j^2 / sum a_j^2
//   score_i = e S(p) / ln min(C, d),  a moving average (mu), shared among copies
//
// Nothing that the others do not send earns anything; it is less fair than entropy among honest clients whose
// classes differ. One client alone is confirmed by nobody and scores 0. Needs update and final_weight of
// every client and, from the second round on, global_update and global_final_weight. Innovation and copies as
// in contribution/innovation.hpp.
#pragma once

#include <string_view>
#include <utility>
#include <vector>

#include "fedval/contribution/client_states.hpp"
#include "fedval/contribution/consensus.hpp"
#include "fedval/contribution/state.hpp"
#include "fedval/spectral/entropy.hpp"

namespace fedval {

class ConsensusEntropy {
 public:
  static constexpr std::string_view name = "ConsensusEntropy";

  struct Options {
    double momentum = 0.9;     ///< mu, in [0, 1)
    bool share_copies = true;  ///< copies share one score; else each earns it
    /// What counts as new, and what as a copy.
    Innovations::Options innovation = {};
  };

  ConsensusEntropy() : ConsensusEntropy(Options{}) {}
  explicit ConsensusEntropy(const Options& options) : options_(options) {
    check_momentum(options.momentum, name);
    options.innovation.check(name);
  }

  /// Scores of the round's clients. O(N^2 D + N C^2 d) for C <= d. Error names the client whose part is
  /// absent, of another size or not finite, and a round after its first that lacks global_update.
  Scores observe(const Round& round) {
    check_global_update(round, !average_.empty(), name);
    const detail::FinalLayers layers(round, name);
    const Innovations innovations(round, options_.innovation, name);
    const detail::Consensus consensus = innovation_consensus(round, layers, innovations);
    std::vector<double> score(round.size(), 0.0);
    detail::for_each_index(round.size(), round.size() * layers.classes * layers.features, [&](std::size_t i) {
      const detail::Projection own =
          consensus.project(i, [](std::span<const double> strengths) { return strengths.size(); });
      std::vector<double> squares;
      double sum = 0;
      for (std::size_t j = 0; j < own.size; ++j) {
        const double a = std::max(0.0, own(j, j));
        sum += a * a;
        squares.push_back(a * a);
      }
      if (!(sum > 0)) return;
      for (double& value : squares) value /= sum;
      const auto least = static_cast<double>(std::min(layers.classes, layers.features));
      if (least > 1) score[i] = sum / own.square * spectral::von_neumann_entropy(squares) / std::log(least);
    });
    score = average_.take(round, std::move(score), options_.momentum);
    for (std::size_t i = 0; i < score.size() && options_.share_copies; ++i)
      score[i] /= static_cast<double>(innovations.copies(i).size() + 1);
    return make_scores(round, score);
  }

  /// Its options and state, for save() and restore().
  void fields(auto& archive) {
    archive.option("momentum", options_.momentum);
    archive.option("share_copies", options_.share_copies);
    archive.option("innovation", options_.innovation);
    archive.state("clients", average_);
  }

 private:
  /// F_j = (u_j - <u_j, g> g) / q_j, in the final layer.
  static detail::Consensus innovation_consensus(const Round& round, const detail::FinalLayers& layers,
                                                const Innovations& innovations) {
    std::vector<double> coefficients = detail::unit_coefficients(innovations), offsets(round.size(), 0.0), g;
    const std::size_t global = round.size();  // its place in the Gram matrix
    const bool moved = innovations.gram().size() > global && innovations.gram().scaled_norm(global) > 0;
    if (moved) {
      const TensorView& weight = layers.checked_global(round, name);
      g.resize(weight.size());
      weight.read(0, g);
      for (double& value : g)
        value =
            std::ldexp(value, -innovations.gram().exponent(global)) / innovations.gram().scaled_norm(global);
    }
    for (std::size_t j = 0; j < round.size(); ++j) {
      const double novelty = innovations.novelty()[j];
      coefficients[j] = innovations.sends_news(j) ? coefficients[j] / novelty : 0.0;
      if (moved && innovations.sends_news(j)) offsets[j] = -innovations.along_global(j) / novelty;
    }
    return {layers, innovations, std::move(coefficients), std::move(offsets), std::move(g)};
  }

  Options options_;
  ClientAverages average_;
};

}  // namespace fedval
