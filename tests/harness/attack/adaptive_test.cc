// Attackers that know the scores: where their noise is, the spectra they make, and how alike their names are.
#include <ATen/ops/linalg_qr.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>

#include <cmath>

#include "harness/attack/attack.hpp"
#include "tests/doctest_torch.hpp"
#include "tests/harness/attack/scene.hpp"

using namespace fedval;
using namespace fedval::harness;

namespace {

at::Tensor final_weight(const at::Tensor& update) {
  return update.narrow(0, weight_begin, weight_end - weight_begin).view({10, 300}).to(at::kDouble);
}
at::Tensor body(const at::Tensor& update) { return update.narrow(0, 0, weight_begin); }

/// `count` orthonormal columns of n entries.
at::Tensor columns(std::int64_t n, std::int64_t count, std::uint64_t seed) {
  const at::Tensor random = random_vector(seed, 1).narrow(0, 0, n * count).view({n, count}).to(at::kDouble);
  return std::get<0>(at::linalg_qr(random));
}

/// A last global update whose final weight has three directions, and that layer's spaces.
struct LowRank : Scene {
  at::Tensor left = columns(10, 3, 31), right = columns(300, 3, 32);
  LowRank() { put({3, 2, 0.5}); }
  void put(const std::vector<double>& sigma) {
    last_update.narrow(0, weight_begin, weight_end - weight_begin)
        .copy_(left.matmul(at::tensor(sigma, at::kDouble).diag()).matmul(right.t()).flatten());
  }
  /// Coordinates inside those spaces.
  at::Tensor inside(const at::Tensor& weight) const { return left.t().matmul(weight).matmul(right); }
  double outside(const at::Tensor& weight) const {
    return length(difference(weight, left.matmul(inside(weight)).matmul(right.t())));
  }
  double global_share() const { return length(final_weight(last_update)) / length(last_update); }
};

}  // namespace

TEST_CASE("spanned noise is inside the spaces of the last global final weight, in all directions alike") {
  LowRank scene;
  for (const double scale : {1.5, 0.25}) {
    scene.settings.noise = scale;
    for (const auto& [kind, honest] :
         {std::pair("spanned_noise", scene.own()), std::pair("spanned_few_samples", scene.poisoned)}) {
      CAPTURE(kind);
      const at::Tensor sent = scene.sent(kind), added = difference(sent, honest);
      CHECK(body(added).count_nonzero().item().toLong() == 0);
      CHECK(added.narrow(0, weight_end, 10).count_nonzero().item().toLong() == 0);
      const double weight = length(final_weight(honest));
      CHECK(length(final_weight(added)) == doctest::Approx(scale * weight).epsilon(1e-5));
      CHECK(scene.outside(final_weight(added)) < 1e-5 * weight);
    }
  }
  // A uniform direction of 9 coordinates: squares of mean 1/9 and variance 2 * 8 / (81 * 11).
  constexpr int draws = 400;
  scene.settings.noise = 1;
  at::Tensor squares = at::zeros({3, 3}, at::kDouble), sums = at::zeros({3, 3}, at::kDouble);
  for (int k = 0; k < draws; ++k) {
    scene.draws = {123, static_cast<std::uint64_t>(k)};
    const at::Tensor added = difference(scene.sent("spanned_noise"), scene.own());
    const at::Tensor x = scene.inside(final_weight(added)) / length(final_weight(scene.own()));
    squares += x.square() / draws;
    sums += x / draws;
  }
  const double deviation = std::sqrt(2.0 * 8 / (81 * 11) / draws);
  CHECK((squares - 1.0 / 9).abs().max().item().toDouble() < 5 * deviation);
  CHECK(sums.abs().max().item().toDouble() < 5 * std::sqrt(1.0 / 9 / draws));
}

