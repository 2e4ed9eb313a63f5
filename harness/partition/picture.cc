#include "harness/partition/picture.hpp"

#include <algorithm>
#include <array>
#include <iomanip>
#include <numeric>

namespace fedval::harness {

void print_partition(std::ostream& out, const std::vector<std::vector<std::size_t>>& counts) {
  constexpr std::array<const char*, 5> shades{" ", "░", "▒", "▓", "█"};
  std::size_t largest = 1, classes = 0;  // 1: counts may all be 0
  for (const auto& row : counts) {
    classes = row.size();
    for (const std::size_t count : row) largest = std::max(largest, count);
  }
  const std::size_t wide = classes <= 20 ? 3 : 1;  // wide cells where they fit a terminal
  out << "agent  examples  classes 0 to " << classes - 1 << " (█ " << largest << " examples)\n";
  for (std::size_t k = 0; k < counts.size(); ++k) {
    out << std::setw(5) << k + 1 << std::setw(10)
        << std::accumulate(counts[k].begin(), counts[k].end(), std::size_t{0}) << "  ";
    for (const std::size_t count : counts[k])
      for (std::size_t i = 0; i < wide; ++i) out << shades[(4 * count + largest - 1) / largest];
    out << "|\n";
  }
}

}  // namespace fedval::harness
