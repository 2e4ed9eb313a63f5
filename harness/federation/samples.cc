#include "harness/federation/samples.hpp"

#include <ATen/ops/empty.h>

#include <array>
#include <cmath>

namespace fedval::harness {

Normalisation normalisation_of(const ImageSet& set) {
  std::array<std::size_t, 256> histogram{};
  for (const std::uint8_t pixel : set.pixels) ++histogram[pixel];
  const double n = static_cast<double>(set.pixels.size());
  double mean = 0, square = 0;
  for (std::size_t value = 0; value < histogram.size(); ++value)
    mean += static_cast<double>(histogram[value]) * static_cast<double>(value) / 255 / n;
  for (std::size_t value = 0; value < histogram.size(); ++value)
    square +=
        static_cast<double>(histogram[value]) * std::pow(static_cast<double>(value) / 255 - mean, 2) / n;
  return {mean, square > 0 ? std::sqrt(square) : 1.0};
}

Samples make_samples(const ImageSet& set, std::span<const std::size_t> indices,
                     const Normalisation& normalisation) {
  const auto n = static_cast<std::int64_t>(indices.size());
  Samples samples{
      at::empty({n, 1, static_cast<std::int64_t>(set.height), static_cast<std::int64_t>(set.width)}),
      at::empty({n}, at::kLong)};
  std::array<float, 256> value;
  for (std::size_t pixel = 0; pixel < value.size(); ++pixel)
    value[pixel] =
        static_cast<float>((static_cast<double>(pixel) / 255 - normalisation.mean) / normalisation.deviation);
  float* image = samples.images.data_ptr<float>();
  auto* label = samples.labels.data_ptr<std::int64_t>();
  const std::size_t pixels = set.height * set.width;
  for (const std::size_t index : indices) {
    for (std::size_t p = 0; p < pixels; ++p) *image++ = value[set.pixels[index * pixels + p]];
    *label++ = set.labels[index];
  }
  return samples;
}

}  // namespace fedval::harness
