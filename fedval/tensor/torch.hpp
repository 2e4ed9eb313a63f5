// LibTorch's tensors: double, float, half and bfloat16, of any strides. On the CPU they are read in place; on
// any other device LibTorch's own operations do the work there. This header and random/torch.hpp, which it
// includes, are the only ones of fedval that include LibTorch.
#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/core/ivalue.h>  // completes a type that Tensor.h leaves open and clang asks for
#include <ATen/ops/bmm.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/eye.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/linalg_eigvalsh.h>
#include <ATen/ops/linalg_svdvals.h>
#include <ATen/ops/maximum.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <limits>

#include "fedval/random/torch.hpp"
#include "fedval/tensor/std.hpp"

namespace fedval {

namespace detail::torch {

inline const at::Tensor& tensor_of(const Piece& piece) {
  return *static_cast<const at::Tensor*>(piece.owner.get());
}

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

/// A view on a device as flat tensors in its own type, without a copy where they are contiguous.
class Flat {
 public:
  explicit Flat(const TensorView& view) {
    for (const Piece& piece : view.pieces()) parts_.push_back(tensor_of(piece).reshape({-1}));
  }

  /// Entries [begin, begin + count).
  at::Tensor entries(std::size_t begin, std::size_t count) const {
    std::vector<at::Tensor> chosen;
    std::size_t start = 0;
    for (const at::Tensor& part : parts_) {
      const auto size = static_cast<std::size_t>(part.numel());
      const std::size_t first = std::max(begin, start), last = std::min(begin + count, start + size);
      if (first < last)
        chosen.push_back(part.narrow(0, static_cast<std::int64_t>(first - start),
                                     static_cast<std::int64_t>(last - first)));
      start += size;
    }
    return chosen.size() == 1 ? chosen.front() : at::cat(chosen);
  }

