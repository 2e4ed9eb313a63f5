#include "harness/method/qffl.hpp"

#include <algorithm>
#include <cmath>

#include "fedval/tensor/norms.hpp"
#include "fedval/tensor/operations.hpp"
#include "harness/method/averaging.hpp"
#include "harness/method/own_losses.hpp"

namespace fedval::harness {

QFedAvg::QFedAvg(double q) : state_{q} {
  if (!(q >= 0 && std::isfinite(q))) fail("q-FedAvg: q is ", q, ", must be finite and at least 0");
}

void QFedAvg::step(const Round& round, Models& models, Context& context) {
  if (round.size() == 0) return weights_.clear();
  const double q = state_.q, rate = context.learning_rate;
  if (!(rate > 0 && std::isfinite(rate)))
    fail("q-FedAvg: the learning rate is ", rate, ", must be finite and above 0");
  const std::vector<double> losses = checked_losses(round, context, "q-FedAvg");
  const Round::Parts updates = round.parts(&ClientParts::update, "update", "q-FedAvg");
  const double largest = *std::max_element(losses.begin(), losses.end());

  const VectorNorms lengths = norms(updates.tensors, updates.names);
  // Relative to the largest loss: its powers cannot overflow, and cancel in Delta / h.
  std::vector<double> power;
  double total = 0, curvature = 0;
  for (std::size_t i = 0; i < losses.size(); ++i) {
    const double loss = largest > 0 ? losses[i] / largest : 0;
    power.push_back(std::pow(loss, q));
    total += power.back();
    if (q == 0 || largest == 0 || (loss == 0 && q < 1)) continue;
    const double length = lengths.norm(i);
    curvature += q * std::pow(loss, q - 1) / largest * length * length / rate;
  }
  std::vector<double> coefficients(power.size(), 0.0),
      weights(power.size(), 1.0 / static_cast<double>(power.size()));
  for (std::size_t i = 0; i < power.size() && total > 0; ++i) {
    coefficients[i] = power[i] / (total + curvature);
    weights[i] = power[i] / total;
  }
  average(round, coefficients, models);
  if (!(total > 0)) note("all losses were 0, the model stays and weights are uniform");
  state_.latest.set(round, weights);
  weights_ = std::move(weights);
}

}  // namespace fedval::harness
