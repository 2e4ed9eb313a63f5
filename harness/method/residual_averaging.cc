#include "harness/method/residual_averaging.hpp"

#include <ATen/ops/empty_like.h>

#include "fedval/tensor/torch.hpp"
#include "harness/distributed/sliced.hpp"
#include "harness/method/averaging.hpp"

namespace fedval::harness {

void ResidualAveraging::step(const Round& round, Models& models, Context&) {
  if (round.size() == 0) return weights_.clear();
  const Round::Parts updates = round.parts(&ClientParts::update, "update", "residual-based reweighting");
  const at::Tensor step = at::empty_like(models.server);
  weights_ =
      residual_average(updates.tensors, everywhere(step, updates.tensors), state_.options, updates.names);
  hand_out(models.server.add(step), models);
  state_.latest.set(round, weights_);
}

}  // namespace fedval::harness
