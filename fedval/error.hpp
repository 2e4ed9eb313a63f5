// The one exception of fedval: misuse or bad input, with a message that names what is wrong and where,
// for example "client 3: update[17] is NaN".
#pragma once

#if __cplusplus < 202002L
#error "fedval needs C++20: compile with -std=c++20 or newer"
#endif
#ifndef __cpp_exceptions
#error "fedval reports misuse and bad input by throwing fedval::Error: compile without -fno-exceptions"
#endif

#include <sstream>
#include <stdexcept>
#include <string>

namespace fedval {

/// Thrown for misuse and bad input. Numerical outcomes are returned, never thrown.
class Error : public std::invalid_argument {
 public:
  using std::invalid_argument::invalid_argument;
};

/// Throws an Error whose message is the parts written one after the other.
template <class... Parts>
[[noreturn]] void fail(const Parts&... parts) {
  std::ostringstream message;
  (message << ... << parts);
  throw Error(message.str());
}

}  // namespace fedval
