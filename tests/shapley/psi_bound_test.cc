#include "fedval/shapley/psi_bound.hpp"

#include <doctest/doctest.h>

#include <array>
#include <limits>
#include <numeric>

#include "fedval/shapley/cosine_game.hpp"
#include "fedval/shapley/cosine_gradient.hpp"
#include "fedval/tensor/std.hpp"
#include "tests/support/complaint.hpp"
#include "tests/support/oracle.hpp"
#include "tests/support/threads.hpp"

using namespace fedval;
using namespace fedval::shapley;
using tests::bits;
using tests::complaint_of;
using tests::Values;

namespace {

constexpr std::uint64_t seed = 907;

Gram gram_of(const std::vector<Values>& updates) {
  const std::vector<TensorView> views(updates.begin(), updates.end());
  return gram(views);
}

enum class Kind { gaussian, correlated, opposed, with_zeros, unequal, small_integers };
constexpr Kind kinds[] = {Kind::gaussian,   Kind::correlated, Kind::opposed,
                          Kind::with_zeros, Kind::unequal,    Kind::small_integers};

std::vector<Values> draw(random::Stream& stream, Kind kind, std::size_t n) {
  const std::size_t dimension = kind == Kind::small_integers ? 2 : 5 + stream.below(20);
  const Values common = tests::normals(stream, dimension);
  std::vector<Values> updates;
  for (std::size_t i = 0; i < n; ++i) {
    Values u = tests::normals(stream, dimension);
    switch (kind) {
      case Kind::correlated:
        for (std::size_t k = 0; k < dimension; ++k) u[k] = common[k] + 0.3 * u[k];
        break;
      case Kind::opposed:
        for (std::size_t k = 0; k < dimension; ++k) u[k] = (i % 2 == 0 ? 1 : -1) * common[k] + 0.05 * u[k];
        break;
      case Kind::with_zeros:
        if (stream.below(3) == 0) std::fill(u.begin(), u.end(), 0.0);
        break;
      case Kind::unequal:
        for (double& value : u) value *= std::exp(2 * common[0]) * static_cast<double>(i + 1);
        break;
      case Kind::small_integers:  // many coalitions sum to exactly zero
        for (double& value : u) value = static_cast<double>(stream.below(3)) - 1;
        break;
      default:
        break;
    }
    updates.push_back(u);
  }
  return updates;
}

/// The expectations over all orders of the players, from the vectors, in long double.
struct Naive {
  std::vector<long double> psi, scale, remainder, bound, phi;

  explicit Naive(const std::vector<Values>& updates) {
    const std::size_t n = updates.size();
    for (auto* values : {&psi, &scale, &remainder, &bound, &phi}) values->assign(n, 0);
    const Sum all = sum_of(updates, everyone_of(n));
    std::vector<std::size_t> order(n);
    std::iota(order.begin(), order.end(), std::size_t{0});
    long double orders = 0;
    do {
      ++orders;
      unsigned s = 0;
      for (const std::size_t i : order) {
        const Sum before = sum_of(updates, s), after = sum_of(updates, s | 1u << i);
        const long double v = cosine(before, all), length = norm(sum_of(updates, 1u << i));
        phi[i] += cosine(after, all) - v;
        if (norm(after) > 0) {
          scale[i] += length / norm(after);
          remainder[i] += v * (norm(before) / norm(after) - 1);
          bound[i] += std::abs(v) * length / norm(after);
        } else {
          remainder[i] -= v;
          bound[i] += std::abs(v);
        }
        s |= 1u << i;
      }
    } while (std::next_permutation(order.begin(), order.end()));
    for (std::size_t i = 0; i < n; ++i) {
      psi[i] = cosine(sum_of(updates, 1u << i), all);
      for (auto* values : {&scale, &remainder, &bound, &phi}) (*values)[i] /= orders;
    }
  }

