// A tensor type of one's own joins by one specialisation: here a message's buffer with strides in bytes.
//
//   ./bazelw run //examples:own_tensor
#include <array>
#include <cstdio>
#include <cstring>
#include <exception>
#include <memory>
#include <vector>

#include "examples/simulated_updates.hpp"

namespace wire {

/// A matrix of float in a received message: row after row, each padded to a multiple of 16 bytes.
struct Matrix {
  int rows, columns;
  std::size_t bytes_a_row;
  std::shared_ptr<float[]> memory;

  Matrix(int r, int c)
      : rows(r),
        columns(c),
        bytes_a_row((sizeof(float) * static_cast<std::size_t>(c) + 15) / 16 * 16),
        memory(new float[bytes_a_row / sizeof(float) * static_cast<std::size_t>(r)]) {}
  float& at(std::size_t i, std::size_t j) const { return memory[i * bytes_a_row / sizeof(float) + j]; }
};

}  // namespace wire

template <>
struct fedval::tensor_traits<wire::Matrix> {
  using scalar = float;
  static std::array<int, 2> shape(const wire::Matrix& m) { return {m.rows, m.columns}; }
  /// In entries; left out where a type has no gaps.
  static std::array<std::ptrdiff_t, 2> strides(const wire::Matrix& m) {
    return {static_cast<std::ptrdiff_t>(m.bytes_a_row / sizeof(float)), 1};
  }
  static float* data(const wire::Matrix& m) { return m.memory.get(); }
};

static_assert(fedval::FloatingTensor<wire::Matrix>);  // a message of the compiler's here says what is missing

int main() try {
  using namespace simulated_updates;
  std::vector<wire::Matrix> updates;
  for (std::size_t client = 1; client <= clients; ++client) {
    const wire::Matrix& update = updates.emplace_back(classes, features);
    for (std::size_t i = 0; i < classes; ++i)
      for (std::size_t j = 0; j < features; ++j) update.at(i, j) = entry(client, i, j);
  }
  fedval::Round round;
  for (std::size_t k = 0; k < clients; ++k)
    round.add(k + 1, {.update = updates[k], .final_weight = updates[k]});
  print_scores(round);
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 2;
}
