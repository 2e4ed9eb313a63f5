// Consensus entropy and confirmed entropy, which see a client through the others' sum.
#include "fedval/contribution/consensus_entropy.hpp"

#include "fedval/contribution/confirmed_entropy.hpp"
#include "fedval/contribution/gated_entropy.hpp"
#include "fedval/tensor/std.hpp"
#include "tests/contribution/score_properties.hpp"

using namespace fedval;
using namespace fedval::tests;

namespace {

constexpr std::uint64_t seed = 621;

/// A score and its definition.
struct Consensus {
  using Score = ConsensusEntropy;
  using Naive = naive::ConsensusEntropy;
};
struct Confirmed {
  using Score = ConfirmedEntropy;
  using Naive = naive::ConfirmedEntropy;
};

template <class Pair>
const auto plain = [] { return typename Pair::Score(); };
template <class Pair>
const auto by_definition = [] { return typename Pair::Naive(); };

double score_of(const Scores& scores, const ClientId& id) {
  for (const auto& [client, score] : scores)
    if (client == id) return score.value;
  FAIL("no score");
  return 0;
}

using Square = RowMatrix<double>;

/// Updates that are a final layer and, at the end, a body that the final layer does not see.
Sent<double> sent_of(const std::vector<std::pair<Square, Values>>& uploads) {
  Sent<double> sent;
  for (const auto& [weight, body] : uploads) sent.clients[sent.clients.size()] = {body, weight, {}};
  return sent;
}

Values values_of(const Scores& scores) {
  Values values;
  for (const auto& [id, score] : scores) values.push_back(score.value);
  return values;
}

}  // namespace

TEST_CASE_TEMPLATE("scores are the definition's, clients coming and going", P, Consensus, Confirmed) {
  CAPTURE(seed);
  random::Stream stream(seed);
  SUBCASE("double") { check_rounds<double>(stream, plain<P>, by_definition<P>); }
  SUBCASE("float") { check_rounds<float>(stream, plain<P>, by_definition<P>); }
  SUBCASE("no momentum, copies unshared, other thresholds") {
    check_rounds<double>(
        stream,
        [] {
          return typename P::Score({.momentum = 0,
                                    .share_copies = false,
                                    .innovation = {.copy_cosine = 0.6, .least_novelty = 0.8}});
        },
        [] { return typename P::Naive{.mu = 0, .share = false, .copy_cosine = 0.6, .least_novelty = 0.8}; });
  }
}

TEST_CASE("confirmed entropy follows its options, and shows its gates") {
  CAPTURE(seed);
  random::Stream stream(seed, 1);
  const ConfirmedEntropy::Options options{.momentum = 0.5,
                                          .energy = 0.6,
                                          .confirmed_power = 0.7,
                                          .novelty_tau = 1.05,
                                          .novelty_power = 1.5,
                                          .agreement_tau = 1.1,
                                          .agreement_power = 3};
  const naive::ConfirmedEntropy same{0.5, 0.6, 0.7, 1.05, 1.5, 1.1, 3};
  SUBCASE("all") {
    check_rounds<double>(
        stream, [&] { return ConfirmedEntropy(options); }, [&] { return same; });
  }
  SUBCASE("all the energy") {
    check_rounds<double>(
        stream, [] { return ConfirmedEntropy({.energy = 1}); },
        [] { return naive::ConfirmedEntropy{.energy = 1}; });
  }
  SUBCASE("gates") {
    Federation<double> federation(stream, {});
    ConfirmedEntropy scorer(options);
    naive::ConfirmedEntropy right = same;
    for (int r = 0; r < 8; ++r) {
      const Sent<double> sent = federation.next();
      scorer.observe(sent.round());
      right.observe(sent.naive());
      const auto check = [](const Gates& gates, const naive::Gates& expected) {
        CHECK(gates.open == expected.open);
        REQUIRE(gates.values.size() == expected.values.size());
        for (std::size_t i = 0; i < gates.values.size(); ++i)
          CHECK(std::abs(gates.values[i] - naive::d(expected.values[i].value)) <= expected.values[i].error);
      };
      check(scorer.last_novelty_gates(), right.last_novelty);
      check(scorer.last_agreement_gates(), right.last_agreement);
    }
  }
}

