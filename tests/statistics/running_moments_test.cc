#include "fedval/statistics/running_moments.hpp"

#include <doctest/doctest.h>

#include <limits>

#include "fedval/archive.hpp"
#include "tests/support/complaint.hpp"
#include "tests/support/oracle.hpp"

using namespace fedval;
using fedval::statistics::RunningMoments;
using tests::Values;

namespace {

constexpr std::uint64_t seed = 503;

RunningMoments of(const Values& draws) {
  RunningMoments moments;
  for (const double x : draws) moments.add(x);
  return moments;
}

/// Mean and unbiased variance in two passes, in long double.
std::pair<double, double> naive(const Values& draws) {
  long double sum = 0, squares = 0;
  for (const double x : draws) sum += x;
  const long double mean = sum / draws.size();
  for (const double x : draws) squares += (x - mean) * (x - mean);
  return {static_cast<double>(mean), static_cast<double>(squares / (draws.size() - 1))};
}

/// Something with a name, so that it can be saved.
struct Box {
  static constexpr std::string_view name = "box";
  RunningMoments moments;
  void fields(auto& archive) { archive.state("moments", moments); }
};

}  // namespace

TEST_CASE("of nothing and of one draw nothing is known about the spread") {
  CHECK(RunningMoments().count() == 0);
  CHECK(RunningMoments().mean() == 0);
  CHECK(std::isinf(RunningMoments().variance()));
  CHECK(of({7}).count() == 1);
  CHECK(of({7}).mean() == 7);
  CHECK(std::isinf(of({7}).variance()));
}

TEST_CASE("by hand") {
  CHECK(of({2, 4}).variance() == 2);
  CHECK(of({2, 4, 4, 4, 5, 5, 7, 9}).mean() == 5);
  CHECK(of({2, 4, 4, 4, 5, 5, 7, 9}).variance() == doctest::Approx(32.0 / 7).epsilon(1e-15));
  CHECK(of({3, 3, 3, 3}).variance() == 0);
}

TEST_CASE("as two passes in long double say, far from zero too") {
  CAPTURE(seed);
  random::Stream stream(seed);
  for (const double offset : {0.0, 1.0, -1e6, 1e9})
    for (const std::size_t count : {2UL, 3UL, 10UL, 1000UL}) {
      CAPTURE(offset);
      CAPTURE(count);
      Values draws = tests::normals(stream, count);
      for (double& x : draws) x = offset + std::exp(x);
      const auto [mean, variance] = naive(draws);
      const RunningMoments moments = of(draws);
      CHECK(moments.count() == count);
      CHECK(moments.mean() == doctest::Approx(mean).epsilon(1e-14));
      // Welford's relative error is near n u times the condition |offset| / deviation.
      CHECK(moments.variance() == doctest::Approx(variance).epsilon(1e-13 * (1 + std::abs(offset)) + 1e-12));
    }
}

TEST_CASE("saved and restored, it goes on with the same bits") {
  CAPTURE(seed);
  random::Stream stream(seed, 1);
  const Values draws = tests::normals(stream, 40);
  Box box, whole;
  for (const double x : draws) {
    box.moments.add(x);
    whole.moments.add(x);
    Box next;
    restore(save(box), next);
    box = next;
  }
  CHECK(box.moments.count() == 40);
  CHECK(tests::bits(box.moments.mean()) == tests::bits(whole.moments.mean()));
  CHECK(tests::bits(box.moments.variance()) == tests::bits(whole.moments.variance()));
  std::string text = save(box);
  text.insert(text.find("squares ") + 8, "-");
  CHECK(tests::complaint_of([&] { restore(text, box); }) ==
        "state of box: squares: a negative sum of squares");
}

TEST_CASE("draws whose squares are beyond a double have a deviation, saved and restored, too") {
  for (const double scale : {1e160, 1e300, 1e-200, 1e-300}) {
    CAPTURE(scale);
    Box box;
    for (const double x : {1., -1., 3., 5.}) box.moments.add(scale * x);
    CHECK(box.moments.variance() == (scale > 1 ? std::numeric_limits<double>::infinity() : 0));
    CHECK(box.moments.deviation() == doctest::Approx(scale * std::sqrt(20.0 / 3)).epsilon(1e-15));
    CHECK(box.moments.standard_error() == doctest::Approx(scale * std::sqrt(5.0 / 3)).epsilon(1e-15));
    Box next;
    restore(save(box), next);
    CHECK(next.moments.count() == 4);
    CHECK(next.moments.mean() == box.moments.mean());
    CHECK(next.moments.deviation() == box.moments.deviation());
  }
}

TEST_CASE("the largest deviations decide, whatever came before") {
  const std::vector<Values> orders{
      {1e-250, -1e-250, 3e-250, 1, -1, 3, 1e250, -1e250, 3e250},
      {1e250, -1e250, 3e250, 1, -1, 3, 1e-250, -1e-250, 3e-250},
      {1, 1e-250, 1e250, -1e250, -1, 3e250, -1e-250, 3e-250, 3},
  };
  // Six zeros, 1, -1 and 3: the mean is 1/3, the sum of squares 11 - 9/9.
  for (const Values& draws : orders)
    CHECK(of(draws).deviation() == doctest::Approx(1e250 * std::sqrt(10.0 / 8)).epsilon(1e-14));
  CHECK(of({1e-250, 1, 1}).deviation() == doctest::Approx(std::sqrt(1.0 / 3)).epsilon(1e-14));
  // The first draw is no deviation yet.
  CHECK(of({1e250, 1e250, 1e250}).deviation() == 0);
  CHECK(of({0x1p-600, 0x1p-600 + 0x1p-640}).deviation() == doctest::Approx(0x1p-640 * std::sqrt(0.5)));
  // Ends of the range: the step itself is beyond a double.
  CHECK(of({1.5e308, -1.5e308, 1.5e308, -1.5e308}).standard_error() ==
        doctest::Approx(1.5e308 / std::sqrt(3.0)).epsilon(1e-14));
}
