// The definition of verified entropy: every matrix formed, full SVDs and eigenvectors, medians by counting.
#pragma once

#include <doctest/doctest.h>

#include "fedval/contribution/verified_entropy.hpp"
#include "tests/contribution/score_properties.hpp"

namespace fedval::tests {

using naive::Index;
using naive::Mat;
using naive::Real;
using naive::Vec;
using Reals = std::vector<Real>;

struct NaiveVerified {
  VerifiedEntropy::Options options = {};

  /// What a definition that branches would leave to rounding is kept out of the tests.
  static bool above(Real value, Real limit) {
    REQUIRE(std::abs(naive::d(value - limit)) > 1e-9 * naive::d(limit));
    return value > limit;
  }
  struct Average {
    Real sum = 0;
    int count = 0;

    Real take(Real value, Real mu) {
      sum = mu * sum + (1 - mu) * value;
      ++count;
      return get(mu);
    }
    Real get(Real mu) const { return sum / (1 - std::pow(mu, Real(count))); }
  };
  using ById = std::map<ClientId, Average>;
  using ByPair = std::map<std::pair<ClientId, ClientId>, Average>;
  ById entropies = {}, agreements = {}, insides = {}, novelties = {}, relations = {}, directions = {};
  ByPair updates = {}, rows = {};
  struct Gate {
    Reals values;
    bool open = true;
  };
  Reals base = {}, voices = {};
  std::map<std::string, Gate> gates = {};

  static Mat unit(const Mat& w) { return w.norm() > 0 ? Mat(w / w.norm()) : w; }

  static Real entropy(Reals p, const Mat& shape) {
    const Index least = std::min(shape.rows(), shape.cols());
    Real sum = 0, s = 0;
    for (const Real value : p) sum += value;
    if (shape.rows() < 3 || least < 2 || sum == 0) return 0;
    for (const Real value : p) s -= naive::x_log_x(value / sum);
    return above(s, 1e-11L) ? s / std::log(Real(least)) : 0;
  }

  /// The largest value that those who have it or more hold half of the weight with.
  static Real median(const Reals& x, const Reals& weights) {
    Real all = 0, result = 0;
    for (const Real weight : weights) all += weight;
    for (const Real candidate : x) {
      Real held = 0;
      for (std::size_t j = 0; j < x.size(); ++j) held += x[j] >= candidate ? weights[j] : 0;
      if (2 * held >= all - 1e-9L) result = std::max(result, candidate);
    }
    return result;
  }

  Reals taken(ById& averages, const naive::Round& round, Reals values) const {
    for (std::size_t i = 0; i < values.size(); ++i)
      values[i] = averages[round.clients[i].id].take(values[i], options.momentum);
    return values;
  }
  Gate gate(const Reals& x, double tau) const {
    const Real m = median(x, voices);
    if (m == 0) return {Reals(x.size(), 1), true};
    Gate result{{}, false};
    for (const Real value : x)
      result.values.push_back(std::pow(std::min<Real>(1, value / (tau * m)), Real(options.gate_power)));
    return result;
  }
  Reals relative(const Reals& x) const {
    Reals result = x;
    if (const Real m = median(x, voices); m > 0)
      for (Real& value : result) value /= m;
    return result;
  }

  naive::Estimates observe(const naive::Round& round) {
    const naive::Innovations news(round, options.innovation.copy_cosine, options.innovation.least_novelty);
    const std::size_t n = round.clients.size();
    const Real mu = options.momentum;
    const bool moved = news.g.norm() > 0;
    std::vector<Mat> w, a;
    Mat g;
    for (const naive::Client& client : round.clients) w.push_back(unit(client.weight));
    a = w;
    if (moved) {
      g = round.global_weight;
      for (Mat& own : a) {
        const Real before = own.norm();
        for (Index c = 0; c < g.rows(); ++c)
          if (const Real length = g.row(c).norm(); length > 0)
            own.row(c) -= own.row(c).dot(g.row(c)) / length * g.row(c) / length;
        own = before > 0 && above(own.norm(), 1e-6L) ? unit(own) : Mat(Mat::Zero(own.rows(), own.cols()));
      }
    }

    std::vector<Reals> s(n, Reals(n, 1));
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t j = i + 1; j < n; ++j) {
        const auto pair = std::make_pair(round.clients[i].id, round.clients[j].id);
        Real of_updates = news.cosine[i][j], of_rows = a[i].cwiseProduct(a[j]).sum();
        const bool seen = updates.contains(pair);
        if (moved) {
          of_updates = updates[pair].take(of_updates, mu);
          of_rows = rows[pair].take(of_rows, mu);
        } else if (seen) {
          of_updates = updates[pair].get(mu);
          of_rows = rows[pair].get(mu);
        } else if (of_updates <= options.innovation.copy_cosine) {
          of_updates = of_rows = 0;
        }
        const auto ramp = [](Real x, Real from, Real to) {
          return x <= from ? Real(0) : x >= to ? Real(1) : (x - from) / (to - from);
        };
        const Likeness::Options& likeness = options.likeness;
        s[i][j] = s[j][i] = std::max(ramp(of_updates, likeness.updates.from, likeness.updates.to),
                                     ramp(of_rows, likeness.rows.from, likeness.rows.to));
      }
    voices.clear();
    for (const Reals& row : s) {
      Real sum = 0;
      for (const Real value : row) sum += value;
      voices.push_back(1 / std::max<Real>(1, sum));
    }

