// LibTorch's tensors: double, float, half and bfloat16, of any strides. On the CPU they are read in place; on
// any other device LibTorch's own operations do the work there. The only header of fedval that includes
// LibTorch.
#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/core/ivalue.h>  // completes a type that Tensor.h leaves open and clang asks for
#include <ATen/ops/cat.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/stack.h>

#include <limits>

#include "fedval/tensor/std.hpp"

namespace fedval {

namespace detail::torch {

inline const at::Tensor& tensor_of(const Piece& piece) {
  return *static_cast<const at::Tensor*>(piece.owner.get());
}

/// Entries [begin, begin + count) of a view on a device, flat, in the tensor's own type.
inline at::Tensor flat(const TensorView& view, std::size_t begin, std::size_t count) {
  std::vector<at::Tensor> parts;
  std::size_t start = 0;
  for (const Piece& piece : view.pieces()) {
    const std::size_t first = std::max(begin, start), last = std::min(begin + count, start + piece.size);
    if (first < last)
      parts.push_back(tensor_of(piece).reshape({-1}).narrow(0, static_cast<std::int64_t>(first - start),
                                                            static_cast<std::int64_t>(last - first)));
    start += piece.size;
  }
  return parts.size() == 1 ? parts.front() : at::cat(parts);
}

/// A chunk bounds what a conversion to double needs beside the tensors: 8 MiB a tensor.
inline constexpr std::size_t chunk = std::size_t{1} << 20;

inline void gram(std::span<const TensorView> tensors, std::span<double> out) {
  const auto n = static_cast<std::int64_t>(tensors.size());
  at::Tensor sum;
  for (std::size_t begin = 0; begin < tensors.front().size(); begin += chunk) {
    const std::size_t count = std::min(chunk, tensors.front().size() - begin);
    std::vector<at::Tensor> rows;
    for (const TensorView& tensor : tensors) rows.push_back(flat(tensor, begin, count).to(at::kDouble));
    const at::Tensor panel = at::stack(rows);
    const at::Tensor part = panel.matmul(panel.t());
    sum = sum.defined() ? sum.add(part) : part;
  }
  if (sum.defined()) at::from_blob(out.data(), {n, n}, at::kDouble).copy_(sum);
}

inline void combine(std::span<const double> weights, std::span<const TensorView> tensors, double keep,
                    const MutableTensorView& out) {
  std::size_t start = 0;
  for (const Piece& piece : out.pieces()) {
    at::Tensor target = tensor_of(piece);
    for (std::size_t begin = 0; begin < piece.size; begin += chunk) {
      const std::size_t count = std::min(chunk, piece.size - begin);
      const at::Tensor old = flat(out, start + begin, count).to(at::kDouble);
      at::Tensor sum = keep == 0 ? old.new_zeros(old.sizes()) : old.mul(keep);
      for (std::size_t i = 0; i < tensors.size(); ++i)
        sum.add_(flat(tensors[i], start + begin, count).to(at::kDouble), weights[i]);
      // A strided tensor is written through its own indexing: reshape would hand back a copy.
      if (target.is_contiguous()) {
        target.view({-1})
            .narrow(0, static_cast<std::int64_t>(begin), static_cast<std::int64_t>(count))
            .copy_(sum);
      } else {
        at::Tensor dense = target.contiguous();
        dense.view({-1})
            .narrow(0, static_cast<std::int64_t>(begin), static_cast<std::int64_t>(count))
            .copy_(sum);
        target.copy_(dense);
      }
    }
    start += piece.size;
  }
}

inline std::vector<TopK> top_k(const TensorView& tensor, std::span<const std::size_t> ks) {
  const at::Tensor magnitude = flat(tensor, 0, tensor.size()).abs();
  const at::Tensor sorted = std::get<0>(magnitude.sort(0, /*descending=*/true));
  std::vector<TopK> result;
  for (const std::size_t k : ks) {
    TopK top{std::numeric_limits<double>::infinity(), 0, 0};
    if (k > 0) {
      const at::Tensor threshold = sorted[static_cast<std::int64_t>(k - 1)];
      top.threshold = threshold.item().toDouble();
      top.above = static_cast<std::size_t>(magnitude.gt(threshold).sum().item().toLong());
      top.ties = k - top.above;
    }
    result.push_back(top);
  }
  return result;
}

inline void read(const Piece& piece, std::size_t begin, std::span<double> out) {
  const auto count = static_cast<std::int64_t>(out.size());
  at::from_blob(out.data(), {count}, at::kDouble)
      .copy_(tensor_of(piece).reshape({-1}).narrow(0, static_cast<std::int64_t>(begin), count));
}

inline void write(const Piece& piece, std::size_t begin, std::span<const double> values) {
  const auto count = static_cast<std::int64_t>(values.size());
  at::Tensor target = tensor_of(piece);
  at::Tensor dense = target.contiguous();
  dense.view({-1})
      .narrow(0, static_cast<std::int64_t>(begin), count)
      .copy_(at::from_blob(const_cast<double*>(values.data()), {count}, at::kDouble));
  if (!dense.is_same(target)) target.copy_(dense);
}

inline constexpr DeviceOperations operations{"LibTorch", gram, combine, top_k, read, write};

inline ScalarType scalar_type(const at::Tensor& tensor) {
  switch (tensor.scalar_type()) {
    case at::kDouble:
      return ScalarType::float64;
    case at::kFloat:
      return ScalarType::float32;
    case at::kHalf:
      return ScalarType::float16;
    case at::kBFloat16:
      return ScalarType::bfloat16;
    default:
      fail("a LibTorch tensor of type ", at::toString(tensor.scalar_type()), " is not a floating tensor");
  }
}

inline TensorView view(const at::Tensor& tensor, bool on_device) {
  if (!tensor.defined()) fail("a LibTorch tensor is undefined");
  if (!on_device && (tensor.is_neg() || tensor.is_conj() || tensor.layout() != at::kStrided))
    fail("a LibTorch tensor is not a plain strided one");
  const Shape shape(tensor.sizes());
  void* data = on_device ? nullptr : tensor.data_ptr();
  Piece piece = Piece::host(data, scalar_type(tensor), shape, Shape(tensor.strides()));
  piece.owner = std::make_shared<const at::Tensor>(tensor.detach());
  if (on_device) piece.device = &operations;
  return {shape, {std::move(piece)}};
}

}  // namespace detail::torch

template <>
struct tensor_traits<at::Tensor> {
  static TensorView view(const at::Tensor& tensor) { return detail::torch::view(tensor, !tensor.is_cpu()); }
  static TensorView mutable_view(const at::Tensor& tensor) { return view(tensor); }
};

/// A view that lets LibTorch compute even where the host could read the memory. Tests of the device path use
/// it.
inline TensorView torch_device_view(const at::Tensor& tensor) { return detail::torch::view(tensor, true); }

}  // namespace fedval
