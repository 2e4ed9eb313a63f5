// Steps in place as records: the same on other layouts and with other threads, again without f, and beside
// the same step made out of place.
#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <string>

#include "fedval/archive.hpp"
#include "fedval/tensor/eigen.hpp"
#include "fedval/zeroth_order/in_place.hpp"
#include "fedval/zeroth_order/step.hpp"
#include "tests/support/complaint.hpp"
#include "tests/support/oracle.hpp"
#include "tests/support/threads.hpp"

using namespace fedval;
using namespace fedval::zeroth_order;
using tests::complaint_of;
using tests::Values;

namespace {

constexpr std::uint64_t seed = 3019;

template <class S>
std::vector<std::uint64_t> bits_of(const std::vector<S>& x) {
  std::vector<std::uint64_t> result(x.size(), 0);
  for (std::size_t i = 0; i < x.size(); ++i) std::memcpy(&result[i], &x[i], sizeof(S));
  return result;
}

std::vector<Directions> laws(std::size_t m) {
  return {gaussian(m), rademacher(m), sphere(m), l1_sphere(m), hadamard(m)};
}

std::vector<InPlaceOptions> modes() {
  std::vector<InPlaceOptions> result;
  for (const bool exact : {true, false})
    for (const Difference& difference : {forward, central, five_point, leave_one_out})
      for (const Directions& law : laws(3))
        for (const Combination combination : {Combination::plain, Combination::shrink})
          result.push_back({law, difference, combination, 1e-2, 1e-3, seed, exact});
  return result;
}

std::vector<float> parameters(random::Stream& stream, std::size_t size) {
  std::vector<float> x;
  for (std::size_t i = 0; i < size; ++i) x.push_back(static_cast<float>(stream.normal()));
  return x;
}

/// Values by the number of the call alone, so that runs on different layouts are asked the same.
struct ByCall {
  std::size_t calls = 0;
  double operator()() { return std::sin(static_cast<double>(++calls)); }
};

std::vector<SeedStep> run(InPlace descent, const MutableTensorView& x, int steps) {
  std::vector<SeedStep> records;
  ByCall f;
  for (int t = 0; t < steps; ++t) records.push_back(descent(f, x).record);
  return records;
}

/// The numbers of x, laid out as a list of blocks: a row-major and a column-major matrix within larger ones,
/// every third entry of a vector, an empty one and a plain one. What lies between is 77.
struct Scattered {
  Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor> rows;
  Eigen::MatrixXf columns;
  std::vector<float> sparse, plain, nothing;

  explicit Scattered(const std::vector<float>& x) : rows(14, 130), columns(70, 50) {
    rows.setConstant(77);
    columns.setConstant(77);
    sparse.assign(3 * 1000, 77);
    plain.assign(x.size() - 9 * 120 - 60 * 40 - 1000, 77);
    std::size_t i = 0;
    for_each([&](float& entry) { entry = x[i++]; });
    REQUIRE(i == x.size());
  }

  MutableTensorView view() {
    const std::vector<TensorView> parts{
        MutableTensorView(rows.block(2, 3, 9, 120)), MutableTensorView(columns.block(5, 6, 60, 40)),
        MutableTensorView(nothing),
        MutableTensorView(Eigen::Map<Eigen::VectorXf, 0, Eigen::InnerStride<3>>(sparse.data(), 1000)),
        MutableTensorView(plain)};
    return MutableTensorView(TensorView::concatenate(parts));
  }

  std::vector<float> values() {
    std::vector<float> result;
    for_each([&](float& entry) { result.push_back(entry); });
    return result;
  }

  /// Entries that belong to nobody and are 77 still.
  std::size_t untouched() const {
    const auto count = [](const auto& all) { return std::count(all.begin(), all.end(), 77.0F); };
    return static_cast<std::size_t>((rows.array() == 77).count() + (columns.array() == 77).count() +
                                    count(sparse));
  }

