// CGSV: a client's contribution is the cosine of its update with the aggregate, smoothed into an importance r
// that weighs the next aggregate and sets what the client earns.
//
//   u_i = Gamma dw_i / ||dw_i||,   u_N = sum_i r_i u_i,   psi_i = cos(u_i, u_N)
//   r as in reward/importance.hpp
//
// Two other values may take psi's place. `exact`: the Shapley value phi of v(S) = cos(sum_S u_i, sum_N u_i),
// which psi approximates. The game is without r, as in the authors' error study: with it, who once falls to
// r = 0 would stay there. `euclidean`: a distance instead of the angle, shapley/euclidean_gradient.hpp.
//
// In the first round r is 0, and the aggregate weighs everyone 1/N. Needs update of every client. The mode
// `authors_code` follows the published code instead: u_i = Gamma dw_i / (||dw_i|| + 1e-7), r of at least 1e-3
// before it is scaled, and a first round weighed by data size.
// Source: Xu et al., "Gradient-Driven Rewards to Guarantee Fairness in Collaborative Machine Learning",
// NeurIPS 2021, algorithm 1.
#pragma once

#include <algorithm>
#include <map>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "fedval/contribution/client_states.hpp"
#include "fedval/contribution/round.hpp"
#include "fedval/contribution/state.hpp"
#include "fedval/reward/importance.hpp"
#include "fedval/shapley/cosine_game.hpp"
#include "fedval/shapley/cosine_gradient.hpp"
#include "fedval/shapley/euclidean_gradient.hpp"
#include "fedval/shapley/exact.hpp"
#include "fedval/tensor/operations.hpp"

namespace fedval {

class CosineGradientShapley {
 public:
  static constexpr std::string_view name = "CGSV";

  /// What a round adds to a client's importance.
  enum class Value {
    psi,       ///< cos(u_i, u_N)
    exact,     ///< phi_i, the Shapley value that psi approximates; at most most_exact clients
    euclidean  ///< 1 - ||u_i - u_N||, with Gamma = 1: shapley/euclidean_gradient.hpp
  };
  /// Clients of a round that `exact` takes: each one more doubles its time.
  static constexpr std::size_t most_exact = 24;

  struct Options {
    double gamma = 0.5;   ///< Gamma, the norm every upload is rescaled to
    double alpha = 0.95;  ///< share of the old importance that a round keeps, in [0, 1)
    /// As in the paper, or as in the published code.
    reward::Mode mode = reward::Mode::paper;
    /// What a round adds to r.
    Value value = Value::psi;
  };

  CosineGradientShapley() : CosineGradientShapley(Options{}) {}
  explicit CosineGradientShapley(const Options& options) : options_(options) {
    if (!(options.gamma > 0)) fail("CGSV: gamma is ", options.gamma, ", must be above 0");
    if (!(options.alpha >= 0 && options.alpha < 1))
      fail("CGSV: alpha is ", options.alpha, ", must be in [0, 1)");
  }

  /// The values of the round's clients. O(N D), with a factor min(N, most_in_pairs) for psi or, on a device
  /// and for the other values, N; O(2^N) more for the exact one. Error names the client whose update is
  /// absent, of another size than the others', or not finite; also when there are more than most_exact
  /// clients for the exact value, and in `authors_code` mode when nobody in a first round has data.
  Scores observe(const Round& round) {
    if (round.size() == 0) return {};
    const Round::Parts updates = round.parts(&ClientParts::update, "update", name);
    std::optional<Gram> products;
    if (options_.value != Value::psi || compared_in_pairs(updates.tensors))
      products = gram(updates.tensors, updates.names);
    VectorNorms lengths = products ? VectorNorms(*products) : norms(updates.tensors, updates.names);
    std::vector<double> weights = weights_of(round);
    // What is left of an upload's length Gamma.
    if (authors_code())
      for (std::size_t i = 0; i < weights.size(); ++i) weights[i] /= 1 + 1e-7 / lengths.norm(i);
    const std::vector<double> values = products ? values_of(*products, weights)
                                                : shapley::cosine_gradient(updates.tensors, lengths, weights);
    last_.emplace(Observed{ids_of(round), std::move(lengths), std::move(weights)});
    learn(round, values);
    return make_scores(round, values);
  }

  /// r_i of every client known so far; sums to one.
  const std::map<ClientId, double>& importance() const { return importance_; }

  /// Whether the last round left nobody a positive importance, so that r is uniform.
  bool uniform() const { return uniform_; }

