#include "harness/federation/batches.hpp"

#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>

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

Batches::Batches(const ExampleShape& shape, const Normalisation& normalisation, at::Device device)
    : shape_(shape), device_(device) {
  for (std::size_t c = 0; c < normalisation.mean.size(); ++c) {
    value_.emplace_back();
    for (std::size_t pixel = 0; pixel < 256; ++pixel)
      value_[c][pixel] = static_cast<float>((static_cast<double>(pixel) / 255 - normalisation.mean[c]) /
                                            normalisation.deviation[c]);
  }
  if (device_.is_cpu() || shape_.is_text()) return;
  const std::int64_t channels = signed_size(value_.size());
  values_ = at::from_blob(value_.data(), {channels * 256}).to(device_);
  begins_ =
      at::arange(channels, at::TensorOptions(device_).dtype(at::kLong)).mul_(256).view({channels, 1, 1});
}

void Batches::keep(const Examples& examples) {
  if (device_.is_cpu()) return;
  const std::int64_t n = signed_size(examples.size());
  const auto there = [&](const auto& values, at::IntArrayRef sizes, at::ScalarType type) {
    // LibTorch asks for memory that may be written to, and only reads it.
    return at::from_blob(const_cast<void*>(static_cast<const void*>(values.data())), sizes, type).to(device_);
  };
  const at::Tensor entries =
      shape_.is_text()
          ? there(examples.tokens, {n, signed_size(shape_.length)}, at::kInt)
          : there(examples.pixels,
                  {n, signed_size(shape_.channels), signed_size(shape_.height), signed_size(shape_.width)},
                  at::kByte);
  kept_[&examples] = {entries, there(examples.labels, {n}, at::kByte).to(at::kLong)};
}

at::Tensor Batches::chosen(std::span<const std::size_t> indices) const {
  at::Tensor numbers = at::empty({signed_size(indices.size())}, at::kLong);
  auto* number = numbers.data_ptr<std::int64_t>();
  for (const std::size_t index : indices) *number++ = signed_size(index);
  return numbers.to(device_);
}

/// The same bits as the host's: its values are looked up.
at::Tensor Batches::inputs_there(const at::Tensor& entries, std::span<const std::size_t> indices) const {
  at::Tensor batch = entries.index_select(0, chosen(indices)).to(at::kLong);
  if (shape_.is_text()) return batch;
  return values_.index_select(0, batch.add(begins_).flatten()).view(batch.sizes());
}

at::Tensor Batches::inputs(const Examples& examples, std::span<const std::size_t> indices) const {
  const auto place = kept_.find(&examples);
  return place != kept_.end() ? inputs_there(place->second.entries, indices)
                              : inputs_here(examples, indices).to(device_);
}

at::Tensor Batches::inputs_here(const Examples& examples, std::span<const std::size_t> indices) const {
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
  return slope.to(device_);
}

at::Tensor Batches::normalised(const at::Tensor& images) const {
  at::Tensor middle = at::empty({signed_size(value_.size()), 1, 1});
  for (std::size_t c = 0; c < value_.size(); ++c)
    middle.data_ptr<float>()[c] = (value_[c][255] + value_[c][0]) / 2;
  return images.mul(slope()).add(middle.to(device_));
}

at::Tensor Batches::labels(const Examples& examples, std::span<const std::size_t> indices) const {
  const auto place = kept_.find(&examples);
  if (place != kept_.end()) return place->second.labels.index_select(0, chosen(indices));
  at::Tensor labels = at::empty({signed_size(indices.size())}, at::kLong);
  auto* label = labels.data_ptr<std::int64_t>();
  for (const std::size_t index : indices) *label++ = examples.labels[index];
  return labels.to(device_);
}

}  // namespace fedval::harness
