// How messages and TOML texts write a value.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace fedval::harness {

/// The text in double quotes on one line, as in "twelve": control characters escaped, a long text cut.
std::string in_quotes(std::string_view text);

/// The shortest decimal that reads back as the same double: 0.15, 1e-300, inf.
std::string number(double value);

/// The same as a TOML float, which needs a point or an exponent: 1.0.
std::string toml_float(double value);

/// The words with ", " between them.
std::string joined(const std::vector<std::string_view>& words);

/// The words in quotes, with ", " between them.
std::string joined_quoted(const std::vector<std::string_view>& words);

}  // namespace fedval::harness
