// A labelled image data set in memory: a training part, which is dealt to the agents, and a test part.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace fedval::harness {

/// Grey images of one size and their labels.
struct ImageSet {
  std::vector<std::uint8_t> pixels;  // n x height x width, row-major, 0..255
  std::vector<std::uint8_t> labels;  // n
  std::size_t height = 0;
  std::size_t width = 0;

  /// The number of images, n.
  std::size_t size() const { return labels.size(); }
};

/// A data set as the program names it and prints it.
struct Dataset {
  std::string name;         // its name in the registry, for example "mnist"
  std::string description;  // one line that says what the images really are and where they come from
  std::size_t classes = 0;  // labels are 0 .. classes - 1
  ImageSet train;
  ImageSet test;
};

}  // namespace fedval::harness