TEST_CASE_TEMPLATE("order, names, views and threads do not matter", P, Consensus, Confirmed) {
  CAPTURE(seed);
  random::Stream stream(seed, 2);
  SUBCASE("order") { check_order<double>(stream, plain<P>); }
  SUBCASE("names") { check_renaming<double>(stream, plain<P>, by_definition<P>); }
  SUBCASE("views") { check_views<float>(stream, plain<P>); }
  SUBCASE("threads") { check_threads<float>(stream, plain<P>); }
}

TEST_CASE_TEMPLATE("a rotation of the features does not matter", P, Consensus, Confirmed) {
  CAPTURE(seed);
  random::Stream stream(seed, 3);
  check_rotation(stream, plain<P>, by_definition<P>);
}

TEST_CASE_TEMPLATE("every client's own scale does not matter", P, Consensus, Confirmed) {
  CAPTURE(seed);
  random::Stream stream(seed, 4);
  check_own_scales(stream, plain<P>, by_definition<P>);
}

TEST_CASE_TEMPLATE("transposed layers have the same scores", P, Consensus, Confirmed) {
  CAPTURE(seed);
  random::Stream stream(seed, 5);
  for (const Layer& layer : {Layer{4, 7, 9, false}, Layer{9, 3, 5, false}}) {
    const auto transposed = [](const Upload<double>& upload) {
      return Upload<double>{upload.body, upload.weight.transpose(), {}};
    };
    check_invariance<double>(stream, layer, plain<P>, by_definition<P>,
                             [&](const Sent<double>& sent) { return sent.changed(transposed); });
  }
}

TEST_CASE_TEMPLATE("a client and its copies together earn what it would earn alone", P, Consensus,
                   Confirmed) {
  CAPTURE(seed);
  random::Stream stream(seed, 6);
  for (const double scale : {1.0, 0.37, 4e7}) {
    CAPTURE(scale);
    Federation<double> federation(stream, {10, 32, 60, true}, 8);
    typename P::Score alone({.momentum = 0}), together({.momentum = 0}),
        unshared({.momentum = 0, .share_copies = false});
    for (int r = 0; r < 4; ++r) {
      const Sent<double> sent = federation.next(8, false);
      Sent<double> copied = sent;
      copied.clients["copy"] = sent.clients.at(5).scaled(scale);
      const Scores a = alone.observe(sent.round()), b = together.observe(copied.round()),
                   c = unshared.observe(copied.round());
      // The others without the copy are those there were, so all that is the client's own stays; of confirmed
      // entropy the gates could move with the medians, but they are 1.
      if constexpr (std::is_same_v<P, Confirmed>)
        for (const ConfirmedEntropy* scorer : {&alone, &together}) {
          REQUIRE(scorer->last_novelty_gates().values[5] == 1);
          REQUIRE(scorer->last_agreement_gates().values[5] == 1);
        }
      const double one = score_of(a, 5);
      CHECK(one > 0.05);
      CHECK(std::abs(score_of(b, 5) + score_of(b, "copy") - one) < 1e-11);
      CHECK(std::abs(score_of(b, 5) - score_of(b, "copy")) < 1e-11);
      CHECK(std::abs(score_of(c, 5) + score_of(c, "copy") - 2 * one) < 1e-11);
    }
  }
}

TEST_CASE("confirmed entropy refuses noise, flips and replays; consensus entropy pays them little") {
  CAPTURE(seed);
  for (std::uint64_t trial = 0; trial < 4; ++trial) {
    CAPTURE(trial);
    random::Stream stream(seed, 10 + trial);
    Federation<float> federation(stream, {10, 64, 300, true}, 8);
    ConfirmedEntropy confirmed;
    ConsensusEntropy consensus;
    for (int r = 0; r < 8; ++r) {
      CAPTURE(r);
      Sent<float> sent = federation.next(8, false);
      sent.clients["noise"] = federation.gaussian();
      sent.clients["flip"] = sent.clients.at(3).scaled(-1);
      if (sent.global) sent.clients["replay"] = sent.global->scaled(0.7f);
      const Scores strict = confirmed.observe(sent.round()), plain = consensus.observe(sent.round());
      double honest = 0, by_consensus = 0;
      for (int i = 0; i < 8; ++i) {
        honest += score_of(strict, i) / 8;
        by_consensus += score_of(plain, i) / 8;
      }
      CHECK(honest > 0.1);
      CHECK(score_of(strict, "noise") < 0.01 * honest);
      CHECK(score_of(strict, "flip") == 0);
      CHECK(score_of(plain, "noise") < 0.2 * by_consensus);
      CHECK(score_of(plain, "flip") < 0.1 * by_consensus);
      if (r > 0) CHECK(score_of(strict, "replay") == 0);
    }
  }
}

