#include "fedval/spectral/effective_rank.hpp"

#include <doctest/doctest.h>

#include <numeric>

#include "fedval/tensor/std.hpp"
#include "tests/support/complaint.hpp"
#include "tests/support/oracle.hpp"

using namespace fedval;
using namespace fedval::spectral;
using tests::complaint_of;

namespace {

constexpr std::uint64_t seed = 83;
constexpr double infinity = std::numeric_limits<double>::infinity();

using Rows = std::vector<std::vector<double>>;

/// The matrix of the reference values.
Rows golden() {
  Rows w(4, std::vector<double>(6));
  for (int i = 0; i < 4; ++i)
    for (int j = 0; j < 6; ++j)
      w[static_cast<std::size_t>(i)][static_cast<std::size_t>(j)] = (7 * i + 3 * j) % 11 - 5;
  return w;
}

std::vector<double> random_spectrum(random::Stream& stream, std::size_t n) {
  std::vector<double> p(n);
  for (double& value : p) value = -std::log1p(-stream.uniform());
  return spectral::detail::shares(p);
}

/// The definition, in long double.
double naive_renyi(const std::vector<double>& p, double alpha) {
  long double sum = 0;
  for (const double value : p)
    sum += std::pow(static_cast<long double>(value), static_cast<long double>(alpha));
  return static_cast<double>(std::log(sum) / (1 - static_cast<long double>(alpha)));
}

Rows identity(std::size_t n) {
  Rows k(n, std::vector<double>(n, 0.0));
  for (std::size_t i = 0; i < n; ++i) k[i][i] = 1;
  return k;
}

}  // namespace

TEST_CASE("the reference matrix has its reference values") {
  const Rows w = golden();
  constexpr double exact = 1e-12;
  const std::vector<double> p = spectrum(w);
  CHECK(std::abs(renyi_entropy(p, 2) - 1.0891732587995415) < exact);
  CHECK(std::abs(renyi2_entropy(w) - 1.0891732587995415) < exact);
  CHECK(std::abs(entropy(w, {.normaliser = Normaliser::none, .alpha = 2}) - 1.0891732587995415) < exact);
  CHECK(std::abs(effective_rank(p) - 3.2933634446361233) < exact);
  CHECK(std::abs(roy_vetterli_rank(spectrum(w, Route::svd)) - 3.7561547469336825) < exact);
  // sigma to eight digits: sigma_1^2 / sum sigma^2, and the sum of squares of the entries is 250.
  double sum = 0;
  for (const auto& row : w) sum = std::inner_product(row.begin(), row.end(), row.begin(), sum);
  CHECK(stable_rank(p) == doctest::Approx(sum / (10.34257357 * 10.34257357)).epsilon(1e-8));
  CHECK(min_entropy(p) == doctest::Approx(std::log(sum / (10.34257357 * 10.34257357))).epsilon(1e-8));
}

TEST_CASE("Renyi entropies are their definition, for every order") {
  CAPTURE(seed);
  random::Stream stream(seed, 1);
  for (const std::size_t n : {2UL, 5UL, 40UL}) {
    CAPTURE(n);
    const std::vector<double> p = random_spectrum(stream, n);
    for (const double alpha : {0.1, 0.49, 0.5, 0.51, 0.9, 1.1, 1.49, 1.5, 1.51, 2.0, 3.7, 20.0}) {
      CAPTURE(alpha);
      CHECK(std::abs(renyi_entropy(p, alpha) - naive_renyi(p, alpha)) < 1e-13);
    }
    // Order 0 counts, order 1 is von Neumann's, and the limits are continuous.
    CHECK(std::abs(renyi_entropy(p, 0) - std::log(static_cast<double>(n))) < 1e-14);
    CHECK(renyi_entropy(p, 1) == von_neumann_entropy(p));
    CHECK(renyi_entropy(p, infinity) == min_entropy(p));
    // S_alpha - S_inf <= S_inf / (alpha - 1), from sum p^alpha <= max p^(alpha - 1).
    CHECK(renyi_entropy(p, 1e6) - min_entropy(p) < min_entropy(p) / (1e6 - 1) + 1e-13);
    // dS_alpha/dalpha at 1 is minus half the variance of ln p, which bounds the step.
    double mean = 0, square = 0;
    for (const double value : p) {
      mean += value * std::log(value);
      square += value * std::log(value) * std::log(value);
    }
    const double slope = (square - mean * mean) / 2;
    for (const double step : {1e-3, 1e-6, 1e-9, 1e-15}) {
      CAPTURE(step);
      CHECK(std::abs(renyi_entropy(p, 1 + step) - (von_neumann_entropy(p) - slope * step)) <
            20 * step * step + 1e-14);
    }
  }
}

