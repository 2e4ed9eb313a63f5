#include "fedval/contribution/spectral_fuse.hpp"

#include <doctest/doctest.h>

#include <Eigen/QR>

#include "fedval/reward/sparsify.hpp"
#include "fedval/tensor/eigen.hpp"
#include "fedval/tensor/std.hpp"
#include "tests/support/complaint.hpp"
#include "tests/support/oracle.hpp"
#include "tests/support/threads.hpp"

using namespace fedval;
using Eigen::Index;
using Eigen::MatrixXd;
using tests::bits;
using tests::complaint_of;
using tests::Values;

namespace {

constexpr std::uint64_t seed = 223;
constexpr Index classes = 4, features = 9;

struct Client {
  int id;
  MatrixXd weight;
  Eigen::VectorXd bias;
};

/// Clients that share a direction, as honest ones do.
std::vector<Client> clients(random::Stream& stream, int count, int first = 1) {
  const auto gaussian = [&](Index rows, Index columns) {
    MatrixXd matrix(rows, columns);
    for (double& value : matrix.reshaped()) value = stream.normal();
    return matrix;
  };
  const MatrixXd common = gaussian(classes, features);
  std::vector<Client> result;
  for (int i = 0; i < count; ++i)
    result.push_back(
        {first + i, common + (0.3 + 0.2 * i) * gaussian(classes, features), gaussian(classes, 1)});
  return result;
}

Round round_of(const std::vector<Client>& clients) {
  Round round;
  for (const Client& client : clients)
    round.add(client.id, {.final_weight = client.weight, .final_bias = client.bias});
  return round;
}

std::vector<std::uint64_t> bits_of(const Scores& scores) {
  std::vector<std::uint64_t> result;
  for (const auto& [id, score] : scores) {
    result.push_back(bits(score.value));
    result.push_back(bits(score.variance));
  }
  return result;
}

}  // namespace

TEST_CASE("it is the entropies and the alignments, fused") {
  CAPTURE(seed);
  random::Stream stream(seed, 1);
  for (const bool reference : {false, true}) {
    CAPTURE(reference);
    const SpectralFuse::Options options =
        reference ? SpectralFuse::Options::reference() : SpectralFuse::Options{};
    SpectralFuse scorer(options);
    kalman::FusionBank<2> fusion(options.fusion);
    std::vector<kalman::MixedTrack> tracks(3, fusion.newcomer({}, 1.0 / 3));
    Values h(3), a(3), w(3, 1.0 / 3);
    for (int t = 0; t < 6; ++t) {
      const std::vector<Client> sent = clients(stream, 3);
      // Alignment by its definition: the others' weighted sum class by class.
      std::vector<kalman::MixedTrack*> present;
      for (std::size_t i = 0; i < 3; ++i) {
        double alignment = 0;
        for (Index c = 0; c < classes; ++c) {
          Eigen::VectorXd mean = Eigen::VectorXd::Zero(features + 1), own(features + 1);
          for (std::size_t j = 0; j < 3; ++j) {
            Eigen::VectorXd v(features + 1);
            v << sent[j].weight.row(c).transpose(), sent[j].bias(c);
            mean += w[j] * v;
            if (i == j) own = v;
          }
          alignment += (1 + own.dot(mean) / (own.norm() * mean.norm())) / 2 / classes;
        }
        const double entropy = spectral::entropy(sent[i].weight, options.entropy);
        const double mu = t == 0 ? 0 : options.momentum;
        h[i] = mu * h[i] + (1 - mu) * entropy;
        a[i] = mu * a[i] + (1 - mu) * alignment;
        present.push_back(&tracks[i]);
      }
      fusion.round(present, {}, {h, a});
      const Scores scores = scorer.observe(round_of(sent));
      double sum = 0;
      for (std::size_t i = 0; i < 3; ++i) {
        CHECK(std::abs(scores[i].second.value - tracks[i].x) < 1e-12);
        CHECK(std::abs(scores[i].second.variance - tracks[i].variance) < 1e-12);
        w[i] = tracks[i].x;
        sum += w[i];
      }
      const reward::Importance weights = scorer.weights(round_of(sent));
      for (std::size_t i = 0; i < 3; ++i) CHECK(std::abs(weights.values[i] - w[i] / sum) < 1e-12);
      CHECK(!weights.uniform);
    }
  }
}

