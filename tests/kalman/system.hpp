// Random linear systems, and what is to be believed of their last state by one stacked regression in long
// double.
#pragma once

#include <Eigen/Cholesky>
#include <cmath>
#include <numbers>
#include <vector>

#include "fedval/linalg/matrix.hpp"
#include "fedval/random/philox.hpp"

namespace fedval::tests {

using Wide = Eigen::Matrix<long double, Eigen::Dynamic, Eigen::Dynamic>;

template <class Scalar, std::size_t R, std::size_t C>
Wide wide(const linalg::Matrix<Scalar, R, C>& a) {
  Wide result(static_cast<Eigen::Index>(a.rows()), static_cast<Eigen::Index>(a.columns()));
  for (std::size_t i = 0; i < a.rows(); ++i)
    for (std::size_t j = 0; j < a.columns(); ++j)
      result(static_cast<Eigen::Index>(i), static_cast<Eigen::Index>(j)) = static_cast<long double>(a(i, j));
  return result;
}

template <class Scalar, std::size_t R = linalg::dynamic, std::size_t C = linalg::dynamic>
linalg::Matrix<Scalar, R, C> narrow(const Wide& a) {
  linalg::Matrix<Scalar, R, C> result(static_cast<std::size_t>(a.rows()), static_cast<std::size_t>(a.cols()));
  for (std::size_t i = 0; i < result.rows(); ++i)
    for (std::size_t j = 0; j < result.columns(); ++j)
      result(i, j) = static_cast<Scalar>(a(static_cast<Eigen::Index>(i), static_cast<Eigen::Index>(j)));
  return result;
}

inline long double largest(const Wide& a) { return a.size() == 0 ? 0 : a.cwiseAbs().maxCoeff(); }

struct Step {
  Wide F, Q, z, H, R;
  std::vector<bool> observed;
};

struct System {
  Wide x, P;  ///< of the state before the first step
  std::vector<Step> steps;
};

/// Standard Gaussian entries rounded to multiples of 1/8, so that they and sums of their products are floats.
inline Wide eighths(random::Stream& stream, Eigen::Index rows, Eigen::Index columns, double scale = 1) {
  Wide result(rows, columns);
  for (Eigen::Index i = 0; i < rows; ++i)
    for (Eigen::Index j = 0; j < columns; ++j) result(i, j) = std::round(8 * scale * stream.normal()) / 8;
  return result;
}

/// n states, m observations a step, each missing with the given probability. Every R is at least I / 4; half
/// of Q's directions are still.
inline System random_system(random::Stream& stream, Eigen::Index n, Eigen::Index m, int steps,
                            double missing) {
  const auto square = [](const Wide& g) { return Wide(g * g.transpose()); };
  System system{eighths(stream, n, 1), square(eighths(stream, n, n)) + Wide::Identity(n, n) / 4, {}};
  for (int t = 0; t < steps; ++t) {
    Step step{eighths(stream, n, n, 1 / std::sqrt(static_cast<double>(n))),
              square(eighths(stream, n, (n + 1) / 2)),
              eighths(stream, m, 1, 2),
              eighths(stream, m, n),
              square(eighths(stream, m, m)) + Wide::Identity(m, m) / 4,
              {}};
    for (Eigen::Index i = 0; i < m; ++i) step.observed.push_back(stream.uniform() >= missing);
    system.steps.push_back(step);
  }
  return system;
}

struct Posterior {
  Wide x, P;
  long double log_likelihood;  ///< of all observations together
};

/// Every state is a sum over the first state and the steps' noises; all observations are conditioned on at
/// once.
inline Posterior stacked_regression(const System& system) {
  const Eigen::Index n = system.x.rows(), steps = static_cast<Eigen::Index>(system.steps.size());
  Wide mean = Wide::Zero(n * (steps + 1), 1), covariance = Wide::Zero(n * (steps + 1), n * (steps + 1));
  mean.topRows(n) = system.x;
  covariance.topLeftCorner(n, n) = system.P;
  Eigen::Index rows = 0;
  for (const Step& step : system.steps)
    for (const bool there : step.observed) rows += there;
  Wide sums = Wide::Zero(n, n * (steps + 1)), A(rows, n * (steps + 1)), z(rows, 1),
       R = Wide::Zero(rows, rows);
  sums.leftCols(n).setIdentity();
  Eigen::Index row = 0;
  for (Eigen::Index t = 0; t < steps; ++t) {
    const Step& step = system.steps[static_cast<std::size_t>(t)];
    sums = (step.F * sums).eval();
    sums.middleCols(n * (t + 1), n).setIdentity();
    covariance.block(n * (t + 1), n * (t + 1), n, n) = step.Q;
    const Eigen::Index first = row;
    std::vector<Eigen::Index> kept;
    for (Eigen::Index i = 0; i < step.z.rows(); ++i)
      if (step.observed[static_cast<std::size_t>(i)]) kept.push_back(i);
    for (const Eigen::Index i : kept) {
      A.row(row) = step.H.row(i) * sums;
      z(row, 0) = step.z(i, 0);
      for (std::size_t k = 0; k < kept.size(); ++k)
        R(row, first + static_cast<Eigen::Index>(k)) = step.R(i, kept[k]);
      ++row;
    }
  }
  const Wide cross = covariance * A.transpose(), rest = z - A * mean;
  const Eigen::LLT<Wide> S(A * cross + R);
  const Wide solved = S.solve(rest);
  const Wide lower = S.matrixL();
  const long double log_determinant = 2 * lower.diagonal().array().log().sum();
  const long double constant = static_cast<long double>(rows) * std::log(2 * std::numbers::pi_v<long double>);
  return {sums * (mean + cross * solved),
          sums * (covariance - cross * S.solve(Wide(cross.transpose()))) * sums.transpose(),
          -(constant + log_determinant + (rest.transpose() * solved).sum()) / 2};
}

}  // namespace fedval::tests
