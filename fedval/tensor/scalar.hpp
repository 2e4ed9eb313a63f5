// The scalar types fedval reads and writes: double, float, half (IEEE binary16) and bfloat16. Half and
// bfloat16 travel as bit patterns, so no compiler support is needed; every computation is done in double.
#pragma once

#include <bit>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <type_traits>

namespace fedval {

/// Type of a tensor's entries, known when the program runs.
enum class ScalarType : std::uint8_t {
  float64,  ///< double
  float32,  ///< float
  float16,  ///< Half
  bfloat16  ///< BFloat16
};

/// IEEE binary16 as its bits.
struct Half {
  std::uint16_t bits = 0;  ///< from the top: sign, 5 bits of exponent, 10 of mantissa

  /// Zero.
  Half() = default;
  /// Rounded once, to nearest even: infinite beyond the range, NaN where `value` is.
  explicit Half(double value);
  /// The same number, exactly.
  explicit operator double() const;
};

/// The upper half of an IEEE binary32, as its bits.
struct BFloat16 {
  std::uint16_t bits = 0;  ///< from the top: sign, 8 bits of exponent, 7 of mantissa

  /// Zero.
  BFloat16() = default;
  /// Rounded once, to nearest even: infinite beyond the range, NaN where `value` is.
  explicit BFloat16(double value);
  /// The same number, exactly.
  explicit operator double() const;
};

/// A scalar that fedval computes with.
template <class S>
concept FloatingScalar =
    std::same_as<S, double> || std::same_as<S, float> || std::same_as<S, Half> || std::same_as<S, BFloat16>;

/// What a C++ type is as a ScalarType.
template <FloatingScalar S>
inline constexpr ScalarType scalar_type_of = std::same_as<S, double>  ? ScalarType::float64
                                             : std::same_as<S, float> ? ScalarType::float32
                                             : std::same_as<S, Half>  ? ScalarType::float16
                                                                      : ScalarType::bfloat16;

/// Calls body with a value of the C++ type that `type` stands for.
template <class Body>
decltype(auto) visit_scalar(ScalarType type, Body&& body) {
  switch (type) {
    case ScalarType::float64:
      return body(double{});
    case ScalarType::float32:
      return body(float{});
    case ScalarType::float16:
      return body(Half{});
    default:
      return body(BFloat16{});
  }
}

/// "float64", "float32", "float16" or "bfloat16".
inline std::string_view name(ScalarType type) {
  switch (type) {
    case ScalarType::float64:
      return "float64";
    case ScalarType::float32:
      return "float32";
    case ScalarType::float16:
      return "float16";
    default:
      return "bfloat16";
  }
}

namespace detail {

/// Rounds to the nearest multiple of 2^-drop in the last place, ties to even: what a narrower format keeps.
inline std::uint64_t round_bits(std::uint64_t bits, int drop) {
  const std::uint64_t half = std::uint64_t{1} << (drop - 1);
  const std::uint64_t odd = (bits >> drop) & 1;
  return (bits + half - 1 + odd) >> drop;
}

/// Rounds a double once to a format with `exponent` exponent bits and `mantissa` mantissa bits (16 in all).
inline std::uint16_t narrow(double value, int exponent, int mantissa) {
  const auto bits = std::bit_cast<std::uint64_t>(value);
  const auto sign = static_cast<std::uint16_t>((bits >> 63) << 15);
  const std::uint64_t magnitude = bits & 0x7fffffffffffffff;
  const int bias = (1 << (exponent - 1)) - 1;
  const auto infinity = static_cast<std::uint16_t>(((1 << exponent) - 1) << mantissa);
  if (magnitude > 0x7ff0000000000000)
    return static_cast<std::uint16_t>(sign | infinity | 1u << (mantissa - 1));
  const int power = static_cast<int>(magnitude >> 52) - 1023;
  if (power > bias) return static_cast<std::uint16_t>(sign | infinity);
  if (power < 1 - bias) {
    // Subnormal in the narrow format: one unit is 2^(1 - bias - mantissa), and the product below is exact.
    const double units = std::ldexp(std::bit_cast<double>(magnitude), bias - 1 + mantissa);
    return static_cast<std::uint16_t>(sign | static_cast<std::uint16_t>(std::nearbyint(units)));
  }
  const std::uint64_t rebased = magnitude - (static_cast<std::uint64_t>(1023 - bias) << 52);
  return static_cast<std::uint16_t>(sign | static_cast<std::uint16_t>(round_bits(rebased, 52 - mantissa)));
}

}  // namespace detail

inline Half::Half(double value) : bits(detail::narrow(value, 5, 10)) {}

inline Half::operator double() const {
  const std::uint32_t magnitude = bits & 0x7fffu;
  // Shifting the exponent and mantissa into a float's place leaves the exponent's bias 112 too small.
  float value = std::bit_cast<float>(magnitude << 13) * 0x1p112f;
  if (magnitude >= 0x7c00u) value = std::bit_cast<float>(0x7f800000u | (magnitude << 13));
  return (bits & 0x8000u) != 0 ? -static_cast<double>(value) : static_cast<double>(value);
}

inline BFloat16::BFloat16(double value) : bits(detail::narrow(value, 8, 7)) {}

inline BFloat16::operator double() const {
  return static_cast<double>(std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16));
}

}  // namespace fedval