    Reals h(n), x(n), e(n), q(n), r(n), along(n);
    for (std::size_t i = 0; i < n; ++i) {
      Reals squares;
      const Vec sigma = Eigen::JacobiSVD<Mat>(a[i]).singularValues();
      for (const Real value : sigma) squares.push_back(value * value);
      h[i] = entropy(squares, w[i]);

      Mat others = Mat::Zero(w[i].rows(), w[i].cols());
      Real reach = 0;
      for (std::size_t j = 0; j < n; ++j)
        if (j != i) {
          others += voices[j] * (1 - s[i][j]) * w[j];
          reach += voices[j] * (1 - s[i][j]);
        }
      if (w[i].norm() > 0 && reach > 0 && others.norm() > 0 && above(others.norm(), 1e-6L * reach)) {
        const Mat k = (w[i] * others.transpose() + others * w[i].transpose()) / 2;
        Reals positive;
        Real sum = 0;
        const Vec lambda = Eigen::SelfAdjointEigenSolver<Mat>(k).eigenvalues();
        for (const Real value : lambda) {
          positive.push_back(std::max<Real>(0, value));
          sum += positive.back();
        }
        if (sum > 0 && above(sum, 1e-6L * reach)) x[i] = entropy(positive, w[i]);
        const Eigen::JacobiSVD<Mat> svd(others, Eigen::ComputeFullU | Eigen::ComputeFullV);
        for (Index b = 0; b < svd.singularValues().size(); ++b)
          if (above(svd.singularValues()[b], options.least_strength * svd.singularValues()[0]))
            e[i] += (w[i] * svd.matrixV().col(b)).squaredNorm();
      }
      if (!moved) continue;
      Mat left = w[i];
      const Eigen::JacobiSVD<Mat> svd(g, Eigen::ComputeFullU | Eigen::ComputeFullV);
      for (Index b = 0; b < svd.singularValues().size(); ++b)
        if (svd.singularValues()[0] > 0 && above(svd.singularValues()[b], 1e-6L * svd.singularValues()[0])) {
          const Vec u = svd.matrixU().col(b), v = svd.matrixV().col(b);
          left -= u * u.dot(w[i] * v) * v.transpose();
        }
      q[i] = left.norm() > 0 && above(left.norm(), 1e-6L) ? left.norm() : 0;
      Reals cosines, weights;
      for (std::size_t j = 0; j < n; ++j)
        if (j != i) {
          cosines.push_back(std::abs(news.cosine[i][j]) * (1 - s[i][j]));
          weights.push_back(voices[j]);
        }
      r[i] = median(cosines, weights);
      along[i] = std::max<Real>(0, news.u[i].dot(news.g));
    }

    base = relative(taken(entropies, round, h));
    const Reals agreed = relative(taken(agreements, round, x));
    gates.clear();
    gates["inside"] = gate(taken(insides, round, e), options.inside_tau);
    for (const char* name : {"novelty", "relation", "direction"}) gates[name].values.assign(n, 1);
    if (moved) {
      gates["novelty"] = gate(taken(novelties, round, q), options.novelty_tau);
      gates["relation"] = gate(taken(relations, round, r), options.relation_tau);
      gates["direction"] = gate(taken(directions, round, along), options.direction_tau);
    }
    naive::Estimates scores;
    for (std::size_t i = 0; i < n; ++i) {
      base[i] = std::min(base[i], agreed[i]);
      Real score = base[i] * voices[i];
      for (const auto& [name, each] : gates) score *= each.values[i];
      // The steepest ways in are v of novelty .05 (400 roundings), the ramps (5), directions of 1e-4 of the
      // others' strength (1e4), and gates (8): 1e-9 is some hundred times what they make of a rounding
      // together. Most scores are far nearer, as check_rounds() asks.
      scores.push_back({score, 1e-9});
    }
    return scores;
  }
};

/// Checks that a round's scores and all that they were made of are the definition's.
inline void check_made(const VerifiedEntropy& scorer, const NaiveVerified& right) {
  const auto same = [](const Values& values, const Reals& expected) {
    REQUIRE(values.size() == expected.size());
    for (std::size_t i = 0; i < values.size(); ++i) CHECK(std::abs(values[i] - naive::d(expected[i])) < 1e-9);
  };
  const VerifiedEntropy::Made& made = scorer.last();
  same(made.base, right.base);
  same(made.voices, right.voices);
  const std::map<std::string, const Gates*> gates{{"inside", &made.inside},
                                                  {"novelty", &made.novelty},
                                                  {"relation", &made.relation},
                                                  {"direction", &made.direction}};
  for (const auto& [name, gate] : gates) {
    CAPTURE(name);
    CHECK(gate->open == right.gates.at(name).open);
    same(gate->values, right.gates.at(name).values);
  }
}

}  // namespace fedval::tests
