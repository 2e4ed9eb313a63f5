// Samplers as texts and back: a run goes on elsewhere with the same bits, and no text breaks one.
#include <doctest/doctest.h>

#include <limits>

#include "fedval/shapley/certified.hpp"
#include "fedval/shapley/tally.hpp"
#include "tests/shapley/games.hpp"
#include "tests/support/complaint.hpp"

using namespace fedval;
using namespace fedval::shapley;
using tests::complaint_of;
using tests::state_of;

namespace {

constexpr std::uint64_t seed = 487;
constexpr std::size_t n = 4;

TableGame game_of(std::uint64_t stream_of_seed) {
  random::Stream stream(seed, stream_of_seed);
  return tests::skewed_game(stream, n);
}

/// Enough units to be well beyond every pilot and circle of four players.
constexpr std::uint64_t enough = 60;

}  // namespace

TEST_CASE("saved and restored into a new sampler after every unit") {
  const TableGame game = game_of(5);
  tests::for_each_design([&](const auto& design, const std::string& label) {
    CAPTURE(label);
    Sampler whole(design, n, {.seed = 6}), used(design, n, {.seed = 6});
    const Estimates expected = whole.run(game, units(enough));
    used.run(game, units(7));  // what it knew is forgotten
    std::string text = save(Sampler(design, n, {.seed = 6}));
    for (std::uint64_t unit = 1; unit <= enough; ++unit) {
      Sampler next(design, n, {.seed = 6});
      restore(text, next);
      CHECK(save(next) == text);
      next.run(game, units(unit));
      text = save(next);
    }
    restore(text, used);
    CHECK(tests::all_bits(used.estimates()) == tests::all_bits(expected));
    CHECK(used.estimates().evaluations == expected.evaluations);
    CHECK(state_of(used) == state_of(whole));
    CHECK(tests::all_bits(used.run(game, units(enough + 20))) ==
          tests::all_bits(whole.run(game, units(enough + 20))));
  });
}

TEST_CASE("what criteria look back on is saved, too") {
  const TableGame game = game_of(10);
  for (const Criterion& criterion : {ranks_stable(6), relative_change_below(0.05, 5)}) {
    const std::string text_of_criterion = criterion.text();
    CAPTURE(text_of_criterion);
    const Estimates expected = Sampler(Permutation{}, n, {.seed = 11}).run(game, criterion);
    REQUIRE(expected.units > 6);
    Estimates found;
    std::string text = save(Sampler(Permutation{}, n, {.seed = 11}));
    do {
      Sampler next(Permutation{}, n, {.seed = 11});
      restore(text, next);
      found = next.run(game, criterion | units(next.estimates().units + 1));
      text = save(next);
    } while (found.stopped_by.ends_with("units") && found.units < 10000);
    CHECK(found.units == expected.units);
    CHECK(tests::all_bits(found) == tests::all_bits(expected));
  }
}

TEST_CASE("no player and one player are saved and restored, too") {
  tests::for_each_design([&](const auto& design, const std::string& label) {
    CAPTURE(label);
    for (std::size_t players = 0; players <= 1; ++players) {
      Sampler sampler(design, players), restored(design, players);
      const Estimates expected = sampler.run([](Mask s) { return 2.0 + static_cast<double>(s); }, units(3));
      restore(save(sampler), restored);
      CHECK(tests::all_bits(restored.estimates()) == tests::all_bits(expected));
    }
  });
}

TEST_CASE("a certified run is saved and restored with its intervals") {
  const TableGame game = game_of(6);
  double bound = 0;
  for (Mask s = 0; s < 16; ++s) bound = std::max(bound, game(s));
  const Certificate certificate{0.1, -bound, bound, 0.2 * bound};
  const auto fresh = [&] { return Sampler(Antithetic{}, n, {.seed = 7, .certificate = certificate}); };
  auto whole = fresh();
  const Estimates expected = whole.run(game, certified_within(0.2 * bound));
  REQUIRE(expected.units > 40);
  for (const std::uint64_t at : {std::uint64_t{0}, std::uint64_t{1}, expected.units / 2, expected.units}) {
    CAPTURE(at);
    auto first = fresh(), second = fresh();
    first.run(game, certified_within(0.2 * bound) | units(at + 1));
    restore(save(first), second);
    CHECK(state_of(second) == state_of(first));
    CHECK(tests::all_bits(second.run(game, certified_within(0.2 * bound))) == tests::all_bits(expected));
  }
  // The certificate is part of what was promised: another one, or none, is another run.
  const std::string text = save(whole);
  const auto refused = [&](const std::optional<Certificate>& other) {
    Sampler sampler(Antithetic{}, n, {.seed = 7, .certificate = other});
    const std::string before = save(sampler), message = complaint_of([&] { restore(text, sampler); });
    if (message != "no error") CHECK((save(sampler) == before));
    return message != "no error";
  };
  CHECK_FALSE(refused(certificate));
  CHECK(refused(std::nullopt));
  CHECK(refused(Certificate{0.2, -bound, bound, 0.2 * bound}));
  CHECK(refused(Certificate{0.1, -2 * bound, bound, 0.2 * bound}));
  CHECK(refused(Certificate{0.1, -bound, 2 * bound, 0.2 * bound}));
  // After Hoeffding's look at one epsilon, another epsilon's would claim what nobody looked for.
  CHECK(refused(Certificate{0.1, -bound, bound, 0.1 * bound}));
}