 private:
  template <class Visit>
  void for_each(Visit&& visit) {
    for (int r = 0; r < 9; ++r)
      for (int c = 0; c < 120; ++c) visit(rows(2 + r, 3 + c));
    for (int r = 0; r < 60; ++r)
      for (int c = 0; c < 40; ++c) visit(columns(5 + r, 6 + c));
    for (std::size_t i = 0; i < 1000; ++i) visit(sparse[3 * i]);
    for (float& entry : plain) visit(entry);
  }
};

}  // namespace

TEST_CASE("a list of scattered tensors is one flat vector, bit for bit") {
  CAPTURE(seed);
  random::Stream stream(seed);
  const std::vector<float> start = parameters(stream, 6000);
  for (const InPlaceOptions& options : modes()) {
    CAPTURE(options.directions.name);
    CAPTURE(options.difference.name);
    CAPTURE(options.exact_restore);
    std::vector<float> flat = start;
    const std::vector<SeedStep> records = run(InPlace(options), flat, 2);
    Scattered scattered(start);
    const std::size_t between = scattered.untouched();
    CHECK(run(InPlace(options), scattered.view(), 2) == records);
    CHECK(bits_of(scattered.values()) == bits_of(flat));
    CHECK(scattered.untouched() == between);
    Scattered again(start);
    InPlace(options).replay(records, again.view());
    CHECK(bits_of(again.values()) == bits_of(flat));
    CHECK(bits_of(flat) != bits_of(start));
  }
}

TEST_CASE("any number of threads, and a replay: the same bits") {
  CAPTURE(seed);
  random::Stream stream(seed, 1);
  const std::vector<float> start = parameters(stream, 300000);  // enough for four threads
  for (const bool exact : {true, false})
    for (const Directions& law : laws(2)) {
      CAPTURE(law.name);
      const InPlaceOptions options{law, central, Combination::plain, 1e-2, 1e-3, seed, exact};
      std::vector<float> alone = start, together = start, replayed = start, part = start;
      std::vector<SeedStep> records;
      {
        const tests::Threads one(1);
        records = run(InPlace(options), alone, 2);
      }
      const tests::Threads four(4);
      CHECK(run(InPlace(options), together, 2) == records);
      InPlace(options).replay(records, replayed);
      CHECK(bits_of(alone) == bits_of(together));
      CHECK(bits_of(alone) == bits_of(replayed));
      const InPlace other(options);
      other.replay(std::span(records).first(1), part);
      CHECK(bits_of(part) != bits_of(alone));
      other.replay(std::span(records).subspan(1), part);
      CHECK(bits_of(part) == bits_of(alone));
    }
}

