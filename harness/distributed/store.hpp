// Text in c10d's store, whose values are bytes.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace fedval::harness {

inline std::vector<std::uint8_t> bytes_of(const std::string& text) { return {text.begin(), text.end()}; }
inline std::string text_of(const std::vector<std::uint8_t>& bytes) { return {bytes.begin(), bytes.end()}; }

}  // namespace fedval::harness
