// Text encodings: every code point and every pair of bytes, cut and random sequences, and all of
// Windows-1252.
#include "harness/data/utf8.hpp"

#include <doctest/doctest.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "fedval/error.hpp"
#include "fedval/random/philox.hpp"

namespace fedval::harness {
namespace {

constexpr auto npos = std::string::npos;

// The bits of a code point in a sequence of `size` bytes, however long it ought to be.
std::string sequence(std::uint32_t code, std::size_t size) {
  if (size == 1) return {static_cast<char>(code)};
  std::string text;
  for (std::size_t i = 0; i < size; ++i, code >>= 6)
    text.insert(text.begin(),
                static_cast<char>(i + 1 < size ? 0x80 | (code & 0x3F) : (0xF00U >> size & 0xFF) | code));
  return text;
}

std::size_t right_size(std::uint32_t code) {
  return code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
}

bool is_character(std::uint32_t code) { return code <= 0x10FFFF && (code < 0xD800 || code > 0xDFFF); }

TEST_CASE("utf-8: each code point is good in its own length alone, and surrogates never") {
  CHECK(sequence(0xE9, 2) == "\xC3\xA9");  // the test's own encoder, by known values
  CHECK(sequence(0x20AC, 3) == "\xE2\x82\xAC");
  CHECK(sequence(0x1F600, 4) == "\xF0\x9F\x98\x80");
  std::size_t wrong = 0;
  for (std::uint32_t code = 0; code < 0x200000; ++code)
    for (std::size_t size = right_size(code); size <= 4; ++size) {
      const bool good = find_bad_utf8(sequence(code, size)) == npos;
      wrong += good != (is_character(code) && size == right_size(code));
    }
  CHECK(wrong == 0);
}

TEST_CASE("utf-8: of all pairs of bytes the good ones are two letters or one character") {
  std::size_t good = 0;
  for (int a = 0; a < 256; ++a)
    for (int b = 0; b < 256; ++b) {
      const std::string text{static_cast<char>(a), static_cast<char>(b)};
      const bool one = a >= 0xC2 && a <= 0xDF && b >= 0x80 && b <= 0xBF;
      CHECK((find_bad_utf8(text) == npos) == ((a < 0x80 && b < 0x80) || one));
      good += find_bad_utf8(text) == npos;
    }
  CHECK(good == 128 * 128 + 30 * 64);
}

TEST_CASE("utf-8: the first bad sequence is found where it begins, also a cut one at the end") {
  CHECK(find_bad_utf8("") == npos);
  CHECK(find_bad_utf8("caf\xC3\xA9") == npos);
  CHECK(find_bad_utf8(std::string("a\0b", 3)) == npos);
  CHECK(find_bad_utf8("caf\xE9") == 3);
  CHECK(find_bad_utf8(std::string_view("\xC3\xA9", 1)) == 0);  // whatever lies behind the end
  CHECK(find_bad_utf8("\x80") == 0);
  CHECK(find_bad_utf8("\xFE") == 0);
  for (std::uint64_t seed = 1; seed <= 500; ++seed) {
    CAPTURE(seed);
    random::Stream draw(seed);
    std::string text;
    for (std::uint64_t i = draw.below(20); i > 0; --i) {
      std::uint32_t code = 0xD800;
      while (!is_character(code)) code = static_cast<std::uint32_t>(draw.below(0x80ULL << 2 * draw.below(8)));
      text += sequence(code, right_size(code));
    }
    CHECK(find_bad_utf8(text) == npos);
    std::uint32_t code = 0xD800;
    while (!is_character(code)) code = static_cast<std::uint32_t>(0x80 + draw.below(0x10FF80));
    const std::string last = sequence(code, right_size(code));
    for (std::size_t size = 1; size < last.size(); ++size) {
      CHECK(find_bad_utf8(text + last.substr(0, size)) == text.size());
      CHECK(find_bad_utf8(text + last.substr(0, size) + "a") == text.size());
      CHECK(find_bad_utf8(text + last.substr(0, size) + last) == text.size());
      CHECK(find_bad_utf8(text + last.substr(size)) == text.size());
    }
  }
}

TEST_CASE("windows-1252: every byte by Unicode's table, five are not defined") {
  const std::uint32_t table[32] = {0x20AC, 0,      0x201A, 0x0192, 0x201E, 0x2026, 0x2020, 0x2021,
                                   0x02C6, 0x2030, 0x0160, 0x2039, 0x0152, 0,      0x017D, 0,
                                   0,      0x2018, 0x2019, 0x201C, 0x201D, 0x2022, 0x2013, 0x2014,
                                   0x02DC, 0x2122, 0x0161, 0x203A, 0x0153, 0,      0x017E, 0x0178};
  std::size_t undefined = 0;
  for (std::uint32_t byte = 0; byte < 256; ++byte) {
    CAPTURE(byte);
    const std::string text{static_cast<char>(byte)};
    const std::uint32_t code = byte >= 0x80 && byte < 0xA0 ? table[byte - 0x80] : byte;
    if (code == 0 && byte != 0) {
      ++undefined;
      CHECK(find_bad_windows_1252("ab" + text) == 2);
      CHECK_THROWS_AS(windows_1252_to_utf8(text), Error);
    } else {
      CHECK(find_bad_windows_1252(text) == npos);
      CHECK(windows_1252_to_utf8(text) == sequence(code, right_size(code)));
    }
  }
  CHECK(undefined == 5);
  CHECK(windows_1252_to_utf8("fianc\xE9 \x97 \x80 5") == "fianc\xC3\xA9 \xE2\x80\x94 \xE2\x82\xAC 5");
}

}  // namespace
}  // namespace fedval::harness
