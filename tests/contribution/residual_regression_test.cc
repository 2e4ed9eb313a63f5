#include "fedval/contribution/residual_regression.hpp"

#include <doctest/doctest.h>

#include <Eigen/LU>
#include <limits>

#include "fedval/tensor/std.hpp"
#include "tests/support/oracle.hpp"

using namespace fedval;
using detail::lanes;
using detail::Lanes;
using detail::ResidualRegression;
using tests::bits;
using tests::Values;

namespace {

constexpr std::uint64_t seed = 1131;
constexpr double unit = 0x1p-53;
/// Above every confidence: whose corrected values are all the line's.
constexpr double line_only = 2;

/// One coordinate: a value for each client.
using Clients = Values;

struct Fit {
  Values confidence, line, kept;  ///< kept: what is corrected below a threshold of 0, nothing
  double deviation = 0;
};

/// The coordinates' regressions, each in its lane, the first at column `first`.
std::vector<Fit> fits(const std::vector<Clients>& coordinates, double lambda = 2, std::size_t first = 0) {
  const std::size_t n = coordinates.at(0).size(), size = first + coordinates.size();
  REQUIRE(coordinates.size() <= lanes);
  std::vector<Values> updates(n, Values(size, 7));
  for (std::size_t k = 0; k < coordinates.size(); ++k)
    for (std::size_t i = 0; i < n; ++i) updates[i][first + k] = coordinates[k][i];
  ResidualRegression regression(n, lambda);
  regression.read(std::vector<TensorView>(updates.begin(), updates.end()), 0, size);
  REQUIRE(regression.fit(first));
  Lanes deviation;
  regression.deviation(deviation);
  std::vector<Fit> result(coordinates.size());
  for (std::size_t k = 0; k < coordinates.size(); ++k) {
    for (std::size_t i = 0; i < n; ++i) {
      result[k].confidence.push_back(regression.confidence(i)[k]);
      result[k].line.push_back(regression.corrected(i, k, line_only));
      result[k].kept.push_back(regression.corrected(i, k, 0));
    }
    result[k].deviation = deviation[k];
  }
  return result;
}

Fit fit(const Clients& coordinate, double lambda = 2) { return fits({coordinate}, lambda)[0]; }

long double median(std::vector<long double> values) {
  std::sort(values.begin(), values.end());
  return (values[(values.size() - 1) / 2] + values[values.size() / 2]) / 2;
}

double largest(const Values& values) {
  double most = 0;
  for (const double value : values) most = std::max(most, std::abs(value));
  return most;
}

Clients mapped(Clients values, auto&& f) {
  for (double& value : values) value = f(value);
  return values;
}

}  // namespace

TEST_CASE("networks have Batcher's number of comparisons, each of an earlier and a later place") {
  for (std::size_t p = 1; p <= 7; ++p)
    CHECK(detail::sorting_network(1UL << p).size() == (1UL << p) * (p * p - p + 4) / 4 - 1);
  for (const auto& [n, size] : {std::pair{3UL, 3UL}, {5UL, 9UL}, {6UL, 12UL}, {7UL, 16UL}})
    CHECK(detail::sorting_network(n).size() == size);
  for (std::size_t n = 0; n <= 70; ++n)
    for (const auto& [a, b] : detail::sorting_network(n)) {
      REQUIRE(a < b);
      REQUIRE(b < n);
    }
}

TEST_CASE("networks sort many values too, and select several places") {
  CAPTURE(seed);
  random::Stream stream(seed);
  for (std::size_t n = 13; n <= 70; ++n)
    for (int i = 0; i < 20; ++i) {
      CAPTURE(n);
      Values values(n);
      for (double& value : values) value = static_cast<double>(stream.below(n));  // ties and all
      Values sorted = values, ours = values, selected = values;
      std::sort(sorted.begin(), sorted.end());
      const auto apply = [](const detail::SortingNetwork& network, Values& of) {
        for (const auto& [a, b] : network)
          if (of[b] < of[a]) std::swap(of[a], of[b]);
      };
      apply(detail::sorting_network(n), ours);
      REQUIRE(ours == sorted);
      const std::size_t first = stream.below(n), last = first + 1 + stream.below(n - first);
      apply(detail::selection_network(n, first, last), selected);
      for (std::size_t place = first; place < last; ++place) REQUIRE(selected[place] == sorted[place]);
    }
}

