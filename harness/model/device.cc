#include "harness/model/device.hpp"

#include <torch/cuda.h>

#include <cstdlib>
#include <string>

#include "fedval/error.hpp"
#include "harness/libtorch.hpp"

namespace fedval::harness {

namespace {

void take_repeatable_algorithms() {
  libtorch::take_repeatable_algorithms();
  setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8", /*overwrite=*/0);  // read when cuBLAS is first used
}

}  // namespace

at::Device device_of(std::string_view name) {
  if (name == "cpu") return at::kCPU;
  const at::Device asked{std::string(name)};
  const at::Device device(asked.type(), asked.has_index() ? asked.index() : at::DeviceIndex{0});
  if (!torch::cuda::is_available())
    fail("device is \"", name, "\", but LibTorch ",
         libtorch::has_cuda() ? "finds no GPU here" : "was built without CUDA");
  const auto count = static_cast<int>(torch::cuda::device_count());
  if (device.index() >= count)
    fail("device is \"", name, "\", but LibTorch finds ", count, " GPU", count == 1 ? "" : "s", " here");
  take_repeatable_algorithms();
  return device;
}

void wait_for(at::Device device) {
  if (device.is_cuda()) torch::cuda::synchronize(device.index());
}

}  // namespace fedval::harness
