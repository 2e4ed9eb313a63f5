// A power of two, from 2^-990 to 2^990, changes no digit of what tensors, matrices, spectra and samples lead
// to: results are multiplied by their degree's power, bit for bit. Inputs that become subnormal and keep
// their digits lead to the same bits too; where an algorithm rounds in their units, to no more than those
// roundings.
#include "fedval/linalg/lanczos_quadrature.hpp"
#include "fedval/linalg/simplex.hpp"
#include "fedval/linalg/solve.hpp"
#include "fedval/linalg/stochastic_trace.hpp"
#include "fedval/reward/gradient_reward.hpp"
#include "fedval/spectral/effective_rank.hpp"
#include "fedval/spectral/entropy_estimate.hpp"
#include "fedval/spectral/spectrum_stream.hpp"
#include "fedval/statistics/bootstrap.hpp"
#include "fedval/statistics/confidence_sequence.hpp"
#include "fedval/statistics/running_moments.hpp"
#include "fedval/tensor/operations.hpp"
#include "tests/numbers/scaling.hpp"

using namespace fedval;
using tests::Graded;
using tests::Homogeneous;
using tests::plain;
using tests::Values;

namespace {

constexpr std::uint64_t seed = 4501;

using Inputs = std::span<const Values>;
using Results = std::vector<Graded>;

void check(const std::vector<Homogeneous>& algorithms, random::Stream& stream) {
  tests::check_homogeneous(algorithms, stream);
  for (const Homogeneous& algorithm : algorithms) tests::check_subnormal(algorithm);
}

/// A tensor of S with the given numbers, which S holds exactly.
template <class S>
std::vector<S> typed(const Values& values) {
  std::vector<S> result;
  for (const double value : values) result.push_back(static_cast<S>(value));
  return result;
}

template <class S>
TensorView matrix_of(const std::vector<S>& entries, std::size_t rows) {
  const Shape shape{static_cast<std::int64_t>(rows), static_cast<std::int64_t>(entries.size() / rows)};
  return {shape,
          {Piece::host(const_cast<S*>(entries.data()), scalar_type_of<S>, shape, shape.row_major_strides())}};
}

/// Scales that S holds without a subnormal number.
template <class S>
constexpr int most_scale = std::same_as<S, double> ? 990
                           : std::same_as<S, Half> ? 11
                                                   : 120;

template <class S>
std::vector<Homogeneous> tensor_algorithms(random::Stream& stream) {
  const std::size_t n = 1 + stream.below(40), rows = 1 + stream.below(6), columns = 1 + stream.below(9);
  const Graded a{plain<S>(stream, n), 1}, b{plain<S>(stream, n), 1}, w{plain<S>(stream, rows * columns), 1};
  const int most = most_scale<S>;
  std::vector<Homogeneous> all{
      {"dot",
       {a, b},
       [](Inputs x) -> Results {
         return {{{dot(typed<S>(x[0]), typed<S>(x[1]))}, 2}};
       },
       most},
      {"norm",
       {a},
       [](Inputs x) -> Results {
         return {{{norm(typed<S>(x[0]))}, 1}};
       },
       most},
      {"gram",
       {a, b},
       [](Inputs x) -> Results {
         const std::vector<std::vector<S>> u{typed<S>(x[0]), typed<S>(x[1])};
         const Gram g = gram(std::vector<TensorView>(u.begin(), u.end()));
         return {{{g.cosine(0, 1)}, 0}, {{g.norm(0), g.norm(1)}, 1}, {{g(0, 0), g(0, 1), g(1, 1)}, 2}};
       },
       most},
      {"combine",
       {a, b},
       [](Inputs x) -> Results {
         const std::vector<std::vector<S>> u{typed<S>(x[0]), typed<S>(x[1])};
         Values sum(x[0].size());
         combine(Values{0.3, -1.7}, std::vector<TensorView>(u.begin(), u.end()), 0, sum);
         return {{sum, 1}};
       },
       most,
       2},  // two products and a sum, and the expected one
      {"combine_normalised",
       {a, b},
       [](Inputs x) -> Results {
         const std::vector<std::vector<S>> u{typed<S>(x[0]), typed<S>(x[1])};
         const std::vector<TensorView> views(u.begin(), u.end());
         Values sum(x[0].size());
         combine_normalised(Values{0.3, -1.7}, views, gram(views), sum);
         return {{sum, 0}};
       },
       most},
      {"rewards",
       {a},
       [](Inputs x) -> Results {
         const std::vector<S> aggregate = typed<S>(x[0]);
         Results results;
         for (const auto& each : reward::gradient_rewards(aggregate, Values{0.2, 0.5, 0.3})) {
           const reward::SparseVector sparse = reward::sparse_reward(aggregate, each);
           results.push_back({sparse.values, 1});
           results.push_back({Values(sparse.indices.begin(), sparse.indices.end()), 0});
         }
         return results;
       },
       most},
      {"spectra",
       {w},
       [rows](Inputs x) -> Results {
         const std::vector<S> entries = typed<S>(x[0]);
         const TensorView m = matrix_of(entries, rows);
         return {{spectral::spectrum(m), 0},
                 {spectral::spectrum(m, spectral::Route::svd), 0},
                 {{spectral::entropy(m), spectral::entropy(m, {.normaliser = spectral::Normaliser::log_rank}),
                   spectral::renyi2_entropy(m), spectral::rankme(spectral::spectrum(m))},
                  0}};
       },
       most},
      {"stream",
       {w},
       [rows](Inputs x) -> Results {
         const std::vector<S> entries = typed<S>(x[0]);
         auto by_rows = spectral::SpectrumStream::of_rows(x[0].size() / rows);
         by_rows.add_rows(matrix_of(entries, rows));
         by_rows.add_rows(matrix_of(entries, rows));
         auto by_columns = spectral::SpectrumStream::of_columns(rows);
         by_columns.add_columns(matrix_of(entries, rows));
         return {{by_rows.spectrum(), 0}, {by_columns.spectrum(), 0}};
       },
       most},
      {"estimate",
       {w},
       [rows](Inputs x) -> Results {
         const std::vector<S> entries = typed<S>(x[0]);
         const auto found = spectral::estimate_entropy(matrix_of(entries, rows), {.deflation = 1});
         return {{{found.value, found.standard_error, found.truncation}, 0}};
       },
       most}};
  return all;
}

/// A diagonal matrix for Lanczos.
struct Diagonal {
  Values entries;
  std::size_t size() const { return entries.size(); }
  void apply(std::span<const double> in, std::span<double> out) const {
    for (std::size_t k = 0; k < in.size(); ++k) out[k] = entries[k / linalg::block_width] * in[k];
  }
};

std::vector<Homogeneous> matrix_algorithms(random::Stream& stream) {
  const std::size_t n = 1 + stream.below(7), wide = n + stream.below(9);
  const Graded square{plain(stream, n * n), 1}, rectangle{plain(stream, n * wide), 1},
      vector{plain(stream, n), 1};
  Graded diagonal{tests::magnitudes(plain(stream, n)), 1}, positive{plain(stream, n * n), 2};
  const Graded large{tests::magnitudes(plain(stream, 20)), 1};
  const double trace = std::accumulate(large.values.begin(), large.values.end(), 0.0);
  Graded start{Values(n * linalg::block_width), 0};
  for (std::size_t i = 0; i < n; ++i) start.values[i * linalg::block_width] = 1 + stream.uniform();
  for (std::size_t i = 0; i < n; ++i) positive.values[i * n + i] = 3 * static_cast<double>(n);
  const auto span_of = [](const linalg::Matrix<double>& m) {
    return Values(m.values().begin(), m.values().end());
  };
  return {{"eigenvalues",
           {square},
           [n](Inputs x) -> Results {
             return {{linalg::symmetric_eigenvalues(x[0], n), 1}};
           }},
          {"singular values",
           {rectangle},
           [=](Inputs x) -> Results {
             return {{linalg::singular_values(x[0], n, wide), 1}};
           }},
          {"left singular vectors",
           {rectangle},
           [=](Inputs x) -> Results {
             const linalg::LeftSingular left = linalg::left_singular(x[0], n, wide);
             return {{left.sigma, 1}, {left.u, 0}};
           },
           990,
           std::nullopt},  // singular values that are rounded to one another change places
          {"simplex",
           {vector, {{1.5}, 1}},
           [](Inputs x) -> Results {
             Values p = x[0];
             linalg::project_onto_simplex(p, x[1][0]);
             return {{p, 1}};
           },
           990,
           static_cast<double>(n + 3)},  // a mean that each entry rounds
          {"solve",
           {square, vector},
           [=](Inputs x) -> Results {
             const auto solved =
                 linalg::solve(linalg::Matrix<double>(n, n, x[0]), linalg::Matrix<double>(n, 1, x[1]));
             return {{solved ? span_of(*solved) : Values{}, 0}};
           },
           990,
           std::nullopt},  // eliminates among numbers of few digits
          {"Cholesky",
           {positive},
           [=](Inputs x) -> Results {
             const auto factor = linalg::cholesky(linalg::Matrix<double>(n, n, x[0]));
             return {{span_of(factor.value().lower()), 1}};
           },
           490},
          {"Gauss rule",
           {vector, diagonal},
           [](Inputs x) -> Results {
             const linalg::QuadratureRule rule = linalg::gauss_rule(x[0], x[1]);
             return {{rule.nodes, 1}, {rule.weights, 0}};
           },
           800},  // a coupling that an iteration makes tiny is compared with the square of a unit
          {"Radau rule",
           {{{1.5, 2.25}, 1}, {{0.25, 0.375}, 1}, {{-0.5}, 1}},
           [](Inputs x) -> Results {
             const auto rule = linalg::radau_rule(x[0], x[1], x[2][0]);
             return {{rule.value().nodes, 1}, {rule.value().weights, 0}};
           },
           800},  // as the Gauss rule
          {"Lanczos",
           {diagonal, start},
           [](Inputs x) -> Results {
             const auto identity = [](double value) { return value; };
             const auto found = linalg::lanczos_quadrature(Diagonal{x[0]}, x[1], identity)[0];
             return {{{found.lower, found.upper}, 1}, {found.diagonal, 1}, {found.off, 1}};
           },
           800},  // as the Gauss rule
          {"stochastic trace",
           {large, {{trace}, 1}},
           [](Inputs x) -> Results {
             const auto found = linalg::stochastic_trace(
                 Diagonal{x[0]}, [&](double value) { return value * std::sqrt(value / x[1][0]); }, x[1][0],
                 {.max_probes = 16, .max_steps = 12, .deflation = 7});
             return {{{found.value, found.standard_error}, 1}};
           },
           300}};  // squares of products, and of their rounding, must be within a double's range
}

std::vector<Homogeneous> sample_algorithms(random::Stream& stream) {
  const std::size_t n = 3 + stream.below(20);
  const Graded x{plain(stream, n), 1}, y{plain(stream, n), 1};
  const auto mean_of = [](const Values& values) {
    return [&values](std::span<const std::size_t> units) -> std::optional<double> {
      double sum = 0;
      for (const std::size_t unit : units) sum += values[unit];
      return sum / static_cast<double>(units.size());
    };
  };
  return {
      {"correlations",
       {x, y},
       [](Inputs v) -> Results {
         using namespace statistics;
         return {{{*pearson(v[0], v[1]), *spearman(v[0], v[1]), *kendall(v[0], v[1])}, 0}, {ranks(v[0]), 0}};
       }},
      {"bootstrap",
       {x},
       [=](Inputs v) -> Results {
         const auto found = statistics::bootstrap(v[0].size(), mean_of(v[0]), {.resamples = 99});
         return {{found ? Values{found->value, found->low, found->high} : Values{}, 1}};
       },
       990,
       std::nullopt},  // means that are rounded to one another change the place of an end
      {"running mean",
       {x},
       [](Inputs v) -> Results {
         statistics::RunningMoments moments;
         for (const double value : v[0]) moments.add(value);
         return {{{moments.mean()}, 1}};
       },
       990,
       static_cast<double>(n)},  // each draw rounds it
      {"running variance",
       {x},
       [](Inputs v) -> Results {
         statistics::RunningMoments moments;
         for (const double value : v[0]) moments.add(value);
         return {{{moments.variance()}, 2}, {{moments.deviation(), moments.standard_error()}, 1}};
       },
       990,
       std::nullopt},  // as the mean
      {"empirical Bernstein",
       {x, {{-2, 4}, 1}},
       [](Inputs v) -> Results {
         statistics::EmpiricalBernstein sequence(v[1][0], v[1][1], 0.05);
         for (int time = 0; time < 30; ++time)
           for (const double value : v[0]) sequence.add(value);
         return {{{sequence.low(), sequence.high()}, 1}};
       },
       990,
       2},  // a product that a sum may swallow unrounded, here and in the expected one
      {"Hoeffding", {{{3, 0.07}, 1}}, [](Inputs v) -> Results {
         return {{{static_cast<double>(statistics::hoeffding_count(v[0][0], v[0][1], 0.05))}, 0}};
       }}};
}

}  // namespace

TEST_CASE_TEMPLATE("tensors of every type: a power of two changes no digit, down to subnormal numbers", S,
                   double, float, Half, BFloat16) {
  CAPTURE(seed);
  for (std::uint64_t trial = 0; trial < 12; ++trial) {
    CAPTURE(trial);
    random::Stream stream(seed, trial);
    check(tensor_algorithms<S>(stream), stream);
  }
}

TEST_CASE("matrices: a power of two changes no digit, down to subnormal numbers") {
  CAPTURE(seed);
  for (std::uint64_t trial = 0; trial < 60; ++trial) {
    CAPTURE(trial);
    random::Stream stream(seed + 1, trial);
    const std::vector<Homogeneous> algorithms = matrix_algorithms(stream);
    check(algorithms, stream);
    for (const Homogeneous& algorithm : algorithms) tests::check_beyond(algorithm);
  }
}

TEST_CASE("samples: a power of two changes no digit, down to subnormal numbers") {
  CAPTURE(seed);
  for (std::uint64_t trial = 0; trial < 40; ++trial) {
    CAPTURE(trial);
    random::Stream stream(seed + 2, trial);
    check(sample_algorithms(stream), stream);
  }
}
