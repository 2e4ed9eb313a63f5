// FedAvg: the server's model moves by the updates' average, weighted by data size.
//
//   w <- w + sum_i (n_i / n) dw_i
//
// Source: McMahan et al., "Communication-Efficient Learning of Deep Networks from Decentralized Data",
// AISTATS 2017.
#pragma once

#include "harness/federation/method.hpp"

namespace fedval::harness {

class FedAvg : public Method {
 public:
  void step(const Round& round, Models& models) override;
  /// Each agent's share of the data.
  std::vector<double> credit() const override { return shares_; }

 private:
  std::vector<double> shares_;
};

}  // namespace fedval::harness
