// Text encodings: UTF-8 as it must be, and Windows-1252, in which older text files are.
//
// Source: The Unicode Standard, table 3-7, "Well-Formed UTF-8 Byte Sequences"; Unicode's mapping file CP1252.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace fedval::harness {

/// Where the first bytes begin that are not well-formed UTF-8 (overlong forms, surrogates, code points above
/// U+10FFFF and sequences that are cut are not), or npos when there are none. O(bytes).
std::size_t find_bad_utf8(std::string_view text);

/// Where the first byte is that Windows-1252 does not define (81, 8D, 8F, 90, 9D), or npos. O(bytes).
std::size_t find_bad_windows_1252(std::string_view text);

/// Windows-1252 as UTF-8. Throws Error when there is a byte that Windows-1252 does not define. O(bytes).
std::string windows_1252_to_utf8(std::string_view text);

}  // namespace fedval::harness
