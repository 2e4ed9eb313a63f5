// FedOpt against its formulas, entry by entry in double.
#include "harness/method/fedopt.hpp"

#include <cmath>

#include "harness/method/fedavg.hpp"
#include "tests/harness/method/scene.hpp"

using namespace fedval;
using namespace fedval::harness;

namespace {

/// One entry of the model and what the optimiser keeps of it.
struct Entry {
  double w, m, v;

  void step(const FedOptSettings& s, double delta) {
    if (s.optimiser == "momentum") {
      m = s.beta1 * m + delta;
      w += s.learning_rate * m;
      return;
    }
    m = s.beta1 * m + (1 - s.beta1) * delta;
    const double square = delta * delta;
    if (s.optimiser == "adam") v = s.beta2 * v + (1 - s.beta2) * square;
    if (s.optimiser == "yogi") v += (1 - s.beta2) * (square > v ? square : square < v ? -square : 0);
    if (s.optimiser == "adagrad") v += square;
    w += s.learning_rate * m / (std::sqrt(v) + s.tau);
  }
};

std::vector<FedOptSettings> all_optimisers() {
  std::vector<FedOptSettings> settings;
  for (const char* name : {"adam", "yogi", "adagrad", "momentum"})
    settings.push_back({.optimiser = name, .learning_rate = 0.3, .beta1 = 0.6, .beta2 = 0.7, .tau = 0.5});
  return settings;
}

}  // namespace

TEST_CASE("five rounds, clients coming and going, as the formulas have it") {
  for (const FedOptSettings& settings : all_optimisers()) {
    CAPTURE(settings.optimiser);
    FedOpt method(settings);
    Scene start(1, 4, at::kDouble);
    std::vector<Entry> entries;
    for (std::int64_t k = 0; k < 12; ++k)
      entries.push_back({start.models.server[k].item().toDouble(), 0, settings.tau * settings.tau});
    const std::vector<std::vector<std::size_t>> present{{1, 2, 3}, {2}, {1, 2, 3, 4}, {4, 1}, {3, 4}};
    for (std::size_t t = 0; t < present.size(); ++t) {
      Scene scene(10 + t, 4, at::kDouble);
      for (at::Tensor& update : scene.updates) update.mul_(t == 3 ? 0.01 : 1);  // where Yogi's v shrinks
      double samples = 0;
      for (const std::size_t agent : present[t]) samples += static_cast<double>(agent);
      for (std::int64_t k = 0; k < 12; ++k) {
        double delta = 0;
        for (const std::size_t agent : present[t])
          delta += static_cast<double>(agent) / samples * scene.updates[agent - 1][k].item().toDouble();
        entries[static_cast<std::size_t>(k)].step(settings, delta);
      }
      method.step(scene.of(present[t]), start.models, scene.context);
      for (std::int64_t k = 0; k < 12; ++k)
        CHECK(start.models.server[k].item().toDouble() ==
              doctest::Approx(entries[static_cast<std::size_t>(k)].w).epsilon(1e-12));
      for (const auto& [id, agent] : start.models.agents) CHECK(agent.is_same(start.models.server));
    }
    CHECK(method.weights() == std::vector<double>{3 / 7.0, 4 / 7.0});
    CHECK(method.credit() == std::map<ClientId, double>{{1, .1}, {2, .2}, {3, .3}, {4, .4}});
  }
}

TEST_CASE("momentum without memory and with step 1 is FedAvg") {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    CAPTURE(seed);
    Scene left(seed, 5, at::kDouble), right(seed, 5, at::kDouble);
    FedOpt fedopt({.optimiser = "momentum", .learning_rate = 1, .beta1 = 0});
    FedAvg fedavg;
    for (int t = 0; t < 3; ++t) {
      fedopt.step(left.round, left.models, left.context);
      fedavg.step(right.round, right.models, right.context);
    }
    CHECK(distance(left.models.server, right.models.server) < 1e-13);
    CHECK(fedopt.credit() == fedavg.credit());
    CHECK(fedopt.weights() == fedavg.weights());
  }
}

TEST_CASE("adaptive steps: the length of the updates does not matter where tau is small") {
  for (const char* name : {"adam", "adagrad"}) {
    Scene one(3, 3, at::kDouble), large(3, 3, at::kDouble);
    const at::Tensor before = one.models.server.clone();
    for (at::Tensor& update : large.updates) update.mul_(1000);
    const FedOptSettings settings{.optimiser = name, .learning_rate = 0.1, .beta1 = 0, .tau = 1e-12};
    FedOpt left(settings), right(settings);
    left.step(one.round, one.models, one.context);
    right.step(large.of({1, 2, 3}), large.models, large.context);
    CHECK(distance(one.models.server, large.models.server) < 1e-8);
    const double expected = settings.optimiser == "adam" ? 0.1 / std::sqrt(0.01) : 0.1;  // no correction
    CHECK((one.models.server - before).abs().sub(expected).abs().max().item().toDouble() < 1e-8);
  }
}