 private:
  using Sum = std::vector<long double>;
  static unsigned everyone_of(std::size_t n) { return (1u << n) - 1; }
  static Sum sum_of(const std::vector<Values>& updates, unsigned s) {
    Sum sum(updates[0].size(), 0);
    for (std::size_t i = 0; i < updates.size(); ++i)
      if ((s >> i & 1) != 0)
        for (std::size_t k = 0; k < sum.size(); ++k) sum[k] += updates[i][k];
    return sum;
  }
  static long double dot(const Sum& a, const Sum& b) {
    long double sum = 0;
    for (std::size_t k = 0; k < a.size(); ++k) sum += a[k] * b[k];
    return sum;
  }
  static long double norm(const Sum& a) { return std::sqrt(dot(a, a)); }
  static long double cosine(const Sum& a, const Sum& b) {
    return norm(a) == 0 || norm(b) == 0 ? 0 : dot(a, b) / (norm(a) * norm(b));
  }
};

double distance(const Values& found, const std::vector<long double>& expected) {
  REQUIRE(found.size() == expected.size());
  long double largest = 0;
  for (std::size_t i = 0; i < found.size(); ++i)
    largest = std::max(largest, std::abs(found[i] - expected[i]));
  return static_cast<double>(largest);
}

/// n orthonormal vectors.
std::vector<Values> orthonormal(std::size_t n) {
  std::vector<Values> updates(n, Values(n, 0.0));
  for (std::size_t i = 0; i < n; ++i) updates[i][i] = 1;
  return updates;
}

double mean(const Values& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

}  // namespace

TEST_CASE("every expectation is that over all orders of the vectors themselves") {
  CAPTURE(seed);
  random::Stream stream(seed);
  for (const Kind kind : kinds)
    for (std::size_t n = 1; n <= 6; ++n)
      for (int game = 0; game < 3; ++game) {
        CAPTURE(static_cast<int>(kind));
        CAPTURE(n);
        const std::vector<Values> updates = draw(stream, kind, n);
        const PsiBound found = psi_bound(gram_of(updates));
        const Naive naive(updates);
        // Where updates nearly cancel, squared lengths lose the digits that cancelled: some three here.
        const double tolerance = kind == Kind::opposed ? 1e-9 : 1e-12;
        CHECK(distance(found.psi, naive.psi) < tolerance);
        CHECK(distance(found.scale, naive.scale) < tolerance);
        CHECK(distance(found.remainder, naive.remainder) < tolerance);
        CHECK(distance(found.bound, naive.bound) < tolerance);
      }
}

TEST_CASE("phi = L psi + remainder to 1e-12, and the bound holds, on 10,000 random games") {
  CAPTURE(seed);
  random::Stream stream(seed, 1);
  double worst = 0, tightest = 0;
  std::size_t broken = 0, unbounded = 0, wide = 0, finite = 0;
  for (int game = 0; game < 10000; ++game) {
    const Kind kind = kinds[game % 6];
    const std::size_t n = 2 + stream.below(7);
    const Gram products = gram_of(draw(stream, kind, n));
    const Values phi = exact(GradientGame(products), n);
    const PsiBound found = psi_bound(products);
    const PsiEigenvalueBound loose = psi_eigenvalue_bound(products);
    for (std::size_t i = 0; i < n; ++i) {
      const double along = found.scale[i] * found.psi[i];
      worst = std::max(worst, std::abs(phi[i] - (along + found.remainder[i])));
      broken += std::abs(phi[i] - along) > found.bound[i] + 1e-12;
      if (found.bound[i] > 1e-6) tightest = std::max(tightest, std::abs(phi[i] - along) / found.bound[i]);
      unbounded += found.bound[i] > loose.bound[i] + 1e-12;
      wide += found.scale[i] < loose.least_scale[i] - 1e-12 || found.scale[i] > loose.most_scale[i] + 1e-12;
      finite += std::isfinite(loose.bound[i]);
    }
  }
  CHECK(worst < 1e-12);
  CHECK(broken == 0);
  CHECK(unbounded == 0);
  CHECK(wide == 0);
  CHECK(tightest > 0.9);  // the bound is attained
  CHECK(finite > 20000);  // of some 50,000 players
}

TEST_CASE("theorem 1: phi_i - L_i psi_i <= I Gamma^2 for uploads of norm Gamma with <u_i, u_N> >= 1/I > 0") {
  // As ||u_{S+i}|| ||u_N|| >= <u_{S+i}, u_N> >= 1/I and ||u_N|| <= Gamma for the mean u_N. With |<u_i, u_N>|
  // >= 1/I alone, as the theorem is printed, products of both signs may cancel, and it fails.
  CAPTURE(seed);
  random::Stream stream(seed, 2);
  std::array<double, 2> largest{};  // share of the bound, where all products are positive and where not
  std::array<int, 2> games{};
  for (int game = 0; game < 3000; ++game) {
    const std::size_t n = 2 + stream.below(7);
    const double gamma = std::exp(stream.normal());
    std::vector<Values> updates = draw(stream, kinds[game % 3], n);
    for (Values& u : updates) {
      const double norm = static_cast<double>(tests::naive_norm(u));
      for (double& value : u) value *= gamma / norm;
    }
    const Gram products = gram_of(updates);
    const PsiBound found = psi_bound(products);
    double least = std::numeric_limits<double>::infinity();
    bool mixed = false;
    for (std::size_t i = 0; i < n; ++i) {
      double with_mean = 0;
      for (std::size_t j = 0; j < n; ++j) with_mean += products(i, j) / static_cast<double>(n);
      least = std::min(least, std::abs(with_mean));
      mixed |= with_mean < 0;
    }
    const Values phi = exact(GradientGame(products), n);
    ++games[mixed];
    for (std::size_t i = 0; i < n; ++i)
      largest[mixed] = std::max(largest[mixed],
                                std::abs(phi[i] - found.scale[i] * found.psi[i]) / (gamma * gamma / least));
  }
  CHECK(games[0] > 1000);
  CHECK(largest[0] <= 1);
  CHECK(largest[0] > 0.2);
  CHECK(largest[1] > 1);
}

TEST_CASE("psi is that of the cosine gradient for uploads rescaled to one norm") {
  CAPTURE(seed);
  random::Stream stream(seed, 6);
  for (const Kind kind : {Kind::gaussian, Kind::correlated, Kind::unequal}) {
    std::vector<Values> updates = draw(stream, kind, 6);
    const Values expected = cosine_gradient(gram_of(updates), Values(6, 1.0));
    for (Values& u : updates) {
      const double norm = static_cast<double>(tests::naive_norm(u));
      for (double& value : u) value /= norm;
    }
    const Values psi = psi_bound(gram_of(updates)).psi;
    for (std::size_t i = 0; i < 6; ++i) CHECK(std::abs(psi[i] - expected[i]) < 1e-13);
  }
}

TEST_CASE("orthonormal updates in closed form; Gaussian rounds are near it") {
  CAPTURE(seed);
  random::Stream stream(seed, 3);
  for (const std::size_t n : {1UL, 2UL, 5UL, 10UL, 13UL}) {
    CAPTURE(n);
    // ||u_S|| = sqrt |S|, v(S) = sqrt(|S| / n): sums over the sizes k of S, each with probability 1/n.
    const double count = static_cast<double>(n);
    double scale = 0, bound = 0;
    for (std::size_t size = 0; size < n; ++size) {
      const double k = static_cast<double>(size);
      scale += 1 / std::sqrt(k + 1) / count;
      bound += std::sqrt(k / count) / std::sqrt(k + 1) / count;
    }
    const PsiBound found = psi_bound(gram_of(orthonormal(n)));
    const PsiEigenvalueBound loose = psi_eigenvalue_bound(gram_of(orthonormal(n)));
    for (std::size_t i = 0; i < n; ++i) {
      CHECK(std::abs(found.psi[i] - 1 / std::sqrt(count)) < 1e-14);
      CHECK(std::abs(found.scale[i] - scale) < 1e-14);
      CHECK(std::abs(found.scale[i] * found.psi[i] + found.remainder[i] - 1 / count) < 1e-14);
      CHECK(std::abs(found.bound[i] - bound) < 1e-14);
      // All eigenvalues are 1, so the bounds of L_i are L_i.
      CHECK(std::abs(loose.least_scale[i] - scale) < 1e-12);
      CHECK(std::abs(loose.most_scale[i] - scale) < 1e-12);
      CHECK(loose.bound[i] >= bound - 1e-14);
    }
    if (n != 5 && n != 10) continue;
    CHECK(bound == doctest::Approx(n == 5 ? 0.29 : 0.25).epsilon(0.02));
    std::vector<Values> updates;
    for (std::size_t i = 0; i < n; ++i) updates.push_back(tests::normals(stream, 1000));
    const PsiBound gaussian = psi_bound(gram_of(updates));
    CHECK(std::abs(mean(gaussian.bound) - bound) < 0.01);
    CHECK(std::abs(mean(exact(GradientGame(gram_of(updates)), n)) - 1 / count) < 1e-12);
  }
}

TEST_CASE("coalitions that sum to zero") {
  // Orders of {x, -x, y}: psi = (0, 0, 1), v = 0 for {x}, {-x} and {x, -x}, sqrt(1/2) for a pair with y.
  const Values x{1, 0}, minus{-1, 0}, y{0, 1};
  const PsiBound found = psi_bound(gram_of({x, minus, y}));
  const double root = std::sqrt(0.5);
  CHECK(found.psi == Values{0, 0, 1});
  // x is first (1), after -x (0 by definition), after y (1/sqrt 2), or after both (1).
  CHECK(found.scale[0] == doctest::Approx(1.0 / 3 + 0 + root / 6 + 1.0 / 3).epsilon(1e-14));
  // After y: v = 1, ||u_S|| = 1, ||u_{S+i}|| = sqrt 2. After both: v = sqrt(1/2), sqrt 2 and 1.
  CHECK(found.remainder[0] == doctest::Approx((root - 1) / 6 + (1 - root) / 3).epsilon(1e-14));
  CHECK(found.bound[0] == doctest::Approx(root / 6 + root / 3).epsilon(1e-14));
  const Values phi = exact(GradientGame(gram_of({x, minus, y})), 3);
  for (std::size_t i = 0; i < 3; ++i)
    CHECK(phi[i] == doctest::Approx(found.scale[i] * found.psi[i] + found.remainder[i]).epsilon(1e-14));
  CHECK(std::isinf(psi_eigenvalue_bound(gram_of({x, minus, y})).bound[0]));

  // The whole sum is zero: every v is 0.
  const PsiBound nothing = psi_bound(gram_of({x, minus}));
  CHECK(nothing.psi == Values{0, 0});
  CHECK(nothing.remainder == Values{0, 0});
  CHECK(nothing.bound == Values{0, 0});
  CHECK(nothing.scale == Values{0.5, 0.5});

  // S sums to -u_i where v(S) is not 0: the bound counts it as |v(S)|.
  const PsiBound cancelling = psi_bound(gram_of({{3, 0}, {-1, 0}, {1, 0}}));
  // Player 1 after 2: v = 1 falls to 0. After 0, or both: v stays 1, as ||u_S|| / ||u_{S+i}|| = 3/2 or 4/3.
  CHECK(cancelling.bound[1] == doctest::Approx((1.0 + 1.0 / 2) / 6 + 1.0 / 3 / 3).epsilon(1e-14));
  CHECK(cancelling.remainder[1] == doctest::Approx((-1.0 + 1.0 / 2) / 6 + 1.0 / 3 / 3).epsilon(1e-14));
}

TEST_CASE("no updates, one, zeros, a null player, every scale") {
  CAPTURE(seed);
  CHECK(psi_bound(gram_of({})).psi.empty());
  CHECK(psi_eigenvalue_bound(gram_of({})).bound.empty());
  const PsiBound one = psi_bound(gram_of({{3, 4}}));
  CHECK(one.psi == Values{1});
  CHECK(one.scale == Values{1});
  CHECK(one.remainder == Values{0});
  CHECK(one.bound == Values{0});
  CHECK(psi_eigenvalue_bound(gram_of({{3, 4}})).bound == Values{0});
  const PsiBound zeros = psi_bound(gram_of({{0, 0}, {0, 0}}));
  for (const Values& values : {zeros.psi, zeros.scale, zeros.remainder, zeros.bound})
    CHECK(values == Values{0, 0});
  CHECK(psi_eigenvalue_bound(gram_of({{0, 0}, {0, 0}})).most_scale == Values{0, 0});

  random::Stream stream(seed, 4);
  std::vector<Values> updates = draw(stream, Kind::gaussian, 5);
  const PsiBound without = psi_bound(gram_of(updates));
  const PsiEigenvalueBound loose = psi_eigenvalue_bound(gram_of(updates));
  std::vector<Values> with_null = updates;
  with_null.insert(with_null.begin() + 2, Values(updates[0].size(), 0.0));
  const PsiBound with = psi_bound(gram_of(with_null));
  const PsiEigenvalueBound loose_with = psi_eigenvalue_bound(gram_of(with_null));
  CHECK(with.remainder[2] == 0);
  CHECK(with.bound[2] == 0);
  CHECK(loose_with.bound[2] == 0);
  for (std::size_t i = 0; i < 5; ++i) {
    const std::size_t j = i < 2 ? i : i + 1;
    CHECK(std::abs(with.scale[j] - without.scale[i]) < 1e-14);
    CHECK(std::abs(with.remainder[j] - without.remainder[i]) < 1e-14);
    CHECK(std::abs(with.bound[j] - without.bound[i]) < 1e-14);
    CHECK(loose_with.bound[j] == doctest::Approx(loose.bound[i]).epsilon(1e-13));
  }
  for (const double scale : {1e-300, 1e300}) {
    std::vector<Values> scaled = updates;
    for (Values& u : scaled)
      for (double& value : u) value *= scale;
    const PsiBound same = psi_bound(gram_of(scaled));
    for (std::size_t i = 0; i < 5; ++i) {
      CHECK(std::abs(same.scale[i] - without.scale[i]) < 1e-13);
      CHECK(std::abs(same.bound[i] - without.bound[i]) < 1e-13);
    }
  }
}

TEST_CASE("blocks: many players, any number of threads, progress and cancellation") {
  CAPTURE(seed);
  random::Stream stream(seed, 5);
  const std::size_t n = 15;
  const Gram products = gram_of(draw(stream, Kind::correlated, n));
  const Values phi = exact(GradientGame(products), n);
  Values seen;
  const PsiBound found = psi_bound(products, [&](double share) {
    seen.push_back(share);
    return true;
  });
  for (std::size_t i = 0; i < n; ++i) {
    CHECK(std::abs(phi[i] - (found.scale[i] * found.psi[i] + found.remainder[i])) < 1e-12);
    CHECK(std::abs(phi[i] - found.scale[i] * found.psi[i]) <= found.bound[i]);
  }
  CHECK(std::is_sorted(seen.begin(), seen.end()));
  CHECK(seen.back() == 1);
  const auto with_threads = [&](int threads) {
    const tests::Threads scope(threads);
    const PsiBound result = psi_bound(products);
    std::vector<std::uint64_t> all;
    for (const Values& values : {result.scale, result.remainder, result.bound})
      for (const std::uint64_t word : bits(values)) all.push_back(word);
    return all;
  };
  CHECK(with_threads(1) == with_threads(2));
  CHECK(with_threads(1) == with_threads(3));
  CHECK_THROWS_AS(psi_bound(products, [](double) { return false; }), Cancelled);
  CHECK(complaint_of([] { psi_bound(gram_of(std::vector<Values>(31, Values{1}))); }) ==
        "psi_bound: 31 updates have 2^31 coalitions; use psi_eigenvalue_bound");
}

TEST_CASE("updates of very different lengths: right, or refused by number") {
  const auto between = [](double scale) {
    return psi_bound(gram_of(std::vector<Values>{{1, 2}, {-3 * scale, scale}, {0, 0}}));
  };
  // Alone with an update that is nothing beside it, one is what it is; the other is so in half of the orders.
  for (const double scale : {1e-30, 1e-100, 1e-130}) {
    CAPTURE(scale);
    const PsiBound found = between(scale);
    CHECK(found.scale[0] == doctest::Approx(1).epsilon(1e-14));
    CHECK(found.scale[1] == doctest::Approx(0.5).epsilon(1e-14));
    const double cosine = -1 / std::sqrt(50.0);  // of both
    CHECK(found.remainder[1] == doctest::Approx(0).epsilon(1e-14));
    CHECK(found.remainder[0] == doctest::Approx(-cosine / 2).epsilon(1e-14));
    CHECK(found.bound[0] >= std::abs(found.remainder[0]));
  }
  CHECK(complaint_of([&] { between(1e-170); }) ==
        "psi_bound: update 1 is so much shorter than the longest that its square is lost beside it");
  CHECK(complaint_of([&] { between(1e170); }) ==
        "psi_bound: update 0 is so much shorter than the longest that its square is lost beside it");
}
