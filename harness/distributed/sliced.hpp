// A vector of all parameters that lies cut over the ranks, as a tensor like any other: every score and method
// reads it as it reads a whole one, and gets the same bits.
//
//   D entries -> fedval's slices, at most 64 (fedval/tensor/slices.hpp) -> a run of them for each rank
//   <u, v>       each rank sums its slices one by one, and all sums are added in the order of the slices
//   sum w_i u_i  each rank writes its run; into a vector that everyone keeps whole, the runs are then told
//
// More than 64 ranks share the training, but not this. Between the ranks so go N^2 numbers for a Gram matrix
// and D entries for an aggregate, whatever N is. All ranks must do the same with it, in the same order.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include "fedval/tensor/view.hpp"
#include "harness/distributed/ranks.hpp"

namespace fedval::harness {

class Sliced {
 public:
  Sliced() = default;
  /// A whole vector, for one process alone.
  Sliced(at::Tensor whole);  // NOLINT(*-explicit-*): a vector in one process is one, too

  /// wholes[i] of rank owners[i], cut; `like` has the size and type of those that are elsewhere. The wholes
  /// can be let go then. Every rank receives D / ranks entries of each.
  static std::vector<Sliced> cut(Ranks& ranks, const std::vector<at::Tensor>& wholes,
                                 std::span<const std::size_t> owners, const at::Tensor& like);
  /// Of a vector that every rank has whole; what it shows is its memory.
  static Sliced cut(Ranks& ranks, const at::Tensor& whole);

  bool defined() const { return body_ != nullptr; }
  /// The whole vector where it is not cut, else undefined.
  at::Tensor whole() const;
  /// Put together, on every rank.
  at::Tensor joined() const;

  TensorView view() const;
  MutableTensorView mutable_view() const;

  struct Body;  // internal

 private:
  explicit Sliced(std::shared_ptr<const Body> body) : body_(std::move(body)) {}
  friend Sliced everywhere(const at::Tensor& whole, std::span<const TensorView> vectors);

  std::shared_ptr<const Body> body_;
};

/// `whole`, to be written to by operations on these vectors: every rank has it whole before and after. Shares
/// its memory.
Sliced everywhere(const at::Tensor& whole, std::span<const TensorView> vectors);

/// The vectors of views of one size, vector i put together on rank to[i]; empty views on the others.
/// Themselves where they are not cut.
std::vector<TensorView> joined(std::span<const TensorView> vectors, std::span<const std::size_t> to);

}  // namespace fedval::harness

namespace fedval {

/// A cut vector is a tensor on a device that is the ranks.
template <>
struct tensor_traits<harness::Sliced> {
  static TensorView view(const harness::Sliced& vector) { return vector.view(); }
  static MutableTensorView mutable_view(const harness::Sliced& vector) { return vector.mutable_view(); }
};

}  // namespace fedval
