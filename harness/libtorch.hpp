// What LibTorch's versions do each in their own way, or may not have in the next: here, and nowhere else.
#pragma once

#include <ATen/Context.h>
#include <ATen/Parallel.h>

namespace fedval::harness::libtorch {

/// LibTorch sets a thread's count when it first computes, its library once and what of it is compiled here
/// once: now, so that what this thread sets afterwards stays.
inline void settle_threads() {
  static_cast<void>(at::get_num_threads());
  at::internal::lazy_init_num_threads();
}

/// Of a GPU's algorithms those that give the same bits each time, in whole single precision.
inline void take_repeatable_algorithms() {
  at::Context& context = at::globalContext();
  context.setDeterministicCuDNN(true);
  context.setBenchmarkCuDNN(false);  // chooses by time
  context.setAllowTF32CuDNN(false);
  context.setAllowTF32CuBLAS(false);
  context.setDeterministicAlgorithms(true, /*warn_only=*/true);
}

/// Whether it was built for GPUs.
inline bool has_cuda() { return at::globalContext().hasCUDA(); }

/// c10d's options of a store, for one that every build can serve: LibTorch 2 asks for an engine that it may
/// be built without.
template <class Options>
void serve_plainly(Options& options) {
  if constexpr (requires { options.useLibUV; }) options.useLibUV = false;
}

}  // namespace fedval::harness::libtorch