 private:
  std::vector<at::Tensor> parts_;
};

/// Two GPUs share this table of operations, but not their memory.
inline void check_same_device(std::span<const TensorView> tensors, const TensorView& other) {
  for (const TensorView& tensor : tensors)
    for (const Piece& piece : tensor.pieces())
      if (!other.pieces().empty() && tensor_of(piece).device() != tensor_of(other.pieces().front()).device())
        fail("LibTorch tensors on ", tensor_of(piece).device().str(), " and ",
             tensor_of(other.pieces().front()).device().str(), " cannot be combined");
}

/// A chunk bounds what a conversion to double needs beside the tensors: 8 MiB a tensor.
inline constexpr std::size_t chunk = std::size_t{1} << 20;

inline void gram(std::span<const TensorView> tensors, std::span<double> out) {
  const auto n = static_cast<std::int64_t>(tensors.size());
  const std::vector<Flat> flat(tensors.begin(), tensors.end());
  check_same_device(tensors, tensors.front());
  at::Tensor sum;
  for (std::size_t begin = 0; begin < tensors.front().size(); begin += chunk) {
    const std::size_t count = std::min(chunk, tensors.front().size() - begin);
    std::vector<at::Tensor> rows;
    rows.reserve(flat.size());
    for (const Flat& tensor : flat) rows.push_back(tensor.entries(begin, count).to(at::kDouble));
    const at::Tensor panel = at::stack(rows);
    const at::Tensor part = panel.matmul(panel.t());
    sum = sum.defined() ? sum.add(part) : part;
  }
  if (sum.defined()) at::from_blob(out.data(), {n, n}, at::kDouble).copy_(sum);
}

/// Overwrites entries from `begin` on; a strided tensor is written through its own indexing.
inline void overwrite(const Piece& piece, std::size_t begin, const at::Tensor& values) {
  const at::Tensor& target = tensor_of(piece);
  at::Tensor dense = target.contiguous();
  dense.view({-1}).narrow(0, static_cast<std::int64_t>(begin), values.numel()).copy_(values);
  if (!dense.is_same(target)) target.copy_(dense);
}

inline void combine(std::span<const double> weights, std::span<const TensorView> tensors, double keep,
                    const MutableTensorView& out) {
  const std::vector<Flat> flat(tensors.begin(), tensors.end());
  check_same_device(tensors, out);
  std::size_t start = 0;
  for (const Piece& piece : out.pieces()) {
    const at::Tensor old = tensor_of(piece).reshape({-1});
    std::vector<at::Tensor> sums;
    for (std::size_t begin = 0; begin < piece.size; begin += chunk) {
      const auto count = static_cast<std::int64_t>(std::min(chunk, piece.size - begin));
      at::Tensor sum = old.narrow(0, static_cast<std::int64_t>(begin), count).to(at::kDouble, false, true);
      if (keep == 0) {
        sum.fill_(flat.empty() ? 0.0
                               : -0.0);  // not multiplied: what stood there, NaN included, does not matter
      } else {
        sum.mul_(keep);
      }
      for (std::size_t i = 0; i < flat.size(); ++i)
        sum.add_(flat[i].entries(start + begin, static_cast<std::size_t>(count)).to(at::kDouble), weights[i]);
      sums.push_back(sum.to(old.scalar_type()));
    }
    if (!sums.empty()) overwrite(piece, 0, at::cat(sums));
    start += piece.size;
  }
}

inline std::vector<TopK> top_k(const TensorView& tensor, std::span<const std::size_t> ks) {
  if (tensor.size() == 0)
    return std::vector<TopK>(ks.size(), {std::numeric_limits<double>::infinity(), 0, 0});
  const at::Tensor magnitude = Flat(tensor).entries(0, tensor.size()).abs();
  if (std::all_of(ks.begin(), ks.end(), [](std::size_t k) { return k == 1; }))  // no need to sort
    return std::vector<TopK>(ks.size(), {magnitude.max().item().toDouble(), 0, 1});
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

inline std::vector<std::vector<double>> squared_singular_values(std::span<const TensorView> matrices,
                                                                bool accurate) {
  check_same_device(matrices, matrices.front());
  const std::int64_t rows = matrices.front().shape()[0], columns = matrices.front().shape()[1];
  std::vector<at::Tensor> wide;
  for (const TensorView& matrix : matrices) {
    const at::Tensor values = Flat(matrix).entries(0, matrix.size()).view({rows, columns}).to(at::kDouble);
    wide.push_back(rows <= columns ? values : values.t());
  }
  const at::Tensor batch = at::stack(wide);
  const at::Tensor square = batch.mul(batch).sum({1, 2});
  const at::Tensor safe = square.gt(0x1p-900).logical_and(square.lt(0x1p1000)).view({-1, 1, 1});
  const at::Tensor trace = square.view({-1, 1, 1});
  at::Tensor squares;
  // A matrix that is left out takes part as an identity: one NaN would stop the whole batch.
  if (accurate) {
    const at::Tensor unit = at::eye(batch.size(1), batch.size(2), batch.options());
    squares = at::linalg_svdvals(at::where(safe, batch.div(trace.sqrt()), unit)).square();
  } else {
    const at::Tensor unit = at::eye(batch.size(1), batch.options());
    const at::Tensor rho = at::bmm(batch, batch.transpose(1, 2)).div(trace);
    squares = at::linalg_eigvalsh(at::where(safe, rho, unit)).clamp_min(0);
  }
  const at::Tensor values = squares.cpu().contiguous(), usable = safe.cpu().contiguous();
  std::vector<std::vector<double>> result;
  for (std::int64_t i = 0; i < values.size(0); ++i) {
    const double* row = values.data_ptr<double>() + i * values.size(1);
    if (usable.data_ptr<bool>()[i]) {
      result.emplace_back(row, row + values.size(1));
    } else {
      result.emplace_back();
    }
  }
  return result;
}

/// Flags of the entries that stay; nothing where the threshold is another tensor's.
inline at::Tensor kept_flags(const at::Tensor& entries, const TopK& top) {
  const at::Tensor magnitude = entries.abs();
  // What the entries' type does not hold is none of them, and kernels may refuse to convert it.
  const bool held = visit_scalar(scalar_type(entries), [&]<class S>(S) {
    return static_cast<double>(S(top.threshold)) == top.threshold;
  });
  if (!held) return {};
  const at::Tensor above = magnitude.gt(top.threshold), equal = magnitude.eq(top.threshold);
  const at::Tensor counts = at::stack({above.sum(), equal.sum()}).cpu();
  const auto ties = static_cast<std::int64_t>(top.ties), found = counts[1].item().toLong();
  if (counts[0].item().toLong() + std::min(found, ties) != static_cast<std::int64_t>(top.above + top.ties))
    return {};
  if (ties < found) equal.index_fill_(0, equal.nonzero().view({-1}).narrow(0, ties, found - ties), false);
  return above.logical_or(equal);
}

inline bool mask(const TensorView& tensor, std::span<const MaskedPart> parts, bool add,
                 const MutableTensorView& out) {
  if (tensor.size() == 0) return true;
  check_same_device({&tensor, 1}, out);
  const Flat flat(tensor);
  const auto size = static_cast<std::int64_t>(tensor.size());
  const at::Tensor kept =
      at::zeros({size}, at::TensorOptions(tensor_of(out.pieces().front()).device()).dtype(at::kBool));
  for (const MaskedPart& part : parts) {
    if (part.kept() == 0) continue;
    const at::Tensor flags = kept_flags(flat.entries(part.begin, part.end - part.begin), part.top);
    if (!flags.defined()) return false;
    kept.narrow(0, static_cast<std::int64_t>(part.begin), flags.numel()).copy_(flags);
  }
  std::size_t start = 0;
  for (const Piece& piece : out.pieces()) {
    if (piece.size == 0) continue;
    const at::Tensor old = tensor_of(piece).reshape({-1}), in = flat.entries(start, piece.size);
    const at::Tensor here = kept.narrow(0, static_cast<std::int64_t>(start), in.numel());
    // Two of one type: its own sum is the one in double, rounded once.
    const bool same = old.scalar_type() == in.scalar_type();
    const at::Tensor value = !add ? in : same ? old.add(in) : old.to(at::kDouble).add(in.to(at::kDouble));
    const at::Tensor rest = add ? old : at::zeros({}, old.options());
    overwrite(piece, 0, at::where(here, value.to(old.scalar_type()), rest));
    start += piece.size;
  }
  return true;
}

inline void read(const Piece& piece, std::size_t begin, std::span<double> out) {
  const auto count = static_cast<std::int64_t>(out.size());
  at::from_blob(out.data(), {count}, at::kDouble)
      .copy_(tensor_of(piece).reshape({-1}).narrow(0, static_cast<std::int64_t>(begin), count));
}

inline void write(const Piece& piece, std::size_t begin, std::span<const double> values) {
  const auto count = static_cast<std::int64_t>(values.size());
  overwrite(piece, begin, at::from_blob(const_cast<double*>(values.data()), {count}, at::kDouble));
}

inline void fill_random(const random::Sequence& sequence, std::uint64_t begin, const Piece& piece) {
  if (piece.size == 0) return;
  const at::Tensor& target = tensor_of(piece);
  overwrite(piece, 0, numbers(sequence, begin, piece.size, target.device()).to(target.scalar_type()));
}

inline TensorView view(const at::Tensor& tensor, bool on_device);

inline TensorView zeros(const Piece& like, std::size_t size) {
  const auto options = at::TensorOptions(tensor_of(like).device()).dtype(at::kDouble);
  return view(at::zeros({static_cast<std::int64_t>(size)}, options), true);
}

inline at::Tensor updated(Update rule, double p, double q, const at::Tensor& x, const at::Tensor& a,
                          const at::Tensor& b) {
  switch (rule) {
    case Update::square_mean:
      return x.mul(p).add_(a.mul(a), 1 - p);
    case Update::maximum:
      return at::maximum(x, a);
    case Update::sign_step:
      return x.sub(at::where(a.eq(a), a.sign(), a), p);  // LibTorch's sign(NaN) is 0
    default: {
      const at::Tensor root = b.sqrt().add_(q);
      return at::where(a.eq(0).logical_or(root.eq(0)), x, x.sub(a.mul(p).div_(root)));
    }
  }
}

inline void update(Update rule, double p, double q, std::span<const TensorView> inputs,
                   const MutableTensorView& x) {
  check_same_device(inputs, x);
  const std::vector<Flat> flat(inputs.begin(), inputs.end());
  std::size_t start = 0;
  for (const Piece& piece : x.pieces()) {
    if (piece.size == 0) continue;
    std::vector<at::Tensor> in;
    in.reserve(flat.size());
    for (const Flat& tensor : flat) in.push_back(tensor.entries(start, piece.size).to(at::kDouble));
    const at::Tensor& target = tensor_of(piece);
    overwrite(piece, 0,
              updated(rule, p, q, target.reshape({-1}).to(at::kDouble), in.front(), in.back())
                  .to(target.scalar_type()));
    start += piece.size;
  }
}

inline constexpr RandomOperations random_operations{fill_random};

inline constexpr DeviceOperations operations{
    "LibTorch", gram,   combine, top_k, squared_singular_values, read, write, &random_operations,
    zeros,      update, nullptr, mask};

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

/// LibTorch's tensors. Views keep the memory alive and are no part of an autograd graph.
template <>
struct tensor_traits<at::Tensor> {
  /// Without a copy. Error when it is undefined, of a type that is no ScalarType or, on the CPU, not plainly
  /// strided (sparse, or negated or conjugated lazily).
  static TensorView view(const at::Tensor& tensor) { return detail::torch::view(tensor, !tensor.is_cpu()); }
  /// The same: what is written goes to the tensor's own memory.
  static TensorView mutable_view(const at::Tensor& tensor) { return view(tensor); }
  /// A copy with memory of its own, without history for autograd.
  static at::Tensor clone(const at::Tensor& tensor) { return tensor.detach().clone(); }
};

/// A view that lets LibTorch compute even where the host could read the memory. Tests of the device path use
/// it.
inline TensorView torch_device_view(const at::Tensor& tensor) { return detail::torch::view(tensor, true); }

}  // namespace fedval
