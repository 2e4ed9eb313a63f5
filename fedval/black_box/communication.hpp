// Bytes of the messages of a round, by what they carry, for B samples of n entries and C classes, four bytes
// a number.
//
//   directions sent    down B (1 + q) 4 n + B 4 C,    up B (1 + q) 4 C
//   seed sent          down B 4 n + 8 + B 4 C,        up B (1 + q) 4 C
//   model sent         down 4 D,                      up 4 D
//
// For one client; what frames the numbers (headers, transport) comes on top.
// Source: Ma, Wang, Zhang, AAAI 2025, for what is sent; the counts are closed forms to hold measured bytes
// against.
#pragma once

#include <cstdint>

namespace fedval::black_box {

/// What both sides of a round's talk send, bytes.
struct Communication {
  std::uint64_t samples = 0;   ///< images, down
  std::uint64_t points = 0;    ///< the points around them, or the seed that makes them, down
  std::uint64_t answers = 0;   ///< logits of samples and points, up
  std::uint64_t teaching = 0;  ///< the ensemble's logits, down
  std::uint64_t models = 0;    ///< parameters, both ways

  /// Down and up together, bytes.
  std::uint64_t total() const { return samples + points + answers + teaching + models; }
};

/// How a client comes by the points around its samples.
enum class Sending : std::uint8_t {
  points,  ///< they are sent, entry by entry
  seed     ///< it makes them from 8 bytes (queries.hpp)
};

/// Of a client in a round with `batch` samples of `entries` numbers, q points and so many classes.
constexpr Communication communication(Sending sending, std::uint64_t batch, std::uint64_t entries,
                                      std::uint64_t classes, std::uint64_t q) {
  constexpr std::uint64_t number = 4, seed = 8;
  return {batch * number * entries, sending == Sending::seed ? seed : batch * q * number * entries,
          batch * (1 + q) * number * classes, batch * number * classes, 0};
}

/// Of a client whose model travels both ways.
constexpr Communication communication_of_model(std::uint64_t parameters) {
  constexpr std::uint64_t number = 4;
  return {0, 0, 0, 0, 2 * number * parameters};
}

}  // namespace fedval::black_box
