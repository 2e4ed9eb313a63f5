#include "harness/config/wording.hpp"

#include <array>
#include <charconv>
#include <cstddef>
#include <cstdio>

namespace fedval::harness {
namespace {

constexpr std::size_t longest_shown = 60;

bool continues_character(char byte) { return (static_cast<unsigned char>(byte) & 0xC0U) == 0x80U; }

std::string escaped(char byte) {
  const auto code = static_cast<unsigned char>(byte);
  if (byte == '\n') return "\\n";
  if (byte == '"' || byte == '\\') return {'\\', byte};
  if (code >= 0x20 && code != 0x7F) return {byte};
  std::array<char, 7> text{};
  std::snprintf(text.data(), text.size(), "\\u%04X", static_cast<unsigned>(code));
  return text.data();
}

template <class Write>
std::string listed(const std::vector<std::string_view>& words, Write write) {
  std::string list;
  for (const std::string_view word : words) {
    if (!list.empty()) list += ", ";
    list += write(word);
  }
  return list;
}

}  // namespace

std::string in_quotes(std::string_view text) {
  std::size_t shown = text.size();
  if (shown > longest_shown) {
    shown = longest_shown;
    while (shown > 0 && continues_character(text[shown])) --shown;
  }
  std::string result = "\"";
  for (const char byte : text.substr(0, shown)) result += escaped(byte);
  if (shown < text.size()) result += "...";
  return result + '"';
}

std::string number(double value) {
  std::array<char, 32> digits{};
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
  return {digits.data(), end};
}

std::string toml_float(double value) {
  const std::string digits = number(value);
  return digits.find_first_of(".en") == std::string::npos ? digits + ".0" : digits;  // n: inf, nan
}

std::string joined(const std::vector<std::string_view>& words) {
  return listed(words, [](std::string_view word) { return std::string(word); });
}

std::string joined_quoted(const std::vector<std::string_view>& words) { return listed(words, in_quotes); }

}  // namespace fedval::harness
