#include "fedval/shapley/stopping.hpp"

#include <doctest/doctest.h>

#include <bit>
#include <limits>
#include <thread>

#include "fedval/shapley/memo.hpp"
#include "tests/shapley/games.hpp"
#include "tests/support/complaint.hpp"

using namespace fedval;
using namespace fedval::shapley;
using namespace std::chrono_literals;
using tests::complaint_of;
using tests::Values;

namespace {

constexpr std::uint64_t seed = 491;
const double infinite = std::numeric_limits<double>::infinity();

/// What a criterion is shown, by hand.
struct Shown {
  std::uint64_t units = 0, evaluations = 0;
  double seconds = 0;
  Values values{}, errors{};
  double half_width = 0;
  std::deque<Values> past{};

  Snapshot snapshot() const {
    Snapshot now;
    now.units = units;
    now.evaluations = evaluations;
    now.elapsed = [this] { return std::chrono::duration<double>(seconds); };
    now.values = [this] { return values; };
    now.errors = [this] { return errors; };
    now.half_width = [this] { return half_width; };
    now.past = &past;
    return now;
  }
};

double share(const Criterion& criterion, const Shown& shown) { return criterion.share(shown.snapshot()); }
bool met(const Criterion& criterion, const Shown& shown) { return criterion.met(shown.snapshot()); }

}  // namespace

TEST_CASE("units, evaluations and time are shares of what was asked for") {
  const Shown shown{.units = 30, .evaluations = 120, .seconds = 1.5};
  CHECK(share(units(60), shown) == 0.5);
  CHECK(met(units(30), shown));
  CHECK_FALSE(met(units(31), shown));
  CHECK(share(units(3), shown) == 1);  // never beyond
  CHECK(share(evaluations(480), shown) == 0.25);
  CHECK(met(evaluations(120), shown));
  CHECK_FALSE(met(evaluations(121), shown));
  CHECK(share(time_limit(6s), shown) == 0.25);
  CHECK(share(time_limit(3000ms), shown) == 0.5);
  CHECK(met(time_limit(1500ms), shown));
  CHECK_FALSE(met(time_limit(1min), shown));
}

TEST_CASE("a standard error counts once there are enough units, and the largest decides") {
  Shown shown{.units = 29, .errors = {0, 0, 0}};
  CHECK_FALSE(met(standard_error_below(0.1), shown));  // all equal by chance
  shown.units = 30;
  CHECK(met(standard_error_below(0.1), shown));
  CHECK_FALSE(met(standard_error_below(0.1, 31), shown));
  CHECK(met(standard_error_below(0.1, 0), shown));
  shown.errors = {0.1, 0.02, 0.1};
  CHECK(met(standard_error_below(0.1), shown));
  shown.errors = {0.01, 0.2, 0.05};
  CHECK_FALSE(met(standard_error_below(0.1), shown));
  CHECK(share(standard_error_below(0.1), shown) == doctest::Approx(0.25));  // four times the units are needed
  shown.errors = {0.01, infinite, 0.05};
  CHECK(share(standard_error_below(0.1), shown) == 0);
  shown.errors = {0.01, std::nan(""), 0.05};
  CHECK_FALSE(met(standard_error_below(0.1), shown));
  shown.errors = {std::nan(""), 0.01, 0.05};
  CHECK_FALSE(met(standard_error_below(0.1), shown));
}