TEST_CASE("medians lane by lane, with and without the smallest") {
  CAPTURE(seed);
  random::Stream stream(seed, 1);
  for (std::size_t m = 1; m <= 40; ++m)
    for (const std::size_t skipped : {0UL, 1UL, 2UL}) {
      if (skipped >= m) continue;
      CAPTURE(m);
      CAPTURE(skipped);
      std::vector<Lanes> rows(m);
      for (Lanes& row : rows)
        for (std::size_t k = 0; k < lanes; ++k) row[k] = std::round(4 * stream.normal());
      const std::vector<Lanes> before = rows;
      Lanes found;
      detail::Median(m, skipped).find(rows, found);
      for (std::size_t k = 0; k < lanes; ++k) {
        std::vector<long double> lane;
        for (const Lanes& row : before) lane.push_back(row[k]);
        std::sort(lane.begin(), lane.end());
        lane.erase(lane.begin(), lane.begin() + static_cast<std::ptrdiff_t>(skipped));
        CHECK(static_cast<long double>(found[k]) == median(lane));  // small integers: exact
      }
    }
}

TEST_CASE("two rows are put in order in every lane by itself") {
  Lanes a = {1, 4, -1, 0, 5, 5, -3, 2}, b = {2, 3, -2, 0, 6, 4, -3, 1};
  detail::order(a, b);
  const Values low{1, 3, -2, 0, 5, 4, -3, 1}, high{2, 4, -1, 0, 6, 5, -3, 2};
  for (std::size_t k = 0; k < lanes; ++k) {
    CHECK(a[k] == low[k]);
    CHECK(b[k] == high[k]);
  }
}

TEST_CASE("the line is Siegel's repeated median through the sorted values") {
  CAPTURE(seed);
  random::Stream stream(seed, 2);
  for (std::size_t n = 2; n <= 30; ++n)
    for (const double heavy : {0.0, 3.0}) {
      CAPTURE(n);
      CAPTURE(heavy);
      Clients y = tests::normals(stream, n);
      for (double& value : y) value *= std::exp(heavy * stream.normal());
      const Fit found = fit(y);
      std::vector<std::size_t> order(n);
      std::iota(order.begin(), order.end(), std::size_t{0});
      std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return y[a] < y[b]; });
      std::vector<long double> slopes, all(y.begin(), y.end());
      for (std::size_t i = 0; i < n; ++i) {
        std::vector<long double> through;
        for (std::size_t j = 0; j < n; ++j)
          if (j != i)
            through.push_back((static_cast<long double>(y[order[i]]) - y[order[j]]) /
                              (static_cast<long double>(i) - static_cast<long double>(j)));
        slopes.push_back(median(through));
      }
      const long double slope = median(slopes), level = median(all);
      for (std::size_t place = 0; place < n; ++place) {
        const long double x = static_cast<long double>(place) - static_cast<long double>(n - 1) / 2;
        // A slope is off by three roundings and two more of the medians, and is drawn out by x; level and
        // sum.
        const double bound =
            unit * static_cast<double>(5 * std::abs(slope * x) + std::abs(slope * x) + 3 * std::abs(level)) +
            unit * largest(y);
        CHECK(std::abs(found.line[order[place]] - static_cast<double>(level + slope * x)) <= bound);
      }
      CHECK(found.kept == y);
    }
}

TEST_CASE("confidence: the reach of residuals by the hat matrix, against each client's own") {
  CAPTURE(seed);
  random::Stream stream(seed, 3);
  for (const std::size_t n : {4UL, 5UL, 6UL, 9UL, 16UL, 25UL})
    for (const double lambda : {0.3, 1.0, 2.0}) {
      CAPTURE(n);
      CAPTURE(lambda);
      Clients y = tests::normals(stream, n);
      y[1] *= 30;
      const Fit found = fit(y, lambda);
      // The hat matrix of least squares with a constant, at the clients' places.
      const auto size = static_cast<Eigen::Index>(n);
      Eigen::MatrixXd x(size, 2);
      for (std::size_t i = 0; i < n; ++i) {
        const auto place = std::count_if(y.begin(), y.end(), [&](double other) { return other < y[i]; });
        x.row(static_cast<Eigen::Index>(i)) << 1, static_cast<double>(place);
      }
      const Eigen::MatrixXd hat = x * (x.transpose() * x).inverse() * x.transpose();
      std::vector<long double> residuals;
      for (std::size_t i = 0; i < n; ++i)
        residuals.push_back(std::abs(static_cast<long double>(y[i]) - found.line[i]));
      std::vector<long double> others = residuals;
      others.erase(std::min_element(others.begin(), others.end()));
      const double count = static_cast<double>(n), spread = static_cast<double>(median(others));
      double mean = 0, square = 0;
      int below = 0;
      for (std::size_t i = 0; i < n; ++i) {
        const double own = static_cast<double>(residuals[i]),
                     h = hat(static_cast<Eigen::Index>(i), static_cast<Eigen::Index>(i));
        const double expected = std::min(1.0, lambda * std::sqrt(2 / count) * std::sqrt(1 - h) * 1.4826 *
                                                  (1 + 5 / (count - 1)) * spread / own);
        // Residuals are as near to their value as y and the line are: a few roundings of the largest. The hat
        // matrix is one of condition n^2.
        CHECK(std::abs(found.confidence[i] - expected) <=
              8 * unit * largest(y) * (1 / own + 1 / spread) * expected + 8 * count * count * unit);
        below += found.confidence[i] < 1;
        mean += found.confidence[i] / count;
      }
      CHECK(below > 0);
      for (const double c : found.confidence) square += (c - mean) * (c - mean);
      CHECK(std::abs(found.deviation - std::sqrt(square / (count - 1))) <= 4 * count * unit);
    }
}

