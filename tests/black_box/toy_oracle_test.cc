// Errors and cosines of the gradient estimators over 400 trials of a toy, against closed forms and against
// the figures of another draw of the same toy.
//
//   x = tanh(N(0, 1)), 32 samples of 48 entries; 5 classes in turn; 20 numbers of noise; 4 boxes and a global
//   model of 32 hidden units; T = 5, epsilon = 1e-3, all factors 1
#include <Eigen/Core>
#include <array>
#include <cmath>
#include <iomanip>
#include <sstream>

#include "fedval/black_box/estimator.hpp"
#include "fedval/tensor/eigen.hpp"
#include "tests/black_box/naive.hpp"
#include "tests/black_box/network.hpp"
#include "tests/zeroth_order/estimates.hpp"

using namespace fedval;
using namespace fedval::black_box;
using tests::Mean;
using tests::Real;
using tests::Table;
using tests::table_of;
using tests::Values;

namespace {

constexpr std::uint64_t seed = 3049;
constexpr std::size_t d = 48, batch = 32, classes = 5, noise = 20, hidden = 32, trials = 400;
constexpr std::array<std::size_t, 4> point_counts{5, 10, 24, 48};

/// What is estimated how: the columns of the table.
struct Column {
  const char* name;
  Estimator estimator;
  bool orthogonal;
};
constexpr std::array<Column, 4> columns{{{"scalar", Estimator::scalar, false},
                                         {"per sample", Estimator::per_sample, false},
                                         {"chain", Estimator::chain, false},
                                         {"chain, orthogonal", Estimator::chain, true}}};

/// Relative error and cosine of another draw of the toy, 400 trials, where ||g_box|| / ||g|| was .992.
struct Figures {
  double error, cosine;
};
constexpr double other_share = 0.992 * 0.992;
constexpr std::array<std::array<Figures, 4>, 4> other_draw{{
    {{{311.6, .054}, {9.36, .309}, {9.21, .312}, {8.44, .324}}},
    {{{153.4, .079}, {4.70, .419}, {4.63, .421}, {3.76, .461}}},
    {{{64.6, .124}, {1.97, .581}, {1.93, .584}, {.984, .710}}},
    {{{32.1, .174}, {.981, .712}, {.965, .715}, {0, 1}}},
}};

using Matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

/// Several networks as one: their first layers below each other, their second, weighted, beside each other.
struct Stack {
  Matrix first, second;
  Eigen::RowVectorXd bias;

  explicit Stack(const std::vector<tests::Network>& networks, const Values& weights)
      : first(d, networks.size() * hidden), second(networks.size() * hidden, classes), bias(first.cols()) {
    for (std::size_t k = 0; k < networks.size(); ++k)
      for (std::size_t h = 0; h < hidden; ++h) {
        const auto unit = static_cast<Eigen::Index>(k * hidden + h);
        bias(unit) = networks[k].bias[h];
        for (std::size_t e = 0; e < d; ++e)
          first(static_cast<Eigen::Index>(e), unit) = networks[k].first(h, e);
        for (std::size_t c = 0; c < classes; ++c)
          second(unit, static_cast<Eigen::Index>(c)) = weights[k] * networks[k].second(c, h);
      }
  }

  Logits operator()(const Matrix& x) const {
    const auto twice = (2 * ((x * first).rowwise() + bias)).array().exp().eval();
    const Matrix active = 1 - 2 / (twice + 1);  // tanh, several at a time
    const Matrix logits = active * second;
    return Logits(batch, classes, {logits.data(), batch * classes});
  }
};

Matrix random_samples(random::Stream& stream) {
  Matrix x(batch, d);
  for (Eigen::Index i = 0; i < x.size(); ++i) x.data()[i] = std::tanh(stream.normal());
  return x;
}

std::vector<tests::Network> random_networks(random::Stream& stream, std::size_t count) {
  std::vector<tests::Network> networks;
  for (std::size_t k = 0; k < count; ++k)
    networks.push_back(tests::random_network(stream, d, hidden, classes));
  return networks;
}

class Toy {
 public:
  explicit Toy(random::Stream stream)
      : x_(random_samples(stream)),
        z_(tests::random_rows(stream, batch, noise)),
        boxes_(random_networks(stream, 4)),
        global_(random_networks(stream, 1)),
        ensemble_(boxes_, weights_),
        answer_(global_, {1}) {
    for (std::size_t i = 0; i < batch; ++i) y_.push_back(static_cast<std::uint32_t>(i * classes / batch));
    set_gradient();
  }

