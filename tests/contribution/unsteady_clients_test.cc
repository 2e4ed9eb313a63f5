// Clients that come and go as they like, join late, send something again, too late, or far too much: every
// score goes on.
#include "tests/contribution/every_score.hpp"

using namespace fedval;
using namespace fedval::tests;

namespace {

constexpr std::uint64_t seed = 1303;
constexpr std::size_t pool = 7;

/// Scores of these clients and no others, all of them in the score's range.
void check_sound(const Entry& each, const Scores& scores, const std::vector<ClientId>& present) {
  REQUIRE(scores.size() == present.size());
  for (std::size_t i = 0; i < present.size(); ++i) {
    CAPTURE(present[i].text());
    const Score& score = scores[i].second;
    CHECK(scores[i].first == present[i]);
    CHECK(std::isfinite(score.value));
    CHECK(score.value >= each.traits.least - 1e-12);
    CHECK(score.value <= each.traits.most + 1e-12);
    CHECK_FALSE(std::isinf(score.variance));
    CHECK_FALSE(score.variance < 0);
  }
}

std::vector<ClientId> present_in(const Sent<double>& sent) {
  std::vector<ClientId> result;
  for (const auto& [id, upload] : sent.clients) result.push_back(id);
  return result;
}

/// Rounds in which each client is there with one probability, whatever the others do; who is there is honest
/// or an attacker of the federation's and, where it is `unsteady`, may also repeat its last update, send the
/// one that it held back, replay the last global update, or send nothing or far too much. The global update
/// is the mean of what was sent.
class Rounds {
 public:
  Rounds(std::uint64_t trial, double presence, bool unsteady)
      : stream_(seed, trial), federation_(stream_, {}, pool), presence_(presence), unsteady_(unsteady) {}

  Sent<double> next() {
    Sent<double> sent;
    sent.global = global_;
    for (const auto& [id, upload] : federation_.next(pool).clients) {
      if (stream_.uniform() < presence_)
        sent.clients[id] = last_[id] = changed(id, upload);
      else
        held_back_[id] = upload;
    }
    Upload<double> mean = federation_.gaussian(0);
    for (const auto& [id, upload] : sent.clients)
      mean = mixed(1, mean, 1 / naive::d(sent.clients.size()), upload);
    global_ = mean;
    return sent;
  }
  /// The same round, its clients added in another order.
  Round shuffled(const Sent<double>& sent) {
    std::vector<ClientId> order = present_in(sent);
    stream_.shuffle(std::span(order));
    return sent.round(order);
  }

 private:
  Upload<double> changed(const ClientId& id, const Upload<double>& honest) {
    switch (unsteady_ ? stream_.below(10) : 9) {
      case 0:
        return last_.contains(id) ? last_.at(id) : honest;
      case 1:
        return held_back_.contains(id) ? held_back_.at(id) : honest;
      case 2:
        return global_.value_or(honest);
      case 3:
        return honest.scaled(0);
      case 4:
        return honest.scaled(0x1p300);
      default:
        return honest;
    }
  }

  random::Stream stream_;
  Federation<double> federation_;
  double presence_;
  bool unsteady_;
  std::map<ClientId, Upload<double>> last_, held_back_;
  std::optional<Upload<double>> global_;
};

}  // namespace

TEST_CASE("whoever comes, with updates repeated, late, replayed, zero or huge: sound scores of those there") {
  CAPTURE(seed);
  std::uint64_t trial = 0;
  for (const bool unsteady : {false, true})
    for (const double presence : {0.0, 0.1, 0.5, 0.9, 1.0}) {
      CAPTURE(unsteady);
      CAPTURE(presence);
      CAPTURE(trial);
      ++trial;
      for (const Entry& each : every_score()) {
        CAPTURE(each.name);
        Rounds rounds(trial, presence, unsteady);
        const Scorer scorer = each.make();
        for (std::size_t r = 0; r < 60; ++r) {
          CAPTURE(r);
          const Sent<double> sent = rounds.next();
          const std::string before = scorer.state();
          const Scorer restored = each.make();
          restored.restore(before);  // refuses a state that is not finite
          const Scores scores = scorer.observe(sent.round());
          check_sound(each, scores, present_in(sent));
          check_same_bits(restored.observe(rounds.shuffled(sent)), scores);
          CHECK(restored.state() == scorer.state());
          if (sent.clients.empty()) CHECK(scorer.state() == before);
        }
        CHECK((scorer.state() == each.make().state()) == (presence == 0 || !each.traits.remembers));
      }
    }
}

