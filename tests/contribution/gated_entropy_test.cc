#include "fedval/contribution/gated_entropy.hpp"

#include "fedval/contribution/spectral_fed.hpp"
#include "fedval/tensor/std.hpp"
#include "tests/contribution/score_properties.hpp"

using namespace fedval;
using namespace fedval::tests;

namespace {

constexpr std::uint64_t seed = 611;

const auto plain = [] { return GatedEntropy(); };
const auto by_definition = [] { return naive::GatedEntropy(); };

double score_of(const Scores& scores, const ClientId& id) {
  for (const auto& [client, score] : scores)
    if (client == id) return score.value;
  FAIL("no score");
  return 0;
}

/// Honest clients 0 to 7, pairwise cosines near .5, whose classes are learned less and less: entropies near
/// .8.
Sent<float> honest_round(Federation<float>& federation) {
  return federation.next(8, false).changed([](Upload<float> upload) {
    for (int c = 0; c < 10; ++c) upload.weight.row(c) *= std::pow(0.75f, static_cast<float>(c));
    return upload;
  });
}
const Layer network{10, 64, 300, true};

double mean_honest(const Scores& scores) {
  double sum = 0;
  for (int i = 0; i < 8; ++i) sum += score_of(scores, i) / 8;
  return sum;
}

}  // namespace

TEST_CASE("scores are the definition's over explicit vectors, clients coming and going") {
  CAPTURE(seed);
  random::Stream stream(seed);
  SUBCASE("double") { check_rounds<double>(stream, plain, by_definition); }
  SUBCASE("float") { check_rounds<float>(stream, plain, by_definition); }
  SUBCASE("no momentum, another gate, copies unshared") {
    check_rounds<double>(
        stream, [] { return GatedEntropy({.momentum = 0, .tau = 1.3, .power = 1.5, .share_copies = false}); },
        [] { return naive::GatedEntropy{.mu = 0, .tau = 1.3, .power = 1.5, .share = false}; });
  }
  SUBCASE("other thresholds") {
    check_rounds<double>(
        stream, [] { return GatedEntropy({.innovation = {.copy_cosine = 0.6, .least_novelty = 0.8}}); },
        [] { return naive::GatedEntropy{.copy_cosine = 0.6, .least_novelty = 0.8}; });
  }
}

TEST_CASE("the gates of the last round are shown") {
  CAPTURE(seed);
  random::Stream stream(seed, 1);
  Federation<double> federation(stream, {});
  GatedEntropy scorer;
  naive::GatedEntropy right;
  for (int r = 0; r < 8; ++r) {
    const Sent<double> sent = federation.next();
    scorer.observe(sent.round());
    right.observe(sent.naive());
    REQUIRE(scorer.last_gates().values.size() == right.last.values.size());
    CHECK(scorer.last_gates().open == right.last.open);
    for (std::size_t i = 0; i < right.last.values.size(); ++i)
      CHECK(std::abs(scorer.last_gates().values[i] - naive::d(right.last.values[i].value)) <=
            right.last.values[i].error);
  }
}

TEST_CASE("order, names, views and threads do not matter") {
  CAPTURE(seed);
  random::Stream stream(seed, 2);
  SUBCASE("order") { check_order<double>(stream, plain); }
  SUBCASE("names") { check_renaming<double>(stream, plain, by_definition); }
  SUBCASE("views") { check_views<float>(stream, plain); }
  SUBCASE("threads") { check_threads<float>(stream, plain); }
}

TEST_CASE("a rotation of the features does not matter") {
  CAPTURE(seed);
  random::Stream stream(seed, 3);
  check_rotation(stream, plain, by_definition);
}

TEST_CASE("every client's own scale does not matter") {
  CAPTURE(seed);
  random::Stream stream(seed, 4);
  check_own_scales(stream, plain, by_definition);
}

