// Verified entropy against its definition over explicit vectors and matrices and against closed forms.
#include "fedval/contribution/verified_entropy.hpp"

#include "tests/contribution/naive_verified.hpp"
#include "tests/contribution/verified_rounds.hpp"

using namespace fedval;
using namespace fedval::tests;

namespace {

const auto plain = [] { return VerifiedEntropy(); };
const auto by_definition = [] { return NaiveVerified(); };

}  // namespace

TEST_CASE("scores are the definition's, clients coming and going") {
  CAPTURE(seed);
  random::Stream stream(seed);
  SUBCASE("double") { check_rounds<double>(stream, plain, by_definition); }
  SUBCASE("float") { check_rounds<float>(stream, plain, by_definition); }
  SUBCASE("other options") {
    const VerifiedEntropy::Options options{.momentum = 0.4,
                                           .inside_tau = 1.1,
                                           .novelty_tau = 1.05,
                                           .relation_tau = 0.9,
                                           .direction_tau = 0.7,
                                           .gate_power = 1.5,
                                           .least_strength = 0.2,
                                           .likeness = {.updates = {0.1, 0.8}, .rows = {-0.2, 0.9}},
                                           .innovation = {.copy_cosine = 0.6, .least_novelty = 0.8}};
    check_rounds<double>(
        stream, [&] { return VerifiedEntropy(options); }, [&] { return NaiveVerified{options}; });
  }
  SUBCASE("no momentum") {
    check_rounds<double>(
        stream, [] { return VerifiedEntropy({.momentum = 0}); },
        [] { return NaiveVerified{{.momentum = 0}}; });
  }
}

TEST_CASE("what scores are made of is the definition's, also in rounds without a global update") {
  CAPTURE(seed);
  random::Stream stream(seed, 1);
  for (const Layer& layer : {Layer{4, 7, 9, true}, Layer{8, 5, 30, false}, Layer{10, 24, 40, true}}) {
    Federation<double> federation(stream, layer);
    VerifiedEntropy scorer;
    NaiveVerified right;
    double largest = 0;
    for (int r = 0; r < 14; ++r) {
      CAPTURE(r);
      Sent<double> sent = federation.next();
      const bool still = r < 3 || r == 8;
      if (still) sent.global.reset();
      const naive::Round defined = sent.naive();
      if (still && r > 0) sent.global = sent.clients.begin()->second.scaled(0);
      const Scores scores = scorer.observe(sent.round());
      check_scores(scores, defined, right.observe(defined));
      check_made(scorer, right);
      if (still) CHECK(scorer.last().relation.open);
      for (const double value : values_of(scores)) largest = std::max(largest, value);
      for (std::size_t i = 0; i < scores.size(); ++i) {
        const VerifiedEntropy::Made& made = scorer.last();
        CHECK(std::abs(scores[i].second.value - made.base[i] * made.inside.values[i] *
                                                    made.novelty.values[i] * made.relation.values[i] *
                                                    made.direction.values[i] * made.voices[i]) < 1e-15);
      }
    }
    CHECK(largest > 0.5);
  }
}

TEST_CASE("order, names, views, threads, scales and rotations of the features do not matter") {
  CAPTURE(seed);
  random::Stream stream(seed, 2);
  SUBCASE("order") { check_order<double>(stream, plain); }
  SUBCASE("names") { check_renaming<double>(stream, plain, by_definition); }
  SUBCASE("views") { check_views<float>(stream, plain); }
  SUBCASE("threads") { check_threads<float>(stream, plain); }
  SUBCASE("scales") { check_own_scales(stream, plain, by_definition); }
  SUBCASE("rotation") { check_rotation(stream, plain, by_definition); }
}

