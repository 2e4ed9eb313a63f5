// The simulated study of fused contributions: error bars that cover, and a filter that is not led astray by a
// sensor that is noise.
#include <doctest/doctest.h>

#include <cstdio>
#include <memory>
#include <string>

#include "examples/simulated_sensors.hpp"

using namespace simulated;

namespace {

constexpr std::uint64_t seed = 4001;  // not that of the example, on whose worlds nothing was tuned either
constexpr int worlds = 100;

}  // namespace

TEST_CASE("the 90 % interval covers the truth 85 to 95 % of the time") {
  CAPTURE(seed);
  Study walking, slow, unequal, still;
  slow.clients = 20;
  slow.step = .003;
  slow.sensors[0].deviation = slow.sensors[1].deviation = .01;
  unequal.sensors[1].deviation = .06;
  still.step = 0;
  for (const Study& study : {walking, slow, unequal, still}) {
    CAPTURE(study.clients);
    CAPTURE(study.step);
    CAPTURE(study.sensors[1].deviation);
    const Outcome outcome = follow(study, {}, seed, worlds);
    CHECK(outcome.coverage >= .85);
    CHECK(outcome.coverage <= .95);
    // The interval is no wider than it must be: 1.645 times the error it covers, to a quarter.
    CHECK(outcome.width < 1.25 * 1.645 * outcome.error);
  }
}

TEST_CASE("the reference filter's interval says nothing: it covers everything at many times the error") {
  CAPTURE(seed);
  const Outcome outcome = follow({}, reference(), seed, worlds);
  CHECK(outcome.coverage > .98);
  CHECK(outcome.width > 3 * 1.645 * outcome.error);
}

TEST_CASE("with one sensor that is noise, the default ranks the clients better than the reference") {
  CAPTURE(seed);
  for (const double step : {.01, .003, 0.0})
    for (const int noise : {0, 1}) {
      CAPTURE(step);
      CAPTURE(noise);
      Study study;
      study.step = step;
      study.sensors[static_cast<std::size_t>(noise)] = {.06, 0, 0};
      const Outcome ours = follow(study, {}, seed, worlds), theirs = follow(study, reference(), seed, worlds);
      CHECK(ours.spearman > theirs.spearman);
      CHECK(ours.error < theirs.error);
    }
}

TEST_CASE("what error bars cannot know: an opposed sensor, errors that persist, smoothed sensors") {
  CAPTURE(seed);
  Study opposed, persistent, smoothed;
  opposed.sensors[1] = {.03, -1, 0};
  persistent.sensors[0].persistence = persistent.sensors[1].persistence = .8;
  smoothed.smoothing = .9;
  for (const Study& study : {opposed, persistent, smoothed})
    CHECK(follow(study, {}, seed, worlds).coverage < .7);  // documented, and no better than it is said to be
  CHECK(std::abs(follow(opposed, {}, seed, worlds).spearman) < .25);
}

TEST_CASE("the example runs and prints a line for each study") {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> example(popen("examples/error_bars", "r"), pclose);
  REQUIRE(example != nullptr);
  std::string printed;
  for (int c = std::fgetc(example.get()); c != EOF; c = std::fgetc(example.get()))
    printed += static_cast<char>(c);
  CHECK(std::count(printed.begin(), printed.end(), '\n') == 13);
  CHECK(printed.find("nan") == std::string::npos);
}