TEST_CASE(
    "noise in the final layer earns less than honesty under confirmed entropy, and more under the gate") {
  CAPTURE(seed);
  for (std::uint64_t trial = 0; trial < 6; ++trial) {
    CAPTURE(trial);
    random::Stream stream(seed, 20 + trial);
    Federation<double> federation(stream, {10, 256, 1500, true}, 8);
    // A client with two labels sends two rows of what it would send, and next to nothing of the others.
    const auto two_labels = [](Sent<double>& sent) -> Upload<double>& {
      Upload<double>& own = sent.clients.at(0);
      own.weight.bottomRows(8) *= 0.05;
      return own;
    };
    ConfirmedEntropy confirmed_honest, confirmed_inflated;
    GatedEntropy gated_honest, gated_inflated;
    for (int r = 0; r < 4; ++r) {
      CAPTURE(r);
      Sent<double> honest = federation.next(8, false);
      two_labels(honest);
      Sent<double> inflated = honest;
      RowMatrix<double>& weight = inflated.clients.at(0).weight;
      RowMatrix<double> noise(weight.rows(), weight.cols());
      for (double& value : noise.reshaped()) value = stream.normal();
      weight += noise * (weight.norm() / noise.norm());
      const double twin = score_of(confirmed_honest.observe(honest.round()), 0),
                   cheat = score_of(confirmed_inflated.observe(inflated.round()), 0);
      CHECK(twin > 0.05);
      CHECK(cheat < 0.9 * twin);
      CHECK(score_of(gated_inflated.observe(inflated.round()), 0) >
            1.1 * score_of(gated_honest.observe(honest.round()), 0));
    }
  }
}

TEST_CASE("two clients by hand") {
  // The other's layer is diag(2, 1) up to scale: U = V = I, and M is the client's own layer.
  const Square other{{2, 0}, {0, 1}};
  const auto own_score = [&](auto scorer, std::initializer_list<std::initializer_list<double>> rows) {
    const Sent<double> sent = sent_of({{Square(rows), {0, 5}}, {other, {0.1, 0}}});  // bodies: no copies
    return values_of(scorer.observe(sent.round()))[0];
  };
  const auto near = [](double a, double b) { CHECK(std::abs(a - b) < 1e-14); };
  const auto log2 = [](double p) { return -(p * std::log2(p) + (1 - p) * std::log2(1 - p)); };
  SUBCASE("consensus") {
    near(own_score(ConsensusEntropy(), {{1, 0}, {0, 1}}), 1);
    near(own_score(ConsensusEntropy(), {{1, 0}, {0, 3}}), log2(0.1));
    near(own_score(ConsensusEntropy(), {{1, 1}, {1, 1}}), 0.5);  // e = 1/2, p = (1/2, 1/2)
    near(own_score(ConsensusEntropy(), {{1, 0}, {0, -1}}), 0);   // one direction is left
    near(own_score(ConsensusEntropy(), {{0, 1}, {1, 0}}), 0);    // nothing is confirmed
    near(own_score(ConsensusEntropy(), {{-1, 0}, {0, -1}}), 0);
    near(own_score(ConsensusEntropy(), {{0, 0}, {0, 0}}), 0);
  }
  SUBCASE("confirmed: both directions") {
    // Energies 4/5 and 1/5: .8 < .9, so k = 2 and P is all of W.
    near(own_score(ConfirmedEntropy(), {{1, 0}, {0, 1}}), 1);
    near(own_score(ConfirmedEntropy(), {{1, 0}, {0, 3}}), log2(0.1));
    near(own_score(ConfirmedEntropy(), {{1, 1}, {1, 1}}), 0);
  }
  SUBCASE("confirmed: one direction has no entropy") {
    near(own_score(ConfirmedEntropy({.energy = 0.79}), {{1, 0}, {0, 1}}), 0);
    near(own_score(ConfirmedEntropy({.energy = 0.81}), {{1, 0}, {0, 1}}), 1);
  }
  SUBCASE("confirmed: e is the share inside") {
    // Three by four, k = 2 by the other's zero: W's last row and columns are outside.
    const Square wide_other{{2, 0, 0, 0}, {0, 1, 0, 0}, {0, 0, 0, 0}};
    const Square own{{1, 0, 2, 0}, {0, 1, 0, 0}, {0, 0, 0, 3}};
    const Sent<double> sent = sent_of({{own, {0, 5}}, {wide_other, {0.1, 0}}});
    const double e = 2.0 / 15, h = std::log(2.0) / std::log(3.0);
    near(values_of(ConfirmedEntropy().observe(sent.round()))[0], h * e);
    near(values_of(ConfirmedEntropy({.confirmed_power = 0.5}).observe(sent.round()))[0], h * std::sqrt(e));
    near(values_of(ConsensusEntropy().observe(sent.round()))[0], h * e);
  }
}