TEST_CASE("noise, flips and replays are refused, though entropy pays them") {
  CAPTURE(seed);
  for (std::uint64_t trial = 0; trial < 5; ++trial) {
    CAPTURE(trial);
    random::Stream stream(seed, 10 + trial);
    Federation<float> federation(stream, network, 8);
    GatedEntropy gated;
    SpectralFed entropy({.momentum = 0});
    for (int r = 0; r < 8; ++r) {
      CAPTURE(r);
      Sent<float> sent = honest_round(federation);
      sent.clients["noise"] = federation.gaussian();
      sent.clients["flip"] = sent.clients.at(3).scaled(-1);
      if (sent.global) sent.clients["replay"] = sent.global->scaled(0.7f);
      const Scores scores = gated.observe(sent.round()), paid = entropy.observe(sent.round());
      const double honest = mean_honest(scores);
      CHECK(honest > 0.5);
      CHECK(score_of(paid, "noise") > mean_honest(paid));
      // Noise of D = 950 entries has a cosine of some 1/sqrt D with anything: (.1 / (.8 .6))^2 at the most.
      CHECK(score_of(scores, "noise") < 0.05 * honest);
      CHECK(score_of(scores, "flip") == 0);
      if (r > 0) CHECK(score_of(paid, "replay") > 0.8 * mean_honest(paid));
      if (r > 0) CHECK(score_of(scores, "replay") == 0);
    }
  }
}

TEST_CASE("a client and its copies together earn what it would earn alone") {
  CAPTURE(seed);
  random::Stream stream(seed, 5);
  for (const double scale : {1.0, 0.37, 4e7}) {
    CAPTURE(scale);
    Federation<double> federation(stream, network, 8);
    GatedEntropy alone({.momentum = 0}), together({.momentum = 0}),
        unshared({.momentum = 0, .share_copies = false});
    for (int r = 0; r < 4; ++r) {
      const Sent<double> sent = federation.next(8, false);
      Sent<double> copied = sent;
      copied.clients["copy"] = sent.clients.at(5).scaled(scale);
      const Scores a = alone.observe(sent.round()), b = together.observe(copied.round()),
                   c = unshared.observe(copied.round());
      // H and l of the client are as they were: its copy is left out. Only the median that l is held against
      // moves, and both gates are 1 here, so the sum is exactly H.
      REQUIRE(alone.last_gates().values[5] == 1);
      REQUIRE(together.last_gates().values[5] == 1);
      const double one = score_of(a, 5), both = score_of(b, 5) + score_of(b, "copy");
      CHECK(std::abs(both - one) < 1e-13);
      CHECK(std::abs(score_of(b, 5) - score_of(b, "copy")) < 1e-13);
      CHECK(std::abs(score_of(c, 5) + score_of(c, "copy") - 2 * one) < 1e-13);
    }
  }
}

TEST_CASE("with copies, what is shared is the entropy times the gate as it is then") {
  CAPTURE(seed);
  random::Stream stream(seed, 6);
  Federation<double> federation(stream, network, 8);
  GatedEntropy alone({.momentum = 0, .tau = 1.5}), together({.momentum = 0, .tau = 1.5});
  for (int r = 0; r < 6; ++r) {
    const Sent<double> sent = federation.next(8, false);
    Sent<double> copied = sent;
    copied.clients["copy 1"] = sent.clients.at(2).scaled(0.1);
    copied.clients["copy 2"] = sent.clients.at(2).scaled(7);
    const double one = score_of(alone.observe(sent.round()), 2);
    const Scores b = together.observe(copied.round());
    const double all = score_of(b, 2) + score_of(b, "copy 1") + score_of(b, "copy 2");
    const double before = alone.last_gates().values[2], after = together.last_gates().values[2];
    REQUIRE(before < 1);
    CHECK(std::abs(all * before - one * after) < 1e-13);
    CHECK(std::abs(after / before - 1) < 0.5);  // the others' agreement rises with what two more say
  }
}

