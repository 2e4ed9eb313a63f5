// A labelled data set in memory: a training part, which is dealt to the agents, and parts that nobody trains
// on.
//
// An example is an image (bytes, normalised when a batch is made) or a sentence (numbers of words).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace fedval::harness {

/// What one example is: an image of channels x height x width bytes, or a sentence of `length` words out of a
/// vocabulary. The other kind's members are 0.
struct ExampleShape {
  std::size_t channels = 0, height = 0, width = 0;
  std::size_t length = 0, vocabulary = 0;

  bool is_text() const { return length > 0; }
  /// Entries of one example: bytes of an image, words of a sentence.
  std::size_t entries() const { return is_text() ? length : channels * height * width; }
  bool operator==(const ExampleShape&) const = default;
};

/// Examples of one shape, their labels, and whose they are.
struct Examples {
  std::vector<std::uint8_t> pixels =
      {};  ///< n x channels x height x width, row-major, 0..255; empty for text
  std::vector<std::int32_t> tokens = {};   ///< n x length, 0 = padding, 1 = unknown word; empty for images
  std::vector<std::uint8_t> labels = {};   ///< n
  std::vector<std::uint32_t> owners = {};  ///< n, who an example comes from; empty where the set does not say

  /// The number of examples, n.
  std::size_t size() const { return labels.size(); }
};

/// A data set as the program names it and prints it.
struct Dataset {
  std::string name;         ///< its name in the registry, for example "mnist"
  std::string description;  ///< one line that says what the examples really are and where they come from
  std::size_t classes = 0;  ///< labels are 0 .. classes - 1
  ExampleShape shape = {};
  Examples train = {};     ///< dealt to the agents
  Examples held_out = {};  ///< for choices made while training, such as a server's validation; may be empty
  Examples test = {};      ///< for reported accuracies only
  std::vector<std::string> owner_names =
      {};  ///< of owner 0, 1, ...: "writer 2013", "centre 1"; empty without owners
};

}  // namespace fedval::harness
