#include "harness/report/wording.hpp"

#include <algorithm>
#include <cmath>

namespace fedval::harness {

std::string duration(double seconds) {
  const long whole = std::lround(std::clamp(seconds, -1e15, 1e15));  // that fits
  if (whole < 60) return std::to_string(whole) + " s";
  if (whole < 3600) return std::to_string(whole / 60) + " min " + std::to_string(whole % 60) + " s";
  return std::to_string(whole / 3600) + " h " + std::to_string(whole % 3600 / 60) + " min";
}

std::string accuracy_name(std::string_view kind) {
  return kind == "balanced" ? "balanced accuracy" : "accuracy";
}

}  // namespace fedval::harness
