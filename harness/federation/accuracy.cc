#include "harness/federation/accuracy.hpp"

#include "fedval/error.hpp"

namespace fedval::harness {

std::vector<std::size_t> class_sizes(std::span<const std::uint8_t> labels, std::size_t classes) {
  if (classes == 1) return {labels.size()};
  std::vector<std::size_t> sizes(classes);
  for (const std::uint8_t label : labels) {
    if (label >= classes) fail("a label is ", int{label}, ", but there are ", classes, " classes");
    ++sizes[label];
  }
  return sizes;
}

double accuracy_of(std::span<const double> correct, std::span<const std::size_t> sizes) {
  double sum = 0;
  std::size_t held = 0;
  for (std::size_t c = 0; c < sizes.size(); ++c) {
    if (sizes[c] == 0) continue;
    sum += correct[c] / static_cast<double>(sizes[c]);
    ++held;
  }
  return sum / static_cast<double>(held);
}

}  // namespace fedval::harness