TEST_CASE("directions of the last global final weight below 1e-4 of its strongest do not count") {
  LowRank scene;
  scene.put({3, 2, 3.3e-4});
  const at::Tensor all = final_weight(difference(scene.sent("spanned_noise"), scene.own()));
  CHECK(scene.inside(all).select(0, 2).abs().max().item().toDouble() > 1e-2 * length(all));
  CHECK(scene.inside(all).select(1, 2).abs().max().item().toDouble() > 1e-2 * length(all));
  scene.put({3, 2, 2.7e-4});
  const at::Tensor added = final_weight(difference(scene.sent("spanned_noise"), scene.own()));
  CHECK(scene.inside(added).select(0, 2).abs().max().item().toDouble() < 1e-3 * length(added));
  CHECK(scene.inside(added).select(1, 2).abs().max().item().toDouble() < 1e-3 * length(added));
}

TEST_CASE("flatten: square roots of the singular values, on the same vectors, and the same length") {
  LowRank scene;
  const at::Tensor weight =
      scene.left.matmul(at::tensor({4.0, 1.0, 0.25}, at::kDouble).diag()).matmul(scene.right.t());
  scene.honest[1].update = scene.own().clone();
  scene.own().narrow(0, weight_begin, 3000).copy_(weight.flatten());
  const at::Tensor sent = scene.sent("flatten");
  const double roots = std::sqrt(4 + 1 + 0.25), own = std::sqrt(16 + 1 + 0.0625);
  const at::Tensor expected = at::tensor({2.0, 1.0, 0.5}, at::kDouble).mul(own / roots).diag();
  CHECK(length(difference(scene.inside(final_weight(sent)), expected)) < 1e-5 * own);
  CHECK(scene.outside(final_weight(sent)) < 1e-5 * own);
  CHECK(body(sent).equal(body(scene.own())));
  CHECK(sent.narrow(0, weight_end, 10).equal(scene.own().narrow(0, weight_end, 10)));
  scene.own()[weight_begin + 7] = std::nanf("");  // sent as it is, for the server to refuse
  CHECK(scene.sent("flatten").isnan().sum().item().toLong() == 1);
}

TEST_CASE("spanned Sybils: own noise in the body, and in the final weight inside the common spaces") {
  LowRank scene;
  scene.settings.noise = 0.75;
  const std::vector<Upload> uploads = scene.send("spanned_sybil");
  REQUIRE(uploads.size() == 4);
  const at::Tensor& own = scene.own();
  const double layer = length(final_weight(own)), rest = std::sqrt(product(own, own) - layer * layer);
  std::vector<at::Tensor> added;
  for (std::size_t k = 0; k < 4; ++k) {
    CHECK(uploads[k].id == (k == 0 ? ClientId(2) : alias_of(2, k + 1)));
    CHECK(uploads[k].samples == 7.5);
    added.push_back(difference(uploads[k].update, own));
    const at::Tensor weight = final_weight(added[k]);
    CHECK(length(weight) == doctest::Approx(0.75 * layer).epsilon(1e-5));
    CHECK(scene.outside(weight) < 1e-5 * layer);
    CHECK(std::sqrt(product(added[k], added[k]) - product(weight, weight)) ==
          doctest::Approx(rest).epsilon(1e-5));
    CHECK(std::abs(cosine(body(added[k]), body(own))) < 5 / std::sqrt(weight_begin));
    for (std::size_t j = 0; j < k; ++j) {
      CHECK(std::abs(cosine(body(added[j]), body(added[k]))) < 5 / std::sqrt(weight_begin));
      CHECK(length(difference(final_weight(added[j]), weight)) > 1e-3 * layer);
    }
  }
}

