// A model learns a teacher's answers.
//
//   E steps of Adam, made anew, on T^2 KL(softmax(teacher / T) || softmax(model(x) / T)), mean over all
//   samples; step e goes with lr (1 + cos(pi e / E)) / 2
//
// The loss and its gradient are the library's (fedval/black_box/losses.hpp).
#pragma once

#include <ATen/core/Tensor.h>

#include "fedval/black_box/logits.hpp"
#include "harness/config/settings.hpp"
#include "harness/model/network.hpp"

namespace fedval::harness {

/// So many steps on all samples at once; `inputs` as the network reads them, teacher [B, C]. Leaves the
/// network in training mode. Error when the network gives another number of classes or logits that are not
/// finite.
void distil(FlatNetwork& network, const at::Tensor& inputs, const black_box::Logits& teacher,
            const BlackBoxSettings& settings, std::size_t steps);

}  // namespace fedval::harness