TEST_CASE("two clients by hand") {
  const Square isotropic{{1, 0, 0}, {0, 1, 0}, {0, 0, 1}}, two_of_three{{2, 0, 0}, {0, 1, 0}, {0, 0, 0}};
  SUBCASE("the first round") {
    // K = diag(2, 1, 0) / sqrt 15 for both, so X is the median of itself; E is 2/3 and 1.
    VerifiedEntropy scorer;
    const Sent<double> sent = sent_of({{isotropic, {}}, {two_of_three, {}}});
    const Values scores = values_of(scorer.observe(sent.round()));
    near(scorer.last().base, {1, entropy_of({0.8, 0.2}, 3)});
    near(scorer.last().inside.values, {std::pow(2 / (3 * 0.85), 4), 1});
    near(scorer.last().voices, {1, 1});
    near(scores, {std::pow(2 / (3 * 0.85), 4), entropy_of({0.8, 0.2}, 3)});
    CHECK_FALSE(scorer.last().inside.open);
  }
  SUBCASE("what is turned round agrees in nothing, also where rounding leaves a trace") {
    // K is -W W^T, whose four zeros a computer makes some tiny eigenvalues of.
    random::Stream stream(seed, 7);
    for (int trial = 0; trial < 20; ++trial) {
      const Values factors = normals(stream, 24);
      const Square left = Eigen::Map<const Square>(factors.data(), 6, 2),
                   right = Eigen::Map<const Square>(factors.data() + 12, 2, 6), weight = left * right;
      VerifiedEntropy scorer;
      CHECK(values_of(scorer.observe(sent_of({{weight, {0, 1}}, {-weight, {1, 0}}}).round())) ==
            Values{0, 0});
      CHECK(scorer.last().base == Values{0, 0});
    }
  }
  SUBCASE("only positive eigenvalues count") {
    // K ~ diag(2, 3, -4) for both: shares 2/5 and 3/5. H of the first is the median.
    const Square other{{2, 0, 0}, {0, 3, 0}, {0, 0, -4}};
    VerifiedEntropy scorer({.gate_power = 1});
    scorer.observe(sent_of({{isotropic, {}}, {other, {}}}).round());
    near(scorer.last().base, {1, entropy_of({4.0 / 29, 9.0 / 29, 16.0 / 29}, 3)});
  }
}

TEST_CASE("one client, zeros, copies, single rows and two classes score 0") {
  CAPTURE(seed);
  random::Stream stream(seed, 3);
  const Square isotropic = Square::Identity(4, 4), zero = Square::Zero(4, 4);
  const auto values = [](const std::vector<std::pair<Square, Values>>& uploads) {
    return values_of(VerifiedEntropy().observe(sent_of(uploads).round()));
  };
  CHECK(values({{isotropic, {}}}) == Values{0});
  CHECK(values({{zero, {}}}) == Values{0});
  CHECK(values({{zero, {}}, {zero, {}}, {zero, {}}}) == Values{0, 0, 0});
  CHECK(values({{isotropic, {}}, {2 * isotropic, {}}, {isotropic, {}}}) == Values{0, 0, 0});
  CHECK(values({{isotropic, {1, 0}}, {zero, {0, 1}}, {zero, {1, 1}}}) == Values{0, 0, 0});
  for (const Layer& layer : {Layer{2, 9, 12, true}, Layer{1, 9, 12, true}, Layer{9, 1, 12, false}}) {
    Federation<double> federation(stream, layer);
    VerifiedEntropy scorer;
    for (int r = 0; r < 4; ++r)
      for (const double value : values_of(scorer.observe(federation.next(8, false).round())))
        CHECK(value == 0);
  }
  // A layer of rank one has no entropy, in double or rounded to float.
  Sent<float> rank_one;
  Federation<float> federation(stream, {4, 6, 20, false});
  for (int i = 0; i < 5; ++i) {
    Upload<float>& upload = rank_one.clients[i] = federation.gaussian();
    upload.weight = RowMatrix<float>(upload.weight.col(0) * upload.weight.row(0));
  }
  for (const double value : values_of(VerifiedEntropy().observe(rank_one.round()))) CHECK(value == 0);
}

