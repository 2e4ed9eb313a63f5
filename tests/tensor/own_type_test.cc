// A type of the user's own joins by one specialisation.
#include <array>
#include <vector>

#include "fedval/tensor/traits.hpp"

namespace {

struct Grid {  // rows lie `pitch` entries apart
  int rows, columns, pitch;
  std::vector<float> memory;
};

}  // namespace

template <>
struct fedval::tensor_traits<Grid> {
  using scalar = float;
  static constexpr std::size_t rank = 2;
  static std::array<int, 2> shape(const Grid& g) { return {g.rows, g.columns}; }
  static std::array<int, 2> strides(const Grid& g) { return {g.pitch, 1}; }
  static auto data(auto& g) { return g.memory.data(); }
};

#include "tests/tensor/suite.hpp"

namespace {

struct Backend {
  using scalar = float;
  static constexpr int pitch = static_cast<int>(fedval::tests::columns) + 7;
  explicit Backend(const fedval::tests::Values& values)
      : grid{static_cast<int>(fedval::tests::rows), static_cast<int>(fedval::tests::columns), pitch,
             std::vector<float>(fedval::tests::rows * static_cast<std::size_t>(pitch), 77.0f)} {
    for (std::size_t i = 0; i < values.size(); ++i)
      grid.memory[i / fedval::tests::columns * static_cast<std::size_t>(pitch) + i % fedval::tests::columns] =
          static_cast<float>(values[i]);
  }
  Grid& tensor() { return grid; }
  bool gaps_intact() const {
    return static_cast<std::size_t>(std::count(grid.memory.begin(), grid.memory.end(), 77.0f)) ==
           fedval::tests::rows * 7;
  }
  Grid grid;
};

}  // namespace

static_assert(fedval::Matrix<Grid>);
static_assert(fedval::MutableTensor<Grid> && !fedval::MutableTensor<const Grid>);

TEST_CASE("the operations on a user's own type") { fedval::tests::run_suite<Backend>(); }

TEST_CASE("lists of a user's own type are tensors too") {
  std::vector<Grid> grids(3, Grid{2, 2, 3, {1, 2, 99, 3, 4, 99}});
  CHECK(fedval::TensorView(grids).shape() == fedval::Shape{3, 2, 2});
  CHECK(fedval::dot(grids, grids) == 90);
  fedval::scale(2.0, grids);
  CHECK(grids[2].memory == std::vector<float>{2, 4, 99, 6, 8, 99});
}
