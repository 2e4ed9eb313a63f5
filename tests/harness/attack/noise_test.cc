// Attackers that draw: lengths, directions and laws of what they draw, where it goes, and what it depends on.
#include <algorithm>
#include <cmath>
#include <functional>
#include <numbers>
#include <set>

#include "harness/attack/attack.hpp"
#include "tests/doctest_torch.hpp"
#include "tests/harness/attack/scene.hpp"

using namespace fedval;
using namespace fedval::harness;

namespace {

/// Largest difference between the distribution of the entries, scaled to a mean square of one, and a law's.
double distance_from(const std::function<double(double)>& law, const at::Tensor& x) {
  const at::Tensor sorted = std::get<0>(x.to(at::kDouble).flatten().sort()).contiguous();
  const auto n = static_cast<double>(x.numel());
  const double scale = std::sqrt(n) / length(x);
  double worst = 0;
  for (std::int64_t i = 0; i < x.numel(); ++i) {
    const double p = law(scale * sorted.data_ptr<double>()[i]), here = static_cast<double>(i) / n;
    worst = std::max({worst, p - here, here + 1 / n - p});
  }
  return worst;
}
double uniform_law(double x) { return std::clamp(0.5 + x / (2 * std::numbers::sqrt3), 0.0, 1.0); }
double gaussian_law(double x) { return std::erfc(-x / std::numbers::sqrt2) / 2; }

/// P(distance > t / sqrt(n)) <= 2 exp(-2 t^2), 3e-8 for t = 3 (Dvoretzky, Kiefer, Wolfowitz; Massart).
double widest(std::int64_t n) { return 3 / std::sqrt(static_cast<double>(n)); }
/// Five deviations of the cosine of a random direction with any other.
double nearly_orthogonal(std::int64_t n) { return 5 / std::sqrt(static_cast<double>(n)); }

/// Entries that do not go with their neighbours.
void check_unordered(const at::Tensor& x) {
  const at::Tensor flat = x.flatten();
  for (const std::int64_t lag : {1, 2, 16, 128})
    CHECK(std::abs(cosine(flat.narrow(0, lag, flat.numel() - lag), flat.narrow(0, 0, flat.numel() - lag))) <
          nearly_orthogonal(flat.numel()));
}

bool draws_numbers(std::string_view kind) {
  return std::set<std::string_view>{
      "uniform_noise", "gaussian_noise", "sign_random",     "sybil",
      "inflate",       "few_samples",    "spanned_noise",   "spanned_few_samples",
      "loose_sybil",   "spanned_sybil",  "whitened_replay", "forge",
      "collusion"}
      .contains(kind);
}

/// Those have more than noise in common (adaptive_test.cc).
bool adapted(std::string_view kind) {
  return std::set<std::string_view>{
      "spanned_noise", "spanned_few_samples", "spanned_sybil", "whitened_replay", "forge", "collusion"}
      .contains(kind);
}

}  // namespace

TEST_CASE("noise alone: of length scale ||u||, of its law, in no direction that anyone knows") {
  const Scene scene;
  const at::Tensor uniform = scene.sent("uniform_noise"), gaussian = scene.sent("gaussian_noise");
  for (const at::Tensor& noise : {uniform, gaussian}) {
    CHECK(length(noise) == doctest::Approx(1.5 * length(scene.own())).epsilon(1e-6));
    check_unordered(noise);
    for (const Upload& upload : scene.honest)
      CHECK(std::abs(cosine(noise, upload.update)) < nearly_orthogonal(dimension));
    CHECK(std::abs(cosine(noise, scene.last_update)) < nearly_orthogonal(dimension));
  }
  CHECK(distance_from(uniform_law, uniform) < widest(dimension));
  CHECK(distance_from(gaussian_law, gaussian) < widest(dimension));
  CHECK(distance_from(gaussian_law, uniform) > widest(dimension));  // so the test can tell them apart
  CHECK(distance_from(uniform_law, gaussian) > widest(dimension));
}

TEST_CASE("random signs: the magnitudes of u, half of them with each sign, in no order") {
  const Scene scene;
  const at::Tensor sent = scene.sent("sign_random");
  CHECK(sent.abs().equal(scene.own().abs()));
  const at::Tensor kept = sent.eq(scene.own()).to(at::kDouble).mul(2).sub(1);  // +1 or -1
  CHECK(std::abs(kept.sum().item().toDouble()) < 5 * std::sqrt(static_cast<double>(dimension)));
  check_unordered(kept);
}