TEST_CASE("whitened replay: the last global update with equal singular values, and a fifth of noise") {
  LowRank scene;
  const at::Tensor sent = scene.sent("whitened_replay");
  CHECK(length(sent) == doctest::Approx(length(scene.own())).epsilon(1e-5));
  at::Tensor white = scene.last_update.to(at::kDouble);
  const double layer = length(final_weight(scene.last_update));
  white.narrow(0, weight_begin, 3000)
      .copy_(scene.left.matmul(scene.right.t()).mul(layer / std::sqrt(3.0)).flatten());
  CHECK(std::abs(cosine(sent, white) - 1 / std::sqrt(1.04)) < 5 * 0.2 / std::sqrt(dimension));
  const at::Tensor rest = difference(sent, white.mul(product(sent, white) / product(white, white)));
  for (const Upload& upload : scene.honest)
    CHECK(std::abs(cosine(rest, upload.update)) < 5 / std::sqrt(dimension));
  scene.last_update = at::Tensor();
  CHECK(scene.sent("whitened_replay").count_nonzero().item().toLong() == 0);
}

TEST_CASE(
    "forge: a body of noise, a final weight inside the common spaces, and .35 of the last global update") {
  LowRank scene;
  const at::Tensor sent = scene.sent("forge");
  CHECK(length(sent) == doctest::Approx(length(scene.own())).epsilon(1e-5));
  CHECK(scene.outside(final_weight(sent)) < 1e-5 * length(sent));
  CHECK(std::abs(cosine(body(sent), body(scene.last_update)) - 0.35 / std::sqrt(1 + 0.35 * 0.35)) <
        5 / std::sqrt(weight_begin));
  // Without what it replays: the last global update's split between body and final weight.
  const double share = scene.global_share();
  const at::Tensor noise_body =
      difference(body(sent), body(scene.last_update).to(at::kDouble) *
                                 (product(body(sent), body(scene.last_update)) /
                                  product(body(scene.last_update), body(scene.last_update))));
  const double unit = length(noise_body) / std::sqrt(1 - share * share);  // what one stands for in `sent`
  const at::Tensor layer =
      final_weight(sent) - final_weight(scene.last_update) * (0.35 * unit / length(scene.last_update));
  CHECK(length(layer) == doctest::Approx(share * unit).epsilon(0.02));
  for (const at::Tensor& nothing : {at::Tensor(), at::Tensor(scene.last_update.mul(0))}) {
    scene.last_update = nothing;
    CHECK(scene.sent("forge").equal(scene.sent("forge")));
    CHECK(length(scene.sent("forge")) == doctest::Approx(length(scene.own())).epsilon(1e-5));
    CHECK(std::abs(cosine(scene.sent("forge"), scene.own())) < 5 / std::sqrt(dimension));
  }
}

TEST_CASE("collusion: names that share a secret direction and look alike in nothing else but the replay") {
  LowRank scene;
  for (const bool moved : {true, false}) {
    CAPTURE(moved);
    if (!moved) scene.last_update = at::Tensor();
    const std::vector<Upload> uploads = scene.send("collusion");
    REQUIRE(uploads.size() == 4);
    for (std::size_t j = 0; j < 4; ++j) {
      CHECK(uploads[j].id == (j == 0 ? ClientId(2) : alias_of(2, j + 1)));
      CHECK(uploads[j].samples == 7.5);
      CHECK(length(uploads[j].update) == doctest::Approx(length(scene.own())).epsilon(1e-5));
      if (moved) CHECK(scene.outside(final_weight(uploads[j].update)) < 1e-5 * length(scene.own()));
      for (const Upload& honest : scene.honest)
        CHECK(std::abs(cosine(body(uploads[j].update), body(honest.update))) < 6 / std::sqrt(weight_begin));
      // Of .75 z + n_j the common part of a pair is .5625 of 1.5625; .4 of g adds .16 to both.
      const double replayed = moved ? 0.16 : 0, expected = (0.5625 / 1.5625 + replayed) / (1 + replayed);
      for (std::size_t k = 0; k < j; ++k)
        CHECK(std::abs(cosine(body(uploads[j].update), body(uploads[k].update)) - expected) <
              5 / std::sqrt(weight_begin));
    }
  }
}
