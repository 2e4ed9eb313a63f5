// Training-time gradient rewards: what each agent downloads of a round's aggregate u_N.
//
//   v_i = u_N with all but its q_i largest magnitudes zeroed,   q_i as in quota.hpp, r as in importance.hpp
//
// r_i >= r_j implies ||u_N - v_i|| <= ||u_N - v_j|| (Theorem 2): who contributes more gets the closer model.
// The agent adds v_i to the model it started the round with; its own step is rolled back.
// Source: Xu et al., "Gradient-Driven Rewards to Guarantee Fairness in Collaborative Machine Learning",
// NeurIPS 2021, sections 3.2 and 4; the authors' published code for the mode named after it.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "fedval/error.hpp"
#include "fedval/reward/importance.hpp"
#include "fedval/reward/quota.hpp"
#include "fedval/reward/sparsify.hpp"
#include "fedval/tensor/top_k.hpp"

namespace fedval::reward {

/// What the largest magnitudes are sought in: the aggregate as one vector, or each tensor that its view was
/// made of, which then all give their share.
enum class Masking {
  whole_vector,  ///< as the paper has it
  each_tensor    ///< as the authors' code has it
};

/// Settings of gradient_rewards().
struct RewardOptions {
  double beta = 1;          ///< 0: strictly by importance; infinity: the same for all with r_i > 0
  Mode mode = Mode::paper;  ///< how quotas are rounded and which ties stay
  Masking masking = Masking::whole_vector;  ///< where largest magnitudes are sought

  /// Mode and masking of the authors' published code.
  static RewardOptions authors_code(double beta = 1) {
    return {beta, Mode::authors_code, Masking::each_tensor};
  }
};

/// One agent's reward, as what stays of the aggregate in the whole vector or in each tensor.
struct Reward {
  std::vector<MaskedPart> parts;  ///< one, or one a tensor in the view's order

  /// Entries downloaded.
  std::size_t kept() const {
    std::size_t sum = 0;
    for (const MaskedPart& part : parts) sum += part.kept();
    return sum;
  }
};

/// The rewards of all agents, in the order of r; the entries themselves are read by sparse_reward(),
/// dense_reward() and add_reward(). O(N log N + D) where agents are few: the thresholds of all are found in
/// one pass over the aggregate. Error when beta is negative, r or the aggregate is not finite, or the
/// authors' code fails on a tensor of one entry.
inline std::vector<Reward> gradient_rewards(const TensorView& aggregate, std::span<const double> r,
                                            const RewardOptions& options = {}) {
  const std::vector<double> rho = reward_ratios(r, options.beta);
  const bool whole = options.masking == Masking::whole_vector;
  std::vector<Reward> rewards(r.size());
  std::size_t begin = 0;
  for (std::size_t t = 0; t < (whole ? 1 : aggregate.pieces().size()); ++t) {
    const TensorView part =
        whole ? aggregate : TensorView(aggregate.pieces()[t].shape, {aggregate.pieces()[t]});
    const std::string name = whole ? "reward: aggregate" : "reward: tensor " + std::to_string(t);
    if (options.mode == Mode::authors_code && part.size() == 1 && !r.empty())
      fail(name, " has a single entry, of which the authors' code cannot keep any");
    std::vector<std::size_t> quotas;
    quotas.reserve(rho.size());
    for (const double each : rho) quotas.push_back(quota(part.size(), each, options.mode));
    std::vector<TopK> thresholds = top_k_thresholds(part, quotas, name);
    if (options.mode == Mode::authors_code) include_ties(part, thresholds);
    for (std::size_t i = 0; i < rewards.size(); ++i)
      rewards[i].parts.push_back({begin, begin + part.size(), thresholds[i]});
    begin += part.size();
  }
  return rewards;
}

/// v_i as its entries. `out` is overwritten and its memory used again. O(D). Error when the reward is of
/// another aggregate.
inline void sparse_reward(const TensorView& aggregate, const Reward& reward, SparseVector& out) {
  sparsify(aggregate, reward.parts, out);
}

/// The same in new memory.
inline SparseVector sparse_reward(const TensorView& aggregate, const Reward& reward) {
  SparseVector result;
  sparse_reward(aggregate, reward, result);
  return result;
}

/// out = v_i, zeros included; `out` may be the aggregate. O(D). Error when sizes differ or the reward is of
/// another aggregate.
inline void dense_reward(const TensorView& aggregate, const Reward& reward, const MutableTensorView& out) {
  sparsify(aggregate, reward.parts, out);
}

/// model = model + v_i, in one pass where the two lie; entries left out keep their bits. O(D). Errors as for
/// dense_reward().
inline void add_reward(const TensorView& aggregate, const Reward& reward, const MutableTensorView& model) {
  add_sparsified(aggregate, reward.parts, model);
}

}  // namespace fedval::reward
