// CFFL: a reputation from the validation accuracy of what an agent uploads decides what it downloads of the
// others' uploads, and removes agents that have too little of it.
//
//   u_i = the floor(theta D) largest entries of clip(dw_i, -c, c)
//   vacc_i = accuracy of w_server + u_i, or of w_i + u_i where everything is uploaded (theta = 1)
//   c_i <- memory c_i + (1 - memory) vacc_i / sum vacc,   c <- sinh(s (1 + t/T) c) / sum
//   u_N = the sum of the u_i of those that reputations.hpp leaves in;   w_server <- w_server + u_N
//   w_i <- w_i + dw_i + (the floor(D c_i / max c) largest entries of u_N - u_i)
//
// t counts the rounds from 0. An agent keeps its own step, and one that was removed trains on alone. An agent
// that was away keeps its model; those that took part share out the reputation that they held together. To
// newcomers everyone leaves so much that they have the mean of the known, and all have one.
//
// Source: Lyu, Xu, Wang, Yu, "Collaborative Fairness in Federated Learning", 2020, after the authors'
// published code. The code has memory = .2, and multiplies the number of entries downloaded by n_i / max n.
// It masks u_N, and then takes u_i off everywhere; for theta = 1 it tests the step that was not clipped.
// Ours: the others' aggregate is masked, what is tested is what was uploaded, exactly k entries stay of
// several that are equal, and where nobody has any accuracy all get the same share.
#pragma once

#include "harness/federation/method.hpp"
#include "harness/method/reputations.hpp"

namespace fedval::harness {

struct CfflOptions {
  double upload_share = 0.1;   ///< theta, in (0, 1]
  double clip = 0.01;          ///< c, largest magnitude of an uploaded entry
  double memory = 0.2;         ///< share of the old reputation that a round keeps, in [0, 1)
  double sharpness = 5;        ///< s, at most 300: the sinh of twice as much must be finite
  double threshold = 1.0 / 3;  ///< times 1 / |R|: who has less reputation is removed
  std::size_t rounds = 1;      ///< T
};

class Cffl : public Method {
 public:
  /// Error when an option is out of range.
  explicit Cffl(const CfflOptions& options);

  /// One validation an agent that was not removed, and O(N D). Error when an update is absent or not finite.
  bool needs_all_models() const override { return true; }
  bool validates() const override { return true; }
  void step(const Round& round, Models& models, Context& context) override;
  /// Equal for all whose uploads are in the aggregate, with sum one; 0 for those removed.
  std::vector<double> weights() const override { return weights_; }
  /// The reputation c of each agent, 0 for those removed.
  std::map<ClientId, double> credit() const override { return kept_.reputations.all(); }
  std::string save() const override { return fedval::save(kept_); }
  void restore(std::string_view text) override { fedval::restore(text, kept_); }

 private:
  struct Kept {
    static constexpr std::string_view name = "CFFL";
    CfflOptions options;
    Reputations reputations = {};
    void fields(auto& archive) {
      archive.option("upload share", options.upload_share);
      archive.option("clip", options.clip);
      archive.option("memory", options.memory);
      archive.option("sharpness", options.sharpness);
      archive.option("threshold", options.threshold);
      archive.option("rounds", options.rounds);
      archive.state("reputations", reputations);
    }
  };

  /// What an agent sends, as a tensor of the kind of its model.
  at::Tensor upload(const at::Tensor& update, const std::string& name) const;
  /// c of those that took part, before anyone is removed.
  std::vector<double> reputations_after(const Round& members, const std::vector<double>& accuracies,
                                        std::size_t number) const;

  Kept kept_;
  std::vector<double> weights_;
};

}  // namespace fedval::harness
