// The vector operations that algorithms are written with, over any tensors of equal size, read as flat
// row-major vectors: dot, norm, axpy, scale, and weighted sums. Sums run in double; the result is rounded
// once to the output's scalar type. Operands may mix scalar types and layouts, but not devices.
#pragma once

#include <array>
#include <span>
#include <string>
#include <vector>

#include "fedval/tensor/gram.hpp"
#include "fedval/tensor/norms.hpp"

namespace fedval {

/// <a, b>, summed in double: within D 2^-53 of the sum of its terms' magnitudes, and 2^-1075 for each term
/// below a double's range; infinite where it is beyond one (on a device, where one of its terms is). O(D).
/// Error when sizes differ. An entry that is not finite is not refused: it makes the result infinite or NaN.
inline double dot(const TensorView& a, const TensorView& b) {
  const std::array<TensorView, 2> both{a, b};
  std::array<double, 4> values{};
  if (const DeviceOperations* device = detail::common_device(both, {})) {
    device->gram(both, values);
    return values[1];
  }
  std::array<int, 2> exponents{};
  const std::vector<double> gram = detail::scaled_gram(both, exponents);
  const bool finite = std::isfinite(gram[1]);
  for (std::size_t i = 0; i < both.size(); ++i) {
    if (detail::safe_square(gram[3 * i])) continue;
    const double largest = max_magnitude(both[i]);
    if (std::isinf(largest)) return gram[1];
    // A vector that is made smaller loses entries that the other one's may be large beside.
    if (largest > 0 && !(finite && largest > 1)) exponents[i] = std::ilogb(largest);
  }
  if (exponents == std::array<int, 2>{}) return gram[1];
  const double scaled = detail::scaled_gram(both, exponents)[1];
  return finite && !std::isfinite(scaled) ? gram[1] : std::ldexp(scaled, exponents[0] + exponents[1]);
}

/// Euclidean norm, without overflow or underflow. O(D). Error names the first entry that is not finite.
inline double norm(const TensorView& a) { return gram({&a, 1}).norm(0); }

namespace detail {

/// out = keep * out + sum_i weights[i] 2^-exponents[i] tensors[i] in host memory; no exponents: all 0.
inline void combine_scaled(std::span<const double> weights, std::span<const TensorView> tensors,
                           std::span<const int> exponents, double keep, const MutableTensorView& out) {
  for_each_slice(out.size(), [&](std::size_t begin, std::size_t end) {
    std::array<double, 512> sum, term;
    for (; begin < end; begin += sum.size()) {
      const std::size_t count = std::min(sum.size(), end - begin);
      // keep = 0 overwrites: what stood there, NaN included, does not matter.
      if (keep == 0) {
        sum.fill(tensors.empty() ? 0.0 : -0.0);  // -0 + x is x, its sign included
      } else {
        out.read(begin, {sum.data(), count});
        for (std::size_t k = 0; k < count; ++k) sum[k] *= keep;
      }
      for (std::size_t i = 0; i < tensors.size(); ++i) {
        tensors[i].read(begin, {term.data(), count});
        if (!exponents.empty() && exponents[i] != 0)
          for (std::size_t k = 0; k < count; ++k) term[k] = std::ldexp(term[k], -exponents[i]);
        for (std::size_t k = 0; k < count; ++k) sum[k] += weights[i] * term[k];
      }
      out.write(begin, {sum.data(), count});
      release_behind(tensors, begin + count, begin + count == end);
    }
  });
}

/// The device that the tensors and the output share. Error when sizes or places differ.
inline const DeviceOperations* shared_device(std::span<const TensorView> tensors,
                                             const MutableTensorView& out) {
  common_device(tensors, {});
  const TensorView output = out;
  if (tensors.empty()) return output.device();
  const std::array<TensorView, 2> ends{tensors[0], output};
  const std::array<std::string, 2> names{"tensor 0", "the output"};
  return common_device(ends, names);
}

/// The same; error when counts differ, too.
inline const DeviceOperations* check_combine(std::span<const double> weights,
                                             std::span<const TensorView> tensors,
                                             const MutableTensorView& out) {
  if (weights.size() != tensors.size())
    fail("combine: ", weights.size(), " weights for ", tensors.size(), " tensors");
  return shared_device(tensors, out);
}

}  // namespace detail

/// out = keep * out + sum_i weights[i] tensors[i]; tensors are added in the order given. O(n D). Error when
/// counts or sizes differ. `out` may be one of the tensors. A weight or entry that is not finite is not
/// refused, here and below: it makes entries infinite or NaN, and no others than its own.
inline void combine(std::span<const double> weights, std::span<const TensorView> tensors, double keep,
                    const MutableTensorView& out) {
  if (const DeviceOperations* device = detail::check_combine(weights, tensors, out)) {
    device->combine(weights, tensors, keep, out);
  } else {
    detail::combine_scaled(weights, tensors, {}, keep, out);
  }
}

/// out = sum_i weights[i] u_i / ||u_i|| for vectors whose norms are known, at any scale on a host; a zero
/// vector adds nothing. O(n D). Errors as for combine, and on a device for a quotient beyond a double.
inline void combine_normalised(std::span<const double> weights, std::span<const TensorView> tensors,
                               const VectorNorms& norms, const MutableTensorView& out) {
  const DeviceOperations* device = detail::check_combine(weights, tensors, out);
  if (norms.size() != tensors.size())
    fail("combine: norms of ", norms.size(), " vectors for ", tensors.size(), " tensors");
  std::vector<double> coefficients;
  std::vector<int> exponents;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    const detail::DirectionShare share = detail::share_of_direction(weights[i], norms, i);
    coefficients.push_back(device != nullptr ? std::ldexp(share.coefficient, -share.exponent)
                                             : share.coefficient);
    exponents.push_back(share.exponent);
    if (std::isfinite(weights[i]) && !std::isfinite(coefficients[i]))
      fail("combine: weight ", i, ", ", weights[i], ", by its tensor's norm is beyond a double");
  }
  if (device != nullptr) {
    device->combine(coefficients, tensors, 0.0, out);
  } else {
    detail::combine_scaled(coefficients, tensors, exponents, 0.0, out);
  }
}

