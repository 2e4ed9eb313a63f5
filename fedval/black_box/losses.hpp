// What a generator is trained to, for black boxes that answer yhat_i to its sample x_i, made from noise z_i
// for class y_i, and a global model that answers s_i; each loss with its gradient.
//
//   fidelity      (1/B) sum_i CE(yhat_i, y_i)
//                 d/dyhat_i  = (p_i - e_y) / B
//   adversarial   -(1/B) sum_i KL(P_i || Q_i)
//                 d/dyhat_ic = -P_c (log(P_c / Q_c) - KL_i) / (B T),   d/ds_i = (P - Q) / (B T)
//   diversity     exp(-(1/B^2) sum_ij dx_ij dz_ij)
//                 d/dx_i     = -L (4 / (B^2 d)) sum_j dz_ij (x_i - x_j)
//   information   sum_c m_c log m_c,  m = (1/B) sum_i p_i
//                 d/dyhat_ic = (p_ic / B) (log m_c - sum_k p_ik log m_k)
//   distillation  (T^2 / B) sum_i KL(P_i || Q_i)
//                 d/ds_i     = (T / B) (Q - P)
//
//   p = softmax(yhat), P = softmax(yhat / T), Q = softmax(s / T); dx, dz mean squared differences of entries
//
// Fidelity asks for the class that was ordered, adversarial for samples that the global model does not know
// yet, diversity for other samples from other noise, information for all classes alike. Source: Ma, Wang,
// Zhang, "Data-Free Black-Box Federated Learning via Zeroth-Order Gradient Estimation", AAAI 2025, and the
// authors' public code.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "fedval/black_box/logits.hpp"
#include "fedval/tensor/gram.hpp"
#include "fedval/tensor/operations.hpp"
#include "fedval/tensor/owned.hpp"
#include "fedval/tensor/std.hpp"

