#include "harness/federation/coalition_training.hpp"

#include <bit>
#include <cmath>
#include <map>
#include <numeric>
#include <utility>

#include "fedval/error.hpp"
#include "fedval/shapley/exact.hpp"
#include "fedval/tensor/operations.hpp"
#include "fedval/tensor/torch.hpp"
#include "harness/federation/objection.hpp"

namespace fedval::harness {

using shapley::Coalition, shapley::Mask;

// Not in an unnamed namespace: Archive finds it by its argument's namespace.
void fields(Archive& archive, Tested& tested) {
  archive.field("accuracy", tested.accuracy);
  archive.field("loss", tested.loss);
}

CoalitionTraining::CoalitionTraining(Federation& federation, std::size_t bytes) : federation_(federation) {
  const std::size_t coalitions = coalitions_of(federation.agents().size());
  const auto state = static_cast<std::size_t>(federation.start().nbytes());
  std::size_t held = 0;
  for (Mask coalition = 0; coalition < coalitions; ++coalition) {
    // What its members reach, its model before and after the round.
    const std::size_t needed = (static_cast<std::size_t>(std::popcount(coalition)) + 2) * state;
    if (coalition > begin_of(ends_.size()) && held + needed > bytes) {
      ends_.push_back(coalition);
      held = 0;
    }
    held += needed;
  }
  ends_.push_back(coalitions);
}

std::size_t CoalitionTraining::all_rounds() const {
  return ends_.size() * federation_.settings().training.rounds;
}

std::size_t CoalitionTraining::steps_left() const {
  const TrainingSettings& training = federation_.settings().training;
  const auto steps_in_a_round = [&](Mask coalition) {
    std::size_t steps = 0;
    Coalition(coalition).for_each(
        [&](std::size_t agent) { steps += steps_of(training, federation_.agents()[agent].shard.size()); });
    return steps;
  };
  std::size_t steps = 0;
  for (std::size_t round = rounds_, end = 0; round < all_rounds(); round = end) {
    const std::size_t batch = round / training.rounds, first = round % training.rounds == 0 ? 1 : 0;
    end = (batch + 1) * training.rounds;
    Mask together = 0;
    std::size_t apart = 0;
    for (Mask coalition = begin_of(batch); coalition < ends_[batch]; ++coalition) {
      together |= coalition;
      apart += steps_in_a_round(coalition);
    }
    steps += first * steps_in_a_round(together) + (end - round - first) * apart;
  }
  return steps;
}

void CoalitionTraining::next(std::atomic<std::size_t>& counter) {
  const std::size_t all = federation_.settings().training.rounds;
  const std::size_t batch = rounds_ / all, round = rounds_ % all, begin = begin_of(batch);
  std::vector<at::Tensor> states = states_;
  if (round == 0) states.assign(ends_[batch] - begin, federation_.start());

  // In the first round all coalitions have the same model: an agent trains it once for all of them.
  using Start = std::pair<std::size_t, const void*>;  // an agent and its model
  std::map<Start, std::size_t> places;
  std::vector<Federation::Task> tasks;
  for (std::size_t k = 0; k < states.size(); ++k)
    Coalition(begin + k).for_each([&](std::size_t agent) {
      if (places.try_emplace({agent, states[k].data_ptr()}, tasks.size()).second)
        tasks.push_back({{agent, 1}, states[k]});
    });
  const std::vector<at::Tensor> reached = federation_.train_all(tasks, round, counter);

  std::vector<at::Tensor> after;
  for (std::size_t k = 0; k < states.size(); ++k) {
    std::vector<at::Tensor> theirs;
    Coalition(begin + k).for_each([&](std::size_t agent) {
      theirs.push_back(reached[places.at({agent, states[k].data_ptr()})]);
    });
    try {
      after.push_back(average(begin + k, states[k], theirs));
    } catch (const Error& error) {
      fail("coalition ", agents_of(begin + k), ", round ", round + 1, ": ", error.what());
    }
  }
  if (round + 1 < all) {
    states_ = std::move(after);
  } else {
    const std::vector<Tested> tested = federation_.test(after);
    for (std::size_t k = 0; k < tested.size(); ++k)
      if (!std::isfinite(tested[k].loss))
        fail("coalition ", agents_of(begin + k), ": the mean loss of its last model is ", tested[k].loss);
    values_.insert(values_.end(), tested.begin(), tested.end());
    states_.clear();
  }
  ++rounds_;
}

/// The coalition's next model: each step as a run of "fedavg" does it, so that the bits are the same.
at::Tensor CoalitionTraining::average(Mask coalition, const at::Tensor& state,
                                      const std::vector<at::Tensor>& reached) const {
  const std::vector<std::size_t> members = Coalition(coalition).members();
  std::vector<at::Tensor> updates;
  std::vector<double> weights;
  for (std::size_t i = 0; i < members.size(); ++i) {
    const Agent& agent = federation_.agents()[members[i]];
    updates.push_back(reached[i].sub(state));
    check_finite_there(updates[i], "client " + agent.id.text() + ": update");
    weights.push_back(static_cast<double>(agent.shard.size()));
  }
  if (members.empty()) return state;
  if (members.size() == 1) return reached[0];  // its update, added again, would be rounded twice

  const std::int64_t dimension = federation_.dimension(), buffers = federation_.buffers();
  const double samples = std::accumulate(weights.begin(), weights.end(), 0.0);
  for (double& weight : weights) weight /= samples;
  std::vector<TensorView> moves;
  for (const at::Tensor& update : updates) moves.emplace_back(update.narrow(0, 0, dimension));
  at::Tensor after = state.clone();
  at::Tensor parameters = after.narrow(0, 0, dimension), statistics = after.narrow(0, dimension, buffers);
  combine(weights, moves, 1.0, parameters);
  statistics.zero_();
  const double total = std::accumulate(weights.begin(), weights.end(), 0.0);
  for (std::size_t i = 0; i < members.size(); ++i)
    statistics.add_(reached[i].narrow(0, dimension, buffers), weights[i] / total);
  return after;
}

void CoalitionTraining::fields(Archive& archive) {
  archive.field("rounds", rounds_);
  archive.field("states", states_);
  archive.field("values", values_);
  const std::size_t all = federation_.settings().training.rounds, batch = rounds_ / all;
  if (rounds_ > all_rounds() || values_.size() != begin_of(batch) ||
      states_.size() != (rounds_ % all == 0 ? 0 : ends_[batch] - begin_of(batch)))
    fail("coalitions: ", values_.size(), " done and ", states_.size(), " in training after ", rounds_,
         " rounds were saved with another number of bytes");
}

std::size_t coalitions_of(std::size_t agents) {
  constexpr std::size_t most = 16;
  if (agents > most)
    fail(agents, " agents have 2^", agents, " coalitions to train; ", most, " agents, ",
         std::size_t{1} << most, " coalitions, are the most");
  return std::size_t{1} << agents;
}

std::string agents_of(Mask coalition) {
  std::string list;
  Coalition(coalition).for_each(
      [&](std::size_t agent) { list += (list.empty() ? "" : ", ") + std::to_string(agent + 1); });
  return "{" + list + "}";
}

CoalitionShapley shapley_of(const std::vector<Tested>& values) {
  std::vector<double> accuracy, loss;
  for (const Tested& value : values) {
    accuracy.push_back(value.accuracy);
    loss.push_back(-value.loss);
  }
  const auto exact = [](std::vector<double> of) {
    const shapley::TableGame game(std::move(of));
    return shapley::exact(game, game.players());
  };
  return {exact(std::move(accuracy)), exact(std::move(loss))};
}

}  // namespace fedval::harness
