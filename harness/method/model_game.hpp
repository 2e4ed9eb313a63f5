// A cooperative game of updates: a coalition is worth what its members' updates make of a model.
//
//   v(S) = utility of (start + sum_{i in S} (n_i / n_S) dw_i),   n_S = sum_{i in S} n_i;   v({}): start
//   itself
//
// Where all n_i of a coalition are 0, its members weigh the same.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "fedval/shapley/coalition.hpp"
#include "harness/federation/method.hpp"
#include "harness/method/utility.hpp"

namespace fedval::harness {

/// Players are the round's clients in the order of their ids.
class ModelGame {
 public:
  /// Models that are built at a time: each one takes D floats.
  static constexpr std::size_t most_models = 32;

  /// The updates and the context must outlive the game. Error when a client gave no update.
  ModelGame(const Round& round, at::Tensor start, Context& context, Utility utility);

  /// out[k] = v(coalitions[k]), written up to 32 at a time. O(|S| D) each, and one validation. Error for a
  /// player that the round does not have, and, which names the clients, for a model whose loss is not finite.
  void batch(std::span<const shapley::Coalition> coalitions, std::span<double> out) const;

 private:
  at::Tensor model_of(const shapley::Coalition& coalition) const;

  std::string clients(const shapley::Coalition& coalition) const;

  std::vector<std::string> names_;
  std::vector<TensorView> updates_;
  std::vector<double> samples_;
  at::Tensor start_;
  Context* context_;
  Utility utility_;
};

}  // namespace fedval::harness
