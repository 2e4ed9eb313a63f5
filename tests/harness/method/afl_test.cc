// AFL by hand: weights on the simplex that climb the losses, agents coming and going.
#include "harness/method/afl.hpp"

#include <cmath>
#include <limits>

#include "harness/method/fedavg.hpp"
#include "tests/harness/method/scene.hpp"

using namespace fedval;
using namespace fedval::harness;

namespace {

using Lambda = std::map<ClientId, double>;

void check_near(const Lambda& found, const Lambda& expected) {
  REQUIRE(found.size() == expected.size());
  for (const auto& [id, value] : expected) CHECK(found.at(id) == doctest::Approx(value).epsilon(1e-14));
}

/// Losses 1, 2, 3, 4.
Scene scene_of(std::uint64_t seed) {
  Scene scene(seed, 4, at::kDouble);
  for (std::size_t i = 1; i <= 4; ++i) scene.context.losses[i] = static_cast<double>(i);
  return scene;
}

}  // namespace

TEST_CASE("the model moves with the lambda that agents came with, then lambda climbs") {
  Scene scene = scene_of(1);
  Afl method(0.1);
  const at::Tensor start = scene.models.server.clone();
  method.step(scene.of({1, 2, 3}), scene.models, scene.context);
  const at::Tensor first = start + (scene.updates[0] + scene.updates[1] + scene.updates[2]) / 3;
  CHECK(distance(scene.models.server, first) < 1e-14);
  check_near(method.credit(), {{1, 1 / 3.0 - 0.1}, {2, 1 / 3.0}, {3, 1 / 3.0 + 0.1}});
  CHECK(method.weights() == std::vector<double>(3, 1 / 3.0));

  // Agents 1 and 3: 7/30 + .1, 1/3, 13/30 + .3, less (.4 / 3) each; weights 7 : 13.
  method.step(scene.of({1, 3}), scene.models, scene.context);
  CHECK(distance(scene.models.server, first + (7 * scene.updates[0] + 13 * scene.updates[2]) / 20) < 1e-14);
  CHECK(method.weights()[0] == doctest::Approx(0.35).epsilon(1e-14));
  check_near(method.credit(), {{1, 6 / 30.0}, {2, 6 / 30.0}, {3, 18 / 30.0}});
  for (const auto& [id, agent] : scene.models.agents) CHECK(agent.is_same(scene.models.server));
  CHECK(method.take_notes().empty());
}

TEST_CASE("a newcomer of n starts with 1 / n, the others keep their proportions") {
  Scene scene = scene_of(2);
  Afl method(0.1);
  method.step(scene.of({1, 2, 3}), scene.models, scene.context);
  scene.context.losses = {{1, 0}, {2, 0}, {3, 0}, {4, 0}};  // nobody climbs
  method.step(scene.of({1, 4}), scene.models, scene.context);
  const Lambda expected{{1, 7 / 40.0}, {2, 10 / 40.0}, {3, 13 / 40.0}, {4, 10 / 40.0}};
  check_near(method.credit(), expected);
  CHECK(method.weights()[0] == doctest::Approx(7 / 17.0).epsilon(1e-14));
}

TEST_CASE("a large step leaves the worst agent alone; without it, weights are uniform and a note says so") {
  Scene scene = scene_of(3);
  Afl method(2);
  method.step(scene.of({1, 2, 3}), scene.models, scene.context);
  CHECK(method.credit() == Lambda{{1, 0}, {2, 0}, {3, 1}});
  const at::Tensor before = scene.models.server.clone();
  method.step(scene.of({1, 2}), scene.models, scene.context);
  CHECK(distance(scene.models.server, before + (scene.updates[0] + scene.updates[1]) / 2) < 1e-14);
  CHECK(method.weights() == std::vector<double>{0.5, 0.5});
  CHECK(method.take_notes() == std::vector<std::string>{"no lambda was above 1e-9, weights are uniform"});
  CHECK(method.credit() == Lambda{{1, 0}, {2, 1}, {3, 0}});  // from (2, 4, 1)
}

TEST_CASE("a tiny step, or losses that are all the same, is uniform averaging") {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    CAPTURE(seed);
    for (const bool tiny : {true, false}) {
      Scene left(seed, 5, at::kDouble), right(seed, 5, at::kDouble);
      if (!tiny)
        for (auto& [id, loss] : left.context.losses) loss = 3;
      Afl agnostic(tiny ? 1e-17 : 0.5);
      FedAvg uniform(Weighing::uniform);
      for (int t = 0; t < 3; ++t) {
        agnostic.step(left.round, left.models, left.context);
        uniform.step(right.round, right.models, right.context);
      }
      CHECK(distance(left.models.server, right.models.server) < 1e-13);
      check_near(agnostic.credit(), uniform.credit());
    }
  }
}

TEST_CASE("lambda stays on the simplex, whoever comes and whatever the losses") {
  Afl method(0.3);
  for (std::uint64_t t = 0; t < 40; ++t) {
    Scene scene(100 + t, 6);
    CAPTURE(t);
    for (std::size_t i = 1; i <= 6; ++i)
      scene.context.losses[i] = std::abs(scene.updates[i - 1][0].item().toDouble());
    const std::size_t one = 1 + t % 6, other = 1 + (t + 1 + t / 6 % 5) % 6;  // each pair comes up
    method.step(scene.of({one, other}), scene.models, scene.context);
    double sum = 0;
    for (const auto& [id, value] : method.credit()) {
      CHECK(value >= 0);
      sum += value;
    }
    CHECK(sum == doctest::Approx(1).epsilon(1e-14));
    CHECK(method.weights()[0] + method.weights()[1] == doctest::Approx(1).epsilon(1e-14));
  }
}

TEST_CASE("state is saved; losses, states and settings that make no step are refused") {
  const auto make = [] { return std::make_unique<Afl>(0.2); };
  check_resumes(make);
  check_any_order(make);
  check_refuses_without_update(make);
  CHECK_THROWS_WITH_AS(Afl(2).restore(Afl(1).save()), "state of AFL: saved with another learning_rate",
                       Error);
  CHECK_THROWS_WITH_AS(Afl(0), "AFL: the learning rate is 0, must be finite and above 0", Error);

  Scene scene = scene_of(6);
  Afl method(1);
  method.step(scene.round, scene.models, scene.context);
  CHECK(method.credit() == Lambda{{1, 0}, {2, 0}, {3, 0}, {4, 1}});
  std::string text = method.save();
  const std::size_t one = text.find(" 1p+0", text.find("'4"));  // the weight of agent 4
  REQUIRE(one != std::string::npos);
  text.replace(one, 5, " -1p+0");
  CHECK_THROWS_WITH_AS(Afl(1).restore(text), "state of AFL: lambda: a negative weight", Error);

  const Models before = copy_of(scene.models);
  const std::string state = method.save();
  scene.context.losses[2] = std::numeric_limits<double>::infinity();
  CHECK_THROWS_WITH_AS(method.step(scene.round, scene.models, scene.context),
                       "client 2: its loss is inf, AFL needs a finite one >= 0", Error);
  check_same(scene.models, before);
  CHECK(method.save() == state);
}
