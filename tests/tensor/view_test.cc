#include "fedval/tensor/view.hpp"

#include <doctest/doctest.h>

#include "fedval/tensor/check.hpp"
#include "fedval/tensor/eigen.hpp"
#include "tests/support/complaint.hpp"

using namespace fedval;
using tests::complaint_of;

TEST_CASE("a shape knows its rank, its count and its strides") {
  const Shape shape{4, 6, 2};
  CHECK(shape.rank() == 3);
  CHECK(shape.count() == 48);
  CHECK(shape.text() == "[4, 6, 2]");
  CHECK(shape.row_major_strides() == Shape{12, 2, 1});
  CHECK(Shape().count() == 1);
  CHECK(Shape().text() == "[]");
  CHECK(Shape{3, 0}.count() == 0);
  CHECK_FALSE(Shape{2, 3} == Shape{2, 3, 1});
  CHECK(Shape{1, 1, 1, 1, 1, 1, 1, 1}.rank() == Shape::max_rank);
  CHECK(complaint_of([] { Shape{1, 1, 1, 1, 1, 1, 1, 1, 1}; }) == "a tensor has more than 8 dimensions");
}

TEST_CASE("no view is given by default") {
  CHECK_FALSE(TensorView().given());
  CHECK(TensorView().size() == 0);
  CHECK_FALSE(MutableTensorView().given());
  CHECK(TensorView(std::vector<float>()).given());
}

TEST_CASE("the standard containers' shapes") {
  const std::vector<float> vector(5);
  CHECK(TensorView(vector).shape() == Shape{5});
  CHECK(TensorView(vector).pieces()[0].data == vector.data());
  const std::vector<std::vector<float>> matrix(3, std::vector<float>(4));
  CHECK(TensorView(matrix).shape() == Shape{3, 4});
  CHECK(TensorView(matrix).pieces().size() == 3);
  const std::array<std::vector<std::array<double, 2>>, 4> three{};
  CHECK(TensorView(three).shape() == Shape{4, 0});
  const std::vector<std::vector<std::array<double, 2>>> cube(4, std::vector<std::array<double, 2>>(3));
  CHECK(TensorView(cube).shape() == Shape{4, 3, 2});
  const std::vector<std::vector<float>> ragged{{1, 2, 3}, {}, {4}};
  CHECK(TensorView(ragged).shape() == Shape{4});
  CHECK(TensorView(std::vector<std::vector<float>>()).shape() == Shape{0});
}

TEST_CASE("several tensors in braces are one flat vector, a single one keeps its shape") {
  const std::vector<float> a{1, 2};
  const Eigen::MatrixXd b = Eigen::MatrixXd::Constant(2, 2, 3.0);
  const TensorView both{a, b};
  CHECK(both.shape() == Shape{6});
  std::array<double, 3> middle;
  both.read(1, middle);
  CHECK(middle == std::array<double, 3>{2, 3, 3});
  CHECK(TensorView{b}.shape() == Shape{2, 2});
}

TEST_CASE("an entry is called by its place, in a list also by its tensor") {
  const std::vector<float> vector(20);
  CHECK(TensorView(vector).entry(17) == "[17]");
  const std::vector<std::vector<float>> matrix(3, std::vector<float>(20));
  CHECK(TensorView(matrix).entry(57) == "[2, 17]");
  const Eigen::MatrixXf columns =
      Eigen::MatrixXf::Zero(3, 20);  // row-major places whatever the memory's order
  CHECK(TensorView(columns).entry(57) == "[2, 17]");
  const std::vector<float> none;
  const TensorView list{columns, none, vector};
  CHECK(list.entry(59) == "[59] (tensor 0, entry [2, 19])");
  CHECK(list.entry(60) == "[60] (tensor 2, entry [0])");
}

TEST_CASE("check_finite names the first bad entry, in every block") {
  for (const std::size_t place : std::initializer_list<std::size_t>{0, 1023, 1024, 2999}) {
    CAPTURE(place);
    std::vector<float> values(3000, 1.0f);
    CHECK_NOTHROW(check_finite(values, "update"));
    values[place] = -std::numeric_limits<float>::infinity();
    values.back() = place == 2999 ? values.back() : std::nanf("");
    CHECK(complaint_of([&] { check_finite(values, "client 3: update"); }) ==
          "client 3: update[" + std::to_string(place) + "] is -infinite");
  }
  CHECK(complaint_of([] { check_finite(std::vector<double>{0, HUGE_VAL}, "x"); }) == "x[1] is infinite");
  CHECK(complaint_of([] { check_finite(std::vector<double>{std::nan("")}, "x"); }) == "x[0] is NaN");
}

TEST_CASE("the largest magnitude") {
  CHECK(max_magnitude(std::vector<double>{1, -3, 2}) == 3);
  CHECK(max_magnitude(std::vector<double>()) == 0);
  CHECK(max_magnitude(std::vector<double>{std::nan(""), -2}) == 2);
  std::vector<float> values(5000, 0.5f);
  values[4321] = -7;
  CHECK(max_magnitude(values) == 7);
}

TEST_CASE("a strided piece reads and writes runs that begin and end anywhere") {
  // Three axes in an order of their own, with gaps: entry (i, j, k) at 2 i + 100 j + 7 k.
  std::vector<double> memory(400, -1);
  const Shape shape{3, 4, 5}, strides{2, 100, 7};
  const MutableTensorView view(
      TensorView(shape, {Piece::host(memory.data(), ScalarType::float64, shape, strides)}));
  for (std::size_t begin = 0; begin <= 60; ++begin)
    for (std::size_t count = 0; begin + count <= 60; ++count) {
      std::fill(memory.begin(), memory.end(), -1);
      std::vector<double> values(count);
      for (std::size_t i = 0; i < count; ++i) values[i] = static_cast<double>(begin + i);
      view.write(begin, values);
      std::vector<double> expected(400, -1);
      for (std::size_t i = begin; i < begin + count; ++i)
        expected[2 * (i / 20) + 100 * (i / 5 % 4) + 7 * (i % 5)] = static_cast<double>(i);
      std::vector<double> back(count);
      view.read(begin, back);
      if (memory != expected || back != values) FAIL("begin ", begin, ", count ", count);
    }
}

TEST_CASE("a view's pieces must fill its shape") {
  std::vector<double> memory(6);
  const Piece piece = Piece::host(memory.data(), ScalarType::float64, Shape{6}, Shape{1});
  CHECK(complaint_of([&] { TensorView(Shape{7}, {piece}); }) == "a view of shape [7] got 6 entries");
}
