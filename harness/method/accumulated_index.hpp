// The one-round contribution index (OR): the Shapley value of all rounds at once, among models that a
// coalition's updates of all rounds make of the start.
//
//   v(S) = utility of (start + sum_{i in S} (n_i / n_S) A_i),   A_i = sum over rounds of dw_i
//   phi_i = the Shapley value of v among all clients known
//
// A_i of rounds without i is 0 and n_i is the newest: both ours, for in the source everyone takes part in
// every round. Read after the last round it is the index of the source; read earlier, that of training
// stopped there, at the same price each time.
//
// Source: Song, Tong, Wei, "Profit Allocation for Federated Learning", IEEE BigData 2019. Written from
// descriptions of it, not from its text.
#pragma once

#include <map>

#include "harness/federation/method.hpp"
#include "harness/method/utility.hpp"

namespace fedval::harness {

class Archive;

class AccumulatedIndex : public ScoreReader {
 public:
  static constexpr std::size_t most_clients = 12;

  /// Gives scores from round `first` on, counted from 1.
  explicit AccumulatedIndex(Utility utility, std::size_t first = 1)
      : ScoreReader("ECI-OR"), utility_(utility), first_(first) {}

  bool validates() const override { return true; }
  /// phi of the round's clients; nothing before the first round that is to be scored. Keeps D floats a
  /// client; 2^M validations, M clients known. Error for more than 12 clients known and when a client gave no
  /// update; what the validation throws comes as UtilityError. The state is then as it was.
  Scores observe(const Round& round, Context& context) override;
  std::string save() const override;
  void restore(std::string_view text) override;

 private:
  struct Sum {
    at::Tensor updates;
    double samples = 0;
  };
  struct State {
    at::Tensor start;
    std::map<ClientId, Sum> sums;
  };
  friend void fields(Archive& archive, Sum& sum);
  friend void fields(Archive& archive, State& state);

  Utility utility_;
  std::size_t first_;
  State state_;
};

}  // namespace fedval::harness