  /// (||g_box|| / ||g||)^2.
  double share() const { return share_; }

  /// Points around the samples, and what all models answer about them.
  struct Asked {
    Queries queries;
    Answers ensemble, global;
  };

  Asked ask(const zeroth_order::Directions& directions, std::uint64_t trial) const {
    Asked asked{Queries({.directions = directions}, batch, d, trial), {ensemble_(x_), {}}, {answer_(x_), {}}};
    Matrix moved(batch, d);
    for (std::size_t k = 0; k < directions.count; ++k) {
      asked.queries.point(x_, k, moved);
      asked.ensemble.at_points.push_back(ensemble_(moved));
      asked.global.at_points.push_back(answer_(moved));
    }
    return asked;
  }

  /// Relative error and cosine.
  Figures judge(Estimator estimator, const Asked& asked) const {
    Values g(batch * d);
    generator_gradient(
        estimator, {}, {x_, z_, y_}, asked.ensemble, asked.global, asked.queries,
        [this](const Logits& ds) { return pull_back(global_, {1}, table_of(ds)); }, g);
    return {tests::distance_squared(g, gradient_) / tests::square_of(gradient_),
            static_cast<double>(tests::naive_cosine(g, gradient_))};
  }

 private:
  std::vector<Real> row(std::size_t i) const {
    const auto entries = x_.row(static_cast<Eigen::Index>(i));
    return {entries.begin(), entries.end()};
  }

  /// sum_k weights_k J_k^T v.
  Values pull_back(const std::vector<tests::Network>& networks, const Values& weights, const Table& v) const {
    Values sum(batch * d);
    for (std::size_t k = 0; k < networks.size(); ++k)
      for (std::size_t i = 0; i < batch; ++i) {
        const std::vector<Real> pulled = networks[k].pull_back(row(i), v[i]);
        for (std::size_t e = 0; e < d; ++e) sum[i * d + e] += static_cast<double>(weights[k] * pulled[e]);
      }
    return sum;
  }

  /// From differences of the naive losses, and the networks' Jacobians by hand.
  void set_gradient() {
    Table x;
    for (std::size_t i = 0; i < batch; ++i) x.push_back(row(i));
    const Table at_x = table_of(ensemble_(x_)), answer = table_of(answer_(x_));
    const auto of_boxes = [&](const Table& at) {
      return tests::naive_fidelity(at, y_) - tests::naive_divergence(at, answer, 5) +
             tests::naive_information(at);
    };
    const auto of_global = [&](const Table& at) { return -tests::naive_divergence(at_x, at, 5); };
    const auto of_samples = [&](const Table& at) { return tests::naive_diversity(at, table_of(z_)); };
    const Values box = pull_back(boxes_, weights_, tests::central_differences(of_boxes, at_x));
    const Values global = pull_back(global_, {1}, tests::central_differences(of_global, answer));
    const Table diverse = tests::central_differences(of_samples, x);
    for (std::size_t k = 0; k < batch * d; ++k)
      gradient_.push_back(box[k] + global[k] + static_cast<double>(diverse[k / d][k % d]));
    share_ = tests::square_of(box) / tests::square_of(gradient_);
  }

