// Experiment files before anyone asks what their keys mean: parsed, with overrides, in one of their sizes.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>

#include "harness/config/settings.hpp"
#include "harness/config/toml.hpp"

namespace fedval::harness {

/// Error with the line and column of what is no TOML.
toml::table parse_toml(std::string_view text, const std::string& source);

/// A value that is no TOML is a text: nobody wants to quote quotes for a shell.
toml::table parse_toml(const Override& change);

/// Puts keys in place of those that are there, inside tables one by one. By move: a copy forgets its lines.
void merge(toml::table& document, toml::table&& changes);

/// The tables whose keys stand in place of those outside, when that size is chosen.
inline constexpr std::array<std::string_view, 2> sizes{"small", "full"};

/// Takes the size out of a document, if it has one. Error when it is none.
std::optional<std::string> take_size(toml::table& document, const std::string& source = {});

/// The document in one of its sizes, without the tables of sizes; "" is what stands outside them.
toml::table in_size(toml::table document, const std::string& size, const std::string& source);

}  // namespace fedval::harness