TEST_CASE("relative change is against the values so many batches ago, per player") {
  Shown shown{.values = {1.04, -2, 0}, .past = {{9, 9, 9}, {1, -2, 0}, {5, 5, 5}}};
  const auto change = [](double limit, std::size_t batches, double floor = 1e-9) {
    return relative_change_below(limit, batches, floor);
  };
  CHECK(change(0.1, 2).past() == 2);
  CHECK(met(change(0.04 / 1.04 + 1e-9, 2), shown));  // .04 of 1.04
  CHECK_FALSE(met(change(0.04 / 1.04 - 1e-9, 2), shown));
  CHECK(share(change(0.02 / 1.04, 2), shown) == doctest::Approx(0.5));
  CHECK_FALSE(met(change(0.5, 1), shown));  // the batch before is far off
  CHECK_FALSE(met(change(0.5, 3), shown));
  CHECK(share(change(0.5, 4), shown) == 0);  // there were only three
  // A value near zero is measured by the floor.
  shown.values = {1, -2, 0.001};
  CHECK_FALSE(met(change(0.05, 2), shown));
  CHECK(met(change(0.05, 2, 0.1), shown));
  shown.values = {1, -2, std::nan("")};
  CHECK_FALSE(met(change(0.05, 2), shown));
}

TEST_CASE("ranks must agree with every one of the last batches") {
  Shown shown{.values = {1, 2, 3}, .past = {{1, 3, 2}, {0, 5, 6}, {-1, 0, 100}}};
  CHECK(met(ranks_stable(1), shown));
  CHECK(met(ranks_stable(2), shown));
  CHECK_FALSE(met(ranks_stable(3), shown));
  CHECK(share(ranks_stable(3), shown) == doctest::Approx(2.0 / 3));
  CHECK(share(ranks_stable(4), shown) == 0);
  CHECK(met(ranks_stable(3, 0.5), shown));  // Spearman of (1, 2, 3) and (1, 3, 2) is 1/2
  CHECK_FALSE(met(ranks_stable(3, 0.51), shown));
  // A disagreement in between: the batches before it do not count.
  shown.past = {{1, 2, 3}, {3, 2, 1}, {1, 2, 3}};
  CHECK(share(ranks_stable(3), shown) == doctest::Approx(1.0 / 3));
  // Ties share ranks: (1, 1, 2) against (1, 2, 3) is sqrt(3) / 2.
  shown.past = {{1, 1, 2}};
  CHECK_FALSE(met(ranks_stable(1), shown));
  CHECK(met(ranks_stable(1, std::sqrt(3.0) / 2 - 1e-9), shown));
  CHECK_FALSE(met(ranks_stable(1, std::sqrt(3.0) / 2 + 1e-9), shown));
  // No spread, no ranks to disagree about.
  shown.past = {{1, 1, 1}};
  CHECK(met(ranks_stable(1), shown));
}

TEST_CASE("certified intervals count by the widest") {
  Shown shown{.half_width = 0.04};
  CHECK(met(certified_within(0.04), shown));
  CHECK_FALSE(met(certified_within(0.039), shown));
  CHECK(share(certified_within(0.01), shown) == 0.25);
  shown.half_width = infinite;
  CHECK(share(certified_within(0.01), shown) == 0);
}

TEST_CASE("both, either, not: their shares, texts and reasons") {
  const Shown shown{.units = 30, .evaluations = 120, .seconds = 1};
  const Criterion done = units(30), half = units(60), quarter = evaluations(480);
  CHECK(share(half | quarter, shown) == 0.5);
  CHECK(share(half & quarter, shown) == 0.25);
  CHECK(met(done | quarter, shown));
  CHECK_FALSE(met(done & quarter, shown));
  CHECK(met(done & units(10), shown));
  CHECK(share(~half, shown) == 1);
  CHECK(share(~done, shown) == 0);
  CHECK(met(~~done, shown));
  CHECK_FALSE(met(~~half, shown));
  CHECK(met(done & ~time_limit(60s), shown));
  CHECK_FALSE(met(done & ~time_limit(500ms), shown));

  CHECK(done.text() == "30 units");
  CHECK(quarter.text() == "480 evaluations");
  CHECK(time_limit(90s).text() == "90 seconds");
  CHECK((done | quarter).text() == "(30 units or 480 evaluations)");
  CHECK((done & ~time_limit(60s)).text() == "(30 units and not 60 seconds)");
  CHECK(standard_error_below(0.01).text() == "standard error below 0.01");
  CHECK(relative_change_below(0.05, 10).text() == "relative change below 0.05 over 10 batches");
  CHECK(ranks_stable(20).text() == "ranks stable over 20 batches");
  CHECK(certified_within(0.1).text() == "certified within 0.1");

  const auto reason = [&](const Criterion& criterion) { return criterion.reason(shown.snapshot()); };
  CHECK(reason(done | quarter) == "30 units");
  CHECK(reason(quarter | done) == "30 units");
  CHECK(reason(quarter | half | done) == "30 units");
  CHECK(reason(done | evaluations(100)) == "30 units and 100 evaluations");
  CHECK(reason(half | (done & units(20))) == "(30 units and 20 units)");
  CHECK(reason((quarter | done) & units(20)) == "(30 units and 20 units)");
  CHECK((ranks_stable(7) | relative_change_below(0.1, 12)).past() == 12);
  CHECK((ranks_stable(7) & units(1)).past() == 7);
  CHECK((~ranks_stable(7)).past() == 7);
}

