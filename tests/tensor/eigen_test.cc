#include "fedval/tensor/eigen.hpp"

#include "tests/tensor/suite.hpp"

namespace {

using namespace fedval;
using tests::columns;
using tests::entries;
using tests::rows;
using tests::Values;

constexpr auto signed_rows = static_cast<Eigen::Index>(rows),
               signed_columns = static_cast<Eigen::Index>(columns);

/// Writes row-major values to a matrix of any kind.
template <class Matrix>
void fill(Matrix&& matrix, const Values& values) {
  using S = typename std::remove_cvref_t<Matrix>::Scalar;
  for (Eigen::Index i = 0; i < signed_rows; ++i)
    for (Eigen::Index j = 0; j < signed_columns; ++j)
      matrix(i, j) = static_cast<S>(values[static_cast<std::size_t>(i * signed_columns + j)]);
}

template <class S, int order>
using Dynamic = Eigen::Matrix<S, Eigen::Dynamic, Eigen::Dynamic, order>;

template <class S, int order>
struct Whole {
  using scalar = detail::eigen_scalar<S>;
  explicit Whole(const Values& values) : data(signed_rows, signed_columns) { fill(data, values); }
  Dynamic<S, order>& tensor() { return data; }
  Dynamic<S, order> data;
};

template <class S>
struct Vector {
  using scalar = detail::eigen_scalar<S>;
  explicit Vector(const Values& values) : data(static_cast<Eigen::Index>(entries)) {
    for (std::size_t i = 0; i < entries; ++i) data(static_cast<Eigen::Index>(i)) = static_cast<S>(values[i]);
  }
  Eigen::Matrix<S, Eigen::Dynamic, 1>& tensor() { return data; }
  Eigen::Matrix<S, Eigen::Dynamic, 1> data;
};

template <class S>
struct Fixed {
  using scalar = detail::eigen_scalar<S>;
  explicit Fixed(const Values& values) { fill(data, values); }
  auto& tensor() { return data; }
  Eigen::Array<S, signed_rows, signed_columns> data;
};

template <class S>
struct Map {
  using scalar = detail::eigen_scalar<S>;
  explicit Map(const Values& values) {
    for (const double value : values) data.push_back(static_cast<S>(value));
  }
  auto tensor() { return Eigen::Map<Dynamic<S, Eigen::RowMajor>>(data.data(), signed_rows, signed_columns); }
  std::vector<S> data;
};

constexpr double untouched = 77;  // stands between the entries

template <class S>
bool only_between(const Dynamic<S, Eigen::ColMajor>& data) {
  return (data.array() == static_cast<S>(untouched)).count() ==
         data.size() - static_cast<Eigen::Index>(entries);
}

/// Every second row of every third column.
template <class S>
struct StridedMap {
  using scalar = detail::eigen_scalar<S>;
  using Stride = Eigen::Stride<Eigen::Dynamic, Eigen::Dynamic>;
  explicit StridedMap(const Values& values)
      : data(Dynamic<S, Eigen::ColMajor>::Constant(2 * signed_rows, 3 * signed_columns,
                                                   static_cast<S>(untouched))) {
    fill(tensor(), values);
  }
  auto tensor() {
    return Eigen::Map<Dynamic<S, Eigen::ColMajor>, 0, Stride>(data.data(), signed_rows, signed_columns,
                                                              Stride(6 * signed_rows, 2));
  }
  bool gaps_intact() const { return only_between(data); }
  Dynamic<S, Eigen::ColMajor> data;
};

template <class S>
struct Block {
  using scalar = detail::eigen_scalar<S>;
  explicit Block(const Values& values)
      : data(Dynamic<S, Eigen::ColMajor>::Constant(signed_rows + 5, signed_columns + 3,
                                                   static_cast<S>(untouched))) {
    fill(tensor(), values);
  }
  auto tensor() { return data.block(2, 1, signed_rows, signed_columns); }
  bool gaps_intact() const { return only_between(data); }
  Dynamic<S, Eigen::ColMajor> data;
};

/// A row of a column-major matrix: a vector with a stride.
template <class S>
struct Row {
  using scalar = detail::eigen_scalar<S>;
  explicit Row(const Values& values)
      : data(Dynamic<S, Eigen::ColMajor>::Constant(3, static_cast<Eigen::Index>(entries),
                                                   static_cast<S>(untouched))) {
    for (std::size_t i = 0; i < entries; ++i)
      data(1, static_cast<Eigen::Index>(i)) = static_cast<S>(values[i]);
  }
  auto tensor() { return data.row(1); }
  bool gaps_intact() const { return only_between(data); }
  Dynamic<S, Eigen::ColMajor> data;
};

template <class S>
struct Reference {
  using scalar = detail::eigen_scalar<S>;
  explicit Reference(const Values& values) : data(signed_rows, signed_columns) { fill(data, values); }
  Eigen::Ref<Dynamic<S, Eigen::ColMajor>> tensor() { return data; }
  Dynamic<S, Eigen::ColMajor> data;
};

template <class S>
using ColumnMajor = Whole<S, Eigen::ColMajor>;
template <class S>
using RowMajor = Whole<S, Eigen::RowMajor>;

}  // namespace