/// The same for vectors whose Gram matrix is known.
inline void combine_normalised(std::span<const double> weights, std::span<const TensorView> tensors,
                               const Gram& gram, const MutableTensorView& out) {
  combine_normalised(weights, tensors, VectorNorms(gram), out);
}

/// x updated entry by entry from one or two inputs, in double and rounded once; p and q as Update says. O(D).
/// Error when counts, sizes or places differ. x may be one of the inputs.
inline void update(Update rule, double p, double q, std::span<const TensorView> inputs,
                   const MutableTensorView& x) {
  const std::size_t needed = rule == Update::root_step ? 2 : 1;
  if (inputs.size() != needed) fail("update: ", inputs.size(), " tensors for a rule of ", needed);
  if (const DeviceOperations* device = detail::shared_device(inputs, x)) {
    if (device->update == nullptr) fail("tensors of ", device->name, " have no entrywise updates");
    return device->update(rule, p, q, inputs, x);
  }
  detail::for_each_slice(x.size(), [&](std::size_t begin, std::size_t end) {
    std::array<double, 512> to, a, b;
    for (; begin < end; begin += to.size()) {
      const std::size_t count = std::min(to.size(), end - begin);
      x.read(begin, {to.data(), count});
      inputs[0].read(begin, {a.data(), count});
      if (needed == 2) inputs[1].read(begin, {b.data(), count});
      switch (rule) {
        case Update::square_mean:
          for (std::size_t k = 0; k < count; ++k) to[k] = p * to[k] + (1 - p) * (a[k] * a[k]);
          break;
        case Update::maximum:  // NaN stays, whichever has it
          for (std::size_t k = 0; k < count; ++k) to[k] = to[k] >= a[k] || std::isnan(to[k]) ? to[k] : a[k];
          break;
        case Update::sign_step:
          for (std::size_t k = 0; k < count; ++k) to[k] -= p * (a[k] > 0 ? 1.0 : a[k] < 0 ? -1.0 : a[k]);
          break;
        case Update::root_step:
          for (std::size_t k = 0; k < count; ++k) b[k] = std::sqrt(b[k]) + q;
          for (std::size_t k = 0; k < count; ++k) to[k] -= a[k] == 0 || b[k] == 0 ? 0.0 : p * a[k] / b[k];
          break;
      }
      x.write(begin, {to.data(), count});
    }
  });
}

/// y = y + alpha x. O(D).
inline void axpy(double alpha, const TensorView& x, const MutableTensorView& y) {
  combine({&alpha, 1}, {&x, 1}, 1.0, y);
}

/// y = alpha y. O(D).
inline void scale(double alpha, const MutableTensorView& y) { combine({}, {}, alpha, y); }

}  // namespace fedval