TEST_CASE("a zero update earns nothing among others, and a median of 0 opens a gate") {
  Training training(500);
  VerifiedEntropy scorer;
  for (int r = 0; r < 3; ++r) {
    Sent<double> sent = training.next();
    sent.clients["idle"] = sent.clients.at(0).scaled(0);
    const Scores scores = scorer.observe(sent.round());
    CHECK(score_of(scores, "idle") == 0);
    CHECK(mean_honest(scores) > 0.5);
    CHECK_FALSE(scorer.last().inside.open);
    CHECK(scorer.last().novelty.open == (r == 0));
    CHECK(scorer.last().relation.open == (r == 0));
    CHECK(scorer.last().direction.open == (r == 0));
  }
  // Five of nine idle: nothing can be told, and the two entropies count as they are.
  Sent<double> sent = training.next();
  for (int i = 0; i < 5; ++i) sent.clients.at(i) = sent.clients.at(i).scaled(0);
  VerifiedEntropy fresh;
  fresh.observe(sent.round());
  for (const Gates* gates :
       {&fresh.last().inside, &fresh.last().novelty, &fresh.last().relation, &fresh.last().direction}) {
    CHECK(gates->open);
    CHECK(gates->values == Values(8, 1.0));
  }
  CHECK(fresh.last().base[7] > 0.3);
  CHECK(fresh.last().base[7] < 1);
  CHECK(fresh.last().base[0] == 0);
}

TEST_CASE("a zero global update is none, and its final layer is not asked for") {
  Training training(501);
  training.next();
  Sent<double> sent = training.next();
  sent.global = sent.global->scaled(0);
  const Values with_zero = values_of(VerifiedEntropy().observe(sent.round()));
  Round round = sent.round();
  round.global_final_weight = {};
  CHECK(values_of(VerifiedEntropy().observe(round)) == with_zero);
  sent.global.reset();
  CHECK(values_of(VerifiedEntropy().observe(sent.round())) == with_zero);
}

TEST_CASE("a global update whose final layer is zero leaves the layers whole") {
  Training training(502);
  training.next();
  Sent<double> sent = training.next();
  sent.global->weight.setZero();
  VerifiedEntropy scorer;
  NaiveVerified right;
  check_scores(scorer.observe(sent.round()), sent.naive(), right.observe(sent.naive()));
  CHECK(scorer.last().novelty.values == Values(8, 1.0));
  CHECK_FALSE(scorer.last().novelty.open);
}

TEST_CASE("a score restored in the middle goes on with the same bits") {
  CAPTURE(seed);
  random::Stream stream(seed, 4);
  Federation<double> federation(stream, {5, 8, 20, true});
  VerifiedEntropy whole, before;
  for (int r = 0; r < 9; ++r) {
    const Sent<double> sent = federation.next();
    VerifiedEntropy after;
    restore(save(before), after);
    CHECK(after.last().voices.empty());
    const Scores scores = whole.observe(sent.round());
    check_same_bits(after.observe(sent.round()), scores);
    CHECK(save(after) == save(whole));
    before = after;
  }
  CHECK(save(whole).find("pairs") != std::string::npos);
}

TEST_CASE("from the second round on the global update is asked for") {
  CAPTURE(seed);
  random::Stream stream(seed, 23);
  check_global_update_asked_for<double>(stream, [] { return VerifiedEntropy(); });
}

TEST_CASE("an empty round changes nothing") {
  CAPTURE(seed);
  random::Stream stream(seed, 5);
  Federation<double> federation(stream, {});
  VerifiedEntropy scorer;
  check_empty(scorer);
  scorer.observe(federation.next(5).round());
  check_empty(scorer);
  const Values voices = scorer.last().voices;
  scorer.observe(Round());
  CHECK(scorer.last().voices == voices);
}

