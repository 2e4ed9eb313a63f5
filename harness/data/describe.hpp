// Words that the descriptions of data sets share.
#pragma once

#include <cstddef>
#include <string>

namespace fedval::harness {

/// A count as people write it: 60,000.
inline std::string grouped(std::size_t count) {
  std::string text = std::to_string(count);
  for (std::size_t at = text.size(); at > 3; at -= 3) text.insert(at - 3, ",");
  return text;
}

/// "60,000 train and 10,000 test images".
inline std::string image_counts(std::size_t train, std::size_t test) {
  return grouped(train) + " train and " + grouped(test) + " test images";
}

}  // namespace fedval::harness
