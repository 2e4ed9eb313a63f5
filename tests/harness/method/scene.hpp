// Rounds for tests of methods, and what holds for every method.
#pragma once

#include <ATen/ops/randn.h>
#include <ATen/ops/zeros_like.h>
#include <torch/utils.h>

#include <functional>
#include <memory>
#include <vector>

#include "fedval/tensor/torch.hpp"
#include "harness/federation/method.hpp"
#include "tests/doctest_torch.hpp"
#include "tests/harness/method/fake_context.hpp"

namespace fedval::harness {

/// Agents 1 to n, with as many samples as their number and half of it as loss. Updates have twelve entries,
/// whose last six are a 2 x 3 final weight.
struct Scene {
  std::vector<at::Tensor> updates;  // in the order of the agents
  Round round;                      // all of them
  Models models;
  FakeContext context;

  explicit Scene(std::uint64_t seed, std::size_t agents = 3, at::ScalarType type = at::kFloat) {
    torch::manual_seed(seed);
    std::vector<std::size_t> all;
    for (std::size_t i = 1; i <= agents; ++i) {
      updates.push_back(at::randn({12}, type).mul(static_cast<double>(i)));
      context.losses.emplace(i, static_cast<double>(i) / 2);
      all.push_back(i);
    }
    round = of(all);
    models.server = at::randn({12}, type);
    for (std::size_t i = 1; i <= agents; ++i) models.agents.emplace(i, models.server);
    context.model = models.server;
    context.tested = [](const at::Tensor& model) {
      const double size = model.norm().item().toDouble();
      return Tested{1 / (1 + size), size};
    };
  }

  /// The round of these agents, added in this order; nothing moved in the round before.
  Round of(const std::vector<std::size_t>& agents) const {
    Round some;
    const at::Tensor still = at::zeros_like(updates.front());
    some.global_update = still;
    some.global_final_weight = still.narrow(0, 6, 6).view({2, 3});
    for (const std::size_t agent : agents) {
      const at::Tensor& update = updates[agent - 1];
      some.add(agent, {.update = update, .final_weight = update.narrow(0, 6, 6).view({2, 3})},
               static_cast<double>(agent));
    }
    return some;
  }
};

inline double distance(const at::Tensor& a, const at::Tensor& b) { return (a - b).norm().item().toDouble(); }

using MakeMethod = std::function<std::unique_ptr<Method>()>;

/// Both hold the same models, bit for bit.
inline void check_same(const Models& a, const Models& b) {
  CHECK(a.server.equal(b.server));
  REQUIRE(a.agents.size() == b.agents.size());
  for (const auto& [id, model] : a.agents) CHECK(model.equal(b.agents.at(id)));
}

inline Models copy_of(const Models& models) {
  Models copy{models.server.clone(), {}};
  for (const auto& [id, model] : models.agents) copy.agents.emplace(id, model.clone());
  return copy;
}

/// Restored from what another saved, a method goes on with the same bits, an agent away and one new.
inline void check_resumes(const MakeMethod& make) {
  Scene first(61, 4), next(62, 4), again(62, 4);
  const std::unique_ptr<Method> method = make(), other = make();
  method->step(first.of({1, 2, 3}), first.models, first.context);
  other->restore(method->save());
  CHECK(other->save() == method->save());
  CHECK(other->credit() == method->credit());
  method->step(next.of({1, 3, 4}), next.models, next.context);
  other->step(again.of({1, 3, 4}), again.models, again.context);
  check_same(next.models, again.models);
  CHECK(other->weights() == method->weights());
  CHECK(other->credit() == method->credit());
  CHECK(other->save() == method->save());
  CHECK(method->credit().size() == 4);
  const std::string text = method->save();
  CHECK_THROWS_AS(make()->restore(text.substr(0, text.size() / 2)), Error);
}

/// The order in which updates arrive changes no bit.
inline void check_any_order(const MakeMethod& make) {
  Scene scene(63, 4), other(63, 4);
  const std::unique_ptr<Method> method = make(), shuffled = make();
  for (int t = 0; t < 2; ++t) {
    method->step(scene.of({1, 2, 3, 4}), scene.models, scene.context);
    shuffled->step(other.of({3, 1, 4, 2}), other.models, other.context);
  }
  check_same(scene.models, other.models);
  CHECK(method->weights() == shuffled->weights());
  CHECK(method->save() == shuffled->save());
}

/// A round whose last agent gave no update is refused, and models and state stay as they were.
inline void check_refuses_without_update(const MakeMethod& make) {
  Scene scene(64, 2);
  const std::unique_ptr<Method> method = make();
  method->step(scene.round, scene.models, scene.context);
  const Models before = copy_of(scene.models);
  const std::string state = method->save();
  Round round = scene.of({1});
  round.add(2, {.final_weight = scene.updates[1].narrow(0, 6, 6).view({2, 3})});
  CHECK_THROWS_AS(method->step(round, scene.models, scene.context), Error);
  check_same(scene.models, before);
  CHECK(method->save() == state);
}

}  // namespace fedval::harness
