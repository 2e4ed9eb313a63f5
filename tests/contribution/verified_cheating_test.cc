// Verified entropy against clients that cheat.
#include "fedval/contribution/verified_entropy.hpp"

#include "tests/contribution/verified_rounds.hpp"

using namespace fedval;
using namespace fedval::tests;

TEST_CASE("noise, replays and sign flips earn nothing or next to it") {
  CAPTURE(seed);
  for (std::uint64_t trial = 0; trial < 5; ++trial) {
    CAPTURE(trial);
    Training training(100 + trial);
    VerifiedEntropy scorer;
    for (int r = 0; r < 8; ++r) {
      CAPTURE(r);
      Sent<double> sent = training.next();
      sent.clients["noise"] = training.noise();
      sent.clients["flip"] = sent.clients.at(3).scaled(-1);
      if (sent.global) sent.clients["replay"] = sent.global->scaled(0.7);
      const Scores scores = scorer.observe(sent.round());
      const double honest = mean_honest(scores);
      CHECK(honest > 0.5);
      // The others' ten directions hold ten 48ths of noise, and most of anybody honest: (.21 / .85)^4 of a
      // base below 2. From then on its cosines with others, some 1/sqrt 1980, shut its other gate too.
      CHECK(score_of(scores, "noise") < (r == 0 ? 0.02 : 2e-4) * honest);
      // It turns against g from the first g on, and agrees in no direction that most have.
      if (r > 0) CHECK(score_of(scores, "flip") == 0);
      if (r > 0) CHECK(score_of(scores, "replay") == 0);
    }
  }
}

TEST_CASE(
    "a client and its copies together earn what it would earn alone, and leave the others as they are") {
  CAPTURE(seed);
  for (const std::size_t copies : {1u, 2u, 6u}) {
    CAPTURE(copies);
    Training training(200 + copies);
    VerifiedEntropy alone, together;
    for (int r = 0; r < 6; ++r) {
      CAPTURE(r);
      const Sent<double> sent = training.next();
      Sent<double> copied = sent;
      for (std::size_t m = 0; m < copies; ++m)
        copied.clients["copy " + std::to_string(m)] =
            sent.clients.at(5).scaled(std::pow(10.0, 3.0 * naive::d(m) - 4));
      const Scores a = alone.observe(sent.round()), b = together.observe(copied.round());
      // The copies' zeros stand in the median that is R, whose gate must not see that.
      for (const VerifiedEntropy* scorer : {&alone, &together})
        for (const double gate : scorer->last().relation.values) REQUIRE(gate == 1);
      double all = score_of(b, 5);
      for (std::size_t m = 0; m < copies; ++m) all += score_of(b, "copy " + std::to_string(m));
      CHECK(score_of(a, 5) > 0.3);
      CHECK(std::abs(all - score_of(a, 5)) < 1e-11);
      for (int i = 0; i < Training::clients; ++i)
        if (i != 5) CHECK(std::abs(score_of(a, i) - score_of(b, i)) < 1e-11);
    }
  }
}

TEST_CASE("copies that hide behind noise in the body earn one share as well") {
  CAPTURE(seed);
  for (std::uint64_t trial = 0; trial < 3; ++trial) {
    CAPTURE(trial);
    Training training(300 + trial);
    VerifiedEntropy alone, together;
    training.next();  // without a g, copies are those with a cosine above .95 only
    for (int r = 0; r < 6; ++r) {
      CAPTURE(r);
      const Sent<double> sent = training.next();
      Sent<double> copied = sent;
      for (const char* name : {"a", "b", "c", "d"}) {
        Upload<double>& copy = copied.clients[name] = sent.clients.at(5);
        const Values noise = training.noise().body;
        for (std::size_t k = 0; k < noise.size(); ++k) copy.body[k] += 0.6 * noise[k];
      }
      copied.clients.erase(5);
      const Scores a = alone.observe(sent.round()), b = together.observe(copied.round());
      // What the body is part of, R and A, is less, but no gate shuts.
      for (const Gates* gates : {&together.last().relation, &together.last().direction})
        REQUIRE(gates->values == Values(11, 1.0));
      double all = 0;
      for (const char* name : {"a", "b", "c", "d"}) all += score_of(b, name);
      CHECK(std::abs(all - score_of(a, 5)) < 1e-11);
      for (int i = 0; i < Training::clients; ++i)
        if (i != 5) CHECK(std::abs(score_of(a, i) - score_of(b, i)) < 1e-11);
    }
  }
}

TEST_CASE("noise in the final layer earns less than honesty") {
  CAPTURE(seed);
  for (std::uint64_t trial = 0; trial < 5; ++trial) {
    CAPTURE(trial);
    Training training(400 + trial);
    VerifiedEntropy with_honest, with_inflated;
    for (int r = 0; r < 6; ++r) {
      CAPTURE(r);
      Sent<double> honest = training.next();
      honest.clients.at(0).weight.bottomRows(8) *= 0.05;  // two labels
      Sent<double> inflated = honest;
      Square& weight = inflated.clients.at(0).weight;
      const Square noise = training.gaussian(10, 48);
      weight += noise * (weight.norm() / noise.norm());
      const double twin = score_of(with_honest.observe(honest.round()), 0);
      // Half of its layer lies in all 48 directions, of which the others hold ten: E is near .6 of theirs.
      CHECK(twin > 0.05);
      CHECK(score_of(with_inflated.observe(inflated.round()), 0) < 0.9 * twin);
    }
  }
}

TEST_CASE("gates have memory: who cheats after honest rounds loses its credit slowly") {
  Training training(503);
  VerifiedEntropy scorer;
  Values scores;
  for (int r = 0; r < 40; ++r) {
    Sent<double> sent = training.next();
    if (r >= 10) sent.clients.at(2) = training.noise();
    scores.push_back(score_of(scorer.observe(sent.round()), 2));
  }
  CHECK(scores[10] > 0.5 * scores[9]);
  CHECK(scores[12] > 0.05 * scores[9]);
  CHECK(scores[39] < 1e-3 * scores[9]);
  for (std::size_t r = 11; r < 40; ++r) CHECK(scores[r] < scores[r - 1]);
}
