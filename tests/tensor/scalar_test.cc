#include "fedval/tensor/scalar.hpp"

#include <doctest/doctest.h>

#include <Eigen/Core>
#include <algorithm>
#include <limits>
#include <vector>

#include "fedval/random/philox.hpp"

namespace {

using fedval::BFloat16;
using fedval::Half;

template <class S>
struct Other;  // the same format in Eigen
template <>
struct Other<Half> {
  using type = Eigen::half;
};
template <>
struct Other<BFloat16> {
  using type = Eigen::bfloat16;
};

template <class S>
S from_bits(std::uint16_t bits) {
  S value;
  value.bits = bits;
  return value;
}

/// The value of a bit pattern, from Eigen.
template <class S>
double oracle(std::uint16_t bits) {
  return static_cast<double>(static_cast<float>(Eigen::numext::bit_cast<typename Other<S>::type>(bits)));
}

/// Nearest value of the format, ties to even, by looking at both neighbours. The patterns of the positive
/// values ascend with them, infinity last; in its place stands the next power of two, as IEEE 754 has it.
template <class S>
class NearestEven {
 public:
  NearestEven() {
    for (std::uint16_t bits = 0; std::isfinite(oracle<S>(bits)); ++bits) values_.push_back(oracle<S>(bits));
    const double last = values_.back(), step = last - values_[values_.size() - 2];
    values_.push_back(last + step);
  }

  std::uint16_t operator()(double value) const {
    const auto sign = static_cast<std::uint16_t>(std::signbit(value) ? 0x8000 : 0);
    const long double magnitude = std::abs(value);
    const auto above = static_cast<std::size_t>(
        std::upper_bound(values_.begin(), values_.end(), std::abs(value)) - values_.begin());
    std::size_t nearest = above - 1;
    if (above < values_.size()) {
      const long double down = magnitude - values_[above - 1], up = values_[above] - magnitude;
      if (up < down || (up == down && above % 2 == 0)) nearest = above;
    }
    return static_cast<std::uint16_t>(sign | nearest);
  }

  const std::vector<double>& values() const { return values_; }

 private:
  std::vector<double> values_;
};

}  // namespace

TEST_CASE_TEMPLATE("every 16-bit pattern has the value that Eigen gives it, and narrows to itself", S, Half,
                   BFloat16) {
  int wrong = 0, changed = 0;
  for (std::uint32_t pattern = 0; pattern < 65536; ++pattern) {
    const auto bits = static_cast<std::uint16_t>(pattern);
    const double expected = oracle<S>(bits), found = static_cast<double>(from_bits<S>(bits));
    if (std::isnan(expected)) {
      wrong += !std::isnan(found);
      changed += !std::isnan(oracle<S>(S(found).bits));
    } else {
      wrong += found != expected || std::signbit(found) != std::signbit(expected);
      changed += S(found).bits != bits;
    }
  }
  CHECK(wrong == 0);
  CHECK(changed == 0);
}

TEST_CASE_TEMPLATE("a double is rounded once, to nearest even", S, Half, BFloat16) {
  const NearestEven<S> nearest;
  int wrong = 0;
  double example = 0;
  const auto check = [&](double value) {
    for (const double v : {value, -value})
      if (S(v).bits != nearest(v)) {
        ++wrong;
        example = v;
      }
  };
  const double infinity = std::numeric_limits<double>::infinity();
  // Every value, every halfway point, and the doubles next to each.
  for (std::size_t i = 0; i + 1 < nearest.values().size(); ++i) {
    const double value = nearest.values()[i], middle = value + (nearest.values()[i + 1] - value) / 2;
    for (const double v : {value, middle}) {
      check(v);
      check(std::nextafter(v, infinity));
      if (v > 0) check(std::nextafter(v, 0.0));
    }
  }
  constexpr std::uint64_t seed = 9;
  CAPTURE(seed);
  fedval::random::Stream stream(seed);
  for (int i = 0; i < 200000; ++i) {
    const auto any = std::bit_cast<double>(stream());  // any exponent
    if (!std::isnan(any)) check(any);
    check(std::ldexp(1 + stream.uniform(), static_cast<int>(stream.below(300)) - 150));
    check(std::ldexp(1 + stream.uniform(), static_cast<int>(stream.below(44)) - 27));
  }
  for (const double v : {0.0, 5e-324, std::numeric_limits<double>::max(), infinity}) check(v);
  CAPTURE(example);
  CHECK(wrong == 0);
}

TEST_CASE_TEMPLATE("NaN stays NaN", S, Half, BFloat16) {
  // A payload in the low bits only must not turn into infinity.
  for (const std::uint64_t pattern : {0x7ff8000000000000u, 0x7ff0000000000001u, 0xfff0000000000001u}) {
    CHECK(std::isnan(static_cast<double>(S(std::bit_cast<double>(pattern)))));
  }
}

TEST_CASE("rounding through float would be wrong: twice is not once") {
  // 1 + 2^-11 + 2^-30 is just above the middle of two halves; as a float it is the middle.
  CHECK(Half(1 + 0x1p-11 + 0x1p-30).bits == 0x3c01);
  CHECK(BFloat16(1 + 0x1p-8 + 0x1p-30).bits == 0x3f81);
}

TEST_CASE("types have names and are told apart when the program runs") {
  using fedval::ScalarType;
  CHECK(fedval::name(ScalarType::float64) == "float64");
  CHECK(fedval::name(ScalarType::float32) == "float32");
  CHECK(fedval::name(ScalarType::float16) == "float16");
  CHECK(fedval::name(ScalarType::bfloat16) == "bfloat16");
  for (const auto type :
       {ScalarType::float64, ScalarType::float32, ScalarType::float16, ScalarType::bfloat16})
    CHECK(fedval::visit_scalar(type, []<class S>(S) { return fedval::scalar_type_of<S>; }) == type);
}
