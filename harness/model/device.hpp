// Where models and batches lie: the CPU, or one of LibTorch's GPUs.
#pragma once

#include <c10/core/Device.h>

#include <string_view>

namespace fedval::harness {

/// The device of a name that settings may have; "cuda" is the first GPU. LibTorch then takes only algorithms
/// of the GPU that give the same bits every time, where it has them, and single precision where the GPU would
/// shorten it (TF32). Error when LibTorch was built without CUDA, or finds no such GPU.
at::Device device_of(std::string_view name);

/// Waits until a device has done what it was told, which the CPU always has.
void wait_for(at::Device device);

}  // namespace fedval::harness