// Defect 1 of the released code: clients selected in any order, alignment written back in that order.
TEST_CASE("the order in which clients arrive changes nothing, and each gets its own alignment") {
  CAPTURE(seed);
  random::Stream stream(seed, 2);
  SpectralFuse ascending, scrambled;
  for (int t = 0; t < 5; ++t) {
    std::vector<Client> sent = clients(stream, 6);
    if (t % 2 == 1) sent.erase(sent.begin() + 2);  // partial participation too
    std::vector<Client> shuffled = sent;
    stream.shuffle(std::span(shuffled));
    CHECK(bits_of(ascending.observe(round_of(sent))) == bits_of(scrambled.observe(round_of(shuffled))));
  }
  // A client that alone points away from the others, whatever its id: its alignment sensor is the lowest.
  for (const int odd : {1, 5, 9}) {
    Round round;
    MatrixXd up = MatrixXd::Ones(classes, features), down = -up;
    std::vector<int> ids{9, 1, 5, 3, 7};
    for (const int id : ids) round.add(id, {.final_weight = id == odd ? down : up});
    SpectralFuse scorer;
    for (const auto& [id, score] : scorer.observe(round)) {
      if (id == ClientId(odd)) CHECK(score.value < 0.1);
      if (id != ClientId(odd)) CHECK(score.value > 0.2);
    }
    CHECK(scorer.fusion().best().last_gain()(0, 1) > 0);
  }
}

TEST_CASE("the released code's misplaced alignment: its gain collapses, ours does not") {
  // Alignments of an order that agrees with the entropies', read in the right places and in wrong ones,
  // through the reference filter: wrong places make the trust in alignment fall, and its gain with it.
  const kalman::FusionOptions options = SpectralFuse::Options::reference().fusion.fusion;
  const Values h{.5, .6, .7, .8, .9}, a{.5, .55, .6, .65, .7}, misplaced{.7, .65, .6, .55, .5};
  const auto gain_of = [&](const Values& alignment) {
    kalman::RankAdaptiveFusion<2> fusion(options);
    std::vector<kalman::Track> tracks(5, {.2, 1});
    std::vector<kalman::Track*> present;
    for (kalman::Track& track : tracks) present.push_back(&track);
    for (int t = 0; t < 200; ++t) fusion.round(present, {}, {h, alignment});
    return fusion.last_gain()(0, 1);
  };
  CHECK(gain_of(a) == doctest::Approx(.179).epsilon(.01));  // r = 1: half of the steady .358
  CHECK(gain_of(misplaced) < 5e-4);
}

TEST_CASE("rotated features and a common scale change nothing") {
  CAPTURE(seed);
  random::Stream stream(seed, 3);
  std::vector<std::vector<Client>> rounds;
  for (int t = 0; t < 4; ++t) rounds.push_back(clients(stream, 5));
  const auto run = [&](auto&& change) {
    SpectralFuse scorer;
    Values values;
    for (std::vector<Client> sent : rounds) {
      for (Client& client : sent) change(client);
      for (const auto& [id, score] : scorer.observe(round_of(sent))) {
        values.push_back(score.value);
        values.push_back(score.deviation());
      }
    }
    return values;
  };
  const Values expected = run([](Client&) {});
  const auto check = [&](const Values& values) {
    REQUIRE(values.size() == expected.size());
    for (std::size_t i = 0; i < values.size(); ++i) CHECK(std::abs(values[i] - expected[i]) < 1e-11);
  };
  MatrixXd gaussian(features, features);
  for (double& value : gaussian.reshaped()) value = stream.normal();
  const MatrixXd rotation = gaussian.householderQr().householderQ();
  check(run([&](Client& client) { client.weight = MatrixXd(client.weight * rotation); }));
  for (const double scale : {1e-200, 1e-30, 7.0, 1e30, 1e200}) {
    CAPTURE(scale);
    check(run([&](Client& client) {
      client.weight *= scale;
      client.bias *= scale;
    }));
  }
}

TEST_CASE("clients come and go") {
  CAPTURE(seed);
  random::Stream stream(seed, 4);
  SpectralFuse scorer;
  std::vector<Client> sent = clients(stream, 4);
  for (int t = 0; t < 4; ++t) scorer.observe(round_of(clients(stream, 4)));
  const Scores before = scorer.all();
  double mean = 0;
  for (const auto& [id, score] : before) mean += score.value / 4;

  // Two stay away: they keep their state, and know less.
  sent.resize(2);
  scorer.observe(round_of(sent));
  const Scores after = scorer.all();
  for (const std::size_t i : {2UL, 3UL}) {
    CHECK(after[i].second.value == before[i].second.value);
    CHECK(after[i].second.variance > before[i].second.variance);
  }
  // A newcomer starts at the mean of those known; nobody who is away is touched by its coming.
  const Scores known = scorer.all();
  Round alone;
  const std::vector<Client> fifth = clients(stream, 1, 5);
  alone.add(5, {.final_weight = fifth[0].weight, .final_bias = fifth[0].bias});
  const Scores scores = scorer.observe(alone);
  double known_mean = 0;
  for (const auto& [id, score] : known) known_mean += score.value / 4;
  CHECK(scores[0].second.value == doctest::Approx(known_mean).epsilon(1e-12));  // alone: nothing is learned
  CHECK(scores[0].second.variance >= 1);
  for (std::size_t i = 0; i < 4; ++i) CHECK(scorer.all()[i].second.value == known[i].second.value);
}

