#include "harness/model/flat_module.hpp"

#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>
#include <torch/utils.h>

namespace fedval::harness {

FlatModule::FlatModule(torch::nn::Module& module, at::Device device) {
  const torch::NoGradGuard no_grad;
  std::int64_t dimension = 0, buffers = 0;
  for (const auto& parameter : module.parameters()) dimension += parameter.numel();
  for (const auto& buffer : module.buffers())
    if (buffer.is_floating_point()) buffers += buffer.numel();
  state_ = at::empty({dimension + buffers}, device);
  parameters_ = state_.narrow(0, 0, dimension);
  gradient_ = at::zeros({dimension}, device);
  std::int64_t begin = 0;
  const auto move_in = [&](at::Tensor& tensor) {
    const at::Tensor view = state_.narrow(0, begin, tensor.numel()).view(tensor.sizes());
    view.copy_(tensor);
    tensor.set_data(view);
  };
  for (auto& item : module.named_parameters()) {
    at::Tensor& parameter = item.value();
    move_in(parameter);
    parameter.mutable_grad() = gradient_.narrow(0, begin, parameter.numel()).view(parameter.sizes());
    begins_.emplace(item.key(), begin);
    shapes_.push_back(parameter.sizes().vec());
    begin += parameter.numel();
  }
  for (auto& item : module.named_buffers()) {
    if (!item.value().is_floating_point()) continue;  // counts of batches, which nothing reads
    move_in(item.value());
    begin += item.value().numel();
  }
}

std::int64_t FlatModule::begin_of(const std::string& name) const {
  const auto place = begins_.find(name);
  return place == begins_.end() ? -1 : place->second;
}

std::vector<at::Tensor> FlatModule::tensors(const at::Tensor& flat) const {
  std::vector<at::Tensor> views;
  std::int64_t begin = 0;
  for (const std::vector<std::int64_t>& shape : shapes_) {
    std::int64_t count = 1;
    for (const std::int64_t extent : shape) count *= extent;
    views.push_back(flat.narrow(0, begin, count).view(shape));
    begin += count;
  }
  return views;
}

}  // namespace fedval::harness
