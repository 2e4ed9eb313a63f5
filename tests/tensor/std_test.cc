#include "fedval/tensor/std.hpp"

#include <memory>

#include "tests/tensor/suite.hpp"

namespace {

using namespace fedval;
using tests::Values;

template <class S>
std::vector<S> convert(const Values& values) {
  std::vector<S> result;
  for (const double value : values) result.push_back(static_cast<S>(value));
  return result;
}

template <class S>
struct Vector {
  using scalar = S;
  explicit Vector(const Values& values) : data(convert<S>(values)) {}
  std::vector<S>& tensor() { return data; }
  std::vector<S> data;
};

template <class S>
struct Array {
  using scalar = S;
  explicit Array(const Values& values) {
    for (std::size_t i = 0; i < values.size(); ++i) data[i] = static_cast<S>(values[i]);
  }
  std::array<S, tests::entries>& tensor() { return data; }
  std::array<S, tests::entries> data;
};

template <class S>
struct CArray {
  using scalar = S;
  explicit CArray(const Values& values) {
    for (std::size_t i = 0; i < values.size(); ++i) data[i] = static_cast<S>(values[i]);
  }
  auto& tensor() { return data; }
  S data[tests::entries];
};

template <class S>
struct Span {
  using scalar = S;
  explicit Span(const Values& values) : data(convert<S>(values)) {}
  std::span<S> tensor() { return data; }
  std::vector<S> data;
};

template <class S>
struct Nested {
  using scalar = S;
  explicit Nested(const Values& values) {
    const std::vector<S> flat = convert<S>(values);
    for (auto row = flat.begin(); row != flat.end(); row += tests::columns)
      data.emplace_back(row, row + tests::columns);
  }
  std::vector<std::vector<S>>& tensor() { return data; }
  std::vector<std::vector<S>> data;
};

template <class S>
struct Ragged {
  using scalar = S;
  explicit Ragged(const Values& values) {
    const std::vector<S> flat = convert<S>(values);
    std::size_t begin = 0;
    for (std::size_t length = 0; begin < flat.size(); length = length * 2 + 1) {  // the first one is empty
      const std::size_t end = std::min(flat.size(), begin + length);
      data.emplace_back(flat.begin() + static_cast<std::ptrdiff_t>(begin),
                        flat.begin() + static_cast<std::ptrdiff_t>(end));
      begin = end;
    }
  }
  std::vector<std::vector<S>>& tensor() { return data; }
  std::vector<std::vector<S>> data;
};

/// A model's list of parameters: a matrix, a vector, a scalar, nothing, and the rest.
template <class S>
struct Mixed {
  using scalar = S;
  explicit Mixed(const Values& values) : data(convert<S>(values)), matrix(2) {
    matrix[0].assign(data.begin(), data.begin() + 9);
    matrix[1].assign(data.begin() + 9, data.begin() + 18);
    std::copy(data.begin() + 18, data.begin() + 25, vector.begin());
    scalar_value[0] = data[25];
    rest.assign(data.begin() + 26, data.end());
  }
  std::vector<MutableTensorView> tensor() { return {matrix, vector, empty, scalar_value, rest}; }
  std::vector<S> data;
  std::vector<std::vector<S>> matrix;
  std::array<S, 7> vector;
  std::vector<S> empty;
  S scalar_value[1];
  std::vector<S> rest;
};

}  // namespace

#define SCALARS(Backend) Backend<double>, Backend<float>, Backend<Half>, Backend<BFloat16>

TEST_CASE_TEMPLATE("the operations on the standard library's containers", Backend, SCALARS(Vector),
                   SCALARS(Array), SCALARS(CArray), SCALARS(Span), SCALARS(Nested), SCALARS(Ragged),
                   SCALARS(Mixed)) {
  tests::run_suite<Backend>();
}

TEST_CASE("operands may mix scalar types and layouts") {
  random::Stream stream(5);
  const Values values = tests::rounded<BFloat16>(tests::normals(stream, tests::entries));
  Vector<double> a(values);
  Nested<float> b(values);
  Ragged<BFloat16> c(values);
  const std::vector<TensorView> views{a.tensor(), b.tensor(), c.tensor()};
  const Gram products = gram(views);
  for (std::size_t i = 0; i < 3; ++i)
    for (std::size_t j = 0; j < 3; ++j) CHECK(tests::bits(products(i, j)) == tests::bits(products(0, 0)));
  axpy(2.0, c.tensor(), a.tensor());
  Values tripled = values;
  for (double& value : tripled) value *= 3;
  CHECK(a.data == tripled);
}
