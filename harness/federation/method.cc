#include "harness/federation/method.hpp"

#include "fedval/tensor/torch.hpp"

namespace fedval::harness {

std::vector<TensorView> Context::spread(const Round&, const std::vector<at::Tensor>& own) {
  return {own.begin(), own.end()};
}

}  // namespace fedval::harness
