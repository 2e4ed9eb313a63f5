// What makes a step of a gradient, on flat vectors.
//
//   sgd   v <- momentum v + g,  w <- w - lr v
//   adam  m <- .9 m + .1 g,  s <- .999 s + .001 g^2,
//         w <- w - lr (m / (1 - .9^t)) / (sqrt(s / (1 - .999^t)) + 1e-8)
//
// Both with g + weight_decay w for g.
#pragma once

#include <ATen/core/Tensor.h>

#include "harness/config/settings.hpp"

namespace fedval::harness {

class Optimiser {
 public:
  /// As the settings say, for vectors like this one; v, m, s are 0.
  Optimiser(const TrainingSettings& settings, const at::Tensor& like);

  /// Moves the parameters; the gradient may be changed. No gradients may be recorded meanwhile.
  void step(const at::Tensor& parameters, const at::Tensor& gradient, double learning_rate);

 private:
  void adam(const at::Tensor& parameters, const at::Tensor& gradient, double learning_rate);

  double momentum_, weight_decay_;
  bool adam_;
  at::Tensor first_, second_;
  int steps_ = 0;
};

/// lr (1 + cos(pi step / steps)) / 2: from lr at step 0 towards 0 at the last.
double cosine_rate(double learning_rate, std::size_t step, std::size_t steps);

}  // namespace fedval::harness
