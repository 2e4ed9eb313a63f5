// The gradient of a generator's loss with respect to its samples, when the boxes that judge them only answer.
//
//   L = fidelity + b1 adversarial + b2 diversity + b3 information         (losses.hpp)
//
//   scalar      g_i = (d/q) sum_k (L(x_k) - L(x)) / epsilon u_ik           one number for the whole batch
//   per_sample  the same with L's change when sample i alone moves         B numbers
//   chain       g_i = (d/q) sum_k <v_i, yhat_i(x_k) - yhat_i(x)> / epsilon u_ik
//                     + J_i^T ds_i + b2 d diversity / dx_i                 through the boxes; the rest exact
//               v_i = dL/dyhat_i,  ds_i = b1 d adversarial / ds_i
//   reference   scalar / B, as the authors' code has it
//
//   squared error / ||g||^2:   scalar (dB - 1)/q     per_sample (d - 1)/q
//                              chain (d - 1)/q ||g_box||^2 / ||g||^2
//   orthogonal directions: d - q in place of d - 1 (per_sample, chain)
//
// All of them ask the same 1 + q images of each sample: what differs is what is made of the answers. At
// d = 3072, B = 500, q = 5 that is 307,200 against 614.
// Sources: Ma, Wang, Zhang, "Data-Free Black-Box Federated Learning via Zeroth-Order Gradient Estimation",
// AAAI 2025, figure 2 (chain) and the authors' public code (reference); Kariyappa, Prakash, Qureshi, "MAZE",
// CVPR 2021, and Truong, Maini, Walls, Papernot, "Data-free model extraction", CVPR 2021 (per sample).
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "fedval/black_box/losses.hpp"
#include "fedval/black_box/queries.hpp"

namespace fedval::black_box {

/// What is made of the boxes' answers; all ask the same images.
enum class Estimator : std::uint8_t {
  scalar,      ///< from L's change when all samples move at once: one number a point
  per_sample,  ///< from L's change when one sample moves alone: B numbers a point
  chain,       ///< differences of the boxes' logits alone, the rest exact; needs the global model's pullback
  reference    ///< scalar / B, as the authors' code has it
};

/// The temperature and the factors of L.
struct GeneratorLoss {
  double temperature = 5;  ///< T of the adversarial loss, above 0
  double adversarial = 1,  ///< b1
      diversity = 1,       ///< b2
      information = 1;     ///< b3
};

/// The four losses, without their factors.
struct LossParts {
  double fidelity = 0,  ///< mean cross-entropy with the ordered classes, nats
      adversarial = 0,  ///< minus the mean divergence of ensemble and global model, nats
      diversity = 0,    ///< in [0, 1]
      information = 0;  ///< minus the entropy of the mean answer, nats

