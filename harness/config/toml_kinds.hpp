// What a member of each type is in a file.
#pragma once

#include <concepts>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "harness/config/toml.hpp"
#include "harness/config/wording.hpp"

namespace fedval::harness {

/// "a string ("x")", "an array": what a node is, for a message.
inline std::string described(const toml::node& node) {
  if (const auto* text = node.as_string()) return "a string (" + in_quotes(text->get()) + ")";
  if (const auto* integer = node.as_integer()) return "an integer (" + std::to_string(integer->get()) + ")";
  if (const auto* real = node.as_floating_point()) return "a float (" + toml_float(real->get()) + ")";
  if (const auto* boolean = node.as_boolean())
    return boolean->get() ? "a boolean (true)" : "a boolean (false)";
  if (node.is_array()) return "an array";
  if (node.is_table()) return "a table";
  return "a date or time";
}

/// The name of a member's type in a file, and the value of a node if it is one.
template <class Member>
struct Kind;

template <>
struct Kind<std::string> {
  static constexpr std::string_view name = "a string", list = "an array of strings";
  static std::optional<std::string> value(const toml::node& node) { return node.value_exact<std::string>(); }
};

template <std::unsigned_integral Integer>
struct Kind<Integer> {
  static constexpr std::string_view name = "an integer", list = "an array of integers";
  static std::optional<std::int64_t> value(const toml::node& node) {
    return node.value_exact<std::int64_t>();
  }
};

template <>
struct Kind<double> {
  static constexpr std::string_view name = "a number";
  static std::optional<double> value(const toml::node& node) {
    if (const auto* integer = node.as_integer()) return static_cast<double>(integer->get());
    return node.value_exact<double>();
  }
};

}  // namespace fedval::harness
