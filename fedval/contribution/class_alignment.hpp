// Class-specific alignment: how far a client's update of each class's row points where everyone's does.
//
//   v_{i,c} = [dW_i[c,:], db_i[c]],   vbar_c = sum_j w_j v_{j,c}   (client i is part of it)
//   a_{i,c} = (1 + cos(v_{i,c}, vbar_c)) / 2,   A_i = mean_c a_{i,c}
//
// A zero row has cosine 0. The sign of all updates does not matter: gradients and differences of weights give
// the same. Source: Tastan et al., "Redefining Contributions: Shapley-Driven Federated Learning", IJCAI 2024,
// section 4 (class-specific Shapley values, with the raw cosine); arXiv:2604.22562, section 3 (halved).
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "fedval/contribution/client_states.hpp"
#include "fedval/contribution/round.hpp"
#include "fedval/contribution/state.hpp"
#include "fedval/tensor/check.hpp"
#include "fedval/tensor/slices.hpp"

namespace fedval {

namespace detail {

/// The final layers of a round's clients, checked to agree; biases are given by all clients or by none.
struct FinalLayers {
  Round::Parts weights, biases;
  std::size_t classes = 0, features = 0;

  FinalLayers(const Round& round, std::string_view score)
      : weights(round.parts(&ClientParts::final_weight, "final_weight", score)) {
    const auto has_bias = [](const Round::Client& client) { return client.parts.final_bias.given(); };
    const auto giver = std::find_if(round.clients().begin(), round.clients().end(), has_bias);
    const bool any_bias = giver != round.clients().end();
    for (const Round::Client& client : round.clients())  // either of the two may be wrong
      if (any_bias && !has_bias(client))
        fail("client ", client.id, ": ", score, " needs final_bias, which client ", giver->id, " gave");
    if (any_bias) biases = round.parts(&ClientParts::final_bias, "final_bias", score);
    for (std::size_t i = 0; i < weights.tensors.size(); ++i) {
      const Shape& shape = weights.tensors[i].shape();
      if (shape.rank() != 2) fail(weights.names[i], " has shape ", shape.text(), ", expected a matrix");
      if (!(shape == weights.tensors[0].shape()))
        fail(weights.names[i], " has shape ", shape.text(), ", ", weights.names[0], " has ",
             weights.tensors[0].shape().text());
      classes = static_cast<std::size_t>(shape[0]);
      features = static_cast<std::size_t>(shape[1]);
      if (any_bias && biases.tensors[i].size() != classes)
        fail("client ", round.clients()[i].id, ": final_bias has ", biases.tensors[i].size(), " entries for ",
             classes, " classes");
    }
    for (std::size_t i = 0; i < weights.tensors.size(); ++i) {  // the host reads them row by row: fetch once
      if (weights.tensors[i].device() == nullptr) continue;
      fetched_.emplace_back(weights.tensors[i].size());
      weights.tensors[i].read(0, fetched_.back());
      const Shape& shape = weights.tensors[i].shape();
      weights.tensors[i] = {
          shape,
          {Piece::host(fetched_.back().data(), ScalarType::float64, shape, shape.row_major_strides())}};
    }
  }
  FinalLayers(const FinalLayers&) = delete;  // views into fetched_
  FinalLayers& operator=(const FinalLayers&) = delete;

  std::size_t row_size() const { return features + (biases.tensors.empty() ? 0 : 1); }

  /// The last global update's final weight, which `score` needs. Error when it is absent, of another shape
  /// than the clients' or not finite.
  const TensorView& checked_global(const Round& round, std::string_view score) const {
    const TensorView& global = round.global_final_weight;
    if (!global.given()) fail(score, " needs global_final_weight beside global_update, which was not given");
    if (!(global.shape() == weights.tensors[0].shape()))
      fail("global_final_weight has shape ", global.shape().text(), ", ", weights.names[0], " has ",
           weights.tensors[0].shape().text());
    check_finite(global, "global_final_weight");
    return global;
  }

  /// v_{i,c}, as is.
  void read_row(std::size_t i, std::size_t c, std::span<double> out) const {
    weights.tensors[i].read(c * features, out.first(features));
    if (!biases.tensors.empty()) biases.tensors[i].read(c, out.subspan(features, 1));
  }

  /// Error that names the entry, for the client of which one is not finite.
  void check(std::size_t i) const {
    check_finite(weights.tensors[i], weights.names[i]);
    if (!biases.tensors.empty()) check_finite(biases.tensors[i], biases.names[i]);
  }

