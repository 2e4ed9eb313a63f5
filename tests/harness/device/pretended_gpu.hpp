// A GPU where there is none: who links this file finds one device "cuda" in a LibTorch that was built without
// CUDA. Its kernels are the CPU's, its memory is the host's under addresses that nobody can read, so that
// whatever reads a device's memory ends the program, and whatever mixes it with the host's is refused. It
// shows that all of a run stays on the device, and counts what leaves it; not how fast a GPU is, nor its last
// bits.
#pragma once

#include <torch/version.h>

#include <cstddef>

namespace fedval::tests {

/// Bytes copied between host and device since the program began.
struct Traffic {
  std::size_t to_host = 0, to_device = 0;
};
Traffic traffic();

/// Whether it can be done: LibTorch 1.x that was built without CUDA.
#if TORCH_VERSION_MAJOR < 2 && !__has_include(<ATen/cuda/CUDAConfig.h>)
inline constexpr bool gpu_can_be_pretended = true;
#else
inline constexpr bool gpu_can_be_pretended = false;
#endif

}  // namespace fedval::tests
