// Updates in xtensor's types: an array of any shape, a tensor of fixed rank, and a view into a stack of them.
//
//   ./bazelw run //examples:xtensor
#include <cstdio>
#include <exception>

#include "examples/simulated_updates.hpp"
#include "fedval/tensor/xtensor.hpp"

int main() try {
  using namespace simulated_updates;
  const auto fill = [](auto&& weight, std::size_t client) {
    for (std::size_t i = 0; i < classes; ++i)
      for (std::size_t j = 0; j < features; ++j) weight(i, j) = entry(client, i, j);
  };
  xt::xarray<float> array = xt::xarray<float>::from_shape({classes, features});
  fill(array, 1);
  xt::xtensor<float, 2> tensor = xt::xtensor<float, 2>::from_shape({classes, features});
  fill(tensor, 2);
  xt::xtensor<float, 3> stack = xt::xtensor<float, 3>::from_shape({7, classes, features});
  auto view = xt::view(stack, 4, xt::all(), xt::all());
  fill(view, 3);

  fedval::Round round;
  round.add(1, {.update = array, .final_weight = array});
  round.add(2, {.update = tensor, .final_weight = tensor});
  round.add(3, {.update = view, .final_weight = view});
  print_scores(round);
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 2;
}