#define SCALARS(Backend) Backend<double>, Backend<float>, Backend<Eigen::half>, Backend<Eigen::bfloat16>

TEST_CASE_TEMPLATE("the operations on Eigen's matrices", Backend, SCALARS(ColumnMajor), SCALARS(RowMajor),
                   SCALARS(Vector), SCALARS(Map), SCALARS(StridedMap), SCALARS(Block), Fixed<float>,
                   Row<double>, Row<float>, Reference<float>) {
  tests::run_suite<Backend>();
}

TEST_CASE("Eigen's shapes and strides") {
  Eigen::MatrixXf matrix = Eigen::MatrixXf::Zero(3, 5);
  const TensorView view = matrix;
  CHECK(view.shape() == Shape{3, 5});
  CHECK(view.pieces()[0].strides == Shape{1, 3});
  CHECK_FALSE(view.pieces()[0].dense);
  CHECK(view.pieces()[0].data == matrix.data());
  CHECK(view.entry(7) == "[1, 2]");
  const TensorView transposed = matrix.transpose();
  CHECK(transposed.shape() == Shape{5, 3});
  CHECK(transposed.pieces()[0].dense);
  const TensorView row = matrix.row(1);
  CHECK(row.shape() == Shape{5});
  CHECK(row.pieces()[0].strides == Shape{3});
}

TEST_CASE("a list of Eigen matrices is one more dimension, or one vector") {
  const std::vector<Eigen::MatrixXd> same(2, Eigen::MatrixXd::Constant(3, 4, 1.0));
  CHECK(TensorView(same).shape() == Shape{2, 3, 4});
  const std::vector<Eigen::MatrixXd> different{Eigen::MatrixXd::Constant(3, 4, 2.0),
                                               Eigen::MatrixXd::Constant(1, 2, 2.0)};
  CHECK(TensorView(different).shape() == Shape{14});
  CHECK(norm(different) == doctest::Approx(std::sqrt(56.0)).epsilon(1e-15));
  CHECK(TensorView(different).entry(13) == "[13] (tensor 1, entry [0, 1])");
}

TEST_CASE("an empty Eigen matrix is a tensor of no entries") {
  Eigen::MatrixXd none(0, 5);
  const TensorView view = none;
  CHECK(view.given());
  CHECK(view.shape() == Shape{0, 5});
  CHECK(norm(none) == 0);
  CHECK(dot(none, none) == 0);
  scale(2.0, none);
  CHECK(top_k_threshold(none, 0).ties == 0);
  CHECK(reward::sparsify(none, 0).indices.empty());
}
