// ShapFed's personalised models against the formulas, written out for each agent.
#include "harness/method/shapfed_averaging.hpp"

#include <ATen/ops/zeros.h>

#include <algorithm>

#include "tests/harness/method/scene.hpp"

using namespace fedval;
using namespace fedval::harness;

TEST_CASE("four rounds, agents coming and going: everyone's model as the formulas have it") {
  ShapFed score({.momentum = 0.5});
  ShapFedAveraging method({.momentum = 0.5});
  Models models = Scene(1, 5, at::kDouble).models;
  std::size_t personal = 0;
  const std::vector<std::vector<std::size_t>> present{{1, 2, 3, 4}, {2, 5}, {1, 2, 3, 4, 5}, {1, 3, 4}};
  for (std::size_t t = 0; t < present.size(); ++t) {
    Scene scene(20 + t, 5, at::kDouble);
    for (at::Tensor& update : scene.updates) update.add_(1);  // so that most agree
    const Round round = scene.of(present[t]);
    const Models before = copy_of(models);
    const at::Tensor away = t == 1 ? models.agents.at(3) : at::Tensor();

    std::vector<double> gamma;
    for (const auto& [id, each] : score.observe(round)) gamma.push_back(each.value);
    const double best = *std::max_element(gamma.begin(), gamma.end());
    REQUIRE(best > 0);
    double sum = 0;
    for (const double value : gamma) sum += std::max(value, 0.0);
    at::Tensor theta = at::zeros({12}, at::kDouble);
    for (std::size_t i = 0; i < gamma.size(); ++i) {
      const std::size_t agent = present[t][i];
      theta = theta + (before.agents.at(agent) + scene.updates[agent - 1]) * (std::max(gamma[i], 0.0) / sum);
    }

    method.step(round, models, scene.context);
    CHECK(distance(models.server, theta) < 1e-13);
    for (std::size_t i = 0; i < gamma.size(); ++i) {
      const std::size_t agent = present[t][i];
      const double share = std::max(gamma[i], 0.0) / best;
      const at::Tensor trained = before.agents.at(agent) + scene.updates[agent - 1];
      CHECK(distance(models.agents.at(agent), (1 - share) * trained + share * theta) < 1e-13);
      CHECK(models.agents.at(agent).is_same(models.server) == (gamma[i] == best));
      CHECK(method.weights()[i] == doctest::Approx(std::max(gamma[i], 0.0) / sum).epsilon(1e-14));
      CHECK(method.credit().at(agent) == gamma[i]);
      personal += distance(models.agents.at(agent), models.server) > 0.1;
    }
    if (t == 1) CHECK(models.agents.at(3).is_same(away));
  }
  CHECK(personal > 5);
  CHECK(method.credit().size() == 5);
}

TEST_CASE("an agent against all others: weight 0, its own model stays, and a note names it") {
  Scene scene(2, 3, at::kDouble);
  scene.updates[1].copy_(scene.updates[0]);
  scene.updates[2].copy_(scene.updates[0]).mul_(-0.25);
  const at::Tensor start = scene.models.server.clone();
  ShapFedAveraging method;
  method.step(scene.round, scene.models, scene.context);
  // gamma = 1, 1, -1: the aggregate is the first two's update.
  CHECK(method.weights()[0] == doctest::Approx(0.5).epsilon(1e-14));
  CHECK(method.weights()[2] == 0);
  CHECK(method.credit().at(3) == doctest::Approx(-1).epsilon(1e-14));
  CHECK(distance(scene.models.server, start + scene.updates[0]) < 1e-13);
  CHECK(distance(scene.models.agents.at(3), start + scene.updates[2]) < 1e-13);
  CHECK(method.take_notes() == std::vector<std::string>{"client 3: negative gamma, weighs 0"});
}

TEST_CASE("no gamma positive: uniform weights, everyone receives the aggregate, and a note says so") {
  Scene scene(3, 3, at::kDouble);
  for (at::Tensor& update : scene.updates) update.narrow(0, 6, 6).zero_();  // the final layer's
  const at::Tensor start = scene.models.server.clone();
  ShapFedAveraging method;
  method.step(scene.round, scene.models, scene.context);
  const at::Tensor expected = start + (scene.updates[0] + scene.updates[1] + scene.updates[2]) / 3;
  CHECK(distance(scene.models.server, expected) < 1e-14);
  for (const auto& [id, agent] : scene.models.agents) CHECK(agent.is_same(scene.models.server));
  CHECK(method.take_notes() == std::vector<std::string>{"no gamma was above 1e-9, weights are uniform"});
}

TEST_CASE("state is saved; an agent without a model is refused") {
  const auto make = [] { return std::make_unique<ShapFedAveraging>(); };
  check_resumes(make);
  check_any_order(make);
  check_refuses_without_update(make);
  CHECK_THROWS_AS(ShapFedAveraging({.momentum = 0.1}).restore(ShapFedAveraging().save()), Error);

  Scene scene(4);
  scene.models.agents.erase(2);
  const Models before = copy_of(scene.models);
  ShapFedAveraging method;
  CHECK_THROWS_WITH_AS(method.step(scene.round, scene.models, scene.context),
                       "client 2: sent an update, but has no model", Error);
  check_same(scene.models, before);
  CHECK(method.credit().empty());
}