TEST_CASE(
    "an update of huge norm: the same bits where lengths do not count, and sound scores where they do") {
  CAPTURE(seed);
  const auto check = [](const Entry& each, std::uint64_t trial, auto factor) {
    using S = decltype(factor);
    random::Stream stream(seed, trial);
    Federation<S> federation(stream, {}, pool);
    const Scorer scorer = each.make(), plain = each.make();
    for (std::size_t r = 0; r < 12; ++r) {
      CAPTURE(r);
      const Sent<S> sent = federation.next();
      Sent<S> huge = sent;
      std::vector<ClientId> present;
      for (auto& [id, upload] : huge.clients) {
        present.push_back(id);
        if (stream.below(3) == 0) upload = upload.scaled(factor);
      }
      const Scores scores = scorer.observe(huge.round()), right = plain.observe(sent.round());
      check_sound(each, scores, present);
      if (!each.traits.lengths) check_same_bits(scores, right);
    }
    CHECK((each.traits.lengths || scorer.state() == plain.state()));
  };
  for (const Entry& each : every_score()) {
    CAPTURE(each.name);
    check(each, 100, 0x1p100f);
    check(each, 101, 0x1p900);
  }
}

TEST_CASE("who does not look at others gives them the same, whatever one client repeats, delays or replays") {
  CAPTURE(seed);
  for (const Entry& each : every_score()) {
    if (each.traits.sees != Sees::nobody) continue;
    CAPTURE(each.name);
    random::Stream stream(seed, 200);
    Federation<double> federation(stream, {}, pool);
    const Scorer scorer = each.make(), honest = each.make();
    const ClientId odd = 3;
    Upload<double> before;
    for (std::size_t r = 0; r < 12; ++r) {
      CAPTURE(r);
      const Sent<double> sent = federation.next(pool);
      Sent<double> changed = sent;
      if (r % 4 == 1) changed.clients.at(odd) = before;  // once more
      if (r % 4 == 2) changed.clients.erase(odd);        // and late
      if (r % 4 == 3) changed.clients.at(odd) = r == 7 ? *sent.global : before;
      before = sent.clients.at(odd);
      std::map<ClientId, double> right;
      for (const auto& [id, score] : honest.observe(sent.round())) right[id] = score.value;
      for (const auto& [id, score] : scorer.observe(changed.round()))
        if (id != odd) CHECK(bits(score.value) == bits(right.at(id)));
    }
  }
}

TEST_CASE(
    "who joins at round 50 is scored and remembered, and those that newcomers do not touch are as without "
    "it") {
  CAPTURE(seed);
  for (const Entry& each : every_score()) {
    CAPTURE(each.name);
    random::Stream stream(seed, 300);
    Federation<double> federation(stream, {}, pool);
    const ClientId place = 4, late = "latecomer";
    const Scorer scorer = each.make(), without = each.make();
    for (std::size_t r = 1; r <= 60; ++r) {
      CAPTURE(r);
      Sent<double> sent = federation.next(pool), others = sent;
      others.clients.erase(place);
      if (r >= 50) sent.clients[late] = sent.clients.at(place);
      sent.clients.erase(place);
      CHECK((scorer.state().find(late.text()) != std::string::npos) == (r > 50 && each.traits.remembers));
      const Scores scores = scorer.observe(sent.round()), right = without.observe(others.round());
      check_sound(each, scores, present_in(sent));
      if (each.traits.sees == Sees::everyone || (each.traits.sees == Sees::known && r > 50)) continue;
      Scores known = scores;
      std::erase_if(known, [&](const auto& score) { return score.first == late; });
      check_same_bits(known, right);
    }
  }
}

TEST_CASE("a round of strangers alone has the scores of a first round") {
  CAPTURE(seed);
  for (const Entry& each : every_score()) {
    if (!each.traits.starts_anew) continue;
    CAPTURE(each.name);
    random::Stream stream(seed, 400);
    Federation<double> federation(stream, {}, pool);
    const Scorer scorer = each.make(), fresh = each.make();
    for (std::size_t r = 0; r < 20; ++r) scorer.observe(federation.next().round());
    const Sent<double> sent = federation.next(pool);
    Sent<double> strangers{{}, sent.global};
    for (const auto& [id, upload] : sent.clients) strangers.clients[id.text() + " of others"] = upload;
    const Scores scores = scorer.observe(strangers.round()), first = fresh.observe(sent.round());
    REQUIRE(scores.size() == pool);
    for (std::size_t i = 0; i < pool; ++i)
      CHECK(std::abs(scores[i].second.value - first[i].second.value) < 1e-12);
  }
}
