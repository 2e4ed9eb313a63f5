// The same numbers give the same bits, whatever the scalar type that holds them and however they lie: side by
// side, transposed, apart, backwards, one value shown many times, or cut into several tensors.
#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "fedval/black_box/losses.hpp"
#include "fedval/reward/gradient_reward.hpp"
#include "fedval/spectral/effective_rank.hpp"
#include "fedval/spectral/entropy_estimate.hpp"
#include "fedval/spectral/spectrum_stream.hpp"
#include "fedval/tensor/gram_stream.hpp"
#include "fedval/tensor/operations.hpp"
#include "fedval/zeroth_order/step.hpp"
#include "tests/support/oracle.hpp"

using namespace fedval;
using tests::bits;
using tests::Values;

namespace {

constexpr std::uint64_t seed = 4505;

struct Extents {
  std::size_t rows, columns;
  std::size_t count() const { return rows * columns; }
};

Shape shape_of(const Extents& size) {
  return {static_cast<std::int64_t>(size.rows), static_cast<std::int64_t>(size.columns)};
}

/// Numbers that every scalar type holds exactly.
Values common_numbers(random::Stream& stream, std::size_t count) {
  Values values = tests::normals(stream, count);
  for (double& value : values) value = tests::rounded<BFloat16>(std::copysign(0.25 + std::abs(value), value));
  return values;
}

/// A matrix in memory of its own, in which NaNs lie around the entries.
template <class S>
struct Stored {
  std::string name;
  std::vector<S> memory;
  TensorView view;

  Stored(std::string called, const Values& values, const Extents& size, std::int64_t first, std::int64_t down,
         std::int64_t right)
      : name(std::move(called)), memory(3 * size.count() + 7, static_cast<S>(std::nan(""))) {
    for (std::size_t i = 0; i < size.rows; ++i)
      for (std::size_t j = 0; j < size.columns; ++j)
        memory[static_cast<std::size_t>(first + static_cast<std::int64_t>(i) * down +
                                        static_cast<std::int64_t>(j) * right)] =
            static_cast<S>(values[i * size.columns + j]);
    view = {shape_of(size),
            {Piece::host(memory.data() + first, scalar_type_of<S>, shape_of(size), {down, right})}};
  }

  /// What lies around the entries, as bits of doubles.
  Values all() const {
    Values result;
    for (const S entry : memory) result.push_back(static_cast<double>(entry));
    return result;
  }
};

/// Cuts rows that lie side by side into pieces that end anywhere, some of them empty.
template <class S>
TensorView cut(const Stored<S>& dense, const Extents& size, random::Stream& stream) {
  std::vector<Piece> pieces;
  const S* entries = static_cast<const S*>(dense.view.pieces()[0].data);
  for (std::size_t begin = 0; begin < size.count();) {
    const std::size_t count = stream.below(std::min<std::size_t>(size.count() - begin, 700) + 1);
    const Shape shape{static_cast<std::int64_t>(count)};
    pieces.push_back(Piece::host(const_cast<S*>(entries + begin), scalar_type_of<S>, shape, {1}));
    begin += count;
  }
  return {shape_of(size), std::move(pieces)};
}

template <class S>
std::vector<Stored<S>> layouts(const Values& values, const Extents& size, random::Stream& stream) {
  const auto rows = static_cast<std::int64_t>(size.rows), columns = static_cast<std::int64_t>(size.columns),
             count = rows * columns;
  std::vector<Stored<S>> all;
  all.emplace_back("side by side", values, size, 0, columns, 1);
  all.emplace_back("transposed", values, size, 2, 1, rows);
  all.emplace_back("rows apart", values, size, 5, 2 * columns, 1);
  all.emplace_back("entries apart", values, size, 1, 3 * columns, 3);
  all.emplace_back("backwards", values, size, std::max<std::int64_t>(count, 1) - 1, -columns, -1);
  all.emplace_back("rows backwards", values, size, std::max<std::int64_t>(count - columns, 0), -columns, 1);
  all.emplace_back("cut", values, size, 0, columns, 1);
  all.back().view = cut(all.back(), size, stream);
  return all;
}

/// Everything that reads a matrix, with a partner of as many entries that lies side by side.
std::vector<Values> readings_of(const TensorView& m, const Values& partner) {
  std::vector<Values> all;
  const std::vector<TensorView> both{m, partner};
  const Gram g = gram(both);
  all.push_back({norm(m), dot(m, partner), g(0, 0), g(0, 1), g.cosine(0, 1)});
  GramStream sums(1, m.size());
  sums.add(std::vector<TensorView>{m});
  all.push_back({sums.result()(0, 0)});
  Values sum(m.size(), 1.0);
  combine(Values{0.3, -1.7}, both, 0.5, sum);
  all.push_back(sum);
  combine_normalised(Values{0.3, -1.7}, both, g, sum);
  all.push_back(sum);
  for (const auto& each : reward::gradient_rewards(m, Values{0.1, 0.5, 0.4})) {
    const reward::SparseVector sparse = reward::sparse_reward(m, each);
    all.push_back(sparse.values);
    all.emplace_back(sparse.indices.begin(), sparse.indices.end());
  }
  all.push_back(spectral::spectrum(m));
  all.push_back(spectral::spectrum(m, spectral::Route::svd));
  all.push_back({spectral::entropy(m), spectral::renyi2_entropy(m)});
  if (m.size() == 0) return all;
  const auto extent = [&](std::size_t axis) { return static_cast<std::size_t>(m.shape()[axis]); };
  const bool tall = extent(0) > extent(1);
  auto stream =
      tall ? spectral::SpectrumStream::of_rows(extent(1)) : spectral::SpectrumStream::of_columns(extent(0));
  if (tall) {
    stream.add_rows(m);
  } else {
    stream.add_columns(m);
  }
  all.push_back(stream.spectrum());
  const auto logits = black_box::read_logits(m);
  all.emplace_back(logits.values().begin(), logits.values().end());
  Values gradient(m.size());
  const black_box::Diversity diversity(m, m);
  diversity.add_log_gradient(1, 0, gradient);
  gradient.push_back(diversity.value());
  all.push_back(gradient);
  return all;
}

/// Everything that writes a tensor, from a partner that lies side by side; results as they are read back.
Values written_to(const TensorView& m, const Values& partner) {
  const MutableTensorView x(m);
  scale(0.75, x);
  axpy(-0.3, partner, x);
  zeroth_order::Adam().apply(x, partner);
  zeroth_order::Sign(0.125).apply(x, partner);
  reward::axpy(2, reward::sparsify(TensorView(partner), partner.size() / 3), x);
  reward::sparsify(m, top_k_threshold(m, m.size() - m.size() / 4), x);
  Values all(m.size());
  m.read(0, all);
  return all;
}

std::vector<Extents> sizes(random::Stream& stream) {
  std::vector<Extents> all{{0, 0}, {0, 3}, {4, 0}, {1, 1}, {1, 9}, {9, 1}, {3, 2000}, {120, 8}};
  for (int k = 0; k < 4; ++k) all.push_back({1 + stream.below(12), 1 + stream.below(600)});
  return all;
}

template <class Body>
void for_each_size(std::uint64_t kind, Body&& body) {
  CAPTURE(seed);
  random::Stream stream(seed, kind);
  for (const Extents& size : sizes(stream)) {
    CAPTURE(size.rows);
    CAPTURE(size.columns);
    body(size, stream);
  }
}

}  // namespace

