// How reports say an amount, and what accuracy is called.
#pragma once

#include <string>
#include <string_view>

namespace fedval::harness {

/// "42 s", "3 min 20 s", "2 h 5 min".
std::string duration(double seconds);

/// What accuracy is called where `evaluation.accuracy` is "plain" or "balanced": "accuracy", "balanced
/// accuracy".
std::string accuracy_name(std::string_view kind);

}  // namespace fedval::harness
