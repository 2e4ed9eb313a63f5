// FedAvg: the server's model moves by the updates' average, weighted by data size.
//
//   w <- w + sum_i (n_i / n) dw_i,  n over those that took part
//
// Source: McMahan et al., "Communication-Efficient Learning of Deep Networks from Decentralized Data",
// AISTATS 2017.
#pragma once

#include "harness/federation/method.hpp"

namespace fedval::harness {

class FedAvg : public Method {
 public:
  void step(const Round& round, Models& models) override;
  std::vector<double> weights() const override { return weights_; }
  /// Each agent's share of the data of all agents known so far.
  std::map<ClientId, double> credit() const override;
  std::string save() const override { return fedval::save(samples_); }
  void restore(std::string_view text) override { fedval::restore(text, samples_); }

 private:
  struct Samples {
    static constexpr std::string_view name = "FedAvg";
    std::map<ClientId, double> of = {};
    void fields(auto& archive) { archive.state("samples", of); }
  };

  Samples samples_;
  std::vector<double> weights_;
};

}  // namespace fedval::harness
