// 10,000 clients a round through every score that takes O(N D): what is resident at the worst moment does not
// grow over the rounds, and what is known of a client takes as much as it did.
//
// 50 rounds, or as many as FEDVAL_LOAD_ROUNDS says: the target many_clients_1000_rounds has a thousand. Of a
// client 20 floats are sent, 80 bytes: a leak shows by what it is for a client or a round, whatever D is.
//
// Left out are the scores that compare all pairs by definition, O(N^2): GatedEntropy, ConsensusEntropy,
// ConfirmedEntropy and VerifiedEntropy look for copies, GradientShapley and CGSV's other values play a game
// of pairs, ResidualReweighting fits medians of all slopes. Scores of coalitions cost what their game costs.
#include <doctest/doctest.h>

#include <chrono>
#include <cmath>
#include <cstdlib>
#include <string>
#include <vector>

#include "fedval/contribution/class_alignment.hpp"
#include "fedval/contribution/cosine_gradient_shapley.hpp"
#include "fedval/contribution/leave_one_out_cosine.hpp"
#include "fedval/contribution/shapfed.hpp"
#include "fedval/contribution/spectral_fed.hpp"
#include "fedval/contribution/spectral_fuse.hpp"
#include "fedval/random/philox.hpp"
#include "fedval/tensor/std.hpp"
#include "tests/support/memory.hpp"

TYPE_TO_STRING(fedval::SpectralFed);
TYPE_TO_STRING(fedval::SpectralFuse);
TYPE_TO_STRING(fedval::ClassAlignment);
TYPE_TO_STRING(fedval::ShapFed);
TYPE_TO_STRING(fedval::CosineGradientShapley);
TYPE_TO_STRING(fedval::LeaveOneOutCosine);

using namespace fedval;

namespace {

constexpr std::uint64_t seed = 2311;
constexpr std::size_t clients = 10000, classes = 4, features = 3, body = 4;
constexpr std::size_t entries = classes * features + classes + body;

/// Bytes that may be held beside the first rounds': a leak of a byte a client makes them up in 7 rounds.
constexpr double most_more = 1 << 16;

std::size_t number_of_rounds() {
  const char* given = std::getenv("FEDVAL_LOAD_ROUNDS");
  return given == nullptr ? 50 : std::stoul(given);
}

/// What clients send. In round t, client i sends the entries from i + t on, so that no round is like another
/// and none takes time to draw.
class Uploads {
 public:
  explicit Uploads(std::size_t rounds) {
    random::Stream stream(seed);
    values_.resize((clients + rounds) * entries);
    for (float& value : values_) value = static_cast<float>(0.3 + stream.normal());
    for (std::size_t i = 0; i < clients; ++i) arrival_.push_back(i);
    stream.shuffle(std::span(arrival_));
  }

  /// Round t, whose clients are those from `first` on of `known`, all around.
  Round round(std::size_t t, std::size_t first, std::size_t known) {
    std::vector<Round::Client> arrived;
    for (const std::size_t i : arrival_) {
      float* sent = values_.data() + (i + t) * entries;
      arrived.push_back({(first + i) % known,
                         {.update = std::span<const float>(sent, entries),
                          .final_weight = tensor(sent, Shape{classes, features}),
                          .final_bias = tensor(sent + classes * features, Shape{classes})},
                         1});
    }
    Round result;
    result.add(std::move(arrived));
    return result;
  }

 private:
  static TensorView tensor(float* entries_of, const Shape& shape) {
    return {shape, {Piece::host(entries_of, ScalarType::float32, shape, shape.row_major_strides())}};
  }

  std::vector<float> values_;
  std::vector<std::size_t> arrival_;
};

template <class S>
void observe(S& scorer, const Round& round) {
  const Scores scores = scorer.observe(round);
  REQUIRE(scores.size() == clients);
  std::size_t finite = 0;
  for (const auto& [id, score] : scores) finite += std::isfinite(score.value);
  CHECK(finite == clients);
}

double seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

/// After ten rounds nothing more is held, and the peak of the others is theirs but for what the allocator and
/// OpenMP's threads do in their own time. Each round 500 of the `known` clients go and as many come, where
/// there are more than take part.
template <class S>
void check_flat(std::size_t known) {
  constexpr std::size_t first_rounds = 10;
  const std::size_t rounds = number_of_rounds();
  REQUIRE(rounds > 2 * first_rounds);
  Uploads uploads(rounds);
  S scorer;
  tests::restart_peak();
  double early = 0, held = 0;
  const double start = seconds();
  for (std::size_t t = 0; t < rounds; ++t) {
    if (t == first_rounds) {
      early = tests::peak_memory();
      held = tests::held_memory();
      tests::restart_peak();
    }
    observe(scorer, uploads.round(t, 500 * t, known));
  }
  const double late = tests::peak_memory(), more = tests::held_memory() - held;
  MESSAGE(std::string(S::name) << ": " << rounds << " rounds in " << seconds() - start << " s, peak " << early
                               << " MiB in the first ten, " << late << " MiB after them; " << more
                               << " bytes more are held");
  CHECK(more < most_more);
  CHECK(late < 1.5 * early);
}

}  // namespace

TEST_CASE_TEMPLATE("10,000 clients a round: memory is flat over the rounds", S, SpectralFed, SpectralFuse,
                   ClassAlignment, ShapFed, CosineGradientShapley, LeaveOneOutCosine) {
  CAPTURE(seed);
  check_flat<S>(clients);
}

TEST_CASE_TEMPLATE("10,000 of 12,000 clients a round, who come and go: memory is flat once all are known", S,
                   SpectralFed, SpectralFuse, ClassAlignment, ShapFed, CosineGradientShapley,
                   LeaveOneOutCosine) {
  CAPTURE(seed);
  check_flat<S>(clients + 2000);
}

TEST_CASE_TEMPLATE("1,000 newcomers a round: each client known takes as much as those before", S, SpectralFed,
                   SpectralFuse, ClassAlignment, ShapFed, CosineGradientShapley, LeaveOneOutCosine) {
  CAPTURE(seed);
  Uploads uploads(16);
  S scorer;
  std::vector<double> held, saved;  // with 15,000, 20,000 and 25,000 known
  for (std::size_t t = 0; t <= 15; ++t) {
    observe(scorer, uploads.round(t, 1000 * t, 100 * clients));
    if (t == 0 || t % 5 != 0) continue;
    held.push_back(tests::held_memory());
    saved.push_back(static_cast<double>(save(scorer).size()));
  }
  const auto first = [](const std::vector<double>& bytes) { return (bytes[1] - bytes[0]) / 5000; };
  const auto second = [](const std::vector<double>& bytes) { return (bytes[2] - bytes[1]) / 5000; };
  MESSAGE(std::string(S::name) << ": a client known holds " << first(held) << ", then " << second(held)
                               << " bytes, and takes " << first(saved) << ", then " << second(saved)
                               << " of the saved state");
  CHECK(std::abs(second(held) - first(held)) <= 0.01 * first(held));
  CHECK(std::abs(second(saved) - first(saved)) <= 0.05 * first(saved));  // numbers have fewer digits or more
}