TEST_CASE("a share that is no number is no progress") {
  const Shown shown;
  for (const double odd : {std::nan(""), -1.0, -infinite}) {
    const Criterion criterion("odd", [odd](const Snapshot&) { return odd; });
    CHECK(share(criterion, shown) == 0);
    CHECK(share(~criterion, shown) == 1);
  }
  CHECK(share(Criterion("beyond", [](const Snapshot&) { return infinite; }), shown) == 1);
}

TEST_CASE("criteria that could never be met, or always, are refused") {
  CHECK(complaint_of([] { units(0); }) == "units: 0 must be above 0");
  CHECK(complaint_of([] { evaluations(0); }) == "evaluations: 0 must be above 0");
  CHECK(complaint_of([] { time_limit(-1s); }) == "time_limit: -1 must be above 0");
  CHECK(complaint_of([] { standard_error_below(0); }) == "standard_error_below: 0 must be above 0");
  CHECK(complaint_of([] { standard_error_below(std::nan("")); }) != "no error");
  CHECK(complaint_of([] { relative_change_below(-0.1); }) == "relative_change_below: -0.1 must be above 0");
  CHECK(complaint_of([] { relative_change_below(0.1, 0); }) == "relative_change_below: 0 must be above 0");
  CHECK(complaint_of([] { ranks_stable(0); }) == "ranks_stable: 0 must be above 0");
  CHECK(complaint_of([] { certified_within(0); }) == "certified_within: 0 must be above 0");
}

