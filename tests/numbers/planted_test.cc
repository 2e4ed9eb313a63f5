// A NaN or an infinity at any place of any input is refused by an error that names the place; outputs and
// states stay as they were: tensors, matrices, spectra and samples.
#include <array>
#include <memory>

#include "fedval/linalg/lanczos_quadrature.hpp"
#include "fedval/linalg/simplex.hpp"
#include "fedval/linalg/solve.hpp"
#include "fedval/reward/gradient_reward.hpp"
#include "fedval/spectral/effective_rank.hpp"
#include "fedval/spectral/entropy_estimate.hpp"
#include "fedval/spectral/spectrum_stream.hpp"
#include "fedval/statistics/bootstrap.hpp"
#include "fedval/statistics/confidence_sequence.hpp"
#include "fedval/statistics/correlation.hpp"
#include "fedval/statistics/running_moments.hpp"
#include "fedval/tensor/direction_sum.hpp"
#include "fedval/tensor/gram_stream.hpp"
#include "fedval/tensor/operations.hpp"
#include "tests/numbers/planting.hpp"

using namespace fedval;
using tests::at;
using tests::Attempt;
using tests::counted;
using tests::in_rows_of;
using tests::Reader;
using tests::Values;

namespace {

constexpr std::uint64_t seed = 4503;

using Inputs = std::span<const Values>;

TensorView matrix_of(const Values& entries, std::size_t rows) {
  const Shape shape{static_cast<std::int64_t>(rows), static_cast<std::int64_t>(entries.size() / rows)};
  return {shape,
          {Piece::host(const_cast<double*>(entries.data()), ScalarType::float64, shape,
                       shape.row_major_strides())}};
}

/// An attempt that keeps nothing.
template <class Read>
Attempt reads(Read&& read) {
  return {std::forward<Read>(read)};
}

/// A share of one for each entry, as spectra are.
Values shares(random::Stream& stream, std::size_t count) {
  Values p(count);
  double sum = 0;
  for (double& value : p) sum += value = 1 + stream.uniform();
  for (double& value : p) value /= sum;
  return p;
}

std::vector<Reader> tensor_readers(random::Stream& stream) {
  const std::size_t n = 1 + stream.below(3000);
  const Values vector = tests::normals(stream, n), other = tests::normals(stream, n);
  return {
      {"norm", {{vector, at("tensor 0")}}, [](Inputs x) { return reads([=] { norm(x[0]); }); }},
      {"gram",
       {{vector, at("client 4: u")}, {other, at("client 7: u")}},
       [](Inputs x) {
         return reads([=] {
           gram(std::vector<TensorView>{x[0], x[1]}, std::vector<std::string>{"client 4: u", "client 7: u"});
         });
       }},
      {"direction sum",
       {{{0.5, 2}, counted("weight")}},
       [=](Inputs x) {
         const std::vector<TensorView> tensors{vector, other};
         return reads([=] { direction_sum(tensors, norms(tensors), x[0]); });
       }},
      {"Gram stream",
       {{vector, [n](std::size_t i) { return at("tensor 1")(n + i); }}},
       [=](Inputs x) {
         const auto sums = std::make_shared<GramStream>(2, 2 * n);
         sums->add(std::vector<TensorView>{other, vector});
         return Attempt{[=] {
                          sums->add(std::vector<TensorView>{other, x[0]});
                        },
                        [=] { return Values{static_cast<double>(sums->seen())}; }};
       }},
      {"top-k",
       {{vector, at("top-k: tensor")}},
       [](Inputs x) {
         const auto out = std::make_shared<Values>(x[0].size(), 7.0);
         return Attempt{[=] { reward::sparsify(x[0], top_k_threshold(x[0], x[0].size() / 2), *out); },
                        [=] { return *out; }};
       }},
      {"rewards", {{vector, at("reward: aggregate")}, {{0.2, 0.3, 0.5}, at("r")}}, [](Inputs x) {
         return reads([=] { reward::gradient_rewards(x[0], x[1]); });
       }}};
}

std::vector<Reader> matrix_readers(random::Stream& stream) {
  const std::size_t rows = 1 + stream.below(6), columns = rows + stream.below(300);
  const tests::Named w{tests::normals(stream, rows * columns), in_rows_of(columns, "W")};
  const tests::Named entries{w.values, in_rows_of(columns, "entry ")};
  // Of a symmetric matrix only the lower triangle is read: row by row, here.
  std::vector<std::size_t> places;
  for (std::size_t i = 0; i < rows; ++i)
    for (std::size_t j = 0; j <= i; ++j) places.push_back(i * rows + j);
  const tests::Named triangle{tests::normals(stream, places.size()),
                              [=](std::size_t k) { return in_rows_of(rows, "entry ")(places[k]); }};
  const auto below = w;
  tests::Named later = w;
  later.place = [=](std::size_t i) { return in_rows_of(columns, "W")(rows * columns + i); };
  std::vector<Reader> all{
      {"eigenvalues",
       {triangle},
       [=](Inputs x) {
         return reads([=] {
           Values a(rows * rows, 0.0);
           for (std::size_t k = 0; k < places.size(); ++k) a[places[k]] = x[0][k];
           linalg::symmetric_eigenvalues(a, rows);
         });
       }},
      {"singular values",
       {entries},
       [=](Inputs x) { return reads([=] { linalg::singular_values(x[0], rows, columns); }); }},
      {"left singular",
       {entries},
       [=](Inputs x) { return reads([=] { linalg::left_singular(x[0], rows, columns); }); }},
      {"Renyi 2",
       {w},
       [=](Inputs x) { return reads([=] { spectral::renyi2_entropy(matrix_of(x[0], rows), "W"); }); }},
      {"estimate",
       {w},
       [=](Inputs x) { return reads([=] { spectral::estimate_entropy(matrix_of(x[0], rows), {}, "W"); }); }},
      {"spectrum stream", {later}, [=](Inputs x) {
         const auto sum =
             std::make_shared<spectral::SpectrumStream>(spectral::SpectrumStream::of_rows(columns));
         sum->add_rows(matrix_of(below.values, rows));
         return Attempt{[=] { sum->add_rows(matrix_of(x[0], rows), "W"); }, [=] { return sum->spectrum(); }};
       }}};
  for (const auto route : {spectral::Route::gram, spectral::Route::svd})
    all.push_back({"spectrum", {w}, [=](Inputs x) {
                     return reads([=] { spectral::spectrum(matrix_of(x[0], rows), route, "W"); });
                   }});
  return all;
}

std::vector<Reader> spectrum_readers(random::Stream& stream) {
  const std::size_t n = 1 + stream.below(9);
  const tests::Named p{shares(stream, n), at("spectrum")};
  const auto reader = [&](const char* name, double (*f)(std::span<const double>)) {
    return Reader{name, {p}, [=](Inputs x) { return reads([=] { f(x[0]); }); }};
  };
  return {reader("von Neumann", [](auto q) { return spectral::von_neumann_entropy(q); }),
          reader("min", spectral::min_entropy),
          reader("Renyi", [](auto q) { return spectral::renyi_entropy(q, 2); }),
          reader("effective rank", spectral::effective_rank),
          reader("Roy and Vetterli", spectral::roy_vetterli_rank),
          reader("RankMe", [](auto q) { return spectral::rankme(q); }),
          reader("participation", spectral::participation_ratio),
          reader("stable rank", spectral::stable_rank),
          {"epsilon",
           {{{1e-7}, [](std::size_t) { return "epsilon is "; }}},
           [=](Inputs x) { return reads([=] { spectral::von_neumann_entropy(p.values, x[0][0]); }); }},
          {"RankMe's epsilon",
           {{{1e-7}, [](std::size_t) { return "epsilon is "; }}},
           [=](Inputs x) { return reads([=] { spectral::rankme(p.values, x[0][0]); }); }},
          {"Vendi", {{{1, 0.5, 0.5, 1}, in_rows_of(2, "K")}}, [](Inputs x) {
             return reads([=] { spectral::vendi_score(matrix_of(x[0], 2), 1, "K"); });
           }}};
}

/// A diagonal matrix for Lanczos.
struct Diagonal {
  Values entries;
  std::size_t size() const { return entries.size(); }
  void apply(std::span<const double> in, std::span<double> out) const {
    for (std::size_t k = 0; k < in.size(); ++k) out[k] = entries[k / linalg::block_width] * in[k];
  }
};

std::vector<Reader> sample_readers(random::Stream& stream) {
  constexpr std::size_t width = linalg::block_width;
  const std::size_t n = 2 + stream.below(20);
  const Values x = shares(stream, n), y = tests::normals(stream, n);
  const auto rule = [](auto f) { return [=](Inputs in) { return reads([=] { f(in[0], in[1]); }); }; };
  return {
      {"Pearson", {{x, counted("pair")}, {y, counted("pair")}}, rule(statistics::pearson)},
      {"Spearman", {{x, counted("pair")}, {y, counted("pair")}}, rule(statistics::spearman)},
      {"Kendall", {{x, counted("pair")}, {y, counted("pair")}}, rule(statistics::kendall)},
      {"Gauss",
       {{y, counted("diagonal entry")}, {x, counted("off-diagonal entry")}},
       [](Inputs in) {
         return reads([=] {
           linalg::gauss_rule(in[0], Values{in[1]});
           linalg::radau_rule(in[0], in[1], -9);
         });
       }},
      {"moments",
       {{y, counted("draw")}},
       [=](Inputs in) {
         const auto moments = std::make_shared<statistics::RunningMoments>();
         const auto taken = std::make_shared<Values>();
         return Attempt{
             [=] {  // what was added before it stays
               for (const double value : in[0]) {
                 moments->add(value);
                 taken->push_back(value);
               }
             },
             [=] {
               statistics::RunningMoments others;
               for (const double value : *taken) others.add(value);
               const auto told = [](const statistics::RunningMoments& m) {
                 return tests::bits(Values{static_cast<double>(m.count()), m.mean(), m.variance()});
               };
               return Values{told(*moments) == told(others) ? 1.0 : 0.0};
             }};
       }},
      {"confidence sequence",
       {{{0.25}, [](std::size_t) { return "a draw of "; }}},
       [](Inputs in) {
         const auto sequence = std::make_shared<statistics::EmpiricalBernstein>(0, 1, 0.05);
         sequence->add(0.5);
         return Attempt{
             [=] { sequence->add(in[0][0]); },
             [=] {
               return Values{static_cast<double>(sequence->count()), sequence->low(), sequence->high()};
             }};
       }},
      {"bootstrap",
       {{{0.25}, [](std::size_t) { return "the statistic is "; }}},
       [=](Inputs in) {
         return reads([=] {  // bad for the sample, without a unit, or in a resample
           std::size_t asked = 0;
           statistics::bootstrap(
               n, [&](std::span<const std::size_t>) { return asked++ == 2 * n + 9 ? in[0][0] : 0.125; },
               {.resamples = 10 * n});
         });
       }},
      {"simplex",
       {{y, counted("entry")}},
       [](Inputs in) {
         const auto point = std::make_shared<Values>(in[0]);
         return Attempt{[=] { linalg::project_onto_simplex(*point); }, [=] { return *point; }};
       }},
      {"Lanczos",
       {{Values(n * width, 1.0), in_rows_of(width, "start")}, {x, [](std::size_t) { return "product 1"; }}},
       [](Inputs in) {
         return reads(
             [=] { linalg::lanczos_quadrature(Diagonal{in[1]}, in[0], [](double v) { return v; }); });
       }}};
}

}  // namespace