TEST_CASE("the exact step is the estimator's and Sgd's: the same slopes, and x to a float's rounding") {
  // Both ask at the same bits where mu and the directions' factor are floats: here mu = 1/64, factor 1. A
  // coefficient is rounded to a float and a few times in double, the sums of x a few times in double.
  CAPTURE(seed);
  random::Stream stream(seed, 2);
  const std::size_t d = 300, m = 3;
  const Values start = tests::normals(stream, d);
  const auto f = [](const Values& at) {
    double sum = 0;
    for (std::size_t i = 0; i < at.size(); ++i) sum += std::sin(at[i] + static_cast<double>(i));
    return sum;
  };
  for (const Difference& difference : {forward, central, five_point, leave_one_out})
    for (const Directions& law : laws(m))
      for (const Combination combination : {Combination::plain, Combination::shrink}) {
        CAPTURE(law.name);
        CAPTURE(difference.name);
        const double mu = 1.0 / 64, rate = 1e-2;
        InPlace in_place({law, difference, combination, mu, rate, seed, true});
        Estimator estimator({law, difference, combination, mu, seed});
        Sgd sgd({.rate = rate});
        const bool same = law.name != "sphere" && law.name != "l1 sphere";
        Values x = start, out = start;
        for (int t = 0; t < 3; ++t) {
          const InPlaceStep step = in_place([&] { return f(x); }, x);
          const auto estimate = estimator(f, out);
          CHECK(step.queries == estimate.queries);
          CHECK(step.value.has_value() == estimate.value.has_value());
          CHECK(step.record.step == static_cast<std::uint64_t>(t));
          // Elsewhere a point's displacement is off by 2^-24 of itself, f by at most sum |offset mu u_e| of
          // that (|f'| <= 1) and by its rounding: d + 2 additions of at most d in all.
          double slope_error = 0;
          if (!same) {
            const Draw draw = law.draw(d, {seed, static_cast<std::uint64_t>(t)});
            for (const Direction& probe : draw.probes) {
              Values u(d);
              read(probe, 0, u);
              double moved = 0, weights = 0, rounding = 0;
              for (const double entry : u) moved += std::abs(entry);
              for (const Node& node : difference.nodes) {
                weights += std::abs(node.weight * node.offset);
                rounding += std::abs(node.weight) * 2 * tests::sum_bound(d + 2) * static_cast<double>(d) / mu;
              }
              slope_error = std::max(slope_error, 2 * (weights * moved * 0x1p-24 + rounding));
            }
          }
          Values bound(d, 8 * 0x1p-53 * 5);
          const double scale = law.draw(d, {seed, static_cast<std::uint64_t>(t)}).scale;
          for (std::size_t i = 0; i < m; ++i) {
            if (same) CHECK(step.slopes[i] == estimate.slopes[i]);
            CHECK(std::abs(step.slopes[i] - estimate.slopes[i]) <= slope_error);
            Values v(d);
            read(law.draw(d, {seed, static_cast<std::uint64_t>(t)}).weighed()[i], 0, v);
            const double shrunk = combination == Combination::shrink
                                      ? static_cast<double>(m) / static_cast<double>(m + d - 1)
                                      : 1;
            for (std::size_t e = 0; e < d; ++e)
              bound[e] += rate * scale / static_cast<double>(m) * shrunk * std::abs(v[e]) *
                          (std::abs(estimate.slopes[i]) * (0x1p-24 + 16 * 0x1p-53) + slope_error);
          }
          sgd.apply(out, estimate.gradient);
          double worst = 0;
          for (std::size_t e = 0; e < d; ++e) worst = std::max(worst, std::abs(x[e] - out[e]) / bound[e]);
          CHECK(worst <= 1);
          out = x;  // so that errors do not add up
        }
      }
}

TEST_CASE("one sample a step, another at the next, and none of the estimator's business") {
  std::vector<float> x{1, 2, 3};
  InPlace descent({.directions = gaussian(3), .difference = five_point, .seed = seed});
  std::vector<std::uint64_t> seen;
  for (int t = 0; t < 3; ++t) descent([&](Sample s) { return seen.push_back(s.number), 1.0; }, x);
  REQUIRE(seen.size() == 36);
  for (std::size_t i = 0; i < 36; ++i) CHECK(seen[i] == seen[i / 12 * 12]);
  CHECK(seen[0] != seen[12]);
  CHECK(seen[12] != seen[24]);
}

TEST_CASE("saved and restored between steps: the same bits as without a stop; a failed step is taken again") {
  random::Stream stream(seed, 3);
  const std::vector<float> start = parameters(stream, 500);
  for (const bool exact : {true, false}) {
    const InPlaceOptions options{sphere(2), forward, Combination::plain, 1e-2, 1e-3, seed, exact};
    std::vector<float> x = start, y = start;
    ByCall f, g;
    InPlace descent(options), first(options), second(options);
    for (int t = 0; t < 4; ++t) descent(f, x);
    for (int t = 0; t < 2; ++t) first(g, y);
    if (exact) CHECK_THROWS_AS(first([]() -> double { return 1 / 0.0; }, y), Error);
    CHECK(first.step() == 2);
    restore(save(first), second);
    for (int t = 0; t < 2; ++t) second(g, y);
    CHECK(second.step() == 4);
    CHECK(bits_of(x) == bits_of(y));
    InPlace other({.directions = sphere(2), .seed = 1}), more({.directions = sphere(3), .seed = seed});
    CHECK(complaint_of([&] { restore(save(first), other); }) ==
          "state of ZerothOrderInPlace: saved with another seed");
    CHECK(complaint_of([&] { restore(save(first), more); }) ==
          "state of ZerothOrderInPlace: saved with another directions");
  }
}