TEST_CASE("each criterion stops a run, where it says and not before") {
  CAPTURE(seed);
  random::Stream stream(seed);
  const std::size_t n = 5;
  const TableGame game = tests::skewed_game(stream, n);
  const auto run = [&](const Criterion& criterion, std::size_t batch = 1) {
    return Sampler(Permutation{}, n, {.seed = 1, .batch = batch}).run(game, criterion);
  };
  CHECK(run(units(17)).units == 17);
  CHECK(run(units(17), 5).units == 20);  // whole batches
  CHECK(run(evaluations(50)).evaluations == 50);
  CHECK(run(evaluations(51)).evaluations == 54);
  const Estimates either = run(units(40) | evaluations(50));
  CHECK(either.units == 12);
  CHECK(either.stopped_by == "50 evaluations");
  CHECK(run(units(40) & evaluations(50)).units == 40);
  CHECK(run(units(40) & evaluations(50)).stopped_by == "(40 units and 50 evaluations)");

  const Estimates precise = run(standard_error_below(0.2));
  REQUIRE(precise.units > 30);
  double largest = 0, before = 0;
  for (const Estimate& player : precise.players) largest = std::max(largest, player.standard_error);
  for (const Estimate& player : run(units(precise.units - 1)).players)
    before = std::max(before, player.standard_error);
  CHECK(largest <= 0.2);
  CHECK(before > 0.2);

  // Ranks and changes, against a run that is followed unit by unit.
  for (const std::size_t batches : {1UL, 4UL, 9UL}) {
    CAPTURE(batches);
    std::vector<Values> history;
    Sampler followed(Permutation{}, n, {.seed = 1});
    std::uint64_t ranks_at = 0, change_at = 0;
    for (std::uint64_t unit = 0; ranks_at == 0 || change_at == 0; ++unit) {
      if (unit > 0) followed.run(game, units(unit));
      history.push_back(followed.estimates().values());
      if (unit < batches) continue;
      bool agree = true;
      double change = 0;
      for (std::size_t b = 1; b <= batches; ++b) {
        const auto spearman = statistics::spearman(history[unit], history[unit - b]);
        agree = agree && (!spearman || *spearman > 1 - 1e-12);
      }
      for (std::size_t i = 0; i < n; ++i)
        change = std::max(
            change, std::abs(history[unit][i] - history[unit - batches][i]) / std::abs(history[unit][i]));
      if (agree && ranks_at == 0) ranks_at = unit;
      if (change <= 0.03 && change_at == 0) change_at = unit;
    }
    CHECK(run(ranks_stable(batches)).units == ranks_at);
    CHECK(run(relative_change_below(0.03, batches)).units == change_at);
  }
}

TEST_CASE("evaluations end a run where a memo knows all that could be asked for") {
  const auto game = [](Mask s) { return static_cast<double>(std::popcount(s)); };
  const auto run = [&](const Criterion& criterion, std::size_t batch = 1) {
    Memo memo;
    auto known = remember(game, memo);
    return Sampler(Permutation{}, 3, {.seed = 1, .batch = batch}).run(known, criterion);
  };
  for (const std::size_t batch : {1UL, 64UL}) {
    const Estimates found = run(evaluations(20), batch);
    CHECK(found.evaluations == 8);  // 2^3 coalitions
    CHECK(found.stopped_by == "no evaluation in 10000 units");
    CHECK(found.units >= 10000);
    CHECK(found.units < 10200);  // all are seen soon
  }
  CHECK(run(evaluations(8)).stopped_by == "8 evaluations");
  CHECK(run(evaluations(20) | units(500)).stopped_by == "500 units");
  const Estimates both = run(evaluations(20) & units(15000));
  CHECK(both.units == 15000);
  CHECK(both.stopped_by == "(no evaluation in 10000 units and 15000 units)");
}

TEST_CASE("a game that never varies is not believed before the units that were asked for") {
  const auto constant = [](Mask) { return 1.0; };
  for (const std::uint64_t least : {std::uint64_t{30}, std::uint64_t{100}})
    CHECK(Sampler(Permutation{}, 4).run(constant, standard_error_below(0.1, least)).units == least);
}

TEST_CASE("a time limit stops, and time adds up over runs and restores") {
  const auto slow = [](Mask) {
    std::this_thread::sleep_for(2ms);
    return 1.0;
  };
  Sampler sampler(Permutation{}, 3);
  const Estimates first = sampler.run(slow, time_limit(30ms) | units(100000));
  CHECK(first.stopped_by == "0.03 seconds");
  CHECK(first.units <= 8);  // each sleeps 4 ms at least
  const std::uint64_t before = first.units;
  CHECK(sampler.run(slow, time_limit(30ms)).units == before);  // nothing is left of it
  Sampler restored(Permutation{}, 3);
  restore(save(sampler), restored);
  CHECK(restored.run(slow, time_limit(30ms)).units == before);
  CHECK(restored.run(slow, time_limit(1h) | units(before + 2)).stopped_by ==
        std::to_string(before + 2) + " units");
  CHECK(sampler.run(slow, units(before + 2) & ~time_limit(1h)).units == before + 2);
}
