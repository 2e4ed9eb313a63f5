// Averaging by a score's values: with a score whose values are given, and with the library's own.
#include "harness/method/score_averaging.hpp"

#include <algorithm>
#include <cmath>

#include "fedval/contribution/confirmed_entropy.hpp"
#include "fedval/contribution/gated_entropy.hpp"
#include "fedval/contribution/residual_weights.hpp"
#include "fedval/contribution/spectral_fed.hpp"
#include "fedval/contribution/spectral_fuse.hpp"
#include "tests/harness/method/scene.hpp"

using namespace fedval;
using namespace fedval::harness;

namespace {

/// A score whose values a test gives; its state is the number of rounds.
struct Given {
  static constexpr std::string_view name = "Given";
  std::map<ClientId, double> values = {};
  std::size_t rounds = 0;

  Scores observe(const Round& round) {
    ++rounds;
    Scores scores;
    for (const auto& client : round.clients()) scores.emplace_back(client.id, Score{values.at(client.id)});
    return scores;
  }
  void fields(auto& archive) { archive.state("rounds", rounds); }
};

}  // namespace

TEST_CASE("weights are the scores over their sum; a negative score weighs 0, and a note names the client") {
  Scene scene(1, 4, at::kDouble);
  const at::Tensor before = scene.models.server.clone();
  ScoreAveraging method(Given{{{1, 3}, {2, -2}, {3, 1}, {4, -0.5}}});
  method.step(scene.round, scene.models, scene.context);
  CHECK(distance(scene.models.server, before + 0.75 * scene.updates[0] + 0.25 * scene.updates[2]) < 1e-14);
  for (const auto& [id, agent] : scene.models.agents) CHECK(agent.is_same(scene.models.server));
  CHECK(method.weights() == std::vector<double>{0.75, 0, 0.25, 0});
  CHECK(method.credit() == std::map<ClientId, double>{{1, 3}, {2, -2}, {3, 1}, {4, -0.5}});
  CHECK(method.take_notes() == std::vector<std::string>{"client 2, client 4: negative score, weighs 0"});
  method.step(scene.of({1, 3}), scene.models, scene.context);
  CHECK(method.take_notes().empty());
}

TEST_CASE("no score above rounding errors: uniform weights, and a note says so") {
  for (const double value : {0.0, -1.0, 1e-11, least_score}) {
    Scene scene(2, 3, at::kDouble);
    const at::Tensor before = scene.models.server.clone();
    ScoreAveraging method(Given{{{1, 0}, {2, value}, {3, 0}}});
    method.step(scene.of({1, 2}), scene.models, scene.context);
    CHECK(distance(scene.models.server, before + (scene.updates[0] + scene.updates[1]) / 2) < 1e-14);
    CHECK(method.weights() == std::vector<double>{0.5, 0.5});
    const std::vector<std::string> notes = method.take_notes();
    REQUIRE(notes.size() == (value < 0 ? 2 : 1));
    CHECK(notes.back() == "no score was above 1e-9, weights are uniform");
  }
}

TEST_CASE("a score that is a rounding error has no weight beside one that is not") {
  Scene scene(7, 3, at::kDouble);
  ScoreAveraging method(Given{{{1, 1e-11}, {2, 2e-9}, {3, 6e-9}}});
  method.step(scene.round, scene.models, scene.context);
  CHECK(method.weights() == std::vector<double>{0, 0.25, 0.75});
  CHECK(method.credit().at(1) == 1e-11);  // what it was given stays on record
  CHECK(method.take_notes().empty());
}

TEST_CASE("the credit of one who is away stays; a score that is no number is refused, and nothing changes") {
  Scene scene(3);
  Given score{{{1, 1}, {2, 2}, {3, 3}}};
  ScoreAveraging method(score);
  method.step(scene.of({1, 2}), scene.models, scene.context);
  method.step(scene.of({3}), scene.models, scene.context);
  CHECK(method.credit() == std::map<ClientId, double>{{1, 1}, {2, 2}, {3, 3}});

  score.values[2] = std::nan("");
  ScoreAveraging bad(score);
  const Models before = copy_of(scene.models);
  const std::string state = bad.save();
  CHECK_THROWS_WITH_AS(bad.step(scene.round, scene.models, scene.context),
                       "client 2: score is nan, cannot be a weight", Error);
  check_same(scene.models, before);
  CHECK(bad.save() == state);
}

TEST_CASE("SpectralFed: the library's own weights, and its states as credit") {
  Scene scene(4, 4);
  SpectralFed score({.momentum = 0.5});
  ScoreAveraging method(score);
  for (const auto& present : {std::vector<std::size_t>{1, 2, 3}, {2, 4}, {1, 4}}) {
    const Round round = scene.of(present);
    score.observe(round);
    method.step(round, scene.models, scene.context);
    CHECK(method.weights() == score.weights(round).values);
    CHECK(method.credit() == score.states());
  }
}

TEST_CASE("SpectralFuse: the library's own weights, and all its states as credit") {
  for (const SpectralFuse::Options& options : {SpectralFuse::Options{}, SpectralFuse::Options::reference()}) {
    Scene scene(5, 4);
    SpectralFuse score(options);
    ScoreAveraging method(score);
    for (const auto& present : {std::vector<std::size_t>{1, 2, 3}, {2, 4}, {1, 3, 4}}) {
      const Round round = scene.of(present);
      score.observe(round);
      method.step(round, scene.models, scene.context);
      CHECK(method.weights() == score.weights(round).values);
      std::map<ClientId, double> all;
      for (const auto& [id, each] : score.all()) all.emplace(id, each.value);
      CHECK(method.credit() == all);
    }
  }
}

TEST_CASE_TEMPLATE("whatever the score: weights from its values, any order, saved state", S, SpectralFed,
                   SpectralFuse, GatedEntropy, ConfirmedEntropy, ResidualReweighting) {
  Scene scene(6, 5);
  S score;
  ScoreAveraging<S> method;
  for (int t = 0; t < 3; ++t) {
    const at::Tensor before = scene.models.server.clone();
    const Round round = t == 1 ? scene.of({1, 3, 4, 5}) : scene.of({1, 2, 3, 4, 5});
    const Scores scores = score.observe(round);
    method.step(round, scene.models, scene.context);
    double sum = 0;
    for (const auto& [id, each] : scores) sum += std::max(each.value, 0.0);
    REQUIRE(sum > 0);
    at::Tensor expected = before.to(at::kDouble);
    for (std::size_t i = 0; i < scores.size(); ++i) {
      const double weight = std::max(scores[i].second.value, 0.0) / sum;
      CHECK(method.weights()[i] == doctest::Approx(weight).epsilon(1e-14));
      CHECK(method.credit().at(scores[i].first) == scores[i].second.value);
      expected = expected + weight * scene.updates[std::stoul(scores[i].first.text()) - 1].to(at::kDouble);
    }
    CHECK(distance(scene.models.server.to(at::kDouble), expected) < 1e-6);
  }
  const auto make = [] { return std::make_unique<ScoreAveraging<S>>(); };
  check_resumes(make);
  check_any_order(make);
  check_refuses_without_update(make);
}

TEST_CASE("a state of other options or of another score is refused") {
  const ScoreAveraging<SpectralFuse> fuse;
  const ScoreAveraging<SpectralFed> fed;
  ScoreAveraging reference{SpectralFuse(SpectralFuse::Options::reference())};
  CHECK_THROWS_AS(reference.restore(fuse.save()), Error);
  CHECK_THROWS_AS(reference.restore(fed.save()), Error);
}
