// Homogeneity, bit for bit: inputs times powers of two, which lose no digit, make results times powers of
// two.
#pragma once

#include <doctest/doctest.h>

#include <cmath>
#include <cstddef>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "fedval/error.hpp"
#include "tests/support/oracle.hpp"

namespace fedval::tests {

/// Numbers that grow like a power of the scale: an input's entries, or a part of a result.
struct Graded {
  Values values;
  int degree = 0;
};

/// An algorithm by what it reads and what comes out of it.
struct Homogeneous {
  std::string name;
  std::vector<Graded> inputs;
  std::function<std::vector<Graded>(std::span<const Values>)> results;
  int most = 990;  ///< scales from 2^-most to 2^most
  /// How many of the smallest doubles a result may be off where inputs are subnormal, for each step that
  /// leads to it rounds to one; none: not for such inputs.
  std::optional<double> units = 0;
  bool refuses = true;  ///< what is beyond, or is right there; else its documentation says what it does
};

/// Numbers of either sign between 1/8 and 2, rounded to S: none of them is near the end of a range.
template <class S = double>
Values plain(random::Stream& stream, std::size_t count) {
  Values values(count);
  for (double& value : values) {
    const double size = std::ldexp(1 + stream.uniform(), -static_cast<int>(stream.below(4)));
    value = rounded<S>(stream.below(2) == 0 ? size : -size);
  }
  return values;
}

inline Values times(Values values, int power) {
  for (double& value : values) value = std::ldexp(value, power);
  return values;
}

inline Values magnitudes(Values values) {
  for (double& value : values) value = std::abs(value);
  return values;
}

/// The results at a power of two. One that leaves a double's range is the rounded one: infinite, subnormal or
/// zero.
inline void check_at(const Homogeneous& algorithm, const std::vector<Graded>& expected, int power,
                     double units) {
  CAPTURE(power);
  std::vector<Values> inputs;
  for (const Graded& input : algorithm.inputs) inputs.push_back(times(input.values, power * input.degree));
  const std::vector<Graded> found = algorithm.results(inputs);
  REQUIRE(found.size() == expected.size());
  for (std::size_t part = 0; part < found.size(); ++part) {
    CAPTURE(part);
    const Values& values = found[part].values;
    const Values right = times(expected[part].values, power * expected[part].degree);
    if (units == 0) {
      CHECK(bits(values) == bits(right));
      continue;
    }
    REQUIRE(values.size() == right.size());
    for (std::size_t k = 0; k < values.size(); ++k)
      CHECK(std::abs(values[k] - right[k]) <= units * 0x1p-1074);
  }
}

inline std::vector<Graded> results_of(const Homogeneous& algorithm) {
  std::vector<Values> inputs;
  for (const Graded& input : algorithm.inputs) inputs.push_back(input.values);
  const std::vector<Graded> results = algorithm.results(inputs);
  for (const Graded& part : results)
    for (const double value : part.values) REQUIRE(std::isfinite(value));
  return results;
}

inline void check_homogeneous(const Homogeneous& algorithm, random::Stream& stream) {
  CAPTURE(algorithm.name);
  const std::vector<Graded> expected = results_of(algorithm);
  const auto within = [&] {
    const auto most = static_cast<std::uint64_t>(algorithm.most);
    return static_cast<int>(stream.below(2 * most + 1)) - algorithm.most;
  };
  for (const int power : {-algorithm.most, within(), within(), algorithm.most})
    check_at(algorithm, expected, power, 0);
}

/// Beyond the scales at which its squares fit, an algorithm may refuse its inputs, or lose the last digits.
inline void check_beyond(const Homogeneous& algorithm) {
  if (!algorithm.refuses) return;
  CAPTURE(algorithm.name);
  const std::vector<Graded> expected = results_of(algorithm);
  int steepest = 1;
  for (const Graded& input : algorithm.inputs) steepest = std::max(steepest, std::abs(input.degree));
  for (int power = algorithm.most + 10; power <= 990 / steepest; power += 10)
    for (const int sign : {-1, 1}) try {
        CAPTURE(sign * power);
        std::vector<Values> inputs;
        for (const Graded& input : algorithm.inputs)
          inputs.push_back(times(input.values, sign * power * input.degree));
        const std::vector<Graded> found = algorithm.results(inputs);
        REQUIRE(found.size() == expected.size());
        for (std::size_t part = 0; part < found.size(); ++part) {
          CAPTURE(part);
          const Values right = times(expected[part].values, sign * power * expected[part].degree);
          REQUIRE(found[part].values.size() == right.size());
          double largest = 0;
          for (const double value : right) largest = std::max(largest, std::abs(value));
          for (std::size_t k = 0; k < right.size(); ++k)
            CHECK(std::abs(found[part].values[k] - right[k]) <= 1e-9 * largest);
        }
      } catch (const Error&) {  // doctest's own are others
      }
}

/// Each of them, at powers drawn anew.
inline void check_homogeneous(const std::vector<Homogeneous>& algorithms, random::Stream& stream) {
  for (const Homogeneous& algorithm : algorithms) check_homogeneous(algorithm, stream);
}

/// The same with inputs of a few digits, so few that subnormal numbers hold them; not where one of the others
/// would be beyond a double then.
inline void check_subnormal(Homogeneous algorithm) {
  if (algorithm.most != 990 || !algorithm.units) return;
  CAPTURE(algorithm.name);
  for (Graded& input : algorithm.inputs) {
    if (input.degree < 0) return;
    if (input.degree == 1)
      for (double& value : input.values) value = std::round(8 * value) / 8;
  }
  check_at(algorithm, results_of(algorithm), -1071, *algorithm.units);
}

}  // namespace fedval::tests
