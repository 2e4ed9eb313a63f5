// The same estimates from any container: vectors, lists, Eigen's matrices; and what a copy of a
// tensor must be.
#include "tests/zeroth_order/backends.hpp"
#include "fedval/tensor/eigen.hpp"
#include "tests/support/complaint.hpp"

using namespace fedval;
using namespace fedval::zeroth_order;
using tests::complaint_of;
using tests::Values;

namespace {

constexpr std::size_t rows = tests::backend_rows, columns = tests::backend_columns;
using Index = Eigen::Index;

template <class Matrix>
Matrix matrix_of(const Values& values) {
  using S = typename Matrix::Scalar;
  Matrix result(static_cast<Index>(rows), static_cast<Index>(columns));
  for (std::size_t i = 0; i < values.size(); ++i)
    result(static_cast<Index>(i / columns), static_cast<Index>(i % columns)) =
        S(static_cast<float>(values[i]));
  return result;
}

template <class S>
using ByRow = Eigen::Matrix<S, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
template <class S>
using ByColumn = Eigen::Matrix<S, Eigen::Dynamic, Eigen::Dynamic>;

std::vector<Values> nested(const Values& values) {
  std::vector<Values> result;
  for (std::size_t r = 0; r < rows; ++r)
    result.emplace_back(values.begin() + static_cast<std::ptrdiff_t>(r * columns),
                        values.begin() + static_cast<std::ptrdiff_t>((r + 1) * columns));
  return result;
}

const std::string shared = "a copy of this tensor shares its memory; pass one that owns its entries";

}  // namespace

TEST_CASE("estimates from the standard library's containers") {
  const Values x = tests::backend_point();
  tests::check_backend<double>(x);
  tests::check_backend<double>(nested(x));
  tests::check_backend<float>(std::vector<float>(x.begin(), x.end()));
  std::vector<Half> halves;
  for (const double value : x) halves.push_back(static_cast<Half>(value));
  tests::check_backend<Half>(halves);
  // A model's parameters: tensors of different lengths.
  const auto part = [&](std::size_t begin, std::size_t end) {
    return Values(x.begin() + static_cast<std::ptrdiff_t>(begin),
                  x.begin() + static_cast<std::ptrdiff_t>(end));
  };
  tests::check_backend<double>(std::vector<Values>{part(0, 1), part(1, 1), part(1, 9), part(9, x.size())});
}

TEST_CASE("estimates from Eigen's matrices, by rows and by columns") {
  const Values x = tests::backend_point();
  tests::check_backend<double>(matrix_of<ByRow<double>>(x));
  tests::check_backend<double>(matrix_of<ByColumn<double>>(x));
  tests::check_backend<float>(matrix_of<ByColumn<float>>(x));
  tests::check_backend<float>(std::vector<ByColumn<float>>{matrix_of<ByColumn<float>>(x)});
  tests::check_backend<double>(Eigen::VectorXd(Eigen::Map<const Eigen::VectorXd>(x.data(), std::ssize(x))));
}

TEST_CASE("tensors whose copies share their memory are refused before anything is asked") {
  Values memory = tests::backend_point();
  const Values before = memory;
  std::size_t calls = 0;
  const auto f = [&](const auto&) { return static_cast<double>(calls++); };
  const auto refused = [&](auto&& x) {
    CHECK(complaint_of([&] { gradient(f, x, {.directions = sphere(2), .smoothing = 0.5, .seed = 1}); }) ==
          shared);
    CHECK(complaint_of([&] { fedval::clone(x); }) == shared);
  };
  refused(Eigen::Map<Eigen::VectorXd>(memory.data(), std::ssize(memory)));
  refused(std::span<double>(memory));
  refused(MutableTensorView(memory));
  refused(std::vector<std::span<double>>{std::span<double>(memory)});
  Eigen::MatrixXd matrix = matrix_of<Eigen::MatrixXd>(memory);
  refused(Eigen::Ref<Eigen::MatrixXd>(matrix));
  CHECK(calls == 0);
  CHECK(memory == before);
}

TEST_CASE("clone: the same entries in memory of its own") {
  const auto check = [](auto x) {
    auto copy = fedval::clone(x);
    static_assert(std::is_same_v<decltype(copy), decltype(x)>);
    CHECK(tests::entries_of(copy) == tests::entries_of(x));
    const Values before = tests::entries_of(x);
    scale(-2.0, MutableTensorView(copy));
    CHECK(tests::entries_of(x) == before);
    CHECK(tests::entries_of(copy) != before);
  };
  const Values x = tests::backend_point();
  check(x);
  check(nested(x));
  check(matrix_of<ByColumn<float>>(x));
  check(std::vector<ByRow<double>>{matrix_of<ByRow<double>>(x), matrix_of<ByRow<double>>(x)});
  check(std::array<Values, 2>{x, x});
  CHECK(fedval::clone(Values{}).empty());
}

TEST_CASE("zeros_like: doubles beside any tensor, flat, that live as long as a view of them") {
  for (const std::size_t size : {0UL, 1UL, 5000UL}) {
    MutableTensorView kept;
    {
      const std::vector<float> x(size, 3);
      kept = zeros_like(x);
    }
    CHECK(kept.size() == size);
    CHECK(kept.shape() == Shape{static_cast<std::int64_t>(size)});
    CHECK(tests::entries_of(kept) == Values(size, 0.0));
    if (size == 0) continue;
    CHECK(kept.pieces()[0].type == ScalarType::float64);
    const MutableTensorView copy = kept, other = zeros_like(kept);
    copy.write(size - 1, Values{0.1});
    CHECK(tests::entries_of(kept).back() == 0.1);
    CHECK(tests::entries_of(other).back() == 0);
  }
}

TEST_CASE("updates are the naive ones, rounded once, also from what is updated") {
  const tests::UpdateOperands operands;
  for (const Update rule : tests::every_update) {
    CAPTURE(static_cast<int>(rule));
    const Values expected = tests::naive_update(rule, operands);
    Values x = operands.x;
    std::vector<float> floats(x.begin(), x.end());
    update(rule, tests::update_p, tests::update_q, operands.inputs(rule), x);
    update(rule, tests::update_p, tests::update_q, operands.inputs(rule), floats);
    for (std::size_t i = 0; i < x.size(); ++i) {
      CAPTURE(operands.a[i]);
      CAPTURE(operands.b[i]);
      CHECK(tests::near_update(x[i], expected[i], 0x1p-51));
      CHECK(tests::near_update(static_cast<double>(floats[i]), expected[i], 0x1p-22));
    }
    tests::UpdateOperands own;  // x is a as well
    own.x = own.a;
    const Values from_itself = tests::naive_update(rule, own);
    update(rule, tests::update_p, tests::update_q, own.inputs(rule), own.a);
    for (std::size_t i = 0; i < own.a.size(); ++i)
      CHECK(tests::near_update(own.a[i], from_itself[i], 0x1p-51));
  }
  const Values a(3, 1.0), b(4, 1.0);
  Values x(3, 7.0);
  const std::vector<TensorView> one{a}, two{a, b}, other{b};
  CHECK(complaint_of([&] { update(Update::root_step, 1, 1, one, x); }) ==
        "update: 1 tensors for a rule of 2");
  CHECK(complaint_of([&] { update(Update::maximum, 1, 1, two, x); }) == "update: 2 tensors for a rule of 1");
  CHECK(complaint_of([&] { update(Update::maximum, 1, 1, other, x); }) != "no error");
  CHECK(x == Values(3, 7.0));
}
