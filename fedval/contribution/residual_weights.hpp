// Residual-based reweighting: a client counts for as much as its parameters lie where everyone's suggest.
//
// For each coordinate, N values in ascending order are points (x, y), x = 0 ... N-1, and most of them lie
// near a line, the repeated median's (Siegel 1982):
//
//   slope  med_i med_{j != i} (y_i - y_j) / (x_i - x_j), of a line through (med x, med y)
//   r_i    y_i - line(x_i)
//   tau    1.4826 (1 + 5 / (N-1)) M, with M the median of all |r_i| but the smallest
//   c_i    min(1, K sqrt(1 - h_i) tau / |r_i|), with K = lambda sqrt(2 / N)
//   h_i    1/N + (x_i - med x)^2 / Sxx, the diagonal of the hat matrix
//
// c_i is the confidence in a value (Huber's weight). A client's weight is the sum over coordinates of its c_i
// times the standard deviation of the coordinate's c, to a power, normalised. Values of too little confidence
// may be replaced by the line's ("extreme value correction"). Two clients always weigh the same, and for
// lambda = 2 three do.
// Source: Fu, Xie, Li, Chen, "Attack-resistant federated learning with residual-based reweighting",
// arXiv:1912.11464, as the authors' released code has it, but: equal values share their mean rank, where the
// code takes them as the sort leaves them; tau has no 1e-7 added, so that units do not matter; a residual
// that is rounding is 0, and has confidence 1; entries that are not finite are an error, where the code drops
// the client.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "fedval/contribution/client_states.hpp"
#include "fedval/contribution/residual_regression.hpp"
#include "fedval/contribution/round.hpp"
#include "fedval/contribution/state.hpp"
#include "fedval/tensor/check.hpp"
#include "fedval/tensor/operations.hpp"
#include "fedval/tensor/slices.hpp"

namespace fedval {

/// How confidence falls with the residual, and what it counts for.
struct ResidualOptions {
  double lambda = 2;       ///< how far from the line a value may lie with confidence 1; above 0
  double threshold = 0.1;  ///< values of less confidence are replaced by the line's, in residual_average()
  double power = 2;        ///< of the summed confidences; the released code squares them

  void fields(auto& archive) {
    archive.state("lambda", lambda);
    archive.state("threshold", threshold);
    archive.state("power", power);
  }
  bool operator==(const ResidualOptions&) const = default;
};

namespace detail {

/// Tensors in host memory: themselves or, from a device in one transfer each, copies.
class HostTensors {
 public:
  explicit HostTensors(std::span<const TensorView> tensors) : views_(tensors.begin(), tensors.end()) {
    for (TensorView& view : views_) {
      if (view.device() == nullptr) continue;
      std::vector<double>& copy = copies_.emplace_back(view.size());
      view.read(0, copy);
      const Shape shape = view.shape();
      view = {shape, {Piece::host(copy.data(), ScalarType::float64, shape, shape.row_major_strides())}};
    }
  }
  HostTensors(const HostTensors&) = delete;  // views into copies_
  HostTensors& operator=(const HostTensors&) = delete;

  std::span<const TensorView> views() const { return views_; }

 private:
  std::vector<TensorView> views_;
  std::vector<std::vector<double>> copies_;
};

/// Checked options and updates of the same size, with a regression for each thread.
class ResidualWeighing {
 public:
  ResidualWeighing(std::span<const TensorView> tensors, const ResidualOptions& options,
                   std::span<const std::string> names)
      : size_(tensors.empty() ? 0 : tensors[0].size()),
        options_(options),
        names_(names),
        tensors_(checked(tensors, options, names)) {
    const int team = few() ? 0 : threads_for(work());
    for (int thread = 0; thread < team; ++thread) regressions_.emplace_back(clients(), options.lambda);
  }

  /// A single client, or none, has no regression.
  bool few() const { return clients() < 2; }

  /// Error when an entry is not finite.
  std::vector<double> weights() {
    const std::size_t n = clients();
    std::vector<double> sums(n, 0.0);
    bool finite = false;
    if (!few()) std::tie(sums, finite) = summed_confidences();
    for (std::size_t i = 0; i < n && !finite; ++i) check_finite(tensors_.views()[i], name_of(names_, i));
    const double largest = n == 0 ? 0.0 : *std::max_element(sums.begin(), sums.end());
    double total = 0;
    for (double& value : sums) total += value = largest > 0 ? std::pow(value / largest, options_.power) : 1.0;
    for (double& value : sums) value /= total;
    return sums;
  }

  /// write(begin, values) for parts of the corrected updates' average, from several threads; all finite.
  template <class Write>
  void average(std::span<const double> weights, Write&& write) {
    reduce_slices(size_, 0, work(),
                  [&](std::vector<double>&, std::size_t begin, std::size_t end, std::size_t thread) {
                    ResidualRegression& regression = regressions_[thread];
                    std::array<double, ResidualRegression::width> sum;
                    for (; begin < end; begin += sum.size()) {
                      const std::size_t count = std::min(sum.size(), end - begin);
                      regression.read(tensors_.views(), begin, count);
                      sum.fill(0.0);
                      for (std::size_t k = 0; k < count; ++k) {
                        if (k % lanes == 0) regression.fit(k);
                        for (std::size_t i = 0; i < clients(); ++i)
                          sum[k] += weights[i] * regression.corrected(i, k % lanes, options_.threshold);
                      }
                      write(begin, std::span<const double>(sum.data(), count));
                    }
                  });
  }

