// Gradients of a generator's loss through networks, with as many orthogonal points as entries: what is left
// is the step, and with the step it goes to 0.
#include <cmath>

#include "fedval/black_box/estimator.hpp"
#include "tests/black_box/naive.hpp"
#include "tests/black_box/network.hpp"

using namespace fedval;
using namespace fedval::black_box;
using tests::Real;
using tests::Table;
using tests::table_of;
using tests::Values;

namespace {

constexpr std::uint64_t seed = 3041;
constexpr std::size_t batch = 4, d = 6, noise = 3, hidden = 8, classes = 3;

struct Game {
  explicit Game(random::Stream& stream)
      : x(tests::random_rows(stream, batch, d)),
        z(tests::random_rows(stream, batch, noise)),
        y(tests::random_classes(stream, batch, classes)),
        global(tests::random_network(stream, d, hidden, classes)) {
    for (int k = 0; k < 3; ++k) boxes.push_back(tests::random_network(stream, d, hidden, classes));
  }

  std::vector<Values> x, z;
  tests::Classes y;
  std::vector<tests::Network> boxes;
  tests::Network global;
  Values weights{0.5, 0.3, 0.2};
  GeneratorLoss loss{.temperature = 2, .adversarial = 1.5, .diversity = 3, .information = 0.7};

  /// L in long double, as a function of all samples.
  Real operator()(const Table& at) const {
    Table ensemble, answer;
    for (const std::vector<Real>& row : at) {
      ensemble.push_back(tests::ensemble_of(boxes, weights, row));
      answer.push_back(global(row));
    }
    return tests::naive_fidelity(ensemble, y) -
           loss.adversarial * tests::naive_divergence(ensemble, answer, loss.temperature) +
           loss.diversity * tests::naive_diversity(at, table_of(z)) +
           loss.information * tests::naive_information(ensemble);
  }

  /// A model's logits of rows.
  template <class Model>
  static Logits logits(const std::vector<Values>& rows, Model&& model) {
    Logits result(batch, classes);
    for (std::size_t i = 0; i < batch; ++i) {
      const Values row = model(rows[i]);
      std::copy(row.begin(), row.end(), result.row(i).begin());
    }
    return result;
  }
  Logits of_ensemble(const std::vector<Values>& rows) const {
    return logits(rows, [&](const Values& row) { return tests::ensemble_of(boxes, weights, row); });
  }
  Logits of_global(const std::vector<Values>& rows) const { return logits(rows, global); }

  /// J^T v of a network.
  std::vector<Values> pull_back(const tests::Network& network, const Logits& v) const {
    std::vector<Values> rows;
    for (std::size_t i = 0; i < batch; ++i)
      rows.push_back(network.pull_back(x[i], Values(v.row(i).begin(), v.row(i).end())));
    return rows;
  }
  auto through_global() const {
    return [this](const Logits& ds) { return pull_back(global, ds); };
  }

  Values gradient(Estimator estimator, const zeroth_order::Directions& directions, double epsilon) const {
    const Queries queries({.directions = directions, .epsilon = epsilon}, batch, d, seed);
    Answers ensemble{of_ensemble(x), {}}, answers{of_global(x), {}};
    for (std::size_t k = 0; k < queries.count(); ++k) {
      std::vector<Values> moved = x;
      queries.point(x, k, moved);
      ensemble.at_points.push_back(of_ensemble(moved));
      answers.at_points.push_back(of_global(moved));
    }
    Values out(batch * d);
    generator_gradient(estimator, loss, {x, z, y}, ensemble, answers, queries, through_global(), out);
    return out;
  }
};

double relative_error(const Values& found, const Table& expected) {
  Real error = 0, size = 0;
  for (std::size_t k = 0; k < found.size(); ++k) {
    const Real entry = expected[k / d][k % d];
    error += (found[k] - entry) * (found[k] - entry);
    size += entry * entry;
  }
  return static_cast<double>(std::sqrt(error / size));
}

}  // namespace

TEST_CASE("per sample and chain go to the gradient of the loss as the step goes to 0") {
  CAPTURE(seed);
  random::Stream stream(seed);
  for (int trial = 0; trial < 5; ++trial) {
    CAPTURE(trial);
    const Game game(stream);
    const Table expected = tests::central_differences(game, table_of(game.x));
    for (const zeroth_order::Directions& directions :
         {zeroth_order::orthogonal(d), zeroth_order::coordinates(d)})
      for (const Estimator estimator : {Estimator::per_sample, Estimator::chain}) {
        CAPTURE(directions.name);
        CAPTURE(static_cast<int>(estimator));
        const auto error = [&](double epsilon) {
          return relative_error(game.gradient(estimator, directions, epsilon), expected);
        };
        // One-sided differences: half the step, half the error. What is left at 1e-6 is the step's, of a
        // function whose second derivatives are some times its first, and rounding's 1e-16 / 1e-6.
        CHECK(error(1e-3) / error(5e-4) == doctest::Approx(2).epsilon(0.01));
        CHECK(error(1e-6) < 1e-5);
      }
  }
}

TEST_CASE("going back through the boxes as well: the gradient of the loss") {
  CAPTURE(seed);
  random::Stream stream(seed, 1);
  for (int trial = 0; trial < 5; ++trial) {
    CAPTURE(trial);
    const Game game(stream);
    const auto through_boxes = [&](const Logits& v) {
      Values sum(batch * d);
      for (std::size_t k = 0; k < game.boxes.size(); ++k)
        axpy(game.weights[k], game.pull_back(game.boxes[k], v), sum);
      return sum;
    };
    std::vector<Values> out(batch, Values(d, std::nan("")));
    const Logits ensemble = game.of_ensemble(game.x), global = game.of_global(game.x);
    const Synthesis made{game.x, game.z, game.y};
    const LossParts parts =
        exact_gradient(game.loss, made, ensemble, global, through_boxes, game.through_global(), out);
    Values entries(batch * d);
    TensorView(out).read(0, entries);
    tests::check_near(entries, tests::central_differences(game, table_of(game.x)), 1e-9);
    CHECK(parts.total(game.loss) == losses_of(game.loss, made, ensemble, global).total(game.loss));
    CHECK(std::abs(parts.total(game.loss) - game(table_of(game.x))) < 1e-12);
  }
}

TEST_CASE("scalar: changes of other samples are in it, however many points there are") {
  random::Stream stream(seed, 2);
  const Game game(stream);
  const Table expected = tests::central_differences(game, table_of(game.x));
  const double error =
      relative_error(game.gradient(Estimator::scalar, zeroth_order::orthogonal(d), 1e-6), expected);
  CHECK(error > 0.5);
}