TEST_CASE("rounds of nobody, of one client, of zeros, of identical updates") {
  SpectralFuse scorer;
  CHECK(scorer.observe({}).empty());
  CHECK(scorer.all().empty());
  MatrixXd ones = MatrixXd::Identity(classes, features), zeros = MatrixXd::Zero(classes, features);
  Round one;
  one.add("only", {.final_weight = ones});
  CHECK(scorer.observe(one)[0].second.value == doctest::Approx(1).epsilon(1e-15));
  CHECK(scorer.weights(one).values == Values{1});

  SpectralFuse zero;
  Round nothing;
  for (int id = 0; id < 4; ++id) nothing.add(id, {.final_weight = zeros});
  for (int t = 0; t < 3; ++t)
    for (const auto& [id, score] : zero.observe(nothing)) {
      CHECK(score.value == doctest::Approx(.25).epsilon(1e-12));
      CHECK(std::isfinite(score.variance));
    }
  SpectralFuse same;
  Round identical;
  for (int id = 0; id < 4; ++id) identical.add(id, {.final_weight = ones});
  for (int t = 0; t < 3; ++t)
    for (const auto& [id, score] : same.observe(identical))
      CHECK(score.value == doctest::Approx(.25).epsilon(1e-12));
  // The reference mode divides by sums of zero, too.
  SpectralFuse reference(SpectralFuse::Options::reference());
  for (const auto& [id, score] : reference.observe(nothing)) CHECK(std::isfinite(score.value));
}

TEST_CASE("bad input is named, and the score stays as it was") {
  CAPTURE(seed);
  random::Stream stream(seed, 5);
  SpectralFuse scorer;
  scorer.observe(round_of(clients(stream, 3)));
  const std::string before = save(scorer);
  std::vector<Client> sent = clients(stream, 3);
  sent[1].weight(2, 7) = std::nan("");
  CHECK(complaint_of([&] { scorer.observe(round_of(sent)); }) == "client 2: final_weight[2, 7] is NaN");
  sent = clients(stream, 3);
  sent[2].bias(1) = std::numeric_limits<double>::infinity();
  CHECK(complaint_of([&] { scorer.observe(round_of(sent)); }) == "client 3: final_bias[1] is infinite");
  sent = clients(stream, 3);
  sent[2].weight = MatrixXd::Ones(classes, features + 1);
  CHECK(complaint_of([&] { scorer.observe(round_of(sent)); }) ==
        "client 3: final_weight has shape [4, 10], client 1: final_weight has [4, 9]");
  Round missing;
  missing.add(1, {.update = sent[0].bias});
  CHECK(complaint_of([&] { scorer.observe(missing); }) ==
        "client 1: SpectralFuse needs final_weight, which was not given");
  CHECK(save(scorer) == before);
  CHECK(complaint_of([] { SpectralFuse({.momentum = 1}); }) ==
        "SpectralFuse: momentum is 1, must be in [0, 1)");
}

TEST_CASE("the number of threads changes no bit") {
  CAPTURE(seed);
  const auto run = [&](int threads) {
    const tests::Threads scope(threads);
    random::Stream stream(seed, 6);
    SpectralFuse scorer;
    std::vector<std::uint64_t> all;
    for (int t = 0; t < 3; ++t) {
      Round round;
      std::vector<MatrixXd> weights;
      for (int i = 0; i < 4; ++i) {
        MatrixXd w(10, 20000);
        for (double& value : w.reshaped()) value = stream.uniform(-1, 1);
        weights.push_back(std::move(w));
      }
      for (int i = 0; i < 4; ++i) round.add(i, {.final_weight = weights[static_cast<std::size_t>(i)]});
      for (const std::uint64_t b : bits_of(scorer.observe(round))) all.push_back(b);
    }
    return all;
  };
  CHECK(run(1) == run(2));
  CHECK(run(1) == run(3));
}

// Defect 5 of the released code: the reward is computed for one client at a time, and is always everything.
TEST_CASE("rewards from the fused state differ between clients") {
  CAPTURE(seed);
  random::Stream stream(seed, 7);
  SpectralFuse scorer;
  std::vector<Client> sent;
  for (int t = 0; t < 5; ++t) {
    sent = clients(stream, 5);
    scorer.observe(round_of(sent));
  }
  const Values w = scorer.weights(round_of(sent)).values;
  const std::vector<std::size_t> quotas = reward::reward_quotas(w, 1, 1000);
  const double best = *std::max_element(w.begin(), w.end());
  std::size_t full = 0;
  for (std::size_t i = 0; i < w.size(); ++i) {
    CHECK(quotas[i] == static_cast<std::size_t>(1000 * (std::tanh(w[i]) / std::tanh(best))));
    full += quotas[i] == 1000;
    CHECK(reward::reward_quotas(std::span(w).subspan(i, 1), 1, 1000)[0] == 1000);  // what the code did
  }
  CHECK(full == 1);
}
