#include "harness/show/study_json.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>

namespace fedval::harness {
namespace {

constexpr std::size_t line_width = 110;

// The name of a folder need not be UTF-8; what is not becomes U+FFFD.
std::string text_of(const OrderedJson& value) {
  return value.dump(-1, ' ', false, OrderedJson::error_handler_t::replace);
}

void lay_out(std::string& text, const OrderedJson& value, std::size_t depth) {
  std::string whole = text_of(value);
  const bool list = value.is_array() && std::none_of(value.begin(), value.end(),
                                                     [](const auto& each) { return each.is_structured(); });
  if (!value.is_structured() || list || 2 * depth + whole.size() <= line_width) {
    text += whole;
    return;
  }
  text += value.is_object() ? "{" : "[";
  bool first = true;
  for (const auto& [key, member] : value.items()) {
    text += (first ? "\n" : ",\n") + std::string(2 * depth + 2, ' ');
    if (value.is_object()) text += text_of(key) + ": ";
    lay_out(text, member, depth + 1);
    first = false;
  }
  text += "\n" + std::string(2 * depth, ' ') + (value.is_object() ? "}" : "]");
}

}  // namespace

double rounded(double value) {
  std::array<char, 32> text;
  const auto end =
      std::to_chars(text.data(), text.data() + text.size(), value, std::chars_format::scientific, 4).ptr;
  double result = value;
  std::from_chars(text.data(), end, result);
  return result;
}

OrderedJson rounded(const std::optional<double>& value) {
  return value ? OrderedJson(rounded(*value)) : OrderedJson(nullptr);
}

OrderedJson rounded(std::span<const std::optional<double>> values) {
  OrderedJson list = OrderedJson::array();
  for (const auto& value : values) list.push_back(rounded(value));
  return list;
}

std::string laid_out(const OrderedJson& value) {
  std::string text;
  lay_out(text, value, 0);
  return text + "\n";
}

}  // namespace fedval::harness