TEST_CASE("what is refused is named, and as if it had never been") {
  CAPTURE(seed);
  random::Stream stream(seed, 6);
  Federation<double> federation(stream, {4, 7, 9, true});
  VerifiedEntropy scorer, untouched;
  const Sent<double> first = federation.next(6), second = federation.next(6);
  for (VerifiedEntropy* each : {&scorer, &untouched})
    for (const Sent<double>* sent : {&first, &second}) each->observe(sent->round());
  const Sent<double> next = federation.next(6);
  const ClientId id = std::prev(next.clients.end())->first, ahead = next.clients.begin()->first;
  const std::string name = "client " + id.text(), leading = "client " + ahead.text();
  // A round in which one client's parts are others.
  const auto with = [&](auto&& change) {
    Round round = next.round({});
    for (const auto& [other, upload] : next.clients) {
      ClientParts parts = upload.parts();
      if (other == id) change(parts);
      round.add(other, parts);
    }
    return round;
  };
  const Values five(5, 1.0), flat(28, 1.0);
  const Square other_shape = Square::Ones(7, 4);
  Square bad = next.clients.at(id).weight, bad_global = next.global->weight;
  bad(2, 5) = -INFINITY;
  bad_global(3, 6) = NAN;

  check_refused(scorer, with([](ClientParts& parts) { parts.update = {}; }),
                name + ": VerifiedEntropy needs update, which was not given");
  check_refused(scorer, with([](ClientParts& parts) { parts.final_weight = {}; }),
                name + ": VerifiedEntropy needs final_weight, which was not given");
  check_refused(scorer, with([&](ClientParts& parts) { parts.update = five; }),
                name + ": update has 5 entries (shape [5]), " + leading + ": update has 41 (shape [41])");
  check_refused(scorer, with([&](ClientParts& parts) { parts.final_weight = flat; }),
                name + ": final_weight has shape [28], expected a matrix");
  check_refused(scorer, with([&](ClientParts& parts) { parts.final_weight = other_shape; }),
                name + ": final_weight has shape [7, 4], " + leading + ": final_weight has [4, 7]");
  check_refused(scorer, with([&](ClientParts& parts) { parts.final_weight = bad; }),
                name + ": final_weight[2, 5] is -infinite");
  Sent<double> nan = next;
  nan.clients[id].body[4] = NAN;
  check_refused(scorer, nan.round(), name + ": update[4] (tensor 0, entry [4]) is NaN");
  nan = next;
  nan.global->body[2] = INFINITY;
  check_refused(scorer, nan.round(), "global_update[2] (tensor 0, entry [2]) is infinite");

  Round round = next.round();
  round.global_update = five;
  check_refused(scorer, round,
                "global_update has 5 entries (shape [5]), " + leading + ": update has 41 (shape [41])");
  round = next.round();
  round.global_final_weight = {};
  check_refused(scorer, round,
                "VerifiedEntropy needs global_final_weight beside global_update, which was not given");
  round.global_final_weight = other_shape;
  check_refused(scorer, round,
                "global_final_weight has shape [7, 4], " + leading + ": final_weight has [4, 7]");
  round.global_final_weight = bad_global;
  check_refused(scorer, round, "global_final_weight[3, 6] is NaN");

  check_same_bits(scorer.observe(next.round()), untouched.observe(next.round()));
}

TEST_CASE("options out of their range are refused by name") {
  using Options = VerifiedEntropy::Options;
  const double nan = std::nan(""), infinite = INFINITY;
  const auto refused = [](const Options& options, const std::string& option) {
    const std::string message = complaint_of([&] { VerifiedEntropy scorer(options); });
    INFO(message);
    CHECK(message.starts_with("VerifiedEntropy: " + option + " "));
  };
  for (const double bad : {-0.1, 1.0, nan}) {
    refused({.momentum = bad}, "momentum is");
    refused({.least_strength = bad}, "least_strength is");
  }
  for (const double bad : {0.0, -1.0, nan, infinite}) {
    refused({.inside_tau = bad}, "inside_tau is");
    refused({.novelty_tau = bad}, "novelty_tau is");
    refused({.relation_tau = bad}, "relation_tau is");
    refused({.direction_tau = bad}, "direction_tau is");
    refused({.gate_power = bad}, "gate_power is");
  }
  for (const Likeness::Ramp& bad :
       {Likeness::Ramp{0.5, 0.5}, Likeness::Ramp{0.6, 0.5}, Likeness::Ramp{-1.1, 0.5},
        Likeness::Ramp{0.5, 1.1}, Likeness::Ramp{nan, 0.5}, Likeness::Ramp{0, nan}}) {
    refused({.likeness = {.updates = bad}}, "likeness.updates");
    refused({.likeness = {.rows = bad}}, "likeness.rows");
  }
  refused({.innovation = {.copy_cosine = nan}}, "copy_cosine is");
  refused({.innovation = {.least_novelty = nan}}, "least_novelty is");
}