 private:
  std::vector<std::vector<double>> fetched_;
};

/// Divides v by a power of two that brings its largest entry near 1, and returns its exponent; 0 for a zero
/// vector. Not finite: the largest int.
inline int scale_to_one(std::span<double> v) {
  double largest = 0, sum = 0;
  for (const double value : v) {
    largest = std::max(largest, std::abs(value));
    sum += value * 0;  // NaN for what is not finite
  }
  if (sum != 0) return std::numeric_limits<int>::max();
  if (largest == 0) return 0;
  const int exponent = std::ilogb(largest);
  for (double& value : v) value = std::ldexp(value, -exponent);
  return exponent;
}

inline double dot(std::span<const double> a, std::span<const double> b) {
  double sum = 0;
  for (std::size_t k = 0; k < a.size(); ++k) sum += a[k] * b[k];
  return sum;
}

}  // namespace detail

/// cos(v_{i,c}, vbar_c) of every client of the round (in their order) and class, for aggregation weights w of
/// any scale; `score` is who asks. Needs final_weight, and final_bias where the layer has one. O(N C d) time,
/// O(N d) memory a thread. Error names the client whose part is absent, of another shape or not finite.
inline std::vector<std::vector<double>> class_cosines(const Round& round, std::span<const double> weights,
                                                      std::string_view score) {
  const std::size_t n = round.size();
  const detail::FinalLayers layers(round, score);
  if (weights.size() != n) fail(score, ": ", weights.size(), " weights for ", n, " clients");
  for (std::size_t i = 0; i < n; ++i)
    if (!std::isfinite(weights[i])) fail("client ", round.clients()[i].id, ": its weight is ", weights[i]);
  const std::size_t d = layers.row_size();
  std::vector<std::vector<double>> cosines(n, std::vector<double>(layers.classes, 0.0));
  detail::for_each_index(layers.classes, n * layers.classes * d, [&](std::size_t c) {
    std::vector<double> rows(n * d), mean(d, 0.0);
    std::vector<int> exponents(n);
    std::vector<bool> adds(n);
    const auto row = [&](std::size_t i) { return std::span(rows).subspan(i * d, d); };
    int largest = std::numeric_limits<int>::min();
    for (std::size_t i = 0; i < n; ++i) {
      layers.read_row(i, c, row(i));
      exponents[i] = detail::scale_to_one(row(i));
      if (exponents[i] == std::numeric_limits<int>::max()) layers.check(i);
      // A row that adds nothing must not set the scale of the others.
      adds[i] = weights[i] != 0 && std::any_of(row(i).begin(), row(i).end(), [](double v) { return v != 0; });
      if (adds[i]) largest = std::max(largest, exponents[i] + std::ilogb(weights[i]));
    }
    for (std::size_t i = 0; i < n; ++i) {
      if (!adds[i]) continue;
      const double weight = std::ldexp(weights[i], exponents[i] - largest);
      for (std::size_t k = 0; k < d; ++k) mean[k] += weight * row(i)[k];
    }
    detail::scale_to_one(mean);
    const double length = std::sqrt(detail::dot(mean, mean));
    for (std::size_t i = 0; i < n; ++i) {
      const double norm = std::sqrt(detail::dot(row(i), row(i)));
      if (norm > 0 && length > 0)
        cosines[i][c] = std::clamp(detail::dot(row(i), mean) / (norm * length), -1.0, 1.0);
    }
  });
  return cosines;
}

/// A_i = mean_c (1 + cos) / 2 of one client's cosines, in [0, 1]; or the mean of the raw cosines. No classes:
/// 0. O(C). Error when a cosine is not finite.
inline double alignment(std::span<const double> cosines, bool raw = false) {
  if (cosines.empty()) return 0;
  double sum = 0;
  for (std::size_t c = 0; c < cosines.size(); ++c) {
    if (!std::isfinite(cosines[c])) fail("alignment: cosine ", c, " is ", cosines[c]);
    sum += cosines[c];
  }
  const double mean = sum / static_cast<double>(cosines.size());
  return raw ? mean : (1 + mean) / 2;
}

/// Class-specific alignment with the plain mean of the round's clients, as a score. Needs final_weight of
/// every client, and final_bias where the layer has one.
class ClassAlignment {
 public:
  static constexpr std::string_view name = "ClassAlignment";

  struct Options {
    double momentum = 0;  ///< mu, in [0, 1); 0: this round's alignment alone
    bool raw = false;     ///< the mean cosine in [-1, 1] instead of (1 + cosine) / 2
  };

  ClassAlignment() : ClassAlignment(Options{}) {}
  explicit ClassAlignment(const Options& options) : options_(options) {
    check_momentum(options.momentum, name);
  }

  /// A_i of the round's clients, smoothed. O(N C d). Errors as for class_cosines().
  Scores observe(const Round& round) {
    std::vector<double> values;
    for (const auto& cosines : class_cosines(round, std::vector<double>(round.size(), 1.0), name))
      values.push_back(alignment(cosines, options_.raw));
    return make_scores(round, averages_.take(round, std::move(values), options_.momentum));
  }

  /// Its options and state, for save() and restore().
  void fields(auto& archive) {
    archive.option("momentum", options_.momentum);
    archive.option("raw", options_.raw);
    archive.state("clients", averages_);
  }

 private:
  Options options_;
  ClientAverages averages_;
};

}  // namespace fedval
