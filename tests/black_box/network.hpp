// A network of one hidden layer, logits = W2 tanh(W1 x + b), and its Jacobian by hand.
#pragma once

#include <cmath>
#include <cstddef>
#include <vector>

#include "fedval/linalg/matrix.hpp"
#include "tests/support/oracle.hpp"

namespace fedval::tests {

struct Network {
  linalg::Matrix<double> first, second;  ///< H x d, C x H
  Values bias;

  template <class S>
  std::vector<S> hidden(const std::vector<S>& x) const {
    std::vector<S> result(bias.begin(), bias.end());
    for (std::size_t h = 0; h < result.size(); ++h) {
      for (std::size_t e = 0; e < x.size(); ++e) result[h] += first(h, e) * x[e];
      result[h] = std::tanh(result[h]);
    }
    return result;
  }

  template <class S>
  std::vector<S> operator()(const std::vector<S>& x) const {
    const std::vector<S> active = hidden(x);
    std::vector<S> logits(second.rows());
    for (std::size_t c = 0; c < logits.size(); ++c)
      for (std::size_t h = 0; h < active.size(); ++h) logits[c] += second(c, h) * active[h];
    return logits;
  }

  /// J^T v at x.
  template <class S>
  std::vector<S> pull_back(const std::vector<S>& x, const std::vector<S>& v) const {
    const std::vector<S> active = hidden(x);
    std::vector<S> result(x.size());
    for (std::size_t h = 0; h < active.size(); ++h) {
      S slope = 0;
      for (std::size_t c = 0; c < v.size(); ++c) slope += second(c, h) * v[c];
      slope *= 1 - active[h] * active[h];
      for (std::size_t e = 0; e < x.size(); ++e) result[e] += slope * first(h, e);
    }
    return result;
  }
};

/// W1 ~ N(0, 1) / sqrt(d), W2 ~ 3 N(0, 1) / sqrt(H), b ~ .3 N(0, 1).
inline Network random_network(random::Stream& stream, std::size_t d, std::size_t hidden,
                              std::size_t classes) {
  const auto root = [](std::size_t n) { return std::sqrt(static_cast<double>(n)); };
  return {linalg::Matrix<double>(hidden, d, normals(stream, hidden * d, 1 / root(d))),
          linalg::Matrix<double>(classes, hidden, normals(stream, classes * hidden, 3 / root(hidden))),
          normals(stream, hidden, 0.3)};
}

/// yhat of K networks.
template <class S>
std::vector<S> ensemble_of(const std::vector<Network>& boxes, const Values& weights,
                           const std::vector<S>& x) {
  std::vector<S> sum;
  for (std::size_t k = 0; k < boxes.size(); ++k) {
    const std::vector<S> logits = boxes[k](x);
    sum.resize(logits.size());
    for (std::size_t c = 0; c < sum.size(); ++c) sum[c] += weights[k] * logits[c];
  }
  return sum;
}

}  // namespace fedval::tests
