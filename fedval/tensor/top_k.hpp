// The k entries of largest magnitude, exactly k of them: ties at the threshold go to the lowest indices.
//
// Two reads of the input and no copy of it: a histogram of the magnitudes' leading bits (exponent and four
// bits of mantissa, whose order is the magnitudes' order) finds the bucket that holds the k-th; only that
// bucket's entries are then looked at one by one.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <span>
#include <vector>

#include "fedval/tensor/check.hpp"
#include "fedval/tensor/device.hpp"
#include "fedval/tensor/slices.hpp"

namespace fedval {

namespace detail {

inline constexpr std::size_t magnitude_buckets = std::size_t{1} << 15;

inline std::size_t magnitude_bucket(double value) {
  return (std::bit_cast<std::uint64_t>(value) & 0x7fffffffffffffff) >> 48;
}

/// Calls body(values, begin) for consecutive blocks of [begin, end).
template <class Body>
void for_each_block(const TensorView& tensor, std::size_t begin, std::size_t end, Body&& body) {
  if (tensor.device() != nullptr) {  // one transfer instead of one a block
    std::vector<double> values(end - begin);
    tensor.read(begin, values);
    return body(std::span<const double>(values), begin);
  }
  std::array<double, 512> block;
  for (; begin < end; begin += block.size()) {
    const std::size_t count = std::min(block.size(), end - begin);
    tensor.read(begin, {block.data(), count});
    body(std::span<const double>(block.data(), count), begin);
  }
}

}  // namespace detail

/// For each k in `ks` (0 <= k <= D) the threshold above which an entry belongs to the k largest magnitudes,
/// and how many of those equal to it do. O(D) time, O(largest bucket) memory. Error when a k exceeds D or an
/// entry is not finite; the input is not touched.
inline std::vector<TopK> top_k_thresholds(const TensorView& tensor, std::span<const std::size_t> ks) {
  for (const std::size_t k : ks)
    if (k > tensor.size()) fail("top-k: k = ", k, " of a tensor of ", tensor.size(), " entries");
  if (const DeviceOperations* device = tensor.device()) {
    std::vector<std::size_t> with_largest(ks.begin(), ks.end());
    if (tensor.size() > 0) with_largest.push_back(1);  // its threshold shows whether all entries are finite
    auto found = device->top_k(tensor, with_largest);
    if (tensor.size() > 0 && !std::isfinite(found.back().threshold)) check_finite(tensor, "top-k: tensor");
    found.resize(ks.size());
    return found;
  }

  const detail::Slices slices(tensor.size());
  const int team = detail::threads_for(tensor.size());
  std::vector<std::vector<std::size_t>> histograms(static_cast<std::size_t>(team),
                                                   std::vector<std::size_t>(detail::magnitude_buckets, 0));
  FEDVAL_OMP(omp parallel for num_threads(team) schedule(dynamic, 1) if (team > 1))
  for (std::size_t s = 0; s < slices.count(); ++s) {
    std::vector<std::size_t>& mine = histograms[detail::thread_index()];
    detail::for_each_block(tensor, slices.begin(s), slices.end(s),
                           [&](std::span<const double> values, std::size_t) {
                             for (const double value : values) ++mine[detail::magnitude_bucket(value)];
                           });
  }
  std::vector<std::size_t>& histogram = histograms.front();
  for (std::size_t t = 1; t < histograms.size(); ++t)
    for (std::size_t b = 0; b < histogram.size(); ++b) histogram[b] += histograms[t][b];
  // NaNs share the infinities' exponent, hence the last sixteen buckets; an infinity alone is in the first of
  // them.
  for (std::size_t b = detail::magnitude_bucket(std::numeric_limits<double>::infinity());
       b < histogram.size(); ++b)
    if (histogram[b] > 0) check_finite(tensor, "top-k: tensor");

  struct Bucket {
    std::size_t above = 0;  // entries in higher buckets
    std::vector<double> magnitudes;
  };
  std::map<std::size_t, Bucket> wanted;
  std::vector<std::size_t> bucket_of(ks.size());
  for (std::size_t i = 0; i < ks.size(); ++i) {
    if (ks[i] == 0) continue;
    std::size_t bucket = histogram.size(), above = 0;
    while (above + histogram[--bucket] < ks[i]) above += histogram[bucket];
    wanted[bucket_of[i] = bucket].above = above;
  }
  if (!wanted.empty())
    detail::for_each_block(tensor, 0, tensor.size(), [&](std::span<const double> values, std::size_t) {
      for (const double value : values)
        if (const auto found = wanted.find(detail::magnitude_bucket(value)); found != wanted.end())
          found->second.magnitudes.push_back(std::abs(value));
    });

  std::vector<TopK> result;
  for (std::size_t i = 0; i < ks.size(); ++i) {
    TopK top{std::numeric_limits<double>::infinity(), 0, 0};
    if (ks[i] > 0) {
      auto& [above, magnitudes] = wanted[bucket_of[i]];
      const auto nth = magnitudes.begin() + static_cast<std::ptrdiff_t>(ks[i] - above - 1);
      std::nth_element(magnitudes.begin(), nth, magnitudes.end(), std::greater<>());
      top.threshold = *nth;
      top.above = above;
      for (const double magnitude : magnitudes) top.above += magnitude > top.threshold;
      top.ties = ks[i] - top.above;
    }
    result.push_back(top);
  }
  return result;
}

/// The threshold of the k largest magnitudes.
inline TopK top_k_threshold(const TensorView& tensor, std::size_t k) {
  return top_k_thresholds(tensor, {&k, 1})[0];
}

}  // namespace fedval