TEST_CASE("entropies fall with the order, and ranks with them, within 1 and min(C, d)") {
  CAPTURE(seed);
  random::Stream stream(seed, 2);
  for (int i = 0; i < 20; ++i) {
    const std::size_t rows = 1 + stream.below(8), columns = 1 + stream.below(8);
    Rows w;
    for (std::size_t r = 0; r < rows; ++r) w.push_back(tests::normals(stream, columns));
    const std::vector<double> p = spectrum(w, Route::svd);
    const auto most = static_cast<double>(std::min(rows, columns));
    double last = std::log(most) + 1e-12;
    for (const double alpha : {0.0, 0.3, 1.0, 1.7, 2.0, 8.0, infinity}) {
      const double value = renyi_entropy(p, alpha);
      CHECK(value <= last + 1e-12);
      CHECK(value >= 0);
      last = value;
    }
    CHECK(renyi2_entropy(w) <= von_neumann_entropy(p) + 1e-13);
    CHECK(std::abs(renyi2_entropy(w) - renyi_entropy(p, 2)) < 1e-13);
    CHECK(participation_ratio(p) == doctest::Approx(std::exp(renyi_entropy(p, 2))).epsilon(1e-13));
    CHECK(stable_rank(p) == doctest::Approx(std::exp(min_entropy(p))).epsilon(1e-13));
    CHECK(stable_rank(p) <= participation_ratio(p) + 1e-12);
    CHECK(participation_ratio(p) <= effective_rank(p) + 1e-12);
    CHECK(effective_rank(p) <= roy_vetterli_rank(p) + 1e-12);  // the square root flattens the spectrum
    CHECK(roy_vetterli_rank(p) <= most + 1e-12);
    CHECK(stable_rank(p) >= 1 - 1e-12);
  }
}

TEST_CASE("equal singular values: every rank is their number") {
  for (const std::size_t n : {1UL, 3UL, 16UL}) {
    Rows w = identity(n);
    for (auto& row : w) row.resize(n + 3, 0.0);
    const auto exact = doctest::Approx(static_cast<double>(n)).epsilon(1e-13);
    for (const Route route : {Route::gram, Route::svd}) {
      const std::vector<double> p = spectrum(w, route);
      CHECK(effective_rank(p) == exact);
      CHECK(roy_vetterli_rank(p) == exact);
      CHECK(participation_ratio(p) == exact);
      CHECK(stable_rank(p) == exact);
      CHECK(rankme(p, 0) == exact);
      const double q = 1 / static_cast<double>(n) + 1e-7;
      CHECK(std::log(rankme(p)) == doctest::Approx(std::max(0.0, -static_cast<double>(n) * q * std::log(q))));
    }
  }
}

TEST_CASE("a zero or empty matrix has no spectrum, no entropy and no rank") {
  for (const Rows& w : {Rows(3, std::vector<double>(4, 0.0)), Rows(3)}) {
    const std::vector<double> p = spectrum(w);
    CHECK(p.empty());
    CHECK(renyi2_entropy(w) == 0);
    for (const double alpha : {0.0, 0.5, 1.0, 2.0, infinity}) CHECK(renyi_entropy(p, alpha) == 0);
    CHECK(effective_rank(p) == 0);
    CHECK(roy_vetterli_rank(p) == 0);
    CHECK(rankme(p) == 0);
    CHECK(participation_ratio(p) == 0);
    CHECK(stable_rank(p) == 0);
  }
}

TEST_CASE("small singular values count for the Roy-Vetterli rank, by the accurate route") {
  const double tiny = 1e-9;  // the Gram matrix cannot see it
  const Rows w{{1, 0, 0}, {0, tiny, 0}};
  const double q = tiny / (1 + tiny);
  const double exact = std::exp(-q * std::log(q) - (1 - q) * std::log1p(-q));
  CHECK(roy_vetterli_rank(spectrum(w, Route::svd)) - 1 == doctest::Approx(exact - 1).epsilon(1e-7));
}

