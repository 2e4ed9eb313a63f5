// RFFL: a reputation from the updates' cosines weighs the aggregate, decides what an agent downloads, and
// removes agents that have too little of it.
//
//   u_i = dw_i, scaled down to length Gamma where it is longer;   u_N = sum_i r_i u_i
//   r_i <- alpha r_i + (1 - alpha) cos(u_i, u_N),   r <- max(r, 0) / sum max(r, 0)
//   w_server <- w_server + u_N;   w_i <- w_i + u_i + (the k_i largest entries of u_N)
//   k_i = floor(D tanh(sharpness r_i / max r)), of those that reputations.hpp leaves in
//
// max r is that of the round's agents; even who has it gets no more than tanh(2) = .96 of the entries.
// The first round weighs by data size. An agent keeps its own step, unlike in CGSV, and one that was removed
// trains on alone. An agent that was away keeps its model.
//
// Source: Xu, Lyu, "A Reputation Mechanism Is All You Need: Collaborative Fairness and Adversarial Robustness
// in Federated Learning", arXiv:2011.10464 (2020), and the authors' published code, where the tanh is left
// out and nobody waits for a number of rounds. Ours: a negative reputation counts as 0, for as a weight it
// would turn an update around; one limit threshold / |R| for all that a round removes; the largest entries of
// the whole vector, exactly k_i of them, where the code goes tensor by tensor; a server model that takes u_N.
#pragma once

#include "fedval/tensor/norms.hpp"
#include "harness/federation/method.hpp"
#include "harness/method/reputations.hpp"

namespace fedval::harness {

struct RfflOptions {
  double gamma = 0.5;             ///< longest update
  double alpha = 0.95;            ///< share of the old reputation that a round keeps
  double sharpness = 2;           ///< of the tanh
  std::size_t grace_rounds = 10;  ///< before anyone is removed
  double threshold = 1.0 / 3;     ///< times 1 / |R|: who has less reputation is removed
};

/// The reputations alone, whoever steers.
class RfflReputation {
 public:
  static constexpr std::string_view name = "RFFL";

  /// Error unless alpha is in [0, 1) and gamma is positive.
  explicit RfflReputation(const RfflOptions& options);

  /// A round as the reputations saw it before they changed.
  struct Seen {
    Round members;                        ///< the clients that were in
    std::vector<double> weights = {};     ///< r_i of each in the aggregate
    std::vector<double> lengths = {};     ///< r_i ||u_i||
    VectorNorms norms = {{}, {}};         ///< of the updates
    std::vector<std::string> notes = {};  ///< who was removed, uniform weights
  };

  /// Learns from round `number`, counted from 0. O(N D); up to most_in_pairs clients O(N^2 D). Error names
  /// the client whose update is absent, of another size than the others', or not finite, or says that nobody
  /// in a first round has data; nothing is changed then.
  Seen observe(const Round& round, std::size_t number);

  const Reputations& reputations() const { return reputations_; }
  const RfflOptions& options() const { return options_; }

  /// Its options and state, for save() and restore().
  void fields(auto& archive) {
    archive.option("gamma", options_.gamma);
    archive.option("alpha", options_.alpha);
    archive.option("grace rounds", options_.grace_rounds);
    archive.option("threshold", options_.threshold);
    archive.state("reputations", reputations_);
  }

 private:
  RfflOptions options_;
  Reputations reputations_;
};

class Rffl : public Method {
 public:
  /// Errors as RfflReputation, and unless sharpness is positive.
  explicit Rffl(const RfflOptions& options);

  /// O(N D). Errors as RfflReputation::observe().
  void step(const Round& round, Models& models, Context& context) override;
  /// The reputation that the round's clients came with: the weights of the aggregate. All 0 where all of them
  /// had been removed.
  std::vector<double> weights() const override { return weights_; }
  /// The reputation of each agent, 0 for those removed.
  std::map<ClientId, double> credit() const override { return reputation_.reputations().all(); }
  std::string save() const override { return fedval::save(reputation_); }
  void restore(std::string_view text) override { fedval::restore(text, reputation_); }

 private:
  RfflReputation reputation_;
  std::vector<double> weights_;
};

/// The reputation as a score of rounds that others steer; 0 for those it would have removed.
class RfflReader : public ScoreReader {
 public:
  explicit RfflReader(const RfflOptions& options) : ScoreReader("RFFL r"), reputation_(options) {}

  Scores observe(const Round& round, Context& context) override;
  std::string save() const override { return fedval::save(reputation_); }
  void restore(std::string_view text) override { fedval::restore(text, reputation_); }

 private:
  RfflReputation reputation_;
};

}  // namespace fedval::harness