TEST_CASE("the rate may change between steps") {
  random::Stream stream(seed, 4);
  std::vector<float> x = parameters(stream, 20), y = x;
  InPlace slow({.rate = 1e-3, .seed = seed}), fast({.rate = 1, .seed = seed});
  fast.set_rate(1e-3);
  CHECK(fast.options().rate == 1e-3);
  ByCall f, g;
  CHECK(slow(f, x).record == fast(g, y).record);
  CHECK(bits_of(x) == bits_of(y));
}

TEST_CASE("what in place does not do, and options that make no sense, are refused; x stays") {
  std::vector<float> x{1, 2, 3};
  const std::vector<float> start = x;
  const auto one = [] { return 1.0; };
  const std::vector<TensorView> guides{x};
  for (const Directions& law : {coordinates(1), orthogonal(1), guided(1, guides)})
    CHECK(complaint_of([&] { InPlace({.directions = law})(one, x); }) ==
          "zeroth_order: " + law.name +
              " directions need memory; in place take gaussian, sphere, rademacher, l1_sphere or hadamard");
  const auto complaint = [](const InPlaceOptions& options) {
    return complaint_of([&] { InPlace{options}; });
  };
  CHECK(complaint({.difference = residual}) == "zeroth_order: no residual differences in place");
  CHECK(complaint({.combination = Combination::least_squares}) == "zeroth_order: no least squares in place");
  CHECK(complaint({.difference = leave_one_out}) ==
        "zeroth_order: leave-one-out needs at least 2 directions");
  CHECK(complaint({.smoothing = 0}) == "zeroth_order: a smoothing radius of 0 is not positive");
  CHECK(complaint({.smoothing = std::nan("")}) == "zeroth_order: a smoothing radius of nan is not positive");
  CHECK(complaint({.rate = -1}) == "zeroth_order: a rate of -1 is not positive");
  CHECK(complaint_of([] { InPlace().set_rate(0); }) == "zeroth_order: a rate of 0 is not positive");
  std::vector<float> empty;
  CHECK(complaint_of([&] { InPlace()(one, empty); }) == "zeroth_order: x has no entries");
  // 1 / rate with slopes near 1 is beyond any float: found before anything moves for good.
  InPlace huge({.difference = forward, .smoothing = 0.5, .rate = 1e300, .exact_restore = true});
  ByCall f;
  CHECK(complaint_of([&] { huge(f, x); }).starts_with("zeroth_order: direction 0: a coefficient of "));
  CHECK(bits_of(x) == bits_of(start));
  const std::vector<SeedStep> records{{7, {1, 2}}};
  CHECK(complaint_of([&] { InPlace().replay(records, x); }) ==
        "zeroth_order: step 7 has 2 coefficients for 1 directions");
  CHECK(bits_of(x) == bits_of(start));
}

TEST_CASE("a record that cannot be replayed is named, and x stays, whatever came before it") {
  std::vector<float> x{1, 2, 3};
  const std::vector<float> start = x;
  const InPlace descent({.directions = gaussian(2), .seed = seed});
  const auto complaint = [&](const std::vector<float>& last) {
    const std::vector<SeedStep> records{{0, {0.5F, 0.5F}}, {1, last}};
    return complaint_of([&] { descent.replay(records, x); });
  };
  const float infinity = std::numeric_limits<float>::infinity();
  CHECK(complaint({1}) == "zeroth_order: step 1 has 1 coefficients for 2 directions");
  CHECK(complaint({1, std::nanf("")}) == "zeroth_order: step 1, direction 1: a coefficient of nan");
  CHECK(complaint({-infinity, 1}) == "zeroth_order: step 1, direction 0: a coefficient of -inf");
  CHECK(bits_of(x) == bits_of(start));
  CHECK(complaint({1, 1}) == "no error");
  CHECK(bits_of(x) != bits_of(start));
}
