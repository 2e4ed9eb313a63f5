// The examples of tensor types: the same updates in Eigen's, xtensor's, LibTorch's and an own type give the
// same scores, which are those of plain memory.
#include <doctest/doctest.h>

#include <vector>

#include "examples/simulated_updates.hpp"
#include "fedval/tensor/std.hpp"
#include "tests/examples/program.hpp"

namespace {

using Weight = std::vector<std::vector<float>>;

Weight weight(std::size_t client) {
  Weight rows(simulated_updates::classes, std::vector<float>(simulated_updates::features));
  for (std::size_t i = 0; i < rows.size(); ++i)
    for (std::size_t j = 0; j < rows[i].size(); ++j) rows[i][j] = simulated_updates::entry(client, i, j);
  return rows;
}

std::string lines_of_plain_memory() {
  const std::vector<Weight> updates{weight(1), weight(2), weight(3)};
  fedval::Round round;
  for (std::size_t k = 0; k < updates.size(); ++k)
    round.add(k + 1, {.update = updates[k], .final_weight = updates[k]});
  const fedval::Scores entropies = fedval::SpectralFed({.momentum = 0}).observe(round);
  const fedval::Scores values = fedval::CosineGradientShapley().observe(round);
  std::string lines;
  for (std::size_t k = 0; k < updates.size(); ++k) {
    char line[100];
    std::snprintf(line, sizeof line, "client %zu: spectral %.6f, psi %.6f\n", k + 1,
                  entropies[k].second.value, values[k].second.value);
    lines += line;
  }
  return lines;
}

}  // namespace

TEST_CASE("every tensor type gives the scores of plain memory") {
  const std::string expected = lines_of_plain_memory();
  for (const std::string name : {"eigen", "xtensor", "libtorch", "own_tensor"}) {
    CAPTURE(name);
    const examples::Finished finished = examples::run("examples/" + name);
    CHECK(finished.code == 0);
    CHECK(finished.output == expected);
  }
}
