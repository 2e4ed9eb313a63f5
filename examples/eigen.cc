// Updates in Eigen's types: a matrix, a map of memory that somebody else owns, and a block of something
// larger.
//
//   ./bazelw run //examples:eigen
#include <Eigen/Core>
#include <cstdio>
#include <exception>
#include <vector>

#include "examples/simulated_updates.hpp"
#include "fedval/tensor/eigen.hpp"

int main() try {
  using namespace simulated_updates;
  const auto fill = [](auto&& weight, std::size_t client) {
    for (Eigen::Index i = 0; i < weight.rows(); ++i)
      for (Eigen::Index j = 0; j < weight.cols(); ++j)
        weight(i, j) = entry(client, static_cast<std::size_t>(i), static_cast<std::size_t>(j));
  };
  Eigen::MatrixXf matrix(classes, features);  // column by column in memory; fedval reads it where it lies
  fill(matrix, 1);

  std::vector<float> memory(classes * features);
  Eigen::Map<Eigen::Matrix<float, classes, features, Eigen::RowMajor>> map(memory.data());
  fill(map, 2);

  Eigen::MatrixXf model(2 * classes, 2 * features);
  const auto block = model.block<classes, features>(2, 3);
  fill(model.block<classes, features>(2, 3), 3);

  fedval::Round round;  // views: what is added must live until the round is scored
  round.add(1, {.update = matrix, .final_weight = matrix});
  round.add(2, {.update = map, .final_weight = map});
  round.add(3, {.update = block, .final_weight = block});
  print_scores(round);
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 2;
}