 private:
  static std::span<const TensorView> checked(std::span<const TensorView> tensors,
                                             const ResidualOptions& options,
                                             std::span<const std::string> names) {
    if (!(options.lambda > 0 && std::isfinite(options.lambda)))
      fail("residual weights: lambda is ", options.lambda, ", must be finite and above 0");
    if (!(options.power > 0 && std::isfinite(options.power)))
      fail("residual weights: power is ", options.power, ", must be finite and above 0");
    if (!(options.threshold >= 0 && options.threshold <= 1))
      fail("residual weights: threshold is ", options.threshold, ", must be in [0, 1]");
    common_device(tensors, names);
    return tensors;
  }

  std::size_t clients() const { return tensors_.views().size(); }
  std::size_t work() const { return clients() * clients() * size_; }

  /// Every client's confidences times their deviation, over all coordinates; second: whether all are finite.
  std::pair<std::vector<double>, bool> summed_confidences() {
    const std::size_t n = clients();
    const auto add_slice = [&](std::vector<double>& sum, std::size_t begin, std::size_t end,
                               std::size_t thread) {
      ResidualRegression& regression = regressions_[thread];
      for (; begin < end; begin += ResidualRegression::width) {
        const std::size_t count = std::min(ResidualRegression::width, end - begin);
        regression.read(tensors_.views(), begin, count);
        for (std::size_t column = 0; column < count; column += lanes) {
          if (!regression.fit(column)) {
            sum[n] = 1;
            return;
          }
          Lanes deviation;
          regression.deviation(deviation);
          for (std::size_t i = 0; i < n; ++i) {
            const Lanes c = deviation * regression.confidence(i);
            sum[i] += ((c[0] + c[4]) + (c[2] + c[6])) + ((c[1] + c[5]) + (c[3] + c[7]));
          }
        }
      }
    };
    std::vector<double> sums = reduce_slices(size_, n + 1, work(), add_slice);
    const bool finite = sums.back() == 0;
    sums.pop_back();
    return {std::move(sums), finite};
  }

  std::size_t size_;
  ResidualOptions options_;
  std::span<const std::string> names_;
  HostTensors tensors_;
  std::vector<ResidualRegression> regressions_;
};

}  // namespace detail

/// Weights of N clients' updates, in [0, 1] and with sum 1; all the same where no coordinate tells clients
/// apart (N <= 2, or all values near their lines). The same bits for any number of threads. O(N^2 log^2 N D)
/// time, eight coordinates at a time; O(N) memory a thread. Error when sizes differ, an entry is not finite
/// (`names` may be empty), or an option is out of range.
inline std::vector<double> residual_weights(std::span<const TensorView> tensors,
                                            const ResidualOptions& options = {},
                                            std::span<const std::string> names = {}) {
  return detail::ResidualWeighing(tensors, options, names).weights();
}

/// out = the updates' average with those weights, which it returns, values of confidence below the threshold
/// replaced by the line's. Cost and errors as for residual_weights; no error touches the output.
inline std::vector<double> residual_average(std::span<const TensorView> tensors, const MutableTensorView& out,
                                            const ResidualOptions& options = {},
                                            std::span<const std::string> names = {}) {
  if (tensors.empty()) fail("residual_average: no updates");
  detail::check_combine(std::vector<double>(tensors.size()), tensors, out);
  detail::ResidualWeighing weighing(tensors, options, names);
  std::vector<double> weights = weighing.weights();
  if (weighing.few()) {
    combine(weights, tensors, 0.0, out);
    return weights;
  }
  // On a device, one transfer instead of one a block.
  std::vector<double> average(out.device() == nullptr ? 0 : out.size());
  weighing.average(weights, [&](std::size_t begin, std::span<const double> values) {
    if (average.empty())
      out.write(begin, values);
    else
      std::copy(values.begin(), values.end(), average.begin() + static_cast<std::ptrdiff_t>(begin));
  });
  if (!average.empty()) out.write(0, average);
  return weights;
}

/// The weights as a score: 1/N each where all agree, near 0 for who stands apart. Needs update of every
/// client.
class ResidualReweighting {
 public:
  static constexpr std::string_view name = "ResidualReweighting";
  /// Those of residual_weights(); the threshold is not used.
  using Options = ResidualOptions;

  ResidualReweighting() = default;
  /// With these settings, which observe() checks.
  explicit ResidualReweighting(const Options& options) : options_(options) {}

  /// Errors and cost as for residual_weights().
  Scores observe(const Round& round) const {
    if (round.size() == 0) return {};
    const Round::Parts updates = round.parts(&ClientParts::update, "update", name);
    return make_scores(round, residual_weights(updates.tensors, options_, updates.names));
  }

  /// Its options, for save() and restore(): it has no state.
  void fields(auto& archive) { archive.option("options", options_); }

 private:
  Options options_;
};

}  // namespace fedval