  Values weights_{0.4, 0.3, 0.2, 0.1};
  Matrix x_;
  std::vector<Values> z_;
  std::vector<tests::Network> boxes_, global_;
  Stack ensemble_, answer_;
  tests::Classes y_;
  Values gradient_;
  double share_ = 0;
};

struct Found {
  Mean error, cosine;
};

/// Of all columns; those of one law look at the same answers.
std::array<Found, 4> measure(const Toy& toy, std::size_t q) {
  std::vector<std::array<Figures, 4>> each(trials);
  fedval::detail::for_each_index(trials, std::size_t{1} << 30, [&](std::size_t trial) {
    const Toy::Asked spread = toy.ask(zeroth_order::sphere(q), trial);
    const Toy::Asked orthogonal = toy.ask(zeroth_order::orthogonal(q), trial);
    for (std::size_t k = 0; k < columns.size(); ++k)
      each[trial][k] = toy.judge(columns[k].estimator, columns[k].orthogonal ? orthogonal : spread);
  });
  std::array<Found, 4> found;
  for (const auto& trial : each)
    for (std::size_t k = 0; k < columns.size(); ++k) {
      found[k].error.add(trial[k].error);
      found[k].cosine.add(trial[k].cosine);
    }
  return found;
}

/// The part of ||g||^2 that an estimator leaves to chance.
double share_of(const Column& column, double box_share) {
  return column.estimator == Estimator::chain ? box_share : 1;
}

double expected_error(const Column& column, std::size_t q, double box_share) {
  const double dimension = static_cast<double>(column.estimator == Estimator::scalar ? d * batch : d);
  const auto points = static_cast<double>(q);
  return (dimension - (column.orthogonal ? points : 1)) / points * share_of(column, box_share);
}

std::string text_of(const std::vector<std::array<Found, 4>>& table, double share) {
  std::ostringstream text;
  text << std::setprecision(4) << "||g_box|| / ||g|| = " << std::sqrt(share) << '\n';
  for (std::size_t row = 0; row < table.size(); ++row)
    for (std::size_t k = 0; k < columns.size(); ++k) {
      const Found& found = table[row][k];
      text << "q = " << point_counts[row] << ", " << columns[k].name << ": error " << found.error.value()
           << " +- " << found.error.error() << ", expected "
           << expected_error(columns[k], point_counts[row], share) << "; cosine " << found.cosine.value()
           << " +- " << found.cosine.error() << ", of the other draw " << other_draw[row][k].cosine << '\n';
    }
  return text.str();
}

}  // namespace

TEST_CASE("relative errors and cosines of all estimators") {
  CAPTURE(seed);
  const Toy toy{random::Stream(seed)};
  std::vector<std::array<Found, 4>> table;
  for (const std::size_t q : point_counts) table.push_back(measure(toy, q));
  const std::string whole = text_of(table, toy.share());
  CAPTURE(whole);
  for (std::size_t row = 0; row < table.size(); ++row)
    for (std::size_t k = 0; k < columns.size(); ++k) {
      const Column& column = columns[k];
      const std::size_t q = point_counts[row];
      CAPTURE(q);
      CAPTURE(column.name);
      const Found& found = table[row][k];
      // A step of 1e-3 bends a difference by about as much of itself; of an error of 0 its square is left.
      const double expected = expected_error(column, q, toy.share());
      CHECK(std::abs(found.error.value() - expected) < 5 * found.error.error() + 1e-3 * expected + 1e-6);
      // Both draws are means of 400 trials. A cosine is about (1 + error)^-1/2, which differs between draws
      // as the errors do; the figures have three decimals.
      const auto about = [&](double share) { return 1 / std::sqrt(1 + expected_error(column, q, share)); };
      const double apart = std::abs(about(toy.share()) - about(other_share));
      CHECK(std::abs(found.cosine.value() - other_draw[row][k].cosine) <
            5 * std::sqrt(2.0) * found.cosine.error() + apart + 0.0005);
      // The errors of the other draw, of four digits or three, so that the figures are those of this toy.
      const double other = expected_error(column, q, other_share);
      CHECK(std::abs(other_draw[row][k].error - other) < 5 * found.error.error() + 0.005 * other);
    }
}
