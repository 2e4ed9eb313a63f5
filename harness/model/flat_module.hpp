// A module whose parameters and running statistics live in one flat vector.
//
//   state = (parameters | buffers)
//
// Every parameter, and every running statistic that is a floating-point buffer, is a view into that vector,
// so a model is copied, subtracted and aggregated as one tensor, and nothing has to be gathered or scattered.
#pragma once

#include <c10/core/Device.h>
#include <torch/nn/module.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace fedval::harness {

class FlatModule {
 public:
  /// Moves the module's parameters, gradients and buffers into vectors of its own on `device`; the module
  /// must live as long as anyone computes with it.
  explicit FlatModule(torch::nn::Module& module, at::Device device = at::kCPU);

  /// The D parameters, then the B buffers; writing to it changes the module.
  const at::Tensor& state() const { return state_; }
  /// The D parameters, a view.
  const at::Tensor& parameters() const { return parameters_; }
  /// The gradient of the last backward pass, laid out as the parameters; zeroed by the caller.
  const at::Tensor& gradient() const { return gradient_; }
  std::int64_t dimension() const { return parameters_.numel(); }
  std::int64_t buffers() const { return state_.numel() - parameters_.numel(); }
  /// Where a parameter begins; -1 for one that is not there.
  std::int64_t begin_of(const std::string& name) const;
  /// All tensors of a vector laid out as the parameters, in the order of the module; views.
  std::vector<at::Tensor> tensors(const at::Tensor& flat) const;

 private:
  at::Tensor state_, parameters_, gradient_;
  std::map<std::string, std::int64_t> begins_;
  std::vector<std::vector<std::int64_t>> shapes_;
};

}  // namespace fedval::harness