TEST_CASE("a minority however far away does not move the line, and has no confidence") {
  // Of nine, three may be anywhere: the other six each have five of eight slopes along the line.
  for (const std::size_t outliers : {1UL, 2UL, 3UL}) {
    CAPTURE(outliers);
    Clients y;
    for (std::size_t i = 0; i < 9; ++i)
      y.push_back(i + outliers < 9 ? static_cast<double>(i) : std::ldexp(1.0, 20 + 3 * static_cast<int>(i)));
    const Fit found = fit(y);
    for (std::size_t i = 0; i < 9; ++i) {
      CHECK(found.line[i] == static_cast<double>(i));
      CHECK(found.confidence[i] == (i + outliers < 9 ? 1 : 0));
    }
    // The deviation of 9 - m ones and m zeros: m (9 - m) / (9 * 8).
    const auto m = static_cast<double>(outliers);
    CHECK(std::abs(found.deviation - std::sqrt(m * (9 - m) / 72)) <= 9 * unit);
  }
  CHECK(fit({0, 1, 2, 3, 4, 0x1p35, 0x1p38, 0x1p41, 0x1p44}).line[0] < -1e9);  // four move it
}

TEST_CASE("equal values share their place, and the line through it") {
  // Sorted -8 -8 0 0 0 8 8: places .5, 3 and 5.5.
  const Clients y{8, 0, -8, 0, 8, -8, 0};
  const Fit found = fit(y);
  for (std::size_t i = 0; i < y.size(); ++i)
    for (std::size_t j = 0; j < y.size(); ++j)
      if (y[i] == y[j]) {
        CHECK(found.line[i] == found.line[j]);
        CHECK(found.confidence[i] == found.confidence[j]);
      }
  CHECK(found.line[1] == 0);
  CHECK(found.line[0] == -found.line[2]);
  const double slope = (found.line[0] - found.line[1]) / 2.5;
  std::vector<long double> slopes;
  const Values sorted{-8, -8, 0, 0, 0, 8, 8};
  for (std::size_t i = 0; i < 7; ++i) {
    std::vector<long double> through;
    for (std::size_t j = 0; j < 7; ++j)
      if (j != i)
        through.push_back((static_cast<long double>(sorted[j]) - sorted[i]) /
                          (static_cast<long double>(j) - static_cast<long double>(i)));
    slopes.push_back(median(through));
  }
  CHECK(std::abs(slope - static_cast<double>(median(slopes))) <= 4 * unit * slope);
}

TEST_CASE("a coordinate's bits depend on its own values: not on its lane, its column or its neighbours") {
  CAPTURE(seed);
  random::Stream stream(seed, 4);
  for (const std::size_t n : {2UL, 3UL, 7UL, 10UL}) {
    CAPTURE(n);
    std::vector<Clients> coordinates;
    for (std::size_t k = 0; k < lanes; ++k)
      coordinates.push_back(tests::normals(stream, n, std::ldexp(1.0, 300 * static_cast<int>(k % 4) - 450)));
    coordinates[3][1] *= 0x1p560;  // a lane that is rescaled
    const std::vector<Fit> together = fits(coordinates), later = fits(coordinates, 2, 504);
    const std::vector<Fit> few = fits({coordinates[5], coordinates[3]}, 2, 16);
    const auto same = [](const Fit& a, const Fit& b) {
      CHECK(bits(a.confidence) == bits(b.confidence));
      CHECK(bits(a.line) == bits(b.line));
      CHECK(bits(a.kept) == bits(b.kept));
      CHECK(bits(a.deviation) == bits(b.deviation));
    };
    for (std::size_t k = 0; k < lanes; ++k) {
      CAPTURE(k);
      const Fit alone = fit(coordinates[k]);
      same(together[k], alone);
      same(later[k], alone);
      CHECK(bits(alone.kept) == bits(coordinates[k]));
    }
    same(few[0], together[5]);
    same(few[1], together[3]);
  }
}

