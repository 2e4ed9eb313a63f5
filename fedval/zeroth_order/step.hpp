// What is done with an estimate: x moves by a step that has its own memory, in double, where x lies.
//
//   Sgd      b = momentum b + g;  x -= rate b                     (Nesterov: x -= rate (g + momentum b))
//   Sign     x -= rate sign(g)
//   Adam     m = b1 m + (1-b1) g;  v = b2 v + (1-b2) g^2;  M = m / (1-b1^t);  V = v / (1-b2^t);
//            x -= rate M / (sqrt(V) + eps)
//   AdaMm    m, v as above;  vhat = max(vhat, v);  x -= rate m / sqrt(vhat)
//
// Sources: Polyak 1964 and Nesterov 1983; Liu, Chen, Chen, Hong, "signSGD via zeroth-order oracle", ICLR
// 2019; Kingma and Ba, ICLR 2015; Chen, Liu, Xu, Li, Lin, Hong, Cox, "ZO-AdaMM", NeurIPS 2019.
#pragma once

#include <array>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "fedval/error.hpp"
#include "fedval/tensor/operations.hpp"
#include "fedval/tensor/owned.hpp"

namespace fedval::zeroth_order {

/// Something that moves x against g; `factor` multiplies its rate (a schedule).
template <class S>
concept Step = requires(S& step, const MutableTensorView& x, const TensorView& g) {
  step.apply(x, g, 1.0);
};

namespace detail {

/// A flat tensor of doubles beside x that a step keeps; zeros at first. Copies have memory of their own.
class Memory {
 public:
  Memory() = default;
  Memory(const Memory& other) : restored_(other.values()) {}
  Memory(Memory&&) noexcept = default;
  Memory& operator=(Memory other) noexcept {
    std::swap(tensor_, other.tensor_);
    std::swap(restored_, other.restored_);
    return *this;
  }
  ~Memory() = default;

  /// The tensor, beside x. Error when it was made for another size.
  const MutableTensorView& beside(const TensorView& x) {
    const std::size_t size = tensor_.given()     ? tensor_.size()
                             : restored_.empty() ? x.size()
                                                 : restored_.size();
    if (size != x.size()) fail("zeroth_order: a step for ", size, " entries got ", x.size());
    if (!tensor_.given()) {
      tensor_ = zeros_like(x);
      tensor_.write(0, restored_);
      restored_.clear();
    }
    return tensor_;
  }

  template <class Archive>
  void fields(Archive& archive) {
    std::vector<double> all = values();
    archive.state("values", all);
    *this = Memory();
    restored_ = std::move(all);
  }

 private:
  std::vector<double> values() const {
    if (!tensor_.given()) return restored_;
    std::vector<double> all(tensor_.size());
    tensor_.read(0, all);
    return all;
  }

  MutableTensorView tensor_;
  std::vector<double> restored_;
};

/// out = keep out + weight g
inline void blend(double keep, double weight, const TensorView& g, const MutableTensorView& out) {
  combine({&weight, 1}, {&g, 1}, keep, out);
}

inline void check_rate(double rate, std::string_view name) {
  if (!(rate > 0 && std::isfinite(rate))) fail(name, ": a rate of ", rate, " is not positive");
}

/// factor rate. Error, before anything is touched, unless it is finite.
inline double scaled_rate(double rate, double factor, std::string_view name) {
  if (!std::isfinite(factor * rate)) fail(name, ": a rate of ", rate, " times ", factor, " is not finite");
  return factor * rate;
}

inline void check_decay(double decay, std::string_view name) {
  if (!(decay >= 0 && decay < 1)) fail(name, ": ", decay, " is not in [0, 1)");
}

/// Error when an estimate is not x's size, or an entry is not finite, nor its square where that is `squared`.
inline void check_gradient(const TensorView& x, const TensorView& g, bool squared = false) {
  if (x.size() != g.size())
    fail("zeroth_order: a gradient of ", g.size(), " entries for ", x.size(), " parameters");
  if (std::isfinite(dot(g, g))) return;
  check_finite(g, "zeroth_order: gradient");
  if (const double largest = max_magnitude(g); squared && !std::isfinite(largest * largest))
    fail("zeroth_order: a gradient with an entry of magnitude ", largest, ", whose square overflows");
}

/// m and v of the adaptive steps.
class Moments {
 public:
  void add(const TensorView& x, const TensorView& g, double beta1, double beta2) {
    const MutableTensorView &m = mean.beside(x), &v = square.beside(x);
    check_gradient(x, g, true);  // before either is touched
    blend(beta1, 1 - beta1, g, m);
    update(Update::square_mean, beta2, 0, {&g, 1}, v);
  }