TEST_CASE("another design, seed, number of players, semivalue or option is refused by its name") {
  const TableGame game = game_of(7);
  const auto refusal = [&](const auto& saved, auto into) {
    const std::string before = save(into), message = complaint_of([&] { restore(save(saved), into); });
    CHECK((save(into) == before));
    return message;
  };
  const auto names = [](const std::string& message, std::string_view what) {
    INFO(message);
    CHECK(message.find(what) != std::string::npos);
    CHECK(message.find("another") != std::string::npos);
  };
  tests::for_each_design([&](const auto& design, const std::string& label) {
    CAPTURE(label);
    using Design = std::remove_cvref_t<decltype(design)>;
    Sampler sampler(design, n, {.seed = 8});
    sampler.run(game, units(9));
    // What changes no bit may differ.
    Sampler other(design, n, {.seed = 8, .batch = 7, .confidence = 0.5});
    CHECK(complaint_of([&] { restore(save(sampler), other); }) == "no error");
    names(refusal(sampler, Sampler(design, n, {.seed = 9})), "seed");
    names(refusal(sampler, Sampler(design, n + 1, {.seed = 8})), "players");
    if constexpr (!std::is_same_v<Design, KernelShap> && !std::is_same_v<Design, GroupTesting>)
      if (label != "grid Owen")
        names(refusal(sampler, Sampler(design, n, {.seed = 8, .semivalue = Semivalue::banzhaf()})),
              "semivalue");
    if constexpr (!std::is_same_v<Design, Permutation>) {
      const std::string message = refusal(sampler, Sampler(Permutation{}, n, {.seed = 8}));
      INFO(message);
      CHECK(message != "no error");
    }
  });
  names(refusal(Sampler(Truncated{.tolerance = 0.1}, n), Sampler(Truncated{.tolerance = 0.2}, n)),
        "tolerance");
  names(refusal(Sampler(Stratified{.pilot = 2}, n), Sampler(Stratified{.pilot = 3}, n)), "pilot");
  names(refusal(Sampler(Owen{.nodes = 4}, n), Sampler(Owen{.nodes = 5}, n)), "nodes");
  names(refusal(Sampler(Owen{.nodes = 4}, n), Sampler(Owen{.nodes = 4, .rule = Rule::gauss}, n)), "rule");
  names(refusal(Sampler(Owen{}, n), Sampler(Owen{.antithetic = true}, n)), "antithetic");
  names(refusal(Sampler(Svarm{}, n), Sampler(Svarm{.stratified = true}, n)), "stratified");
  names(refusal(Sampler(KernelShap{}, n), Sampler(KernelShap{.paired = false}, n)), "paired");
}

