#include "harness/data/utf8.hpp"

#include <array>
#include <cstdint>

#include "fedval/error.hpp"

namespace fedval::harness {
namespace {

// Code points of the bytes 80 to 9F; the others are their own. 0 = not defined.
constexpr std::array<std::uint16_t, 32> windows_1252 = {
    0x20AC, 0,      0x201A, 0x0192, 0x201E, 0x2026, 0x2020, 0x2021, 0x02C6, 0x2030, 0x0160,
    0x2039, 0x0152, 0,      0x017D, 0,      0,      0x2018, 0x2019, 0x201C, 0x201D, 0x2022,
    0x2013, 0x2014, 0x02DC, 0x2122, 0x0161, 0x203A, 0x0153, 0,      0x017E, 0x0178};

std::uint16_t code_point(char c) {
  const auto byte = static_cast<std::uint8_t>(c);
  return byte >= 0x80 && byte < 0xA0 ? windows_1252[byte - 0x80] : byte;
}

void append(std::string& text, std::uint16_t code) {
  const auto tail = [&](int shift) { text += static_cast<char>(0x80 | (code >> shift & 0x3F)); };
  if (code < 0x80) {
    text += static_cast<char>(code);
  } else if (code < 0x800) {
    text += static_cast<char>(0xC0 | code >> 6);
    tail(0);
  } else {
    text += static_cast<char>(0xE0 | code >> 12);
    tail(6);
    tail(0);
  }
}

std::size_t following(std::uint8_t first) {
  if (first >= 0xC2 && first <= 0xDF) return 1;
  if (first >= 0xE0 && first <= 0xEF) return 2;
  if (first >= 0xF0 && first <= 0xF4) return 3;
  return 0;
}

}  // namespace

std::size_t find_bad_utf8(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(text[i]); };
  for (std::size_t begin = 0; begin < text.size();) {
    const std::uint8_t first = byte(begin);
    const std::size_t more = following(first);
    if ((first >= 0x80 && more == 0) || more >= text.size() - begin) return begin;
    // After some first bytes the second one has a narrower range: overlong forms, surrogates, the end.
    std::uint8_t low = first == 0xE0 ? 0xA0 : first == 0xF0 ? 0x90 : 0x80;
    std::uint8_t high = first == 0xED ? 0x9F : first == 0xF4 ? 0x8F : 0xBF;
    for (std::size_t i = begin + 1; i <= begin + more; ++i) {
      if (byte(i) < low || byte(i) > high) return begin;
      low = 0x80;
      high = 0xBF;
    }
    begin += more + 1;
  }
  return std::string_view::npos;
}

std::size_t find_bad_windows_1252(std::string_view text) {
  for (std::size_t i = 0; i < text.size(); ++i)
    if (text[i] != '\0' && code_point(text[i]) == 0) return i;
  return std::string_view::npos;
}

std::string windows_1252_to_utf8(std::string_view text) {
  if (const std::size_t bad = find_bad_windows_1252(text); bad != std::string_view::npos)
    fail("Windows-1252: byte ", bad, " is not defined");
  std::string utf8;
  for (const char c : text) append(utf8, code_point(c));
  return utf8;
}

}  // namespace fedval::harness