TEST_CASE("what is not finite is named: tensors") { tests::check_refusals(seed, 12, tensor_readers); }

TEST_CASE("what is not finite is named: matrices") { tests::check_refusals(seed + 1, 12, matrix_readers); }

TEST_CASE("what is not finite is named: spectra") { tests::check_refusals(seed + 2, 12, spectrum_readers); }

TEST_CASE("what is not finite is named: samples, quadrature, projection") {
  tests::check_refusals(seed + 3, 12, sample_readers);
}

TEST_CASE("a system with an entry that is not finite has no solution") {
  constexpr double infinity = std::numeric_limits<double>::infinity();
  random::Stream stream(seed, 1000);
  for (int trial = 0; trial < 40; ++trial)
    for (const double bad : {std::nan(""), infinity, -infinity}) {
      CAPTURE(trial);
      const std::size_t n = 1 + stream.below(6), row = stream.below(n), column = stream.below(row + 1);
      const linalg::Matrix<double> root(n, n, tests::normals(stream, n * n)),
          b(n, 1, tests::normals(stream, n));
      linalg::Matrix<double> a = root * transpose(root) + linalg::identity<double>(n);
      REQUIRE(linalg::cholesky(a));
      REQUIRE(linalg::solve(a, b));
      a(row, column) = bad;
      CHECK_FALSE(linalg::cholesky(a));
      CHECK_FALSE(linalg::solve(a, b));
    }
}
