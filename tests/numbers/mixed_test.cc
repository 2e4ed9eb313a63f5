// Numbers from 2^-1000 to 2^1000 side by side in one input, against definitions in long double, whose range
// is far wider. Tolerances are bounds of rounding: u = 2^-53 for each operation on the way, and half of the
// smallest double where a product is below all of them.
#include <numeric>

#include "fedval/black_box/losses.hpp"
#include "fedval/contribution/residual_weights.hpp"
#include "fedval/linalg/simplex.hpp"
#include "fedval/linalg/solve.hpp"
#include "fedval/linalg/symmetric_eigenvalues.hpp"
#include "fedval/reward/importance.hpp"
#include "fedval/reward/quota.hpp"
#include "fedval/shapley/cosine_gradient.hpp"
#include "fedval/shapley/exact.hpp"
#include "fedval/shapley/leave_one_out_cosine.hpp"
#include "fedval/spectral/entropy.hpp"
#include "fedval/statistics/correlation.hpp"
#include "fedval/statistics/running_moments.hpp"
#include "fedval/tensor/operations.hpp"
#include "fedval/tensor/std.hpp"
#include "tests/contribution/coalition_games.hpp"
#include "tests/numbers/scaling.hpp"

using namespace fedval;
using tests::naive_cosine;
using tests::naive_dot;
using tests::naive_norm;
using tests::Values;

namespace {

constexpr std::uint64_t seed = 4507;
constexpr long double u = 0x1p-53L, least = 0x1p-1075L;

int exponent(random::Stream& stream, int most) {
  return static_cast<int>(stream.below(2 * static_cast<std::uint64_t>(most) + 1)) - most;
}

/// Of either sign, a few of them zero.
Values mixed(random::Stream& stream, std::size_t count, int most = 1000) {
  Values values = tests::plain(stream, count);
  for (double& value : values) value = stream.below(8) == 0 ? 0 : std::ldexp(value, exponent(stream, most));
  return values;
}

long double sum_of_magnitudes(const Values& a, const Values& b) {
  return naive_dot(tests::magnitudes(a), tests::magnitudes(b));
}

void check_within(double found, long double right, long double bound) {
  CAPTURE(found);
  CAPTURE(static_cast<double>(right));
  CAPTURE(static_cast<double>(bound));
  if (std::isinf(static_cast<double>(right)))
    CHECK(found == static_cast<double>(right));
  else
    CHECK(std::abs(static_cast<long double>(found) - right) <= bound);
}

void for_each_trial(std::uint64_t kind, std::uint64_t trials, auto&& check) {
  CAPTURE(seed);
  for (std::uint64_t trial = 0; trial < trials; ++trial) {
    CAPTURE(trial);
    random::Stream stream(seed + kind, trial);
    check(stream);
  }
}

}  // namespace

TEST_CASE("norms, inner products and cosines of entries of all sizes") {
  for_each_trial(0, 300, [](random::Stream& stream) {
    const std::size_t n = 1 + stream.below(30);
    const auto count = static_cast<long double>(n);
    const Values a = mixed(stream, n), b = mixed(stream, n);
    check_within(norm(a), naive_norm(a), (count + 4) * u * naive_norm(a) + least);
    check_within(dot(a, b), naive_dot(a, b), 2 * (count + 2) * (u * sum_of_magnitudes(a, b) + least));
    const std::array<TensorView, 2> both{a, b};
    check_within(gram(both).cosine(0, 1), naive_cosine(a, b), 2 * (count + 4) * u);
  });
  // What is large stands beside nothing, and what is small decides.
  CHECK(dot(Values{0x1p1000, 0x1p-1000}, Values{0, 0x1p1000}) == 1);
  CHECK(dot(Values{0x1p1000, 0x1p-1000}, Values{0, 1}) == 0x1p-1000);
  CHECK(dot(Values{0x1p1000, 0x1p1000, 3}, Values{0x1p1000, -0x1p1000, 5}) == 0);
  CHECK(dot(Values{0x1p600, 0x1p600}, Values{0x1p600, 0}) == std::numeric_limits<double>::infinity());
}