TEST_CASE("updates whose squares no float holds: as the formulas have it, and the model goes on") {
  for (const FedOptSettings& settings : all_optimisers()) {
    if (settings.optimiser == "momentum") continue;  // has no squares
    CAPTURE(settings.optimiser);
    FedOpt method(settings);
    Scene start(7);
    std::vector<Entry> entries;
    for (std::int64_t k = 0; k < 12; ++k)
      entries.push_back({start.models.server[k].item().toDouble(), 0, settings.tau * settings.tau});
    for (std::uint64_t t = 0; t < 6; ++t) {
      CAPTURE(t);
      Scene scene(20 + t);
      if (t == 1 || t == 2) scene.updates[0].mul_(1e25);
      for (std::int64_t k = 0; k < 12; ++k) {
        double delta = 0;
        for (std::size_t i = 0; i < 3; ++i)
          delta += static_cast<double>(i + 1) / 6 * scene.updates[i][k].item().toDouble();
        entries[static_cast<std::size_t>(k)].step(settings, delta);
      }
      method.step(scene.round, start.models, scene.context);
      for (std::int64_t k = 0; k < 12; ++k)
        CHECK(start.models.server[k].item().toDouble() ==
              doctest::Approx(entries[static_cast<std::size_t>(k)].w).epsilon(1e-5));
    }
    CHECK((start.models.server.scalar_type() == at::kFloat));
  }
}

TEST_CASE("an update of nothing moves nothing") {
  for (const FedOptSettings& settings : all_optimisers()) {
    Scene scene(4);
    const at::Tensor before = scene.models.server.clone();
    for (at::Tensor& update : scene.updates) update.zero_();
    FedOpt method(settings);
    for (int t = 0; t < 2; ++t) method.step(scene.round, scene.models, scene.context);
    CHECK(scene.models.server.equal(before));
  }
}

TEST_CASE("state is saved, and refused by other settings, other methods, and models of another size") {
  for (const FedOptSettings& settings : all_optimisers()) {
    CAPTURE(settings.optimiser);
    const auto make = [&] { return std::make_unique<FedOpt>(settings); };
    check_resumes(make);
    check_any_order(make);
    check_refuses_without_update(make);

    Scene scene(5);
    FedOpt method(settings);
    method.step(scene.round, scene.models, scene.context);
    const std::string text = method.save();
    const auto refused = [&](FedOptSettings other, const char* what) {
      CHECK_THROWS_WITH_AS(FedOpt(other).restore(text),
                           (std::string("state of FedOpt: saved with another ") + what).c_str(), Error);
    };
    FedOptSettings other = settings;
    other.optimiser = settings.optimiser == "adam" ? "yogi" : "adam";
    refused(other, "optimiser");
    (other = settings).learning_rate = 1;
    refused(other, "learning rate");
    (other = settings).beta1 = 0.5;
    refused(other, "beta1");
    (other = settings).beta2 = 0.5;
    refused(other, "beta2");
    (other = settings).tau = 1;
    refused(other, "tau");
    CHECK_THROWS_AS(FedOpt(settings).restore(FedAvg().save()), Error);
    CHECK_THROWS_AS(FedAvg().restore(text), Error);
    CHECK_THROWS_AS(FedOpt(settings).restore(text + "x"), Error);

    FedOpt restored(settings);  // a refused text leaves what was there
    restored.restore(text);
    CHECK_THROWS_AS(restored.restore(text.substr(0, text.size() - 1)), Error);
    CHECK(restored.save() == text);

    Models smaller{scene.models.server.narrow(0, 0, 6), {}};
    CHECK_THROWS_WITH_AS(method.step(scene.round, smaller, scene.context),
                         "FedOpt: the model has 6 entries, had 12", Error);
  }
}

TEST_CASE("settings that make no optimiser are refused") {
  CHECK_THROWS_WITH_AS(FedOpt({.optimiser = "sgd"}),
                       "FedOpt: the optimiser is \"sgd\", must be adam, yogi, adagrad or momentum", Error);
  CHECK_THROWS_WITH_AS(FedOpt({.learning_rate = 0}),
                       "FedOpt: the learning rate is 0, must be finite and above 0", Error);
  CHECK_THROWS_WITH_AS(FedOpt({.beta1 = 1}), "FedOpt: beta1 is 1, must be in [0, 1)", Error);
  CHECK_THROWS_WITH_AS(FedOpt({.beta2 = -0.5}), "FedOpt: beta2 is -0.5, must be in [0, 1)", Error);
  CHECK_THROWS_AS(FedOpt({.tau = 1e-50}), Error);
}
