#include "harness/federation/federation.hpp"

#include "harness/data/rendered_digits.hpp"
#include "harness/method/methods.hpp"
#include "tests/doctest_torch.hpp"

using namespace fedval::harness;

namespace {

Settings small_settings() {
  Settings settings;
  settings.partition = {"pow", 3, 60};
  settings.training = {3, 2, 16, 0.1, 0.9};
  settings.evaluation = {100, 2};
  return settings;
}

const Dataset& digits() {
  static const Dataset data = rendered_digits(1, 300, 200);
  return data;
}

Shards shards_of(const Settings& settings) {
  return partition(settings.partition.kind, digits().train.labels, digits().classes,
                   settings.partition.agents, settings.partition.samples_per_agent, settings.seed);
}

struct Outcome {
  RunResult run;
  std::vector<double> credit, standalone;
};

Outcome run(const std::string& name, const Settings& settings, std::size_t threads) {
  Workers workers(threads);
  Federation federation(settings, digits(), shards_of(settings), workers);
  const auto method = make_method(name, settings);
  Outcome outcome{federation.run(*method, [&] { return make_readers(settings); }, {}), {}, {}};
  outcome.credit = method->credit();
  outcome.standalone = federation.standalone({});
  return outcome;
}

}  // namespace

TEST_CASE("same seed, same bits, with one worker and with two, for every method and score") {
  const Settings settings = small_settings();
  for (const std::string name : {"fedavg", "cgsv", "spectral_fed"}) {
    CAPTURE(name);
    const Outcome one = run(name, settings, 1), two = run(name, settings, 2);
    CHECK(one.credit == two.credit);
    CHECK(one.standalone == two.standalone);
    CHECK(one.run.agent_accuracy == two.run.agent_accuracy);
    REQUIRE(one.run.rounds.size() == two.run.rounds.size());
    for (std::size_t t = 0; t < one.run.rounds.size(); ++t) {
      CHECK(one.run.rounds[t].server_accuracy == two.run.rounds[t].server_accuracy);
      for (std::size_t reader = 0; reader < one.run.rounds[t].readers.size(); ++reader) {
        const auto &left = one.run.rounds[t].readers[reader].scores,
                   &right = two.run.rounds[t].readers[reader].scores;
        REQUIRE(left.size() == 3);
        for (std::size_t i = 0; i < 3; ++i) {
          CHECK(left[i].first == right[i].first);
          CHECK(left[i].second.value == right[i].second.value);
        }
      }
    }
  }
}

TEST_CASE("another seed gives other scores") {
  Settings settings = small_settings();
  const Outcome one = run("spectral_fed", settings, 2);
  settings.seed = 2;
  CHECK(one.credit != run("spectral_fed", settings, 2).credit);
}

TEST_CASE("one agent under FedAvg is that agent trained alone, and its cosine with the aggregate is one") {
  Settings settings = small_settings();
  settings.partition = {"uni", 1, 100};
  const Outcome outcome = run("fedavg", settings, 1);
  // Adding (after - before) to before rounds differently from after itself, so the models agree to a few
  // ulps.
  CHECK(outcome.run.server_accuracy == doctest::Approx(outcome.standalone[0]).epsilon(0.03));
  CHECK(outcome.credit == std::vector<double>{1.0});
  for (const auto& record : outcome.run.rounds)
    CHECK(record.readers[0].scores[0].second.value == doctest::Approx(1.0).epsilon(1e-12));
}

TEST_CASE("rounds are evaluated every so often, and the last one always") {
  const Outcome outcome = run("fedavg", small_settings(), 2);
  CHECK_FALSE(outcome.run.rounds[0].server_accuracy.has_value());
  CHECK(outcome.run.rounds[1].server_accuracy.has_value());
  CHECK(outcome.run.rounds[2].server_accuracy.has_value());
}

TEST_CASE("training diverges: the error names the agent, the tensor and the entry") {
  Settings settings = small_settings();
  settings.training.learning_rate = 1e38;
  std::string message;
  try {
    run("fedavg", settings, 2);
  } catch (const fedval::Error& error) {
    message = error.what();
  }
  CAPTURE(message);
  CHECK(message.starts_with("round 1: client "));
  CHECK(message.find(": update[") != std::string::npos);
  CHECK((message.ends_with("NaN") || message.ends_with("infinite")));
}

TEST_CASE("an agent that diverges on its own is named") {
  Settings settings = small_settings();
  settings.training.learning_rate = 1e38;
  Workers workers(2);
  Federation federation(settings, digits(), shards_of(settings), workers);
  std::string message;
  try {
    federation.standalone({});
  } catch (const fedval::Error& error) {
    message = error.what();
  }
  CAPTURE(message);
  CHECK(message.starts_with("client "));
  CHECK(message.find(": model[") != std::string::npos);
}

TEST_CASE("more test samples than there are is refused with both numbers") {
  Settings settings = small_settings();
  settings.evaluation.test_samples = 201;
  CHECK_THROWS_WITH_AS(run("fedavg", settings, 1),
                       "evaluation.test_samples is 201, but the test part of the data has 200",
                       fedval::Error);
}

TEST_CASE("images are normalised by the training part's mean and deviation") {
  const Normalisation normalisation = normalisation_of(digits().train);
  std::vector<std::size_t> all(digits().train.size());
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = i;
  const Samples samples = make_samples(digits().train, all, normalisation);
  CHECK(samples.images.mean().item().toDouble() == doctest::Approx(0).epsilon(1e-4));
  CHECK(samples.images.std().item().toDouble() == doctest::Approx(1).epsilon(1e-4));
}