TEST_CASE("Renyi-2 at any scale, and with a bad entry") {
  const double expected = renyi2_entropy(golden());
  for (const double scale : {1e-300, 1e-160, 1e30, 1e160, 1e300}) {
    CAPTURE(scale);
    Rows w = golden();
    for (auto& row : w)
      for (double& value : row) value *= scale;
    CHECK(std::abs(renyi2_entropy(w) - expected) < 1e-14);
  }
  Rows w = golden();
  w[2][5] = std::nan("");
  CHECK(complaint_of([&] { renyi2_entropy(w, "client 4: W"); }) == "client 4: W[2, 5] is NaN");
  CHECK(complaint_of([] { renyi_entropy(std::vector<double>{1}, -1); }) ==
        "renyi_entropy: alpha is -1, must be at least 0");
  CHECK(complaint_of([] { entropy(golden(), {.alpha = -0.5}); }) ==
        "entropy: alpha is -0.5, must be at least 0");
  CHECK(complaint_of([] { entropy(golden(), {.epsilon = 1e-10, .alpha = 2}); }) ==
        "entropy: epsilon only makes sense with alpha = 1, which is 2");
}

TEST_CASE("Vendi score: copies are one item, strangers are many") {
  CHECK(vendi_score(identity(5)) == doctest::Approx(5).epsilon(1e-14));
  CHECK(vendi_score(Rows(5, std::vector<double>(5, 1.0))) == doctest::Approx(1).epsilon(1e-13));
  CHECK(vendi_score(identity(5), 2) == doctest::Approx(5).epsilon(1e-14));
  CHECK(vendi_score(identity(5), infinity) == doctest::Approx(5).epsilon(1e-14));
  CHECK(vendi_score(Gram({}, {})) == 0);
  // Two groups of 3 and 1: K/n has the eigenvalues 3/4 and 1/4.
  Rows k(4, std::vector<double>(4, 1.0));
  for (std::size_t i = 0; i < 3; ++i) k[i][3] = k[3][i] = 0;
  CHECK(vendi_score(k) ==
        doctest::Approx(std::exp(-0.75 * std::log(0.75) - 0.25 * std::log(0.25))).epsilon(1e-13));
  // A pair with cosine c: the eigenvalues are (1 +- c) / 2.
  const double c = 0.6;
  CHECK(vendi_score(Rows{{1, c}, {c, 1}}) ==
        doctest::Approx(std::exp(-0.8 * std::log(0.8) - 0.2 * std::log(0.2))).epsilon(1e-13));

  // Updates: two copies, one of them rescaled, and a stranger.
  const std::vector<double> a{1, 2, 2}, b{2e30, 4e30, 4e30}, stranger{2, 1, -2};
  const std::vector<TensorView> updates{a, b, stranger};
  CHECK(vendi_score(gram(updates)) ==
        doctest::Approx(std::exp(-2.0 / 3 * std::log(2.0 / 3) - 1.0 / 3 * std::log(1.0 / 3))).epsilon(1e-13));
}

TEST_CASE("what is no similarity matrix is refused") {
  CHECK(complaint_of([] {
          vendi_score(Rows{{1, 0, 0}, {0, 1, 0}});
        }) == "similarity has shape [2, 3], expected a square matrix");
  CHECK(complaint_of([] {
          vendi_score(Rows{{1, 0}, {0, 4}}, 1, "K");
        }) == "K[1, 1] is 4, must be 1: an item is like itself");
  CHECK(complaint_of([] {
          vendi_score(Rows{{1, 0.5}, {0, 1}}, 1, "K");
        }) == "K is not symmetric: [1, 0] is 0, [0, 1] is 0.5");
  CHECK(complaint_of([] {
          vendi_score(Rows{{1, 2}, {2, 1}}, 1, "K");
        }) == "K has an eigenvalue of -1, must be positive semidefinite");
  CHECK(complaint_of([] { vendi_score(Rows{{1, 0}, {std::nan(""), 1}}, 1, "K"); }) == "K[1, 0] is NaN");
}