TEST_CASE("cases by hand") {
  const RowMatrix<double> isotropic = RowMatrix<double>::Identity(4, 4),
                          rank_one = RowMatrix<double>::Constant(4, 4, 0.5),
                          zero = RowMatrix<double>::Zero(4, 4);
  const auto round_of = [](const std::vector<const RowMatrix<double>*>& matrices) {
    Round round;
    for (std::size_t i = 0; i < matrices.size(); ++i)
      round.add(i, {.update = *matrices[i], .final_weight = *matrices[i]});
    return round;
  };
  const auto values = [](GatedEntropy scorer, const Round& round) {
    Values result;
    for (const auto& [id, score] : scorer.observe(round)) result.push_back(score.value);
    return result;
  };
  const auto near = [](const Values& a, const Values& b) {
    REQUIRE(a.size() == b.size());
    for (std::size_t i = 0; i < a.size(); ++i) CHECK(std::abs(a[i] - b[i]) < 1e-14);
  };
  SUBCASE("one client: nobody to agree with, so the gate is open") {
    GatedEntropy scorer;
    near(values(scorer, round_of({&isotropic})), {1});
    scorer.observe(round_of({&isotropic}));
    CHECK(scorer.last_gates().open);
    Round later = round_of({&rank_one});
    later.global_update = zero;
    near(values(scorer, later), {0.9});  // .9 * 1 + .1 * 0
  }
  SUBCASE("zeros") {
    near(values({}, round_of({&zero, &zero, &zero})), {0, 0, 0});
    near(values({}, round_of({&zero})), {0});
  }
  SUBCASE("all the same: an open gate, shared by all") {
    GatedEntropy scorer;
    near(values(scorer, round_of({&isotropic, &isotropic, &isotropic, &isotropic})),
         {0.25, 0.25, 0.25, 0.25});
    near(values(GatedEntropy({.share_copies = false}), round_of({&isotropic, &isotropic})), {1, 1});
    scorer.observe(round_of({&isotropic, &isotropic}));
    CHECK(scorer.last_gates().open);
  }
  SUBCASE("two clients: one cosine, one gate") {
    // cos = tr / (2 * 2) = 2 / 4
    near(values({}, round_of({&isotropic, &rank_one})), {1, 0});
    // The first sees isotropic and zero, the zero update sees nobody: l = (.5, .5, 0).
    GatedEntropy scorer;
    near(values(scorer, round_of({&isotropic, &rank_one, &zero})), {1, 0, 0});
    scorer.observe(round_of({&isotropic, &rank_one, &zero}));
    CHECK(scorer.last_gates().values[2] == 0);
    CHECK_FALSE(scorer.last_gates().open);
  }
  SUBCASE("a zero global update is none") {
    Round round = round_of({&isotropic, &rank_one});
    round.global_update = zero;
    near(values({}, round), {1, 0});
  }
  SUBCASE("the entropy's options are followed") {
    GatedEntropy nats({.entropy = {.normaliser = spectral::Normaliser::none}});
    near(values(nats, round_of({&isotropic})), {std::log(4.0)});
  }
}

TEST_CASE("the averages of those away stay, and a newcomer's start at its first values") {
  CAPTURE(seed);
  random::Stream stream(seed, 7);
  Federation<double> federation(stream, {});
  GatedEntropy scorer({.momentum = 0.5});
  naive::GatedEntropy right{.mu = 0.5};
  federation.next(9);  // from here on there is a global update
  Sent<double> all = federation.next(9), some = all;
  some.clients.erase(4);
  for (int r = 0; r < 6; ++r) {
    const Sent<double>& sent = r == 1 || r == 2 || r == 5 ? some : all;
    check_scores(scorer.observe(sent.round()), sent.naive(), right.observe(sent.naive()));
  }
}

TEST_CASE("from the second round on the global update is asked for") {
  CAPTURE(seed);
  random::Stream stream(seed, 21);
  check_global_update_asked_for<double>(stream, [] { return GatedEntropy(); });
}

TEST_CASE("an empty round changes nothing") {
  CAPTURE(seed);
  random::Stream stream(seed, 8);
  Federation<double> federation(stream, {});
  GatedEntropy scorer;
  check_empty(scorer);
  scorer.observe(federation.next(5).round());
  check_empty(scorer);
  const Values gates = scorer.last_gates().values;
  scorer.observe(Round());
  CHECK(scorer.last_gates().values == gates);
}