namespace fedval::black_box {

namespace detail {

/// Error when there is nothing to compare, or an entry is not finite.
inline void check_batch(const Logits& logits, const char* name) {
  if (logits.rows() == 0 || logits.columns() == 0) fail("black_box: logits of no sample or no class");
  for (std::size_t i = 0; i < logits.rows(); ++i)
    for (std::size_t c = 0; c < logits.columns(); ++c)
      if (!std::isfinite(logits(i, c))) fail("black_box: ", name, "[", i, ", ", c, "] is ", logits(i, c));
}

inline double batch_of(const Logits& logits) { return static_cast<double>(logits.rows()); }

/// KL(P || Q) from logarithms; what has no probability in P counts nothing.
inline double divergence(std::span<const double> log_p, std::span<const double> log_q) {
  double sum = 0;
  for (std::size_t c = 0; c < log_p.size(); ++c)
    if (const double p = std::exp(log_p[c]); p > 0) sum += p * (log_p[c] - log_q[c]);
  return sum;
}

/// m log m, 0 for m = 0.
inline double times_log(double m) { return m > 0 ? m * std::log(m) : 0; }

/// sum_c m_c log m_c.
inline double minus_entropy(std::span<const double> shares) {
  double sum = 0;
  for (const double m : shares) sum += times_log(m);
  return sum;
}

/// m, the mean of the rows' softmax.
inline std::vector<double> mean_softmax(const Logits& log_p) {
  std::vector<double> mean(log_p.columns());
  for (std::size_t i = 0; i < log_p.rows(); ++i)
    for (std::size_t c = 0; c < mean.size(); ++c) mean[c] += std::exp(log_p(i, c)) / batch_of(log_p);
  return mean;
}

}  // namespace detail

/// A loss and its gradient with respect to the logits.
struct LogitLoss {
  double value = 0;  ///< nats
  Logits gradient;   ///< B x C
};

/// Mean cross-entropy of the ensemble's logits and the ordered classes, nats. O(B C). Error when a class is
/// not one, there is not one a sample, or a logit is not finite.
inline LogitLoss fidelity(const Logits& ensemble, std::span<const std::uint32_t> classes) {
  detail::check_batch(ensemble, "ensemble");
  if (classes.size() != ensemble.rows())
    fail("fidelity: ", classes.size(), " classes for ", ensemble.rows(), " samples");
  LogitLoss loss{0, log_softmax(ensemble)};
  for (std::size_t i = 0; i < classes.size(); ++i) {
    if (classes[i] >= ensemble.columns())
      fail("fidelity: sample ", i, " is for class ", classes[i], " of ", ensemble.columns());
    loss.value -= loss.gradient(i, classes[i]);
    for (double& entry : loss.gradient.row(i)) entry = std::exp(entry) / detail::batch_of(ensemble);
    loss.gradient(i, classes[i]) -= 1 / detail::batch_of(ensemble);
  }
  loss.value /= detail::batch_of(ensemble);
  return loss;
}

/// A loss of two models' logits and its gradients, B x C.
struct AdversarialLoss {
  double value = 0;  ///< nats
  Logits ensemble,   ///< gradient with respect to yhat
      global;        ///< gradient with respect to s
};

/// Minus the mean divergence of the ensemble's and the global model's answers at a temperature, nats. O(B C).
/// Error when shapes differ, a logit is not finite, the temperature is not positive or near a double's ends,
/// or a divergence overflows.
inline AdversarialLoss adversarial(const Logits& ensemble, const Logits& global, double temperature) {
  detail::check_batch(ensemble, "ensemble");
  detail::check_batch(global, "global");
  detail::check_temperature(temperature);
  linalg::detail::check_same_shape(ensemble, global, "compare logits of");
  const double share = 1 / (detail::batch_of(ensemble) * temperature);
  AdversarialLoss loss{0, log_softmax(ensemble, temperature), log_softmax(global, temperature)};
  for (std::size_t i = 0; i < ensemble.rows(); ++i) {
    const double divergence = detail::divergence(loss.ensemble.row(i), loss.global.row(i));
    if (!std::isfinite(divergence))
      fail("black_box: sample ", i, ": answers so far apart that their divergence overflows");
    loss.value -= divergence / detail::batch_of(ensemble);
    for (std::size_t c = 0; c < ensemble.columns(); ++c) {
      const double log_p = loss.ensemble(i, c), log_q = loss.global(i, c);
      const double p = std::exp(log_p);
      loss.ensemble(i, c) = p > 0 ? -p * (log_p - log_q - divergence) * share : 0.0;
      loss.global(i, c) = (p - std::exp(log_q)) * share;
    }
  }
  return loss;
}

/// Minus the entropy of the mean answer, nats: least when all classes are answered alike. O(B C). Error when
/// a logit is not finite.
inline LogitLoss information(const Logits& ensemble) {
  detail::check_batch(ensemble, "ensemble");
  LogitLoss loss{0, log_softmax(ensemble)};
  const std::vector<double> mean = detail::mean_softmax(loss.gradient);
  loss.value = detail::minus_entropy(mean);
  // A share that is 0 has no softmax above 0 in it, so its logarithm counts nothing.
  std::vector<double> logarithm(mean.size());
  for (std::size_t c = 0; c < mean.size(); ++c) logarithm[c] = mean[c] > 0 ? std::log(mean[c]) : 0;
  for (std::size_t i = 0; i < ensemble.rows(); ++i) {
    const std::span<double> row = loss.gradient.row(i);
    double expected = 0;
    for (std::size_t c = 0; c < row.size(); ++c) {
      row[c] = std::exp(row[c]);
      expected += row[c] * logarithm[c];
    }
    for (std::size_t c = 0; c < row.size(); ++c)
      row[c] *= (logarithm[c] - expected) / detail::batch_of(ensemble);
  }
  return loss;
}

/// How far a student is from its teacher's answers: T^2 times the mean divergence at temperature T, nats, and
/// its gradient with respect to the student's logits. O(B C). Errors as adversarial().
inline LogitLoss distillation(const Logits& teacher, const Logits& student, double temperature) {
  detail::check_batch(teacher, "teacher");
  detail::check_batch(student, "student");
  AdversarialLoss loss = adversarial(teacher, student, temperature);
  int exponent = 0;  // set aside, as the square may be beyond a double where its product with the loss is not
  const double root = std::frexp(temperature, &exponent);
  const auto scaled = [&](double x) { return std::ldexp(-root * root * x, 2 * exponent); };
  for (double& entry : loss.global.values()) entry = scaled(entry);
  return {scaled(loss.value), std::move(loss.global)};
}

/// exp(-(1/B^2) sum_ij dx_ij dz_ij) of B samples and their noise, in (0, 1].
class Diversity {
 public:
  /// x and z: tensors whose first extent is B. O(B^2 (d + nz)), by Gram matrices, so that a squared distance
  /// is known to rounding of the squared lengths. Error when they have not as many rows, an entry is not
  /// finite, or its square not within a double's range.
  Diversity(const TensorView& x, const TensorView& z) : x_(rows_of(x, "x")) {
    const linalg::Matrix<double> noise = rows_of(z, "z");
    if (noise.rows() != x_.rows()) fail("diversity: ", x_.rows(), " samples and ", noise.rows(), " noises");
    const linalg::Matrix<double> dx = distances(x_, "x");
    noise_ = distances(noise, "z");
    const auto batch = static_cast<double>(x_.rows());
    for (std::size_t i = 0; i < x_.rows(); ++i)
      for (std::size_t j = 0; j < x_.rows(); ++j) sum_ += dx(i, j) * noise_(i, j);
    value_ = std::exp(-sum_ / (batch * batch));
  }

