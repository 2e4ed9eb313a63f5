#include "harness/federation/batches.hpp"

#include <ATen/ops/empty.h>

#include <cmath>

namespace fedval::harness {

namespace {

std::int64_t signed_size(std::size_t size) { return static_cast<std::int64_t>(size); }

}  // namespace

Normalisation normalisation_of(const Examples& examples, const ExampleShape& shape) {
  Normalisation result;
  if (shape.is_text()) return result;
  const std::size_t area = shape.height * shape.width;
  std::vector<std::array<std::size_t, 256>> histograms(shape.channels);
  for (auto& histogram : histograms) histogram.fill(0);
  const std::uint8_t* pixel = examples.pixels.data();
  for (std::size_t i = 0; i < examples.size(); ++i)
    for (auto& histogram : histograms)
      for (std::size_t p = 0; p < area; ++p) ++histogram[*pixel++];
  // In units of a pixel, where a channel of one value has exactly that mean and no deviation.
  const double n = static_cast<double>(examples.size() * area);
  for (const auto& histogram : histograms) {
    const auto sum = [&](const auto& of) {
      double total = 0;
      for (std::size_t value = 0; value < histogram.size(); ++value)
        total += static_cast<double>(histogram[value]) * of(static_cast<double>(value));
      return total;
    };
    const double mean = sum([](double value) { return value; }) / n;
    const double square = sum([&](double value) { return (value - mean) * (value - mean); }) / n;
    result.mean.push_back(mean / 255);
    result.deviation.push_back(square > 0 ? std::sqrt(square) / 255 : 1.0);
  }
  return result;
}

Batches::Batches(const ExampleShape& shape, const Normalisation& normalisation) : shape_(shape) {
  for (std::size_t c = 0; c < normalisation.mean.size(); ++c) {
    value_.emplace_back();
    for (std::size_t pixel = 0; pixel < 256; ++pixel)
      value_[c][pixel] = static_cast<float>((static_cast<double>(pixel) / 255 - normalisation.mean[c]) /
                                            normalisation.deviation[c]);
  }
}

at::Tensor Batches::inputs(const Examples& examples, std::span<const std::size_t> indices) const {
  const std::int64_t n = signed_size(indices.size());
  if (shape_.is_text()) {
    at::Tensor batch = at::empty({n, signed_size(shape_.length)}, at::kLong);
    auto* word = batch.data_ptr<std::int64_t>();
    for (const std::size_t index : indices)
      for (std::size_t w = 0; w < shape_.length; ++w) *word++ = examples.tokens[index * shape_.length + w];
    return batch;
  }
  at::Tensor batch =
      at::empty({n, signed_size(shape_.channels), signed_size(shape_.height), signed_size(shape_.width)});
  const std::size_t area = shape_.height * shape_.width;
  float* out = batch.data_ptr<float>();
  for (const std::size_t index : indices) {
    const std::uint8_t* pixel = examples.pixels.data() + index * shape_.entries();
    for (const auto& value : value_)
      for (std::size_t p = 0; p < area; ++p) *out++ = value[*pixel++];
  }
  return batch;
}

at::Tensor Batches::slope() const {
  at::Tensor slope = at::empty({signed_size(value_.size()), 1, 1});
  for (std::size_t c = 0; c < value_.size(); ++c)
    slope.data_ptr<float>()[c] = (value_[c][255] - value_[c][0]) / 2;
  return slope;
}

at::Tensor Batches::normalised(const at::Tensor& images) const {
  at::Tensor middle = at::empty({signed_size(value_.size()), 1, 1});
  for (std::size_t c = 0; c < value_.size(); ++c)
    middle.data_ptr<float>()[c] = (value_[c][255] + value_[c][0]) / 2;
  return images.mul(slope()).add(middle);
}

at::Tensor Batches::labels(const Examples& examples, std::span<const std::size_t> indices) {
  at::Tensor labels = at::empty({signed_size(indices.size())}, at::kLong);
  auto* label = labels.data_ptr<std::int64_t>();
  for (const std::size_t index : indices) *label++ = examples.labels[index];
  return labels;
}

}  // namespace fedval::harness