TEST_CASE("Sybils: names around u, in pairs of one cosine, with equal parts of the samples") {
  Scene scene;
  const auto d = static_cast<double>(dimension);
  for (const auto& [kind, wanted] : {std::pair("sybil", 0.94), std::pair("loose_sybil", 0.5)})
    for (const std::size_t identities : {2, 7}) {
      CAPTURE(kind);
      scene.settings.identities = identities;
      const std::vector<Upload> uploads = scene.send(kind);
      REQUIRE(uploads.size() == identities);
      std::vector<at::Tensor> noise;
      for (std::size_t k = 0; k < identities; ++k) {
        CHECK(uploads[k].id == (k == 0 ? ClientId(2) : alias_of(2, k + 1)));
        CHECK(uploads[k].samples == 30.0 / static_cast<double>(identities));
        noise.push_back(difference(uploads[k].update, scene.own()));
        CHECK(distance_from(gaussian_law, noise[k]) < widest(dimension));
        check_unordered(noise[k]);
        for (std::size_t j = 0; j < k; ++j) {
          CHECK(std::abs(cosine(noise[j], noise[k])) < nearly_orthogonal(dimension));
          // With c the pairs' cosine, r^2 = (1 - c) / c, r the noise's length and x, y, z the three cosines
          // between u and the noises, all of deviation 1 / sqrt(D), the pair's cosine is c (1 + (1 - c) r
          // (x + y) + r^2 z) to first order.
          const double pair = cosine(uploads[j].update, uploads[k].update), r2 = (1 - wanted) / wanted;
          const double deviation = wanted * std::sqrt((2 * (1 - wanted) * (1 - wanted) * r2 + r2 * r2) / d);
          CHECK(std::abs(pair - wanted) < 5 * deviation);
        }
      }
    }
}

TEST_CASE("inflate and few samples: Gaussian noise in the final weight, and nothing else changes") {
  Scene scene;
  for (const double scale : {1.5, 0.25}) {
    scene.settings.noise = scale;
    for (const auto& [kind, honest] :
         {std::pair("inflate", scene.own()), std::pair("few_samples", scene.poisoned)}) {
      CAPTURE(kind);
      const at::Tensor sent = scene.sent(kind), noise = difference(sent, honest);
      CHECK(noise.narrow(0, 0, weight_begin).count_nonzero().item().toLong() == 0);
      CHECK(noise.narrow(0, weight_end, dimension - weight_end).count_nonzero().item().toLong() == 0);
      const at::Tensor inside = noise.narrow(0, weight_begin, weight_end - weight_begin),
                       weight = honest.narrow(0, weight_begin, weight_end - weight_begin);
      CHECK(length(inside) == doctest::Approx(scale * length(weight)).epsilon(1e-5));
      CHECK(std::abs(cosine(inside, weight)) < nearly_orthogonal(weight.numel()));
      CHECK(distance_from(gaussian_law, inside) < widest(weight.numel()));
      check_unordered(inside);
    }
  }
}

TEST_CASE("the draws decide, and nothing but them: not the place, not the others") {
  const Scene scene;
  Scene other;
  std::swap(other.honest[1], other.honest[2]);
  other.attacker = 2;
  other.honest[0].update = random_vector(99, 1);
  for (const std::string_view kind : attack_kinds()) {
    CAPTURE(kind);
    if (kind == "copy") continue;
    const std::vector<Upload> one = scene.send(kind), two = other.send(kind);
    REQUIRE(one.size() == two.size());
    for (std::size_t k = 0; k < one.size(); ++k) CHECK(one[k].update.equal(two[k].update));
  }
  for (const random::Key& draws : {random::Key{5, 78}, random::Key{6, 77}}) {
    other.draws = draws;
    for (const std::string_view kind : attack_kinds()) {
      CAPTURE(kind);
      if (kind == "copy") continue;
      const std::vector<Upload> one = scene.send(kind), two = other.send(kind);
      CHECK(one[0].update.equal(two[0].update) == !draws_numbers(kind));
      if (!draws_numbers(kind) || adapted(kind)) continue;
      const at::Tensor centre = kind == "few_samples" ? scene.poisoned : scene.own();
      const bool around = kind.ends_with("sybil") || kind == "inflate" || kind == "few_samples";
      const at::Tensor left = around ? difference(one[0].update, centre) : one[0].update,
                       right = around ? difference(two[0].update, centre) : two[0].update;
      const std::int64_t drawn = kind == "inflate" || kind == "few_samples" ? 3000 : dimension;
      // Random signs of Gaussian magnitudes: the deviation of sum x^2 s / sum x^2 is sqrt(3 / D).
      CHECK(std::abs(cosine(left, right)) <
            nearly_orthogonal(drawn) * (kind == "sign_random" ? std::numbers::sqrt3 : 1));
    }
  }
}
