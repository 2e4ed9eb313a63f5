// Batches as the network reads them, made from the one copy of the data that all agents share.
//
//   image:     x = (pixel / 255 - mean_c) / deviation_c, both of channel c over the training part
//   sentence:  the numbers of its words
#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <cstddef>
#include <map>
#include <span>
#include <vector>

#include "harness/data/dataset.hpp"

namespace fedval::harness {

/// Of pixel / 255, one entry a channel.
struct Normalisation {
  std::vector<double> mean, deviation;
};

/// Over all pixels of each channel; a channel of one value has deviation 1. O(pixels).
Normalisation normalisation_of(const Examples& examples, const ExampleShape& shape);

/// Makes batches of examples of one shape on a device. Any thread may call it.
class Batches {
 public:
  /// Of images: normalised as given. Of sentences: `normalisation` is not read.
  Batches(const ExampleShape& shape, const Normalisation& normalisation, at::Device device = at::kCPU);

  /// Copies examples to a device that is not the CPU, which from then on makes their batches itself: only
  /// their numbers are sent. The examples must outlive it, and not change.
  void keep(const Examples& examples);

  /// (batch, channels, height, width) floats, or (batch, length) int64, of the examples at `indices`.
  at::Tensor inputs(const Examples& examples, std::span<const std::size_t> indices) const;
  /// The same of made images: (batch, channels, height, width) floats in [-1, 1], where -1 is pixel 0 and 1
  /// is pixel 255.
  at::Tensor normalised(const at::Tensor& images) const;
  /// d normalised / d image, of each channel: (channels, 1, 1).
  at::Tensor slope() const;
  /// Their labels, int64.
  at::Tensor labels(const Examples& examples, std::span<const std::size_t> indices) const;

 private:
  struct Kept {
    at::Tensor entries, labels;  // bytes or words, n x ...; int64, n
  };
  at::Tensor chosen(std::span<const std::size_t> indices) const;
  at::Tensor inputs_there(const at::Tensor& entries, std::span<const std::size_t> indices) const;
  at::Tensor inputs_here(const Examples& examples, std::span<const std::size_t> indices) const;

  ExampleShape shape_;
  at::Device device_;
  std::vector<std::array<float, 256>> value_;  // of a pixel, by channel
  at::Tensor values_,
      begins_;  // the same on the device in a row, and where each channel's begin; else undefined
  std::map<const Examples*, Kept> kept_;
};

}  // namespace fedval::harness