  template <class Archive>
  void fields(Archive& archive) {
    archive.state("mean", mean);
    archive.state("square", square);
  }

  Memory mean, square;
};

/// x -= rate mean / (sqrt(square) + epsilon); no move where the mean or the denominator is zero.
inline void move(const MutableTensorView& x, double rate, const TensorView& mean, const TensorView& square,
                 double epsilon) {
  const std::array<TensorView, 2> both{mean, square};
  update(Update::root_step, rate, epsilon, both, x);
}

}  // namespace detail

/// Settings of Sgd.
struct SgdOptions {
  double rate = 1e-3,     ///< learning rate, above 0
      momentum = 0;       ///< decay of the velocity b, in [0, 1); 0: none is kept
  bool nesterov = false;  ///< Nesterov's momentum in place of Polyak's
};

/// O(D) a step; with momentum D doubles. A sum beyond x's type is infinite there, as in its own arithmetic.
class Sgd {
 public:
  static constexpr std::string_view name = "Sgd";

  /// Error unless the rate is positive and finite, and the momentum in [0, 1).
  explicit Sgd(SgdOptions options = {}) : options_(options) {
    detail::check_rate(options_.rate, name);
    detail::check_decay(options_.momentum, name);
  }

  /// Moves x in place; `factor` multiplies the rate. O(D). Error when the product is not finite, g is not x's
  /// size or not finite, or, with momentum, x not the size of the steps before.
  void apply(const MutableTensorView& x, const TensorView& g, double factor = 1) {
    const double rate = detail::scaled_rate(options_.rate, factor, name);
    detail::check_gradient(x, g);
    if (options_.momentum == 0) return axpy(-rate, g, x);
    const MutableTensorView& velocity = velocity_.beside(x);
    detail::blend(options_.momentum, 1, g, velocity);
    if (options_.nesterov) axpy(-rate, g, x);
    axpy(options_.nesterov ? -rate * options_.momentum : -rate, velocity, x);
  }

  /// What save() writes and restore() reads (archive.hpp); the momentum must agree, rate and Nesterov need
  /// not.
  template <class Archive>
  void fields(Archive& archive) {
    archive.option("momentum", options_.momentum);
    archive.state("velocity", velocity_);
  }

 private:
  SgdOptions options_;
  detail::Memory velocity_;
};

/// O(D) a step, no memory.
class Sign {
 public:
  static constexpr std::string_view name = "Sign";

  /// `rate` is what an entry moves by; 0 where g is 0. Error unless it is positive and finite.
  explicit Sign(double rate = 1e-3) : rate_(rate) { detail::check_rate(rate_, name); }

  /// Moves x in place; `factor` multiplies the rate. O(D). Error when the product is not finite, g is not x's
  /// size or not finite.
  void apply(const MutableTensorView& x, const TensorView& g, double factor = 1) {
    const double rate = detail::scaled_rate(rate_, factor, name);
    detail::check_gradient(x, g);
    update(Update::sign_step, rate, 0, {&g, 1}, x);
  }

  /// Nothing: there is no state to save() or restore() (archive.hpp).
  template <class Archive>
  void fields(Archive&) {}

