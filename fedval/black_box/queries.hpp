// Where black boxes are asked about a batch of samples: x itself, and q points around it that both sides can
// make from a seed of eight bytes.
//
//   x_k,i = x_i + epsilon u_ik / ||u_ik||,   u_ik = direction k of (seed, i)
//
//   g_i = (c / q) sum_k (F_i(x_k) - F_i(x)) (||u_ik|| / epsilon) v_ik        (c, v: directions.hpp)
//
// All q points move every sample, each along a direction of its own: 1 + q images a sample, whatever is
// estimated from their answers. Sent as a seed they are the bits that the server has: Rademacher and Hadamard
// directions with any build, those that are summed or rooted (orthogonal, sphere) between equal builds.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "fedval/linalg/matrix.hpp"
#include "fedval/zeroth_order/sample_probes.hpp"

namespace fedval::black_box {

/// Where the points around a sample lie.
struct QueryOptions {
  zeroth_order::Directions directions = zeroth_order::orthogonal(5);  ///< q of them
  double epsilon = 1e-3;  ///< how far a sample is moved, in units of its entries
};

class Queries {
 public:
  /// For `batch` samples of `dimension` entries. O(B q d), orthogonal directions O(B q^2 d) and B q d
  /// doubles. Error when epsilon is not positive, a direction is zero, and from the law of directions.
  Queries(const QueryOptions& options, std::size_t batch, std::size_t dimension, std::uint64_t seed)
      : epsilon_(checked(options.epsilon)),
        probes_(options.directions, batch, dimension, seed, 0),
        distances_(options.directions.count, batch) {
    probes_.for_each([&](std::size_t sample, std::size_t k, std::span<const double> direction) {
      const double length = std::sqrt(zeroth_order::detail::inner_product(direction, direction));
      if (!(length > 0)) fail("black_box: direction ", k, " of sample ", sample, " is zero");
      distances_(k, sample) = options.epsilon / length;
    });
  }

  /// B.
  std::size_t batch() const { return probes_.batch(); }
  /// q.
  std::size_t count() const { return probes_.count(); }
  /// d, the entries of one sample.
  std::size_t dimension() const { return probes_.dimension(); }
  /// epsilon / ||u_ik||.
  double distance(std::size_t sample, std::size_t k) const { return distances_(k, sample); }
  /// epsilon^2: how far a sample goes, squared.
  double squared_step() const { return epsilon_ * epsilon_; }

  /// out = x_k, k in [0, q). O(B d). Error for another k, and when x or out has another size.
  void point(const TensorView& x, std::size_t k, const MutableTensorView& out) const {
    if (k >= count()) fail("black_box: point ", k, " of ", count());
    probes_.displace(x, k, distances_.row(k), out);
  }

  /// out = g from differences[i, k] = F_i(x_k) - F_i(x), B x q. O(B q d). Error for another shape, and for
  /// one that is not finite.
  void gradient(const linalg::Matrix<double>& differences, const MutableTensorView& out) const {
    if (differences.rows() != batch() || differences.columns() != count())
      fail("black_box: ", differences.rows(), " x ", differences.columns(), " differences for ", batch(),
           " samples of ", count(), " points");
    std::vector<std::vector<double>> slopes(batch(), std::vector<double>(count()));
    for (std::size_t i = 0; i < batch(); ++i)
      for (std::size_t k = 0; k < count(); ++k) {
        slopes[i][k] = differences(i, k) / distance(i, k);
        if (!std::isfinite(slopes[i][k]))
          fail("black_box: the answers about sample ", i, " at point ", k, " differ by ", differences(i, k),
               " at a distance of ", distance(i, k));
      }
    probes_.gradient(zeroth_order::Combination::plain, slopes, out);
  }

  /// <rows_i, u_ik>, B x q. O(B q d).
  linalg::Matrix<double> along(const TensorView& rows) const {
    std::vector<double> all(rows.size());
    if (all.size() != batch() * dimension())
      fail("black_box: ", all.size(), " entries for ", batch(), " samples of ", dimension());
    rows.read(0, all);
    linalg::Matrix<double> products(batch(), count());
    probes_.for_each([&](std::size_t sample, std::size_t k, std::span<const double> direction) {
      products(sample, k) = zeroth_order::detail::inner_product(
          std::span<const double>(all).subspan(sample * dimension(), dimension()), direction);
    });
    return products;
  }

 private:
  static double checked(double epsilon) {
    if (!(epsilon > 0 && std::isfinite(epsilon))) fail("black_box: epsilon ", epsilon, " is not positive");
    return epsilon;
  }

  double epsilon_;
  zeroth_order::SampleProbes probes_;
  linalg::Matrix<double> distances_;  // q x B
};

}  // namespace fedval::black_box