TEST_CASE("directions that the others have only by rounding confirm nothing") {
  CAPTURE(seed);
  // The others' layers are all multiples of one rank-one matrix, however small beside their bodies and beside
  // the client's own layer: one direction has no entropy.
  for (const double size : {1.0, 1e-3, 1e-6, 1e-9}) {
    CAPTURE(size);
    for (std::uint64_t trial = 0; trial < 10; ++trial) {
      CAPTURE(trial);
      random::Stream stream(seed, 40 + trial);
      Federation<double> federation(stream, {5, 12, 30, false});
      Sent<double> sent;
      const Upload<double> common = federation.gaussian();
      const std::size_t n = 2 + trial % 5;
      for (std::size_t i = 1; i < n; ++i) {
        Upload<double> upload = mixed(0.5, common, 1, federation.gaussian());
        upload.weight = size * stream.uniform(0.5, 2) * common.weight.col(0) * common.weight.row(0);
        sent.clients[i] = upload;
      }
      sent.clients[0] = mixed(0.5, common, 1, federation.gaussian());
      CHECK(score_of(ConsensusEntropy().observe(sent.round()), 0) < 1e-12);
      CHECK(score_of(ConfirmedEntropy().observe(sent.round()), 0) < 1e-12);
    }
  }
}

TEST_CASE_TEMPLATE("one client, zeros, copies and single rows are confirmed by nobody", P, Consensus,
                   Confirmed) {
  const Square isotropic = Square::Identity(4, 4), zero = Square::Zero(4, 4),
               rank_one = Square::Constant(4, 4, 0.5);
  const auto values = [](const std::vector<std::pair<Square, Values>>& uploads,
                         const std::optional<Upload<double>>& global = {}) {
    Sent<double> sent = sent_of(uploads);
    sent.global = global;
    return values_of(typename P::Score().observe(sent.round()));
  };
  CHECK(values({{isotropic, {}}}) == Values{0});
  CHECK(values({{zero, {}}}) == Values{0});
  CHECK(values({{zero, {}}, {zero, {}}, {zero, {}}}) == Values{0, 0, 0});
  CHECK(values({{isotropic, {}}, {isotropic, {}}, {isotropic, {}}}) == Values{0, 0, 0});
  CHECK(values({{isotropic, {}}, {zero, {}}}) == Values{0, 0});
  CHECK(values({{isotropic, {1, 0}}, {zero, {0, 1}}, {zero, {1, 1}}}) == Values{0, 0, 0});
  const Square row{{1, 2, 3}}, other_row{{1, 2, 2}}, column{{1}, {2}}, other_column{{2}, {3}};
  CHECK(values({{row, {1}}, {other_row, {0}}, {row, {-2}}}) == Values{0, 0, 0});
  CHECK(values({{column, {1}}, {other_column, {0}}, {column, {-2}}}) == Values{0, 0, 0});
  for (const double value : values({{rank_one, {1, 0}}, {rank_one, {0, 1}}, {rank_one, {1, 1}}}))
    CHECK(std::abs(value) < 1e-13);
  // A zero global update is none, and its final layer is not asked for.
  const std::vector<std::pair<Square, Values>> two{
      {isotropic, {0, 5}}, {Square{{2, 0, 0, 0}, {0, 1, 0, 0}, {0, 0, 3, 0}, {0, 0, 0, 4}}, {1, 0}}};
  const Values first = values(two);
  CHECK(first[0] > 0.5);
  CHECK(values(two, Upload<double>{{0, 0}, zero, {}}) == first);
  Sent<double> sent = sent_of(two);
  Round round = sent.round();
  const Values nothing(18, 0.0);
  round.global_update = nothing;
  CHECK(values_of(typename P::Score().observe(round)) == first);
}