  /// L.
  double total(const GeneratorLoss& loss) const {
    return fidelity + loss.adversarial * adversarial + loss.diversity * diversity +
           loss.information * information;
  }
};

/// Samples that a generator made: x and z of B rows, and the B classes that were ordered.
struct Synthesis {
  TensorView x,                            ///< samples
      z;                                   ///< the noise they were made from
  std::span<const std::uint32_t> classes;  ///< in [0, C)
};

/// What a model, or an ensemble, answers about x and about the q points around it.
struct Answers {
  Logits at_x;                    ///< B x C
  std::vector<Logits> at_points;  ///< [k], B x C each, at Queries::point() k
};

/// All four losses of a batch. O(B C + B^2 (d + nz)).
inline LossParts losses_of(const GeneratorLoss& loss, const Synthesis& made, const Logits& ensemble,
                           const Logits& global) {
  return {fidelity(ensemble, made.classes).value, adversarial(ensemble, global, loss.temperature).value,
          Diversity(made.x, made.z).value(), information(ensemble).value};
}

namespace detail {

inline void check_synthesis(const Synthesis& made, const Logits& ensemble, std::size_t batch) {
  const auto rows = [&](const TensorView& tensor, const char* name) {
    if (tensor.rank() == 0 || tensor.shape()[0] != static_cast<std::int64_t>(batch))
      fail("black_box: ", name, " of shape ", tensor.shape().text(), " for ", batch, " samples");
  };
  rows(made.x, "x");
  rows(made.z, "z");
  if (made.classes.size() != batch)
    fail("black_box: ", made.classes.size(), " classes for ", batch, " samples");
  if (ensemble.rows() != batch) fail("black_box: answers for ", ensemble.rows(), " of ", batch, " samples");
}

inline void check_points(const Answers& answers, const Queries& queries, const char* who) {
  if (answers.at_points.size() != queries.count())
    fail("black_box: the ", who, " answered ", answers.at_points.size(), " of ", queries.count(), " points");
  for (std::size_t k = 0; k < queries.count(); ++k) {
    const Logits& there = answers.at_points[k];
    linalg::detail::check_same_shape(answers.at_x, there, "compare answers of");
    for (std::size_t i = 0; i < there.rows(); ++i)
      for (std::size_t c = 0; c < there.columns(); ++c)
        if (!std::isfinite(there(i, c)))
          fail("black_box: ", who, "[", i, ", ", c, "] at point ", k, " is ", there(i, c));
  }
}

/// L(x_k) - L(x), the same for every sample.
inline linalg::Matrix<double> batch_differences(const GeneratorLoss& loss, const Synthesis& made,
                                                const Answers& ensemble, const Answers& global,
                                                const Queries& queries, double at_x) {
  linalg::Matrix<double> differences(queries.batch(), queries.count());
  const MutableTensorView moved = zeros_like(made.x);
  for (std::size_t k = 0; k < queries.count(); ++k) {
    queries.point(made.x, k, moved);
    const TensorView rows(made.x.shape(), {moved.pieces().begin(), moved.pieces().end()});
    const double there =
        losses_of(loss, {rows, made.z, made.classes}, ensemble.at_points[k], global.at_points[k]).total(loss);
    for (std::size_t i = 0; i < queries.batch(); ++i) differences(i, k) = there - at_x;
  }
  return differences;
}

/// L's change when sample i alone goes to x_k,i. Diversity's is exact without a second look at the samples:
/// the sum in its exponent changes by 2 (2 t <u, h_i> + t^2 ||u||^2 sum_j dz_ij) / d, h_i = sum_j dz_ij (x_i
/// - x_j).
inline linalg::Matrix<double> sample_differences(const GeneratorLoss& loss, const Synthesis& made,
                                                 const Answers& ensemble, const Answers& global,
                                                 const Queries& queries, const Diversity& diversity) {
  const std::size_t batch = queries.batch(), classes = ensemble.at_x.columns();
  const double share = 1 / static_cast<double>(batch), t = loss.temperature;
  const Logits log_p = log_softmax(ensemble.at_x), log_cool = log_softmax(ensemble.at_x, t),
               log_q = log_softmax(global.at_x, t);
  const std::vector<double> mean = mean_softmax(log_p);
  const double information = minus_entropy(mean);
  const MutableTensorView slope = zeros_like(made.x);
  diversity.add_log_gradient(1, 0, slope);
  const linalg::Matrix<double> along = queries.along(slope);

  linalg::Matrix<double> differences(batch, queries.count());
  std::vector<double> p(classes), cool(classes), q(classes), moved_mean(classes);
  for (std::size_t k = 0; k < queries.count(); ++k)
    for (std::size_t i = 0; i < batch; ++i) {
      const std::uint32_t y = made.classes[i];
      log_softmax(ensemble.at_points[k].row(i), 1, p);
      log_softmax(ensemble.at_points[k].row(i), t, cool);
      log_softmax(global.at_points[k].row(i), t, q);
      for (std::size_t c = 0; c < classes; ++c)
        moved_mean[c] = mean[c] + share * (std::exp(p[c]) - std::exp(log_p(i, c)));
      const double first = queries.distance(i, k) * along(i, k);
      const double second = 2 * queries.squared_step() * diversity.noise_sum(i) * share * share /
                            static_cast<double>(queries.dimension());
      differences(i, k) =
          share * (log_p(i, y) - p[y]) +
          loss.adversarial * share * (divergence(log_cool.row(i), log_q.row(i)) - divergence(cool, q)) +
          loss.diversity * diversity.value() * std::expm1(first - second) +
          loss.information * (minus_entropy(moved_mean) - information);
    }
  return differences;
}

/// <v_i, yhat_i(x_k) - yhat_i(x)>.
inline linalg::Matrix<double> box_differences(const Logits& v, const Answers& ensemble,
                                              const Queries& queries) {
  linalg::Matrix<double> differences(queries.batch(), queries.count());
  for (std::size_t k = 0; k < queries.count(); ++k)
    for (std::size_t i = 0; i < queries.batch(); ++i)
      for (std::size_t c = 0; c < v.columns(); ++c)
        differences(i, k) += v(i, c) * (ensemble.at_points[k](i, c) - ensemble.at_x(i, c));
  return differences;
}

}  // namespace detail

/// out = dL/dx exactly, where one can go back through the boxes as well: box_pullback(dyhat) and pullback(ds)
/// give the gradients with respect to x that belong to gradients with respect to the ensemble's and the
/// global model's logits (B x C), as tensors of x's size. The losses come back. O(B C + B^2 d) and the
/// pullbacks. Error, with `out` as it was, when shapes differ, or an entry of x, z, an answer or what a
/// pullback gives is not finite.
template <class BoxPullback, class Pullback>
LossParts exact_gradient(const GeneratorLoss& loss, const Synthesis& made, const Logits& ensemble,
                         const Logits& global, BoxPullback&& box_pullback, Pullback&& pullback,
                         const MutableTensorView& out) {
  detail::check_synthesis(made, ensemble, made.classes.size());
  const LogitLoss ordered = fidelity(ensemble, made.classes), even = information(ensemble);
  const AdversarialLoss against = adversarial(ensemble, global, loss.temperature);
  const Diversity diversity(made.x, made.z);
  const Logits v = ordered.gradient + loss.adversarial * against.ensemble + loss.information * even.gradient;
  const Logits ds = loss.adversarial * against.global;
  const auto boxes = std::forward<BoxPullback>(box_pullback)(v);
  const auto back = std::forward<Pullback>(pullback)(ds);
  const auto check = [&](const TensorView& part, const char* whose) {
    if (part.size() != made.x.size())
      fail("black_box: ", whose, " gave ", part.size(), " entries for the ", made.x.size(), " of x");
    check_finite(part, std::string("black_box: what ") + whose + " gave");
  };
  check(boxes, "the boxes' pullback");
  check(back, "the pullback");
  diversity.add_gradient(loss.diversity, 0, out);
  axpy(1, boxes, out);
  axpy(1, back, out);
  return {ordered.value, against.value, diversity.value(), even.value};
}

/// out = an estimate of dL/dx, in place; the losses at x come back. `ensemble` are the boxes' answers.
/// `global` are the global model's, at the points for all but `chain`; `pullback(ds)` gives J^T ds, the
/// gradient with respect to x that belongs to a gradient ds with respect to the global model's logits at x (B
/// x C), as a tensor of x's size, and is called by `chain` alone. O(B q (d + C) + B^2 d); scalar q B^2 d.
/// Error when shapes differ, an entry of x, z or the answers is not finite, or out has another size.
template <class Pullback>
LossParts generator_gradient(Estimator estimator, const GeneratorLoss& loss, const Synthesis& made,
                             const Answers& ensemble, const Answers& global, const Queries& queries,
                             Pullback&& pullback, const MutableTensorView& out) {
  detail::check_synthesis(made, ensemble.at_x, queries.batch());
  if (made.x.size() != queries.batch() * queries.dimension())
    fail("black_box: ", made.x.size(), " entries for ", queries.batch(), " samples of ", queries.dimension());
  detail::check_points(ensemble, queries, "ensemble");
  if (estimator == Estimator::chain) {
    MutableTensorView through_boxes = zeros_like(made.x);
    const auto box_pullback = [&](const Logits& v) -> TensorView {
      queries.gradient(detail::box_differences(v, ensemble, queries), through_boxes);
      return through_boxes;
    };
    return exact_gradient(loss, made, ensemble.at_x, global.at_x, box_pullback,
                          std::forward<Pullback>(pullback), out);
  }
  detail::check_points(global, queries, "global model");
  const LossParts parts = losses_of(loss, made, ensemble.at_x, global.at_x);
  if (estimator == Estimator::per_sample) {
    const Diversity diversity(made.x, made.z);
    queries.gradient(detail::sample_differences(loss, made, ensemble, global, queries, diversity), out);
  } else {
    queries.gradient(detail::batch_differences(loss, made, ensemble, global, queries, parts.total(loss)),
                     out);
    if (estimator == Estimator::reference) scale(1 / static_cast<double>(queries.batch()), out);
  }
  return parts;
}

}  // namespace fedval::black_box