  /// 1 where samples do not differ, nearer to 0 the more they do for other noise; may underflow to 0.
  double value() const { return value_; }
  /// sum_j dz_ij.
  double noise_sum(std::size_t i) const {
    double sum = 0;
    for (const double distance : noise_.row(i)) sum += distance;
    return sum;
  }

  /// out = keep * out + factor * gradient with respect to x. O(B^2 d). Error when out has another size.
  void add_gradient(double factor, double keep, const MutableTensorView& out) const {
    add_log_gradient(factor * value_, keep, out);
  }

  /// The same of the value's logarithm, which stays finite where the value is too small for a double.
  void add_log_gradient(double factor, double keep, const MutableTensorView& out) const {
    const std::size_t batch = x_.rows(), d = x_.columns();
    if (out.size() != x_.values().size())
      fail("diversity: a gradient of ", out.size(), " entries for ", x_.values().size());
    const double scale =
        -factor * 4 / (static_cast<double>(batch) * static_cast<double>(batch) * static_cast<double>(d));
    const std::vector<TensorView> rows = views(x_);
    linalg::Matrix<double> gradient(batch, d);
    fedval::detail::for_each_index(batch, batch * batch * d, [&](std::size_t i) {
      std::vector<double> weights(batch);
      for (std::size_t j = 0; j < batch; ++j) weights[j] = -scale * noise_(i, j);
      weights[i] = scale * noise_sum(i);
      fedval::combine(weights, rows, 0, gradient.row(i));
    });
    const double one = 1;
    const TensorView term = gradient.values();
    if (out.device() == nullptr) return fedval::combine({&one, 1}, {&term, 1}, keep, out);
    const MutableTensorView there = zeros_like(out);
    there.write(0, gradient.values());
    const TensorView moved = there;
    fedval::combine({&one, 1}, {&moved, 1}, keep, out);
  }

 private:
  static linalg::Matrix<double> rows_of(const TensorView& tensor, const std::string& name) {
    if (tensor.rank() == 0 || tensor.size() == 0) fail("diversity: ", name, " has no samples");
    check_finite(tensor, "diversity: " + name);
    const auto batch = static_cast<std::size_t>(tensor.shape()[0]);
    linalg::Matrix<double> rows(batch, tensor.size() / batch);
    tensor.read(0, rows.values());
    return rows;
  }

  static std::vector<TensorView> views(const linalg::Matrix<double>& rows) {
    std::vector<TensorView> result;
    for (std::size_t i = 0; i < rows.rows(); ++i) result.emplace_back(rows.row(i));
    return result;
  }

  /// Mean squared differences of the entries of every pair of rows.
  static linalg::Matrix<double> distances(const linalg::Matrix<double>& rows, const char* name) {
    const Gram products = gram(views(rows));
    double longest = 0;
    for (std::size_t i = 0; i < rows.rows(); ++i) longest = std::max(longest, products.norm(i));
    if (longest > 0 && longest < 0x1p-504) fail("diversity: ", name, ": samples are too small to be squared");
    linalg::Matrix<double> result(rows.rows(), rows.rows());
    for (std::size_t i = 0; i < rows.rows(); ++i)
      for (std::size_t j = 0; j < i; ++j) {
        const double squared = products(i, i) + products(j, j) - 2 * products(i, j);
        if (!std::isfinite(squared))
          fail("diversity: ", name, ": samples ", j, " and ", i, " are too large to be squared");
        result(i, j) = result(j, i) = std::max(0.0, squared) / static_cast<double>(rows.columns());
      }
    return result;
  }

  linalg::Matrix<double> x_, noise_;  // noise_: dz
  double sum_ = 0, value_ = 0;
};

}  // namespace fedval::black_box
