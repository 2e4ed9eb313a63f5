#include "harness/method/accumulated_index.hpp"

#include "fedval/shapley/exact.hpp"
#include "fedval/tensor/operations.hpp"
#include "fedval/tensor/torch.hpp"
#include "harness/checkpoint/archive.hpp"
#include "harness/distributed/sliced.hpp"
#include "harness/method/model_game.hpp"

namespace fedval::harness {

Scores AccumulatedIndex::observe(const Round& round, Context& context) {
  if (round.size() == 0) return {};
  const Round::Parts updates = round.parts(&ClientParts::update, "update", name());
  State next = state_;  // shares its tensors, which are never written to
  next.start = next.start.defined() ? next.start.to(context.model.device()) : context.model.clone();
  for (auto& [id, sum] : next.sums) sum.updates = sum.updates.to(next.start.device());  // restored ones
  for (std::size_t i = 0; i < round.size(); ++i) {
    const auto& client = round.clients()[i];
    Sum& sum = next.sums[client.id];
    sum.samples = client.samples;
    sum.updates = sum.updates.defined() ? sum.updates.clone() : next.start.new_zeros(next.start.sizes());
    axpy(1.0, updates.tensors[i], everywhere(sum.updates, updates.tensors));
  }
  const std::size_t n = next.sums.size();
  if (n > most_clients)
    fail(name(), ": ", n, " clients have 2^", n, " coalitions; it takes ", most_clients, " clients at most");
  if (context.number + 1 < first_) {
    state_ = std::move(next);
    return {};
  }

  Round all;
  for (const auto& [id, sum] : next.sums) all.add(id, {.update = sum.updates}, sum.samples);
  ModelGame game(all, next.start, context, utility_);
  const std::vector<double> values = shapley::exact(game, n);
  state_ = std::move(next);
  Scores scores;
  for (std::size_t i = 0; i < n; ++i)
    if (const ClientId& id = all.clients()[i].id; round.has(id)) scores.emplace_back(id, Score{values[i]});
  return scores;
}

void fields(Archive& archive, AccumulatedIndex::Sum& sum) {
  archive.field("updates", sum.updates);
  archive.field("samples", sum.samples);
}

void fields(Archive& archive, AccumulatedIndex::State& state) {
  archive.field("ECI-OR start", state.start);
  archive.field("sums", state.sums);
}

std::string AccumulatedIndex::save() const {
  Archive archive;
  State state = state_;
  fields(archive, state);
  return archive.bytes();
}

void AccumulatedIndex::restore(std::string_view text) {
  Archive archive(std::string(text), "state of " + name());
  State state;
  fields(archive, state);
  archive.end();
  for (const auto& [id, sum] : state.sums)
    if (!state.start.defined() || !sum.updates.defined() || sum.updates.sizes() != state.start.sizes())
      fail("state of ", name(), ": client ", id, " has updates of another size than the model");
  state_ = std::move(state);
}

}  // namespace fedval::harness
