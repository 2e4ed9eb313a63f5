// Rows of logits, as a black box answers them, and what is read off them.
//
//   log softmax_c(a; T) = a_c / T - log sum_k exp(a_k / T)
//   ensemble   yhat_i = sum_k w_k logits_ki
//              by size w_k = |D_k| / sum_j |D_j|,   by class w_k = n_{k, y_i} / sum_j n_{j, y_i}
//
// Sources: Ma, Wang, Zhang, "Data-Free Black-Box Federated Learning via Zeroth-Order Gradient Estimation",
// AAAI 2025 (by size); Zhang, Shen, Ding, Tao, Duan, "Fine-tuning global model via data-free knowledge
// distillation for non-IID federated learning", CVPR 2022 (by class).
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "fedval/linalg/matrix.hpp"
#include "fedval/tensor/check.hpp"

namespace fedval::black_box {

/// One row of logits a sample: B x C.
using Logits = linalg::Matrix<double>;

/// The logits in any tensor of B rows. O(B C). Error names the entry that is not finite, and a tensor that
/// has not two dimensions: `name` is what messages call it.
inline Logits read_logits(const TensorView& tensor, const std::string& name = "logits") {
  if (tensor.rank() != 2) fail(name, ": a shape of ", tensor.shape().text(), ", expected samples x classes");
  check_finite(tensor, name);
  Logits logits(static_cast<std::size_t>(tensor.shape()[0]), static_cast<std::size_t>(tensor.shape()[1]));
  tensor.read(0, logits.values());
  return logits;
}

namespace detail {

inline void check_temperature(double temperature) {
  if (!(temperature > 0 && std::isfinite(temperature)))
    fail("black_box: a temperature of ", temperature, " is not positive");
  if (!(temperature >= 0x1p-1000 && temperature <= 0x1p1000))
    fail("black_box: a temperature of ", temperature, " has no inverse within a double's range");
}

}  // namespace detail

/// log softmax of a row at a temperature, without overflow; a logit of -infinity has no probability. O(C).
/// Error when another is not finite, or all are -infinity, or the temperature is not within 2^-1000 to
/// 2^1000.
inline void log_softmax(std::span<const double> logits, double temperature, std::span<double> out) {
  detail::check_temperature(temperature);
  if (logits.empty()) return;
  const double largest = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (const double logit : logits) sum += std::exp((logit - largest) / temperature);
  if (!std::isfinite(sum))
    for (std::size_t c = 0; c < logits.size(); ++c)
      if (!std::isfinite(logits[c])) fail("log_softmax: logit ", c, " is ", logits[c]);
  for (std::size_t c = 0; c < logits.size(); ++c)
    out[c] = (logits[c] - largest) / temperature - std::log(sum);
}

/// The same of every row.
inline Logits log_softmax(const Logits& logits, double temperature = 1) {
  Logits result(logits.rows(), logits.columns());
  for (std::size_t i = 0; i < logits.rows(); ++i) log_softmax(logits.row(i), temperature, result.row(i));
  return result;
}

/// How much each of K black boxes counts: one number for all samples, or one for each class.
class EnsembleWeights {
 public:
  /// By data size. Error when a size is negative or not finite, or all are 0.
  static EnsembleWeights by_size(std::span<const double> samples) {
    linalg::Matrix<double> counts(samples.size(), 1);
    std::copy(samples.begin(), samples.end(), counts.values().begin());
    return EnsembleWeights(std::move(counts), false);
  }

  /// By class: counts[k, y], examples of class y that box k has. A class that nobody has is answered by size.
  static EnsembleWeights by_class(linalg::Matrix<double> counts) {
    return EnsembleWeights(std::move(counts), true);
  }

  /// K, the number of boxes.
  std::size_t boxes() const { return weights_.rows(); }

  /// Of a box for a sample of class y.
  double operator()(std::size_t box, std::size_t y) const {
    if (!by_class_) return weights_(box, 0);
    if (y >= weights_.columns()) fail("ensemble: class ", y, " of ", weights_.columns());
    return weights_(box, y);
  }

  /// yhat: answers[k] are box k's logits of B samples, classes[i] what sample i was made for. O(K B C). Error
  /// when shapes differ, or an answer is not finite.
  Logits operator()(std::span<const Logits> answers, std::span<const std::uint32_t> classes) const {
    if (answers.size() != boxes()) fail("ensemble: ", answers.size(), " answers for ", boxes(), " weights");
    Logits sum(answers.front().rows(), answers.front().columns());
    if (classes.size() != sum.rows())
      fail("ensemble: ", classes.size(), " classes for ", sum.rows(), " samples");
    for (std::size_t k = 0; k < boxes(); ++k) {
      linalg::detail::check_same_shape(sum, answers[k], "add answers of");
      for (std::size_t i = 0; i < sum.rows(); ++i) {
        const double weight = (*this)(k, classes[i]);
        for (std::size_t c = 0; c < sum.columns(); ++c) {
          const double answer = answers[k](i, c);
          if (!std::isfinite(answer))
            fail("ensemble: box ", k, " answers sample ", i, " with ", answer, " for class ", c);
          sum(i, c) += weight * answer;
        }
      }
    }
    return sum;
  }

 private:
  EnsembleWeights(linalg::Matrix<double> counts, bool by_class)
      : weights_(std::move(counts)), by_class_(by_class) {
    if (weights_.rows() == 0 || weights_.columns() == 0) fail("ensemble: no weights");
    std::vector<double> sizes(weights_.rows());
    double most = 0, all = 0;
    for (std::size_t k = 0; k < sizes.size(); ++k)
      for (const double count : weights_.row(k)) {
        if (!(count >= 0) || !std::isfinite(count)) fail("ensemble: box ", k, " has ", count, " samples");
        most = std::max(most, count);
      }
    // Shares do not see a power of two, beside which no sum overflows.
    const int exponent = most > 0 ? std::ilogb(most) : 0;
    for (std::size_t k = 0; k < sizes.size(); ++k)
      for (double& count : weights_.row(k)) {
        sizes[k] += count = std::ldexp(count, -exponent);
        all += count;
      }
    if (!(all > 0)) fail("ensemble: nobody has samples");
    for (std::size_t y = 0; y < weights_.columns(); ++y) {
      double sum = 0;
      for (std::size_t k = 0; k < sizes.size(); ++k) sum += weights_(k, y);
      for (std::size_t k = 0; k < sizes.size(); ++k)
        weights_(k, y) = sum > 0 ? weights_(k, y) / sum : sizes[k] / all;
    }
  }

  linalg::Matrix<double> weights_;
  bool by_class_;
};

}  // namespace fedval::black_box
