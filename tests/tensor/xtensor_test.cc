#include "fedval/tensor/xtensor.hpp"

#include "tests/tensor/suite.hpp"

namespace {

using namespace fedval;
using tests::columns;
using tests::entries;
using tests::rows;
using tests::Values;

constexpr double untouched = 77;  // stands between the entries

template <class Matrix>
void fill(Matrix&& matrix, const Values& values) {
  using S = typename std::remove_cvref_t<Matrix>::value_type;
  for (std::size_t i = 0; i < rows; ++i)
    for (std::size_t j = 0; j < columns; ++j) matrix(i, j) = static_cast<S>(values[i * columns + j]);
}

/// A container of any kind, filled whole.
template <class Container>
struct Whole {
  using scalar = typename Container::value_type;
  explicit Whole(const Values& values) {
    data.resize({rows, columns});
    fill(data, values);
  }
  Container& tensor() { return data; }
  Container data;
};

template <class S>
struct Vector {
  using scalar = S;
  explicit Vector(const Values& values) {
    data.resize({entries});
    for (std::size_t i = 0; i < entries; ++i) data(i) = static_cast<S>(values[i]);
  }
  xt::xtensor<S, 1>& tensor() { return data; }
  xt::xtensor<S, 1> data;
};

/// Rows from 1 on, every second column from 3 on, of a larger container.
template <class Container>
struct View {
  using scalar = typename Container::value_type;
  explicit View(const Values& values) {
    data.resize({rows + 2, 2 * columns + 4});
    data.fill(static_cast<scalar>(untouched));
    fill(tensor(), values);
  }
  auto tensor() { return xt::view(data, xt::range(1, rows + 1), xt::range(3, 2 * columns + 3, 2)); }
  bool gaps_intact() const {
    const auto gaps =
        std::count(data.storage().begin(), data.storage().end(), static_cast<scalar>(untouched));
    return static_cast<std::size_t>(gaps) == data.size() - entries;
  }
  Container data;
};

/// A slice along the first axis of a three-dimensional container: the axis goes.
template <class S>
struct Slice {
  using scalar = S;
  explicit Slice(const Values& values) {
    data.resize({3, rows, columns});
    data.fill(static_cast<S>(untouched));
    fill(tensor(), values);
  }
  auto tensor() { return xt::view(data, 1, xt::all(), xt::all()); }
  bool gaps_intact() const {
    const auto gaps = std::count(data.storage().begin(), data.storage().end(), static_cast<S>(untouched));
    return gaps == static_cast<std::ptrdiff_t>(2 * entries);
  }
  xt::xtensor<S, 3> data;
};

template <class S>
using RowArray = xt::xarray<S, xt::layout_type::row_major>;
template <class S>
using ColumnArray = xt::xarray<S, xt::layout_type::column_major>;
template <class S>
using RowTensor = xt::xtensor<S, 2, xt::layout_type::row_major>;
template <class S>
using ColumnTensor = xt::xtensor<S, 2, xt::layout_type::column_major>;

}  // namespace

TEST_CASE_TEMPLATE("the operations on xtensor's containers", Container, RowArray<double>, RowArray<float>,
                   ColumnArray<double>, ColumnArray<float>, RowTensor<double>, RowTensor<float>,
                   ColumnTensor<double>, ColumnTensor<float>) {
  tests::run_suite<Whole<Container>>();
}

TEST_CASE_TEMPLATE("the operations on xtensor's views and vectors", Backend, View<RowTensor<double>>,
                   View<RowTensor<float>>, View<ColumnTensor<double>>, View<ColumnTensor<float>>,
                   View<RowArray<float>>, Slice<double>, Slice<float>, Vector<double>, Vector<float>) {
  tests::run_suite<Backend>();
}

TEST_CASE("xtensor's shapes and strides") {
  xt::xtensor<float, 3> data({2, 3, 4}, 0.0f);
  const TensorView view = data;
  CHECK(view.shape() == Shape{2, 3, 4});
  CHECK(view.pieces()[0].dense);
  CHECK(view.entry(17) == "[1, 1, 1]");
  const TensorView inner = xt::view(data, xt::all(), 1, xt::range(0, 4, 2));
  CHECK(inner.shape() == Shape{2, 2});
  CHECK(inner.pieces()[0].strides == Shape{12, 2});
  CHECK(inner.pieces()[0].data == &data(0, 1, 0));
  // xtensor gives an axis of one entry the stride 0.
  xt::xtensor<float, 2> thin({1, 5}, 0.0f);
  CHECK(TensorView(thin).pieces()[0].dense);
}

TEST_CASE("an xtensor scalar is one entry, an empty one none, and nine dimensions are too many") {
  xt::xarray<double> scalar = 3.0;
  CHECK(TensorView(scalar).rank() == 0);
  CHECK(norm(scalar) == 3);
  xt::xarray<double> none = xt::xarray<double>::from_shape({0, 4});
  CHECK(TensorView(none).given());
  CHECK(dot(none, none) == 0);
  CHECK(reward::sparsify(none, 0).indices.empty());
  xt::xarray<double> deep = xt::xarray<double>::from_shape({1, 1, 1, 1, 1, 1, 1, 1, 1});
  CHECK_THROWS_WITH_AS(norm(deep), "a tensor has more than 8 dimensions", fedval::Error);
}
