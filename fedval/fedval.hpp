// Every algorithm of fedval. Tensor adapters for other libraries are included one by one:
// fedval/tensor/eigen.hpp, xtensor.hpp, torch.hpp.
#pragma once

#include "fedval/contribution/cosine_gradient_shapley.hpp"
#include "fedval/contribution/spectral_fed.hpp"
#include "fedval/random/philox.hpp"
#include "fedval/reward/gradient_reward.hpp"
#include "fedval/reward/sparsify.hpp"
#include "fedval/shapley/cosine_gradient.hpp"
#include "fedval/spectral/entropy.hpp"
#include "fedval/statistics/correlation.hpp"
#include "fedval/tensor/operations.hpp"
#include "fedval/tensor/std.hpp"
#include "fedval/tensor/top_k.hpp"