TEST_CASE("with nobody new or agreed the gates of confirmed entropy are open, and say so") {
  const Square isotropic = Square::Identity(4, 4);
  ConfirmedEntropy scorer;
  Sent<double> sent = sent_of({{isotropic, {1, 2}}, {isotropic, {1, 2}}});
  scorer.observe(sent.round());
  CHECK_FALSE(scorer.last_novelty_gates().open);
  CHECK(scorer.last_agreement_gates().open);
  sent.clients.at(0) = sent.clients.at(1) = {{0, 0}, Square::Zero(4, 4), {}};
  ConfirmedEntropy fresh;
  fresh.observe(sent.round());
  CHECK(fresh.last_novelty_gates().open);
  CHECK(fresh.last_novelty_gates().values == Values{1, 1});
}

TEST_CASE_TEMPLATE("from the second round on the global update is asked for", P, Consensus, Confirmed) {
  CAPTURE(seed);
  random::Stream stream(seed, 22);
  check_global_update_asked_for<double>(stream, [] { return typename P::Score(); });
}

TEST_CASE_TEMPLATE("an empty round changes nothing", P, Consensus, Confirmed) {
  CAPTURE(seed);
  random::Stream stream(seed, 7);
  Federation<double> federation(stream, {});
  typename P::Score scorer;
  check_empty(scorer);
  scorer.observe(federation.next(5).round());
  check_empty(scorer);
}

TEST_CASE_TEMPLATE("what is refused is named, and as if it had never been", P, Consensus, Confirmed) {
  CAPTURE(seed);
  random::Stream stream(seed, 8);
  Federation<double> federation(stream, {4, 7, 9, true});
  typename P::Score scorer, untouched;
  const Sent<double> first = federation.next(6);
  for (auto* each : {&scorer, &untouched}) each->observe(first.round());
  const Sent<double> next = federation.next(6);
  const ClientId id = std::prev(next.clients.end())->first, ahead = next.clients.begin()->first;
  const std::string name = "client " + id.text(), score(P::Score::name);
  // A round in which one client's parts, or the global ones, are others.
  const auto with = [&](auto&& change) {
    Round round = next.round({});
    for (const auto& [other, upload] : next.clients) {
      ClientParts parts = upload.parts();
      if (other == id) change(parts);
      round.add(other, parts);
    }
    return round;
  };
  const Values flat(28, 1.0), five(5, 1.0);
  const Square other_shape = Square::Ones(7, 4);
  Square bad_weight = next.clients.at(id).weight;
  bad_weight(2, 5) = -INFINITY;
  const Values bad_bias{1, 2, 3, NAN};

  check_refused(scorer, with([](ClientParts& parts) { parts.update = {}; }),
                name + ": " + score + " needs update, which was not given");
  check_refused(scorer, with([](ClientParts& parts) { parts.final_weight = {}; }),
                name + ": " + score + " needs final_weight, which was not given");
  check_refused(scorer, with([](ClientParts& parts) { parts.final_bias = {}; }),
                name + ": " + score + " needs final_bias, which client " + ahead.text() + " gave");
  check_refused(scorer, with([&](ClientParts& parts) { parts.final_weight = flat; }),
                name + ": final_weight has shape [28], expected a matrix");
  check_refused(
      scorer, with([&](ClientParts& parts) { parts.final_weight = other_shape; }),
      name + ": final_weight has shape [7, 4], client " + ahead.text() + ": final_weight has [4, 7]");
  check_refused(scorer, with([&](ClientParts& parts) { parts.final_bias = five; }),
                name + ": final_bias has 5 entries for 4 classes");
  check_refused(scorer, with([&](ClientParts& parts) { parts.final_weight = bad_weight; }),
                name + ": final_weight[2, 5] is -infinite");
  check_refused(scorer, with([&](ClientParts& parts) { parts.final_bias = bad_bias; }),
                name + ": final_bias[3] is NaN");
  check_refused(
      scorer, with([&](ClientParts& parts) { parts.update = five; }),
      name + ": update has 5 entries (shape [5]), client " + ahead.text() + ": update has 41 (shape [41])");
  Sent<double> nan = next;
  nan.clients[id].weight(1, 3) = NAN;
  check_refused(scorer, nan.round(), name + ": update[19] (tensor 1, entry [1, 3]) is NaN");
  Round round = next.round();
  round.global_update = five;
  check_refused(
      scorer, round,
      "global_update has 5 entries (shape [5]), client " + ahead.text() + ": update has 41 (shape [41])");
  nan = next;
  nan.global->bias[1] = NAN;
  check_refused(scorer, nan.round(), "global_update[38] (tensor 2, entry [1]) is NaN");

  check_same_bits(scorer.observe(next.round()), untouched.observe(next.round()));
}