TEST_CASE("what is refused is named, and as if it had never been") {
  CAPTURE(seed);
  random::Stream stream(seed, 9);
  Federation<double> federation(stream, {4, 7, 9, true});
  GatedEntropy scorer, untouched;
  const Sent<double> first = federation.next(6);
  for (GatedEntropy* each : {&scorer, &untouched}) each->observe(first.round());
  const Sent<double> next = federation.next(6);
  const ClientId id = std::prev(next.clients.end())->first;
  const std::string name = "client " + id.text();

  for (const bool update : {true, false}) {
    Round round;
    round.global_update = next.global->update();
    for (const auto& [other, upload] : next.clients) {
      ClientParts parts = upload.parts();
      if (other == id) (update ? parts.update : parts.final_weight) = {};
      round.add(other, parts);
    }
    check_refused(
        scorer, round,
        name + ": GatedEntropy needs " + (update ? "update" : "final_weight") + ", which was not given");
  }
  for (const double bad : {double(NAN), double(INFINITY)}) {
    const std::string is = std::isnan(bad) ? " is NaN" : " is infinite";
    Sent<double> sent = next;
    sent.clients[id].body[4] = bad;
    check_refused(scorer, sent.round(), name + ": update[4] (tensor 0, entry [4])" + is);
    Sent<double> last = next;
    last.global->body[2] = bad;
    check_refused(scorer, last.round(), "global_update[2] (tensor 0, entry [2])" + is);
    // Only in what is sent as the final layer: 9 entries come before it in the update.
    RowMatrix<double> weight = next.clients.at(id).weight;
    weight(2, 5) = bad;
    Round round;
    round.global_update = next.global->update();
    for (const auto& [other, upload] : next.clients) {
      ClientParts parts = upload.parts();
      if (other == id) parts.final_weight = weight;
      round.add(other, parts);
    }
    check_refused(scorer, round, name + ": final_weight[2, 5]" + is);
  }
  Sent<double> longer = next;
  longer.clients[id].body.push_back(1);
  check_refused(scorer, longer.round(),
                name + ": update has 42 entries (shape [42]), client " + next.clients.begin()->first.text() +
                    ": update has 41 (shape [41])");
  Sent<double> global = next;
  global.global->body.pop_back();
  check_refused(scorer, global.round(),
                "global_update has 40 entries (shape [40]), client " + next.clients.begin()->first.text() +
                    ": update has 41 (shape [41])");
  Round flat;
  flat.global_update = next.global->update();
  const Values no_matrix(28, 1.0);
  for (const auto& [other, upload] : next.clients) {
    ClientParts parts = upload.parts();
    if (other == id) parts.final_weight = no_matrix;
    flat.add(other, parts);
  }
  check_refused(scorer, flat, name + ": final_weight has shape [28], expected a matrix");

  check_same_bits(scorer.observe(next.round()), untouched.observe(next.round()));
}

TEST_CASE("options out of their range are refused by name") {
  const double nan = std::nan("");
  for (const double momentum : {-0.1, 1.0, nan})
    CHECK(complaint_of([&] { GatedEntropy({.momentum = momentum}); }).starts_with("GatedEntropy: momentum"));
  for (const double bad : {0.0, -1.0, nan, double(INFINITY)})
    CHECK(complaint_of([&] { GatedEntropy({.tau = bad}); }).starts_with("GatedEntropy: tau"));
  for (const double bad : {0.0, -1.0, nan})
    CHECK(complaint_of([&] { GatedEntropy({.power = bad}); }).starts_with("GatedEntropy: power"));
  // NaN compares with nothing: no copies, no news, and a saved state that could not be restored.
  const auto named = [](const Innovations::Options& innovation, const char* option) {
    return complaint_of([&] { GatedEntropy({.innovation = innovation}); }).find(option) != std::string::npos;
  };
  CHECK(named({.copy_cosine = nan}, "copy_cosine"));
  CHECK(named({.least_novelty = nan}, "least_novelty"));
}