TEST_CASE("powers of two and signs change no bit of a confidence, and lines go with them") {
  CAPTURE(seed);
  random::Stream stream(seed, 5);
  for (int i = 0; i < 20; ++i) {
    CAPTURE(i);
    // Multiples of 2^-24, which are doubles even where their slopes are not; 7 2^1022 is none.
    Clients y = mapped(tests::normals(stream, 9), [](double v) { return std::round(v * 0x1p20) / 0x1p20; });
    if (i % 2 == 1)
      for (std::size_t k = 0; k < 9; ++k) y[k] = (k % 2 == 0 ? 1 : -1) * (3 + std::abs(y[k]) / 16);
    y[4] = 3.5;
    y[5] = -3.5;
    const Fit plain = fit(y);
    for (const int exponent : {-1040, -899, -500, 3, 900, 999, 1022}) {
      CAPTURE(exponent);
      const auto scale = [&](double value) { return std::ldexp(value, exponent); };
      const Fit scaled = fit(mapped(y, scale));
      CHECK(bits(scaled.confidence) == bits(plain.confidence));
      CHECK(bits(scaled.deviation) == bits(plain.deviation));
      if (exponent > -900) CHECK(bits(scaled.line) == bits(mapped(plain.line, scale)));
    }
    const Fit opposite = fit(mapped(y, [](double value) { return -value; }));
    CHECK(bits(opposite.confidence) == bits(plain.confidence));
    CHECK(bits(opposite.line) == bits(mapped(plain.line, [](double value) { return -value; })));
  }
}

TEST_CASE("corrected: below the threshold the line, from it on the client's own value") {
  const Clients y{0, 1, 2, 3.5, 4, 5, 6.25, 40};
  std::vector<Values> updates;
  for (const double value : y) updates.push_back({value});
  ResidualRegression regression(y.size(), 2);
  regression.read(std::vector<TensorView>(updates.begin(), updates.end()), 0, 1);
  REQUIRE(regression.fit(0));
  const double c = regression.confidence(7)[0];
  CHECK(c > 0);
  CHECK(c < 1);
  CHECK(regression.corrected(7, 0, c) == 40);
  CHECK(regression.corrected(7, 0, std::nextafter(c, 1)) == regression.corrected(7, 0, line_only));
  CHECK(regression.corrected(7, 0, line_only) < 10);
}

TEST_CASE("what is not finite is refused in its eight coordinates, and what lies past the end is zero") {
  constexpr double infinity = std::numeric_limits<double>::infinity();
  for (const double bad : {std::nan(""), infinity, -infinity}) {
    std::vector<Values> updates(4, Values(19, 1));
    updates[2][9] = bad;
    ResidualRegression regression(4, 2);
    const std::vector<TensorView> views(updates.begin(), updates.end());
    regression.read(views, 0, 19);
    CHECK(regression.fit(0));
    CHECK_FALSE(regression.fit(8));
    REQUIRE(regression.fit(16));
    for (std::size_t i = 0; i < 4; ++i)
      for (std::size_t k = 0; k < lanes; ++k)
        for (const double threshold : {0.0, line_only})
          CHECK(regression.corrected(i, k, threshold) == (k < 3 ? 1 : 0));
    regression.read(views, 10, 9);
    CHECK(regression.fit(0));
  }
}

TEST_CASE("entries are read from where it was said, to the panel's width") {
  CAPTURE(seed);
  random::Stream stream(seed, 6);
  constexpr std::size_t size = ResidualRegression::width + 100;
  std::vector<Values> updates;
  for (int i = 0; i < 3; ++i) updates.push_back(tests::normals(stream, size));
  for (std::size_t k = 37; k < 37 + lanes; ++k)
    updates[1][k] *= 0x1p1010;  // a scale that ends with its column
  const std::vector<TensorView> views(updates.begin(), updates.end());
  ResidualRegression regression(3, 2);
  regression.read(views, 37, ResidualRegression::width);
  for (std::size_t column = 0; column < ResidualRegression::width; column += lanes) {
    REQUIRE(regression.fit(column));
    for (std::size_t i = 0; i < 3; ++i)
      for (std::size_t k = 0; k < lanes; ++k)
        REQUIRE(regression.corrected(i, k, 0) == updates[i][37 + column + k]);
  }
}