TEST_CASE("a text with a byte changed or cut is refused or another state that a run can go on from") {
  const TableGame game = game_of(8);
  const auto check_all = [&](const auto& design) {
    using Design = std::remove_cvref_t<decltype(design)>;
    const Sampler<Design> fresh(design, 3, {.seed = 9});
    Sampler<Design> sampler = fresh;
    sampler.run(game, units(35) & ranks_stable(1, -1));
    const std::string text = save(sampler), before = save(fresh);
    Sampler<Design> plain = fresh;
    REQUIRE(complaint_of([&] { restore(text, plain); }) == "no error");
    const auto check = [&](const std::string& damaged) {
      Sampler<Design> read = fresh;
      try {
        restore(damaged, read);
      } catch (const Error&) {
        CHECK((save(read) == before));
        return;
      }
      const std::string state = save(read);
      Sampler<Design> again = fresh;
      restore(state, again);
      CHECK((save(again) == state));
      // A number that is not the one that was saved cannot be told, but it must not end as no number.
      const std::uint64_t more = read.estimates().units + 3;
      if (more < 1000000) read.run(game, units(more));
      for (const Estimate& player : read.estimates().players) CHECK_FALSE(std::isnan(player.standard_error));
    };
    for (std::size_t at = 0; at < text.size(); ++at) {
      if (at % 5 == 0) check(text.substr(0, at));
      if (at % 5 == 1) check(text.substr(0, at) + text.substr(at + 1));
      for (const char c : {'0', '-', ' '}) {
        std::string changed = text;
        changed[at] = c;
        check(changed);
      }
    }
  };
  check_all(Permutation{});
  check_all(Stratified{.pilot = 2});
  check_all(Svarm{.stratified = true});
}

TEST_CASE("a tally whose parts do not fit together is refused: a run would read past their ends") {
  const TableGame game = game_of(12);
  const auto check = [&](const auto& design, const std::string& field, std::size_t lines_of_entry = 0) {
    CAPTURE(field);
    Sampler sampler(design, n);
    sampler.run(game, units(50));
    // One entry fewer, and the count says so: the text reads well.
    std::string text = save(sampler);
    const std::size_t line = text.find("\n" + field + " ");
    REQUIRE(line != std::string::npos);
    const std::size_t count = line + field.size() + 2, end = text.find('\n', count);
    const std::size_t entries = std::stoul(text.substr(count)), last = text.find_last_of(' ', end);
    if (lines_of_entry == 0) text.erase(last, end - last);
    for (std::size_t k = 0; k < lines_of_entry; ++k) text.erase(end, text.find('\n', end + 1) - end);
    text.replace(count, std::to_string(entries).size(), std::to_string(entries - 1));
    Sampler restored(design, n);
    const std::string before = save(restored);
    CHECK(complaint_of([&] { restore(text, restored); }) != "no error");
    CHECK((save(restored) == before));
  };
  check(Permutation{}, "moments", 4);
  check(Complementary{}, "moments", 4);
  check(Svarm{.stratified = true}, "known");
  check(Complementary{}, "known");
  check(KernelShap{}, "sums");
  check(KernelShap{}, "counts");
}

TEST_CASE("values near the ends of a double's range: means, their errors, and a state like any other") {
  const TableGame game = game_of(10);
  const auto check = [&](const auto& design) {
    const auto large = [&](Mask s) { return 1e160 * game(s); };
    Sampler sampler(design, n), restored(design, n);
    sampler.run(large, units(200));
    const std::string text = save(sampler);
    CHECK(complaint_of([&] { restore(text, restored); }) == "no error");
    CHECK((save(restored) == text));
    Sampler plain(design, n);
    plain.run(game, units(200));
    for (std::size_t i = 0; i < n; ++i) {
      const Estimate there = restored.estimates().players[i], here = plain.estimates().players[i];
      CHECK(there.value == doctest::Approx(1e160 * here.value).epsilon(1e-12));
      CHECK(there.standard_error == doctest::Approx(1e160 * here.standard_error).epsilon(1e-12));
    }
  };
  check(Permutation{});
  check(Complementary{});

  MeanTally tally(2);
  tally.add(std::vector<double>{1.5e308, 1});
  tally.add(std::vector<double>{-1.5e308, 3});
  CHECK(tally.values() == std::vector<double>{0, 2});
  CHECK(complaint_of([&] {
          tally.add(std::vector<double>{0, std::numeric_limits<double>::infinity()});
        }) == "draw 2 of player 1 is inf");
  CHECK(tally.count() == 2);
  CHECK(tally.values() == std::vector<double>{0, 2});
}

TEST_CASE("a sum of squares below zero is refused: its root is no error, and no criterion may pass on it") {
  const TableGame game = game_of(9);
  Sampler sampler(Permutation{}, n);
  sampler.run(game, units(40));
  std::string text = save(sampler);
  const std::size_t line = text.find("\nsquares ");
  REQUIRE(line != std::string::npos);
  text.insert(line + 9, "-");
  Sampler restored(Permutation{}, n);
  const std::string message = complaint_of([&] { restore(text, restored); });
  INFO(message);
  CHECK(message.find("squares") != std::string::npos);
}
