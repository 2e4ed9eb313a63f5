#include "harness/cli/plan.hpp"

#include <sstream>

#include "tests/doctest_torch.hpp"

using namespace fedval::harness;

namespace {

/// 12 agents with models of 2^17 floats, of which 1000 are the final layer's; 3 rounds.
Scale averaging() {
  return {.agents = 12,
          .parameters = 131072,
          .state = 131072,
          .final_layer = 1000,
          .phases = {{.rounds = 3, .steps = 3 * 12 * 10, .tests = 500, .grams = 2}}};
}

constexpr Speeds speeds{.step = 0.5, .example = 0.01, .products = 1e9, .link = 1e6, .cores = 4, .base = 1e8};

}  // namespace

TEST_CASE("one rank receives nothing, and trains side by side on its cores") {
  const Needs needs = needs_of(averaging(), speeds, 1);
  CHECK(needs.received == 0);
  // Twelve agents by fours, 15 s each; tests; products of 78 pairs.
  const double products = 3 * 2 * 78 * 131072.0 / 1e9 / 4;
  CHECK(needs.seconds == doctest::Approx(3 * 15.0 + 500 * 0.01 / 4 + products));
}

TEST_CASE("each rank starts once, those of one machine in turns where its cores are fewer; then they meet") {
  const auto seconds = [](double start, std::size_t ranks, bool one_machine) {
    Speeds with = speeds;
    with.start = start;
    with.one_machine = one_machine;
    return needs_of(averaging(), with, ranks).seconds;
  };
  for (const std::size_t ranks : {1, 3, 8}) {
    CHECK(seconds(2, ranks, false) - seconds(0, ranks, false) == doctest::Approx(2));
    CHECK(seconds(2, ranks, true) - seconds(0, ranks, true) == doctest::Approx(ranks == 8 ? 4 : 2));
    Speeds with = speeds;
    with.join = 1;
    CHECK(needs_of(averaging(), with, ranks).seconds - seconds(0, ranks, false) ==
          doctest::Approx(ranks == 1 ? 0 : 1));
  }
}

TEST_CASE("what rank 0 receives, entry by entry") {
  // Sixteen of 64 slices on each of four ranks: a quarter of 9 updates, three quarters of the step, the final
  // layers of 9, and two sums of 144 doubles; in each of three rounds.
  const double floats = 9 * (131072 / 4.0 + 1000) + 131072 * 0.75;
  CHECK(needs_of(averaging(), speeds, 4).received == doctest::Approx(3 * (4 * floats + 2 * 144 * 8)));

  Scale many = averaging();
  many.phases[0].sums = 2;  // of 12 norms, 12 products and a square
  CHECK(needs_of(many, speeds, 4).received - needs_of(averaging(), speeds, 4).received ==
        doctest::Approx(3 * 2 * 25 * 8.0));

  Scale own = averaging();
  own.phases[0].own_models = true;
  own.phases[0].saves = 3;  // 9 models come each time
  CHECK(needs_of(own, speeds, 4).received - needs_of(averaging(), speeds, 4).received ==
        doctest::Approx(3 * 9 * 131072 * 4.0));
  own.phases[0].joins = true;  // three of the agents are rank 0's: the other runs of their updates
  own.phases[0].saves = 0;
  CHECK(needs_of(own, speeds, 4).received - needs_of(averaging(), speeds, 4).received ==
        doctest::Approx(3 * 3 * 131072 * 4.0 * 3 / 4));
}

TEST_CASE(
    "an agent has one thread: more ranks than agents gain nothing, and neither do more threads than cores") {
  const auto training = [](Speeds with, std::size_t ranks) {
    Scale scale = averaging();
    scale.phases[0].tests = scale.phases[0].grams = 0;
    with.link = 1e30;
    return needs_of(scale, with, ranks).seconds;
  };
  CHECK(training(speeds, 3) == doctest::Approx(15));   // four agents on four cores
  CHECK(training(speeds, 12) == doctest::Approx(15));  // one agent on each
  CHECK(training(speeds, 100) == doctest::Approx(15));
  Speeds here = speeds;
  here.one_machine = true;
  for (const std::size_t ranks : {1, 2, 4}) CHECK(training(here, ranks) == doctest::Approx(45));
  CHECK(training(here, 12) == doctest::Approx(45));  // twelve threads on four cores
  here.threads = 1;
  CHECK(training(here, 1) == doctest::Approx(180));
  CHECK(training(here, 2) == doctest::Approx(90));
}

TEST_CASE(
    "memory: a rank holds its agents' models, the server's, and sums; the leading rank all when it saves") {
  Scale scale = averaging();
  scale.phases[0].grams = 0;
  const double model = 4 * 131072.0;
  CHECK(needs_of(scale, speeds, 4).memory == doctest::Approx(1e8 + 3 * 3 * model + 5 * model + 12 * 4000));
  scale.phases[0].own_models = true;
  scale.phases[0].saves = 1;
  CHECK(needs_of(scale, speeds, 4).memory == doctest::Approx(1e8 + (3 * 12 + 2 * 3) * model));
}

TEST_CASE("more than 64 ranks share the training, but no longer the vectors") {
  Scale scale = averaging();
  scale.agents = 10'000;
  const auto received = [&](std::size_t ranks) { return needs_of(scale, speeds, ranks).received; };
  const double elsewhere = 1 - 1.0 / 256;
  const double floats = 10'000 * elsewhere * (131072 / 64.0 + 1000) + 131072 * elsewhere;
  CHECK(received(256) == doctest::Approx(3 * (4 * floats + 2 * 8e8)));
}

TEST_CASE("a plan for any sizes is printed") {
  std::ostringstream out;
  print_plan(10'000, 1e9, {64, 256}, 1.25e9, out);
  CHECK(out.str().find("10000 agents, 1000000000 parameters") != std::string::npos);
  CHECK(out.str().find("\n64 ") != std::string::npos);
  CHECK(out.str().find("\n256 ") != std::string::npos);
}