TEST_CASE("weighted sums of tensors of all sizes") {
  for_each_trial(1, 200, [](random::Stream& stream) {
    const std::size_t n = 1 + stream.below(6), d = 1 + stream.below(20);
    const auto count = static_cast<long double>(n);
    std::vector<Values> tensors;
    for (std::size_t i = 0; i < n; ++i) tensors.push_back(mixed(stream, d, 500));
    const std::vector<TensorView> views(tensors.begin(), tensors.end());
    const Values weights = mixed(stream, n, 500);
    Values sum(d), directions(d);
    combine(weights, views, 0, sum);
    combine_normalised(weights, views, norms(views), directions);
    for (std::size_t k = 0; k < d; ++k) {
      CAPTURE(k);
      long double right = 0, size = 0, along = 0, along_size = 0;
      for (std::size_t i = 0; i < n; ++i) {
        const long double term = static_cast<long double>(weights[i]) * tensors[i][k];
        const long double length = naive_norm(tensors[i]), share = length > 0 ? term / length : 0;
        right += term, size += std::abs(term), along += share, along_size += std::abs(share);
      }
      check_within(sum[k], right, (count + 2) * (u * size + least));
      check_within(directions[k], along,
                   (count + static_cast<long double>(d) + 8) * (u * along_size + least));
    }
  });
}

TEST_CASE("psi and leave-one-out cosines of updates and weights of all sizes") {
  for_each_trial(2, 200, [](random::Stream& stream) {
    const std::size_t n = 2 + stream.below(6), d = 1 + stream.below(20);
    std::vector<Values> updates;
    for (std::size_t i = 0; i < n; ++i) {
      // Entries of all sizes, or of one size, which differs from update to update.
      const Values one = tests::times(tests::plain(stream, d), exponent(stream, 990));
      updates.push_back(stream.below(2) == 0 ? mixed(stream, d) : one);
    }
    const std::vector<TensorView> views(updates.begin(), updates.end());
    const Values weights = mixed(stream, n, stream.below(2) == 0 ? 2 : 900);
    const Gram products = gram(views);
    const Values psi = shapley::cosine_gradient(products, weights);
    const Values others = shapley::leave_one_out_cosine(products, weights);
    const Values by_norms = shapley::cosine_gradient(views, norms(views), weights);
    const Values others_by_norms = shapley::leave_one_out_cosine(views, norms(views), weights);
    const auto aggregate = [&](std::size_t without) {
      std::vector<long double> sum(d, 0);
      long double lengths = 0;
      for (std::size_t i = 0; i < n; ++i) {
        const long double length = naive_norm(updates[i]);
        if (i == without || length == 0) continue;
        lengths += std::abs(static_cast<long double>(weights[i]));
        for (std::size_t k = 0; k < d; ++k) sum[k] += weights[i] * (updates[i][k] / length);
      }
      return std::pair(sum, lengths);
    };
    const auto check = [&](double found, std::size_t i, std::size_t without) {
      const auto [sum, lengths] = aggregate(without);
      long double square = 0, along = 0;
      const long double own = naive_norm(updates[i]);
      for (std::size_t k = 0; k < d; ++k) {
        square += sum[k] * sum[k];
        along += own > 0 ? updates[i][k] / own * sum[k] : 0;
      }
      // A sum much shorter than its terms has lost digits: its square, those of the terms' square.
      const long double condition = square > 0 ? lengths * lengths / square : 0;
      if (condition > 0x1p44L) return;
      check_within(found, square > 0 ? along / std::sqrt(square) : 0,
                   8 * static_cast<long double>(n + d + 8) * u * condition);
    };
    for (std::size_t i = 0; i < n; ++i) {
      CAPTURE(i);
      check(psi[i], i, n);
      check(others[i], i, i);
      check(by_norms[i], i, n);
      check(others_by_norms[i], i, i);
    }
  });
}

TEST_CASE("weights by residuals do not know a coordinate's unit") {
  for_each_trial(3, 60, [](random::Stream& stream) {
    const std::size_t n = 2 + stream.below(8), d = 1 + stream.below(40);
    std::vector<Values> updates;
    for (std::size_t i = 0; i < n; ++i) updates.push_back(tests::plain(stream, d));
    std::vector<Values> scaled = updates;
    for (std::size_t k = 0; k < d; ++k) {
      const int unit = exponent(stream, 1000);
      for (Values& update : scaled) update[k] = std::ldexp(update[k], unit);
    }
    const auto weights = [](const std::vector<Values>& rows) {
      return residual_weights(std::vector<TensorView>(rows.begin(), rows.end()));
    };
    CHECK(tests::bits(weights(scaled)) == tests::bits(weights(updates)));
  });
}