TEST_CASE_TEMPLATE("what is read does not depend on the type nor on the layout", S, double, float, Half,
                   BFloat16) {
  for_each_size(0, [](const Extents& size, random::Stream& stream) {
    const Values values = common_numbers(stream, size.count()),
                 partner = common_numbers(stream, size.count());
    const Stored<double> plain("plain", values, size, 0, static_cast<std::int64_t>(size.columns), 1);
    const std::vector<Values> expected = readings_of(plain.view, partner);
    for (const Stored<S>& stored : layouts<S>(values, size, stream)) {
      CAPTURE(stored.name);
      const std::vector<Values> found = readings_of(stored.view, partner);
      REQUIRE(found.size() == expected.size());
      for (std::size_t k = 0; k < found.size(); ++k) {
        CAPTURE(k);
        CHECK(bits(found[k]) == bits(expected[k]));
      }
      // The estimate reads a column-major matrix as its transpose, whose sums are in another order.
      const double off =
          spectral::estimate_entropy(stored.view).value - spectral::estimate_entropy(plain.view).value;
      CHECK(std::abs(off) <= (stored.name == "transposed" ? 1e-13 : 0.0));
    }
  });
}

TEST_CASE_TEMPLATE("what is written does not depend on the layout, and nothing else is touched", S, double,
                   float, Half, BFloat16) {
  for_each_size(1, [](const Extents& size, random::Stream& stream) {
    const Values values = common_numbers(stream, size.count()),
                 partner = common_numbers(stream, size.count());
    std::vector<std::uint64_t> expected;
    for (Stored<S>& stored : layouts<S>(values, size, stream)) {
      CAPTURE(stored.name);
      const Values found = written_to(stored.view, partner);
      if (expected.empty()) expected = bits(found);
      CHECK(bits(found) == expected);
      std::size_t others = 0;
      for (const double entry : stored.all()) others += std::isnan(entry) ? 1 : 0;
      CHECK(others == stored.memory.size() - size.count());
    }
  });
}

TEST_CASE("a row shown many times is as many equal rows, and a list of types is one tensor") {
  for_each_size(2, [](const Extents& size, random::Stream& stream) {
    const Values row = common_numbers(stream, size.columns), partner = common_numbers(stream, size.count());
    Values values;
    for (std::size_t i = 0; i < size.rows; ++i) values.insert(values.end(), row.begin(), row.end());
    const Stored<double> plain("plain", values, size, 0, static_cast<std::int64_t>(size.columns), 1);
    const std::vector<Values> expected = readings_of(plain.view, partner);
    const TensorView repeated{
        shape_of(size),
        {Piece::host(const_cast<double*>(row.data()), ScalarType::float64, shape_of(size), {0, 1})}};
    const std::vector<float> floats(row.begin(), row.end());
    std::vector<Half> halves;
    for (const double value : row) halves.emplace_back(value);
    std::vector<Piece> pieces;
    for (std::size_t i = 0; i < size.rows; ++i) {
      const TensorView one = i % 3 == 0   ? TensorView(row)
                             : i % 3 == 1 ? TensorView(floats)
                                          : TensorView(halves);
      pieces.push_back(one.pieces()[0]);
    }
    const TensorView mixed{shape_of(size), pieces};
    for (const TensorView& view : {repeated, mixed}) {
      const std::vector<Values> found = readings_of(view, partner);
      for (std::size_t k = 0; k < found.size(); ++k) {
        CAPTURE(k);
        CHECK(bits(found[k]) == bits(expected[k]));
      }
    }
  });
}
