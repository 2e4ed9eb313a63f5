// How reports say an amount.
#pragma once

#include <string>

namespace fedval::harness {

/// "42 s", "3 min 20 s", "2 h 5 min".
std::string duration(double seconds);

}  // namespace fedval::harness