TEST_CASE("spectra of matrices whose rows are of all sizes") {
  // Rows of a Hadamard matrix, each with its own length: those are the singular values.
  for_each_trial(4, 100, [](random::Stream& stream) {
    constexpr std::size_t n = 8;
    Values lengths = mixed(stream, n), entries;
    lengths[stream.below(n)] = 0x1p997;
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t k = 0; k < n; ++k)
        entries.push_back(std::popcount(i & k) % 2 == 0 ? lengths[i] : -lengths[i]);
    Values shares;
    for (const double length : lengths)
      shares.push_back(
          static_cast<double>(length * static_cast<long double>(length) / naive_dot(lengths, lengths)));
    std::sort(shares.begin(), shares.end());
    const Shape shape{n, n};
    const TensorView matrix(
        shape, {Piece::host(entries.data(), ScalarType::float64, shape, shape.row_major_strides())});
    long double entropy = 0;
    for (const double p : shares) entropy -= p > 0 ? p * std::log(static_cast<long double>(p)) : 0;
    for (const auto route : {spectral::Route::gram, spectral::Route::svd}) {
      const Values found = spectral::spectrum(matrix, route);
      REQUIRE(found.size() == n);
      for (std::size_t k = 0; k < n; ++k) check_within(found[k], shares[k], 64 * n * u);
    }
    check_within(spectral::entropy(matrix) * std::log(static_cast<double>(n)), entropy, 64 * 64 * n * u);
  });
}

TEST_CASE("Cholesky factors do not know the units of rows and columns") {
  for_each_trial(5, 100, [](random::Stream& stream) {
    const std::size_t n = 1 + stream.below(7);
    linalg::Matrix<double> a(n, n, tests::plain(stream, n * n)), scaled = a;
    for (std::size_t i = 0; i < n; ++i) a(i, i) = 3 * static_cast<double>(n);
    std::vector<int> units(n);
    for (int& unit : units) unit = exponent(stream, 240);
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t j = 0; j < n; ++j) {
        if (j < i) a(i, j) = a(j, i);
        scaled(i, j) = std::ldexp(a(i, j), units[i] + units[j]);
      }
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t j = 0; j < n; ++j) scaled(i, j) = std::ldexp(a(i, j), units[i] + units[j]);
    const auto plain = linalg::cholesky(a).value().lower(), factor = linalg::cholesky(scaled).value().lower();
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t j = 0; j <= i; ++j)
        CHECK(tests::bits(factor(i, j)) == tests::bits(std::ldexp(plain(i, j), units[i])));
  });
}

TEST_CASE("the nearest point of a simplex to entries of all sizes") {
  for_each_trial(6, 300, [](random::Stream& stream) {
    const std::size_t n = 1 + stream.below(20);
    const double total = std::ldexp(1.25, exponent(stream, 900));
    const Values x = mixed(stream, n);
    Values found = x;
    linalg::project_onto_simplex(found, total);
    std::vector<long double> sorted(x.begin(), x.end());
    std::sort(sorted.begin(), sorted.end(), std::greater<>());
    // Beside the largest one, as a sum of all would lose what is small.
    long double sum = 0, theta = 0;
    for (std::size_t k = 0; k < n; ++k) {
      const long double entry = sorted[k] - sorted[0];
      if (k > 0 && entry <= theta) break;
      sum += entry;
      theta = (sum - total) / static_cast<long double>(k + 1);
    }
    for (std::size_t k = 0; k < n; ++k)
      check_within(found[k], std::max((x[k] - sorted[0]) - theta, 0.0L),
                   16 * static_cast<long double>(n) * u * total);
  });
}

TEST_CASE("correlations of values of all sizes") {
  for_each_trial(7, 300, [](random::Stream& stream) {
    const std::size_t n = 2 + stream.below(20);
    const auto count = static_cast<long double>(n);
    const Values x = mixed(stream, n), y = mixed(stream, n);
    const auto deviations = [&](const Values& values) {
      long double mean = 0;
      for (const double value : values) mean += value / count;
      std::vector<long double> result;
      for (const double value : values) result.push_back(value - mean);
      return result;
    };
    const auto product = [](const std::vector<long double>& a, const std::vector<long double>& b) {
      return std::inner_product(a.begin(), a.end(), b.begin(), 0.0L);
    };
    const auto of = [&](const Values& a, const Values& b) -> std::optional<long double> {
      const auto constant = [](const Values& v) {
        return std::all_of(v.begin(), v.end(), [&](double value) { return value == v[0]; });
      };
      if (constant(a) || constant(b)) return std::nullopt;
      const auto dx = deviations(a), dy = deviations(b);
      return product(dx, dy) / (std::sqrt(product(dx, dx)) * std::sqrt(product(dy, dy)));
    };
    const auto check = [&](std::optional<double> found, std::optional<long double> right) {
      REQUIRE(found.has_value() == right.has_value());
      if (found) check_within(*found, *right, 16 * count * u);
    };
    Values ranks;
    for (const double value : x) {
      double rank = 0.5;
      for (const double other : x) rank += other < value ? 1 : other == value ? 0.5 : 0;
      ranks.push_back(rank);
    }
    CHECK(tests::bits(statistics::ranks(x)) == tests::bits(ranks));
    check(statistics::pearson(x, y), of(x, y));
    check(statistics::spearman(x, y), of(ranks, statistics::ranks(y)));
  });
}