  /// out = u_N of the round observed last: rescaled uploads, weighted by the importance they came with. O(N
  /// D). Error when the round's clients are not those observed last. The updates must be the observed ones
  /// too, which only the caller can know.
  void aggregate(const Round& round, const MutableTensorView& out) const {
    if (!last_) fail("CGSV: aggregate() before observe()");
    if (round.size() != last_->ids.size())
      fail("CGSV: aggregate() of ", round.size(), " clients, but observe() last saw ", last_->ids.size());
    for (std::size_t i = 0; i < round.size(); ++i)
      if (round.clients()[i].id != last_->ids[i])
        fail("CGSV: aggregate() with client ", round.clients()[i].id, ", but observe() last saw client ",
             last_->ids[i], " in its place");
    std::vector<double> weights = last_->weights;
    for (double& weight : weights) weight *= options_.gamma;
    combine_normalised(weights, round.parts(&ClientParts::update, "update", name).tensors, last_->lengths,
                       out);
  }

  /// Its options and state, for save() and restore(). aggregate() needs a round observed after a restore().
  void fields(auto& archive) {
    archive.option("gamma", options_.gamma);
    archive.option("alpha", options_.alpha);
    archive.option("mode", options_.mode);
    // Not for psi, whose texts are older than the choice.
    if (options_.value != Value::psi) archive.option("value", options_.value);
    archive.state("importance", importance_);
    archive.state("uniform", uniform_);
    last_.reset();
  }

 private:
  struct Observed {
    std::vector<ClientId> ids;
    VectorNorms lengths;
    std::vector<double> weights;  // of the unit vectors in the aggregate, but for Gamma
  };

  bool authors_code() const { return options_.mode == reward::Mode::authors_code; }

  static std::vector<ClientId> ids_of(const Round& round) {
    std::vector<ClientId> ids;
    for (const auto& client : round.clients()) ids.push_back(client.id);
    return ids;
  }

  std::vector<double> values_of(const Gram& products, const std::vector<double>& weights) const {
    const std::size_t n = products.size();
    switch (options_.value) {
      case Value::exact:
        if (n > most_exact)
          fail("CGSV: a round of ", n, " clients, but the exact value takes at most ", most_exact);
        return shapley::exact(shapley::GradientGame(products.directions()), n);
      case Value::euclidean:
        return shapley::euclidean_gradient(products, weights);
      case Value::psi:
        break;
    }
    return shapley::cosine_gradient(products, weights);
  }

  /// r of the round's clients; 0 for newcomers.
  std::vector<double> importance_of(const Round& round) const {
    std::vector<double> r;
    for (const auto& client : round.clients()) {
      const auto known = importance_.find(client.id);
      r.push_back(known == importance_.end() ? 0.0 : known->second);
    }
    return r;
  }

  /// r of the round's clients, scaled to sum to one. Where all are 0, as in a first round, everyone's is the
  /// same in the paper and the share of the data in the authors' code.
  std::vector<double> weights_of(const Round& round) const {
    std::vector<double> weights = importance_of(round);
    const auto positive = [](double weight) { return weight > 0; };
    if (authors_code() && std::none_of(weights.begin(), weights.end(), positive)) {
      for (std::size_t i = 0; i < weights.size(); ++i) weights[i] = round.clients()[i].samples;
      if (std::none_of(weights.begin(), weights.end(), positive))
        fail("CGSV: a first round is weighed by data size, but no client has samples");
    }
    return reward::normalise_importance(std::move(weights)).values;
  }

  // Clients that are away keep their r up to the common factor that makes all sum to one; newcomers start at
  // 0.
  void learn(const Round& round, const std::vector<double>& values) {
    const std::vector<double> before = importance_of(round);
    const std::vector<double> after = reward::smooth_importance(before, values, options_.alpha);
    for (std::size_t i = 0; i < round.size(); ++i) importance_[round.clients()[i].id] = after[i];
    std::vector<double> all;
    for (const auto& [id, r] : importance_) all.push_back(r);
    const reward::Importance normalised = reward::normalise_importance(std::move(all), options_.mode);
    uniform_ = normalised.uniform;
    std::size_t next = 0;
    for (auto& [id, r] : importance_) r = normalised.values[next++];
  }

  Options options_;
  std::map<ClientId, double> importance_;
  std::optional<Observed> last_;
  bool uniform_ = false;
};

}  // namespace fedval
