// An optimiser on the server: the updates' average is its direction, in the place of a gradient's opposite.
//
//   Delta = sum_i (n_i / n) dw_i
//   adam      v <- beta2 v + (1 - beta2) Delta^2
//   yogi      v <- v - (1 - beta2) Delta^2 sign(v - Delta^2)
//   adagrad   v <- v + Delta^2
//             all three: m <- beta1 m + (1 - beta1) Delta,  w <- w + eta m / (sqrt(v) + tau)
//   momentum  m <- beta1 m + Delta,  w <- w + eta m                 (FedAvgM; beta1 = 0, eta = 1: FedAvg)
//
// from m = 0 and v = tau^2, the smallest start the paper allows; neither is corrected for its start, as in
// the paper and unlike Adam elsewhere. m and sqrt(v) are floats, as the parameters are. v itself may be
// beyond one where an update is large, and infinite it would stop the model for good, or make it NaN.
// Sources: Reddi et al., "Adaptive Federated Optimization", ICLR 2021, algorithm 2; momentum: Hsu, Qi, Brown,
// "Measuring the Effects of Non-Identical Data Distribution for Federated Visual Classification",
// arXiv:1909.06335.
#pragma once

#include "harness/config/settings.hpp"
#include "harness/federation/method.hpp"
#include "harness/method/data_shares.hpp"

namespace fedval::harness {

class FedOpt : public Method {
 public:
  /// Error for an optimiser that is none of the four, a learning rate or tau that is not above 0, and a beta
  /// outside [0, 1); tau must be a float.
  explicit FedOpt(const FedOptSettings& settings);

  /// O(N D). Error when a client gave no update, nobody has a sample, or the model has another size than
  /// before.
  void step(const Round& round, Models& models, Context& context) override;
  /// Data shares of the round's clients.
  std::vector<double> weights() const override { return weights_; }
  /// Each agent's share of the data of all agents known so far.
  std::map<ClientId, double> credit() const override { return state_.shares.all(); }
  std::string save() const override;
  void restore(std::string_view text) override;

 private:
  struct State {
    DataShares shares{Weighing::by_data};
    at::Tensor m = {};     // undefined before the first step
    at::Tensor root = {};  // sqrt(v); undefined without an adaptive optimiser, too
  };

  State fields(State state, class Archive& archive) const;
  void advance(State& state, const at::Tensor& delta) const;

  FedOptSettings settings_;
  State state_;
  std::vector<double> weights_;
};

}  // namespace fedval::harness