TEST_CASE("moments of draws of all sizes") {
  for_each_trial(8, 300, [](random::Stream& stream) {
    const std::size_t n = 2 + stream.below(20);
    const auto count = static_cast<long double>(n);
    const Values x = mixed(stream, n);
    statistics::RunningMoments moments;
    long double mean = 0, squares = 0, largest = 0;
    for (const double value : x) {
      moments.add(value);
      mean += value / count;
      largest = std::max(largest, std::abs(static_cast<long double>(value)));
    }
    for (const double value : x) squares += (value - mean) * (value - mean);
    const long double deviation = std::sqrt(squares / (count - 1));
    check_within(moments.mean(), mean, 4 * count * (u * largest + least));
    check_within(moments.deviation(), deviation, 16 * count * (u * (deviation + largest) + least));
  });
}

TEST_CASE("Shapley values of utilities of all sizes") {
  for_each_trial(9, 60, [](random::Stream& stream) {
    const std::size_t n = 1 + stream.below(5);
    const Values table = mixed(stream, std::size_t{1} << n),
                 found = shapley::exact(shapley::TableGame(table), n);
    const Values right = tests::by_orders(table, n), sizes = tests::magnitudes(table);
    const long double largest = *std::max_element(sizes.begin(), sizes.end());
    for (std::size_t i = 0; i < n; ++i)
      check_within(found[i], right[i], static_cast<long double>(4U << n) * (u * largest + least));
  });
}

TEST_CASE("importances and what they earn, of all sizes") {
  for_each_trial(10, 300, [](random::Stream& stream) {
    const std::size_t n = 1 + stream.below(8);
    const auto count = static_cast<long double>(n);
    const Values r = mixed(stream, n), psi = mixed(stream, n);
    const double alpha = stream.uniform(), beta = std::ldexp(1.5, exponent(stream, 900));
    const Values smoothed = reward::smooth_importance(r, psi, alpha);
    const auto shares = reward::normalise_importance(r);
    const Values rho = reward::reward_ratios(r, beta);
    long double sum = 0, largest = 0;
    for (const double value : r) {
      sum += std::max(value, 0.0);
      largest = std::max(largest, static_cast<long double>(value));
    }
    CHECK(shares.uniform == (sum == 0));
    for (std::size_t i = 0; i < n; ++i) {
      const long double old = static_cast<long double>(alpha) * r[i];
      const long double now = (1 - static_cast<long double>(alpha)) * psi[i];
      check_within(smoothed[i], old + now, 3 * (u * (std::abs(old) + std::abs(now)) + least));
      const long double share = sum == 0 ? 1 / count : std::max(r[i], 0.0) / sum;
      check_within(shares.values[i], share, (count + 2) * u * share + 2 * least);
      const long double earned =
          largest == 0
              ? 1
              : std::tanh(beta * std::max(0.0L, static_cast<long double>(r[i]))) / std::tanh(beta * largest);
      // Of a product below a double's range some digits are lost, which the other tanh makes large again.
      const long double whole = largest == 0 ? 1 : std::tanh(beta * largest);
      check_within(rho[i], earned, 12 * u * earned + 2 * least / whole);
    }
  });
}

TEST_CASE("softmax of logits of all sizes") {
  for_each_trial(11, 300, [](random::Stream& stream) {
    const std::size_t n = 1 + stream.below(8);
    const Values x = mixed(stream, n);
    const double temperature = std::ldexp(1.25, exponent(stream, 20));
    const auto found = black_box::log_softmax(black_box::Logits(1, n, x), temperature);
    const long double largest = *std::max_element(x.begin(), x.end());
    long double sum = 0;
    for (const double value : x) sum += std::exp((value - largest) / temperature);
    for (std::size_t k = 0; k < n; ++k) {
      const long double below = (x[k] - largest) / temperature;
      check_within(found(0, k), below - std::log(sum),
                   8 * u * (std::abs(below) + static_cast<long double>(n)) + least);
    }
  });
}