TEST_CASE("consensus entropy needs the final layer of the global update") {
  CAPTURE(seed);
  random::Stream stream(seed, 9);
  Federation<double> federation(stream, {4, 7, 9, true});
  ConsensusEntropy scorer;
  scorer.observe(federation.next(6).round());
  const Sent<double> next = federation.next(6);
  Round round = next.round();
  round.global_final_weight = {};
  check_refused(scorer, round,
                "ConsensusEntropy needs global_final_weight beside global_update, which was not given");
  const Values five(5, 1.0);
  round.global_final_weight = five;
  check_refused(scorer, round,
                "global_final_weight has shape [5], client " + next.clients.begin()->first.text() +
                    ": final_weight has [4, 7]");
  const Square transposed = next.global->weight.transpose();
  round.global_final_weight = transposed;
  CHECK(complaint_of([&] { scorer.observe(round); }).starts_with("global_final_weight has shape [7, 4]"));
  Square bad = next.global->weight;
  bad(3, 6) = INFINITY;
  round.global_final_weight = bad;
  check_refused(scorer, round, "global_final_weight[3, 6] is infinite");
}

TEST_CASE("options out of their range are refused by name") {
  const double nan = std::nan("");
  for (const double momentum : {-0.1, 1.0, nan}) {
    CHECK(complaint_of([&] {
            ConsensusEntropy({.momentum = momentum});
          }).starts_with("ConsensusEntropy: momentum"));
    CHECK(complaint_of([&] {
            ConfirmedEntropy({.momentum = momentum});
          }).starts_with("ConfirmedEntropy: momentum"));
  }
  for (const double bad : {0.0, -1.0, 1.01, nan})
    CHECK(complaint_of([&] { ConfirmedEntropy({.energy = bad}); }).starts_with("ConfirmedEntropy: energy"));
  using Options = ConfirmedEntropy::Options;
  const std::vector<std::pair<std::string, double Options::*>> positive{
      {"confirmed_power", &Options::confirmed_power},
      {"novelty_tau", &Options::novelty_tau},
      {"novelty_power", &Options::novelty_power},
      {"agreement_tau", &Options::agreement_tau},
      {"agreement_power", &Options::agreement_power}};
  for (const auto& option : positive)
    for (const double bad : {0.0, -1.0, nan}) {
      Options options;
      options.*option.second = bad;
      const std::string message = complaint_of([&] { ConfirmedEntropy scorer(options); });
      INFO(option.first, " is ", bad, ": ", message);
      CHECK(message.find(option.first) != std::string::npos);
    }
  for (double Options::*tau : {&Options::novelty_tau, &Options::agreement_tau}) {
    Options options;
    options.*tau = INFINITY;
    CHECK_THROWS_AS(ConfirmedEntropy{options}, Error);  // or every gate is shut
  }
  CHECK_THROWS_AS(ConsensusEntropy({.innovation = {.copy_cosine = nan}}), Error);
  CHECK_THROWS_AS(ConfirmedEntropy({.innovation = {.least_novelty = nan}}), Error);
}
