#include "harness/federation/accuracy.hpp"

#include "fedval/error.hpp"

namespace fedval::harness {

std::vector<std::size_t> class_sizes(std::span<const std::uint8_t> labels, std::size_t classes) {
  if (classes == 1) return {labels.size()};
  std::vector<std::size_t> sizes(classes);
  for (std::size_t i = 0; i < labels.size(); ++i) {
    if (labels[i] >= classes)
      fail("the label of example ", i, " is ", int{labels[i]}, ", but there are ", classes, " classes");
    ++sizes[labels[i]];
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
