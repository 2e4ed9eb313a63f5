// Updates as LibTorch tensors: read where they lie on the CPU, transposed or not; multiplied by LibTorch's
// own operations on any other device.
//
//   ./bazelw run //examples:libtorch
#include <ATen/ops/empty.h>
#include <cstdio>
#include <exception>

#include "examples/simulated_updates.hpp"
#include "fedval/tensor/torch.hpp"

int main() try {
  using namespace simulated_updates;
  const auto rows = static_cast<std::int64_t>(classes), columns = static_cast<std::int64_t>(features);
  const auto fill = [](const at::Tensor& weight, std::size_t client) {
    auto access = weight.accessor<float, 2>();
    for (std::int64_t i = 0; i < access.size(0); ++i)
      for (std::int64_t j = 0; j < access.size(1); ++j)
        access[i][j] = entry(client, static_cast<std::size_t>(i), static_cast<std::size_t>(j));
  };
  const at::Tensor plain = at::empty({rows, columns});
  fill(plain, 1);
  const at::Tensor transposed = at::empty({columns, rows}).t();
  fill(transposed, 2);
  const at::Tensor slice = at::empty({rows, 3 * columns}).slice(1, columns, 2 * columns);
  fill(slice, 3);

  fedval::Round round;
  round.add(1, {.update = plain, .final_weight = plain});
  round.add(2, {.update = transposed, .final_weight = transposed});
  round.add(3, {.update = slice, .final_weight = slice});
  print_scores(round);
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 2;
}
