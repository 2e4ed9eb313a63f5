#include "harness/show/markup.hpp"

#include <array>
#include <cstddef>
#include <cstdint>

namespace fedval::harness {
namespace {

constexpr std::string_view replacement = "\xEF\xBF\xBD";  // U+FFFD

bool continues_character(char byte) { return (static_cast<unsigned char>(byte) & 0xC0U) == 0x80U; }

// Bytes of the well-formed character that the text begins with (Unicode standard, table 3-7); 0 if there is
// none.
std::size_t character(std::string_view text) {
  const auto first = static_cast<unsigned char>(text[0]);
  if (first < 0x80) return 1;
  const std::size_t length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC2 || first > 0xF4 || text.size() < length) return 0;
  std::uint32_t code = first & (0xFFU >> (length + 1));
  for (std::size_t i = 1; i < length; ++i) {
    if (!continues_character(text[i])) return 0;
    code = code << 6 | (static_cast<unsigned char>(text[i]) & 0x3FU);
  }
  constexpr std::array<std::uint32_t, 5> least{0, 0, 0x80, 0x800, 0x10000};
  const bool surrogate = code >= 0xD800 && code <= 0xDFFF;
  return code < least[length] || code > 0x10FFFF || surrogate ? 0 : length;
}

bool is_control(std::string_view character) {
  const auto first = static_cast<unsigned char>(character[0]);
  if (character.size() == 1) return first < 0x20 || first == 0x7F;
  return first == 0xC2 && static_cast<unsigned char>(character[1]) < 0xA0;
}

}  // namespace

std::string plain(std::string_view text) {
  std::string result;
  while (!text.empty()) {
    const std::size_t length = character(text);
    const bool good = length > 0 && !is_control(text.substr(0, length));
    result += good ? text.substr(0, length) : replacement;
    text.remove_prefix(length > 0 ? length : 1);
  }
  return result;
}

std::string escaped(std::string_view text) {
  std::string result;
  for (const char byte : plain(text)) switch (byte) {
      case '<':
        result += "&lt;";
        break;
      case '>':
        result += "&gt;";
        break;
      case '&':
        result += "&amp;";
        break;
      case '"':
        result += "&quot;";
        break;
      case '\'':
        result += "&#39;";
        break;
      default:
        result += byte;
    }
  return result;
}

std::string escaped_lines(std::string_view text) {
  std::string result;
  for (std::size_t end = 0; (end = text.find('\n')) != std::string_view::npos; text.remove_prefix(end + 1))
    result += escaped(text.substr(0, end)) + "\n";
  return result + escaped(text);
}

std::string shortened(std::string_view text, std::size_t characters) {
  std::size_t count = 0;
  for (std::size_t i = 0; i < text.size(); ++i)
    if (!continues_character(text[i]) && count++ == characters) return std::string(text.substr(0, i)) + "...";
  return std::string(text);
}

std::string element(std::string_view opening, std::string_view content) {
  const std::string_view name = opening.substr(0, opening.find(' '));
  std::string result = "<";
  result.append(opening).append(">").append(content).append("</").append(name).append(">");
  return result;
}

std::string HtmlTable::markup(const std::string& caption) const {
  std::string head;
  for (const std::string& cell : header_) head += element("th scope='col'", cell);
  std::string body;
  for (const std::vector<std::string>& row : rows_) {
    std::string cells = element("th scope='row'", row.front());
    for (std::size_t i = 1; i < row.size(); ++i) cells += element("td", row[i]);
    body += element("tr", cells) + "\n";
  }
  const std::string table =
      element(numbers_ ? "table class='numbers'" : "table", element("caption", caption) + "\n" +
                                                                element("thead", element("tr", head)) + "\n" +
                                                                element("tbody", "\n" + body));
  return element("div class='wide'", table) + "\n";
}

}  // namespace fedval::harness
