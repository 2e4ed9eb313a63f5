// Contribution scores: a power of two changes no digit, and what is not finite is refused by the client's
// name with the state left as it was.
#include <doctest/doctest.h>

#include "fedval/contribution/class_alignment.hpp"
#include "fedval/contribution/confirmed_entropy.hpp"
#include "fedval/contribution/consensus_entropy.hpp"
#include "fedval/contribution/cosine_gradient_shapley.hpp"
#include "fedval/contribution/gated_entropy.hpp"
#include "fedval/contribution/leave_one_out_cosine.hpp"
#include "fedval/contribution/shapfed.hpp"
#include "fedval/contribution/spectral_fed.hpp"
#include "fedval/contribution/spectral_fuse.hpp"
#include "fedval/contribution/state.hpp"
#include "fedval/contribution/verified_entropy.hpp"
#include "tests/numbers/planting.hpp"
#include "tests/numbers/scaling.hpp"

using namespace fedval;
using tests::plain;
using tests::Values;

namespace {

constexpr std::uint64_t seed = 4506;

/// What the clients of one round sent, and the aggregate of the round before: weight, bias, and the rest.
struct Sent {
  std::size_t classes, features;
  std::vector<Values> clients;
  Values global;

  Round round(int power) {
    for (Values& update : clients) update = tests::times(update, power);
    global = tests::times(global, power);
    Round result;
    for (std::size_t i = 0; i < clients.size(); ++i)
      result.add(i, {parts(clients[i]), weight(clients[i]), bias(clients[i])});
    if (!global.empty()) {
      result.global_update = parts(global);
      result.global_final_weight = weight(global);
    }
    return result;
  }

  std::size_t weights() const { return classes * features; }

 private:
  TensorView weight(const Values& update) const {
    const Shape shape{static_cast<std::int64_t>(classes), static_cast<std::int64_t>(features)};
    return {shape,
            {Piece::host(const_cast<double*>(update.data()), ScalarType::float64, shape,
                         shape.row_major_strides())}};
  }
  TensorView bias(const Values& update) const {
    return std::span<const double>(update).subspan(weights(), classes);
  }
  TensorView parts(const Values& update) const {
    return {weight(update), bias(update), std::span<const double>(update).subspan(weights() + classes)};
  }
};

std::vector<Sent> rounds(random::Stream& stream) {
  const std::size_t classes = 2 + stream.below(4), features = 1 + stream.below(8),
                    clients = 2 + stream.below(4),
                    length = classes * features + classes + 1 + stream.below(5);
  std::vector<Sent> all;
  for (int t = 0; t < 3; ++t) {
    Sent sent{classes, features, {}, {}};
    for (std::size_t i = 0; i < clients; ++i) sent.clients.push_back(plain(stream, length));
    if (t > 0) sent.global = plain(stream, length);
    all.push_back(std::move(sent));
  }
  return all;
}

std::vector<std::uint64_t> bits_of(const Scores& scores) {
  Values all;
  for (const auto& [id, score] : scores) {
    all.push_back(score.value);
    if (!std::isnan(score.variance)) all.push_back(score.variance);
  }
  for (const double value : all) REQUIRE(std::isfinite(value));
  return tests::bits(all);
}

}  // namespace

TEST_CASE_TEMPLATE("a power of two changes no digit of a score, whichever it is in each round", S,
                   SpectralFed, SpectralFuse, ClassAlignment, ShapFed, GatedEntropy, ConsensusEntropy,
                   ConfirmedEntropy, CosineGradientShapley, LeaveOneOutCosine, VerifiedEntropy) {
  CAPTURE(seed);
  for (std::uint64_t trial = 0; trial < 8; ++trial) {
    CAPTURE(trial);
    random::Stream stream(seed, trial);
    const std::vector<Sent> sent = rounds(stream);
    for (const int most : {0, 200, 990}) {
      S plain_score, scaled_score;
      for (Sent round : sent) {
        const int power = static_cast<int>(stream.below(2 * 990 + 1)) - 990;
        CAPTURE(most);
        CAPTURE(power);
        Sent copy = round;
        const auto expected = bits_of(plain_score.observe(round.round(0)));
        CHECK(bits_of(scaled_score.observe(copy.round(power * most / 990))) == expected);
      }
    }
  }
}

TEST_CASE_TEMPLATE("what a client sent that is not finite is named, or is not read", S, SpectralFed,
                   SpectralFuse, ClassAlignment, ShapFed, GatedEntropy, ConsensusEntropy, ConfirmedEntropy,
                   CosineGradientShapley, LeaveOneOutCosine, VerifiedEntropy) {
  CAPTURE(seed);
  constexpr double infinity = std::numeric_limits<double>::infinity();
  for (std::uint64_t trial = 0; trial < 6; ++trial) {
    CAPTURE(trial);
    random::Stream stream(seed + 1, trial);
    std::vector<Sent> sent = rounds(stream);
    S score;
    score.observe(sent[0].round(0));
    score.observe(sent[1].round(0));
    const std::string before = save(score);
    S twin = score;
    const auto expected = bits_of(twin.observe(sent[2].round(0)));
    for (const double bad : {std::nan(""), infinity, -infinity}) {
      const std::size_t client = stream.below(sent[2].clients.size());
      for (const std::size_t place : {stream.below(sent[2].weights()), sent[2].clients[client].size() - 1,
                                      sent[2].weights() + stream.below(sent[2].classes)}) {
        CAPTURE(bad);
        CAPTURE(client);
        CAPTURE(place);
        Sent planted = sent[2];
        planted.clients[client][place] = bad;
        S asked = score;
        std::vector<std::uint64_t> found;
        const std::string refusal =
            tests::refusal_of([&] { found = bits_of(asked.observe(planted.round(0))); });
        CAPTURE(refusal);
        if (place >= sent[2].weights() && refusal == "no error") {
          CHECK(found == expected);
          continue;
        }
        CHECK(refusal.starts_with("client " + std::to_string(client) + ": "));
        CHECK(refusal.find(std::isnan(bad) ? " is NaN"
                           : bad > 0       ? " is infinite"
                                           : " is -infinite") != std::string::npos);
        CHECK(save(asked) == before);
      }
    }
  }
}