 private:
  double rate_;
};

/// Settings of Adam.
struct AdamOptions {
  double rate = 1e-3,  ///< learning rate, above 0
      beta1 = 0.9,     ///< decay of m, the mean of g, in [0, 1)
      beta2 = 0.999,   ///< decay of v, the mean of g^2, in [0, 1)
      epsilon = 1e-8;  ///< added to the root of V, above 0
};

/// O(D) a step; 2 D doubles. The square of an entry below 1e-162 is 0: with an epsilon as small such a step
/// would be too long.
class Adam {
 public:
  static constexpr std::string_view name = "Adam";

  /// Error unless the rate is positive and finite, beta1 and beta2 in [0, 1), and epsilon positive.
  explicit Adam(AdamOptions options = {}) : options_(options) {
    detail::check_rate(options_.rate, name);
    detail::check_decay(options_.beta1, name);
    detail::check_decay(options_.beta2, name);
    if (!(options_.epsilon > 0)) fail("Adam: epsilon ", options_.epsilon, " is not positive");
  }

  /// Moves x in place; `factor` multiplies the rate. O(D). Error when the product is not finite, g is not x's
  /// size, the square of an entry not finite, or x not the size of the steps before.
  void apply(const MutableTensorView& x, const TensorView& g, double factor = 1) {
    const double rate = detail::scaled_rate(options_.rate, factor, name);
    moments_.add(x, g, options_.beta1, options_.beta2);
    ++steps_;
    const auto t = static_cast<double>(steps_);
    const double first = 1 - std::pow(options_.beta1, t), root = std::sqrt(1 - std::pow(options_.beta2, t));
    detail::move(x, rate * root / first, moments_.mean.beside(x), moments_.square.beside(x),
                 options_.epsilon * root);
  }

  /// What save() writes and restore() reads (archive.hpp); beta1 and beta2 must agree, rate and epsilon
  /// need not.
  template <class Archive>
  void fields(Archive& archive) {
    archive.option("beta1", options_.beta1);
    archive.option("beta2", options_.beta2);
    archive.state("steps", steps_);
    archive.state("moments", moments_);
  }

 private:
  AdamOptions options_;
  detail::Moments moments_;
  std::uint64_t steps_ = 0;
};

/// Settings of AdaMm.
struct AdaMmOptions {
  double rate = 1e-3,  ///< learning rate, above 0
      beta1 = 0.9,     ///< decay of m, the mean of g, in [0, 1)
      beta2 = 0.999;   ///< decay of v, the mean of g^2, in [0, 1)
};

/// O(D) a step; 3 D doubles. An entry whose estimates have all been zero stays, or so small
/// (below 1e-162) that their squares are.
class AdaMm {
 public:
  static constexpr std::string_view name = "AdaMm";

  /// Error unless the rate is positive and finite, and beta1 and beta2 in [0, 1).
  explicit AdaMm(AdaMmOptions options = {}) : options_(options) {
    detail::check_rate(options_.rate, name);
    detail::check_decay(options_.beta1, name);
    detail::check_decay(options_.beta2, name);
  }

  /// Moves x in place; `factor` multiplies the rate. O(D). Error when the product is not finite, g is not x's
  /// size, the square of an entry not finite, or x not the size of the steps before.
  void apply(const MutableTensorView& x, const TensorView& g, double factor = 1) {
    const double rate = detail::scaled_rate(options_.rate, factor, name);
    moments_.add(x, g, options_.beta1, options_.beta2);
    const MutableTensorView& largest = largest_.beside(x);
    const TensorView square = moments_.square.beside(x);
    update(Update::maximum, 0, 0, {&square, 1}, largest);
    detail::move(x, rate, moments_.mean.beside(x), largest, 0);
  }

  /// What save() writes and restore() reads (archive.hpp); beta1 and beta2 must agree, the rate need not.
  template <class Archive>
  void fields(Archive& archive) {
    archive.option("beta1", options_.beta1);
    archive.option("beta2", options_.beta2);
    archive.state("moments", moments_);
    archive.state("largest", largest_);
  }

 private:
  AdaMmOptions options_;
  detail::Moments moments_;
  detail::Memory largest_;
};

}  // namespace fedval::zeroth_order
