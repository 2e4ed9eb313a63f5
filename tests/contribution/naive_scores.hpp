// The scores as they are defined, over explicit vectors of long double: u_i, g and v_i formed entry by entry,
// copies counted, the others summed anew for every client, full SVDs, medians by sorting. With every value
// comes how far a result in double may be from it, carried through the formulas.
#pragma once

#include <doctest/doctest.h>

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <vector>

#include "fedval/contribution/round.hpp"

namespace fedval::tests::naive {

using Real = long double;
using Vec = Eigen::Matrix<Real, Eigen::Dynamic, 1>;
using Mat = Eigen::Matrix<Real, Eigen::Dynamic, Eigen::Dynamic>;
using Index = Eigen::Index;

struct Client {
  ClientId id;
  Vec update;
  Mat weight;
  Vec bias;  // empty: none
};

struct Round {
  std::vector<Client> clients;
  Vec global_update;  // empty: none
  Mat global_weight;
};

/// A value, and how far rounding to double may take a result from it.
struct Estimate {
  Real value = 0;
  double error = 0;
};
using Estimates = std::vector<Estimate>;

constexpr double unit = 0x1p-53, infinity = std::numeric_limits<double>::infinity();

inline double d(Real value) { return static_cast<double>(value); }
inline double d(Index value) { return static_cast<double>(value); }
inline double d(std::size_t value) { return static_cast<double>(value); }

inline Real x_log_x(Real x) { return x > 0 ? x * std::log(x) : 0; }

/// How far x ln x may move when x in [0, 1] moves by `error`: its slope is ln x + 1.
inline double x_log_x_error(double x, double error) {
  const double near = std::max(x - error, error);
  return error <= 0 ? 0.0 : near > 0.3 ? 2.3 * error : error * (1 + std::abs(std::log(near)));
}

/// m <- mu m + (1 - mu) value, which a client's first value starts.
class Averages {
 public:
  Estimates take(const Round& round, Estimates values, double mu) {
    for (std::size_t i = 0; i < values.size(); ++i) {
      const auto [place, first] = averages_.try_emplace(round.clients[i].id, values[i]);
      if (!first) {
        Estimate& old = place->second;
        old.value = mu * old.value + (1 - Real{mu}) * values[i].value;
        old.error = mu * old.error + (1 - mu) * values[i].error + 4 * unit * d(std::abs(old.value));
      }
      values[i] = place->second;
    }
    return values;
  }

 private:
  std::map<ClientId, Estimate> averages_;
};

/// u, g, v, q, copies and l of a round.
struct Innovations {
  std::vector<Vec> u, v;
  Vec g;
  Estimates along, novelty, agreement;
  std::vector<std::vector<Real>> cosine;
  std::vector<std::vector<std::size_t>> copies;
  double cosine_error = 0;  // of cos(v_i, v_j)
  double layer_error = 0;   // of v_i, in norm

  explicit Innovations(const Round& round, double copy_cosine = 0.95, double least_novelty = 0.05) {
    const std::size_t n = round.clients.size();
    if (n == 0) return;
    const auto unit_vector = [](const Vec& x) { return x.norm() > 0 ? Vec(x / x.norm()) : x; };
    const Index size = round.clients[0].update.size();
    g = round.global_update.size() > 0 ? unit_vector(round.global_update) : Vec(Vec::Zero(size));
    // A sum of D products is within (D + 2) u of the norms' product, whatever its order; so are the squares
    // under the roots.
    const double gram = 2 * (d(size) + 4) * unit, rest = 2 * gram + 4 * unit;
    double least = 1;
    for (const Client& client : round.clients) {
      u.push_back(unit_vector(client.update));
      along.push_back({u.back().dot(g), gram});
      const Vec r = u.back() - along.back().value * g;
      const Real q = r.norm();
      // q comes from q^2 = 1 - c^2, whose error counts fully where q is small.
      novelty.push_back({q, q > 0 ? std::min(std::sqrt(rest), rest / d(q)) : std::sqrt(rest)});
      REQUIRE(std::abs(d(q) - least_novelty) > 1e-9);  // or rounding decides
      const bool news = q > 0 && q >= least_novelty;
      v.push_back(news ? unit_vector(r) : Vec(Vec::Zero(size)));
      if (news) least = std::min(least, d(q));
    }
    cosine_error = 1.1 * (4 * gram + 2 * rest / least) / (least * least) + 4 * unit;
    layer_error = 4 * (gram + rest / least) / (least * least);
    cosine.assign(n, std::vector<Real>(n));
    copies.resize(n);
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t j = 0; j < n; ++j) {
        cosine[i][j] = v[i].dot(v[j]);
        if (i == j) continue;
        REQUIRE(std::abs(d(cosine[i][j]) - copy_cosine) > 1e-9);
        if (cosine[i][j] > copy_cosine) copies[i].push_back(j);
      }
    for (std::size_t i = 0; i < n; ++i) agreement.push_back(agreement_of(i));
  }

  bool confirms(std::size_t i, std::size_t j) const {
    return i != j && std::find(copies[i].begin(), copies[i].end(), j) == copies[i].end();
  }

 private:
  Estimate agreement_of(std::size_t i) const {
    Vec others = Vec::Zero(v[i].size());
    double count = 0;
    for (std::size_t j = 0; j < v.size(); ++j)
      if (confirms(i, j) && v[j].norm() > 0) {
        others += v[j];
        ++count;
      }
    const Real length = others.norm();
    if (count == 0 || v[i].norm() == 0) return {0, 0};
    // <v_i, .> and the squared length are sums of at most 2 n and 4 n^2 cosines.
    const double n = d(v.size()), product = 2 * n * cosine_error + 4 * n * n * unit,
                 square = 4 * n * n * cosine_error + 8 * n * n * n * unit;
    const Real cos = v[i].dot(others) / length;
    const double s = d(length * length);
    return {std::max<Real>(0, cos), 1.2 * (product / std::sqrt(s) + square / (2 * s)) + 4 * unit};
  }
};

struct Gates {
  Estimates values;
  bool open = false;
};

/// min(1, x_i / (tau median x))^power; the upper median, 0: 1.
inline Gates gates(const Estimates& x, double tau, double power) {
  Gates result;
  if (x.empty()) return {{}, true};
  const auto median_with = [&](int errors) {
    std::vector<Real> sorted;
    for (const Estimate& value : x) sorted.push_back(value.value + errors * value.error);
    std::sort(sorted.begin(), sorted.end());
    return sorted[sorted.size() / 2];
  };
  const Real median = median_with(0);
  const double moved = d(std::max(median - median_with(-1), median_with(1) - median));
  if (median == 0) return {Estimates(x.size(), {1, 0}), true};
  REQUIRE(d(median) > 100 * moved);
  for (const Estimate& value : x) {
    const Real ratio = value.value / (tau * median), gate = std::pow(std::min<Real>(1, ratio), Real{power});
    const double r = d(ratio), error = 1.1 * (value.error / (tau * d(median)) + r * moved / d(median));
    const double slope = power * std::pow(std::min(1.0, r + error), power - 1);
    result.values.push_back({gate, r - error > 1 ? 0.0 : slope * error + (power + 4) * unit});
  }
  return result;
}

/// S(W W^T / tr) / ln min(C, d).
inline Estimate entropy(const Mat& w) {
  const Index n = std::min(w.rows(), w.cols());
  if (n < 2 || w.norm() == 0) return {0, 0};
  const Vec p = (Eigen::JacobiSVD<Mat>(w).singularValues() / w.norm()).cwiseAbs2();
  Real s = 0;
  for (const Real value : p) s -= x_log_x(value);
  // Sums of max(C, d) products, then an eigensolver that is backward stable.
  const double each = (d(std::max(w.rows(), w.cols())) + 16 * d(n)) * unit;
  double error = 4 * unit;
  for (const Real value : p) error += x_log_x_error(d(value), each);
  return {s / std::log(Real(n)), error / std::log(d(n))};
}

/// e S(x / e) / ln n = (e ln e - sum x ln x) / ln n with e = sum x.
inline Estimate confirmed_share(const Estimates& x, Index n) {
  if (n < 2) return {0, 0};
  Estimate e, sum;
  for (const Estimate& value : x) {
    sum.value -= x_log_x(value.value);
    sum.error += x_log_x_error(d(value.value), value.error);
    e.value += value.value;
    e.error += value.error;
  }
  return {std::max<Real>(0, (sum.value + x_log_x(e.value)) / std::log(Real(n))),
          (sum.error + x_log_x_error(d(e.value), e.error)) / std::log(d(n)) + 8 * unit};
}

/// The others' layers F_j, summed, with its SVD and the error that the sum has in norm.
struct Consensus {
  Eigen::JacobiSVD<Mat> svd;
  Index rank = 0;  // singular values above rounding
  double error = 0;

  Consensus(const std::vector<Mat>& layers, const Innovations& news, std::size_t i, double layer_error) {
    Mat others = Mat::Zero(layers[i].rows(), layers[i].cols());
    const double n = d(layers.size());
    for (std::size_t j = 0; j < layers.size(); ++j)
      if (news.confirms(i, j)) others += layers[j];
    svd.compute(others, Eigen::ComputeThinU | Eigen::ComputeThinV);
    if (others.norm() == 0) return;
    const double above = d(std::max(others.rows(), others.cols())) * 0x1p-52 * d(sigma(0));
    while (rank < svd.singularValues().size() && sigma(rank) > above) ++rank;
    error = 2 * n * layer_error + 4 * n * n * unit + 8 * d(others.size()) * unit * d(sigma(0));
  }
  Real sigma(Index j) const { return j < svd.singularValues().size() ? svd.singularValues()[j] : 0; }
  /// How far the singular vectors of a group [first, last] turn (Wedin).
  double turn(Index first, Index last) const {
    const double above = first == 0 ? infinity : d(sigma(first - 1) - sigma(first));
    return 4 * error / std::min(above, d(sigma(last) - sigma(last + 1)));
  }
};

inline Estimates shared(Estimates scores, const Innovations& news, bool share) {
  for (std::size_t i = 0; i < scores.size() && share; ++i) {
    const std::size_t all = news.copies[i].size() + 1;
    scores[i].value /= Real(all);
    scores[i].error = scores[i].error / d(all) + unit;
  }
  return scores;
}

inline Estimate product(const Estimate& a, const Estimate& b) {
  return {a.value * b.value, d(std::abs(a.value)) * b.error + d(std::abs(b.value)) * a.error +
                                 a.error * b.error + 2 * unit * d(std::abs(a.value * b.value))};
}

struct GatedEntropy {
  double mu = 0.9, tau = 0.8, power = 2;
  bool share = true;
  double copy_cosine = 0.95, least_novelty = 0.05;
  Averages entropies = {}, agreements = {};
  Gates last = {};

  Estimates observe(const Round& round) {
    const Innovations news(round, copy_cosine, least_novelty);
    Estimates scores;
    for (const Client& client : round.clients) scores.push_back(entropy(client.weight));
    scores = entropies.take(round, scores, mu);
    last = gates(agreements.take(round, news.agreement, mu), tau, power);
    for (std::size_t i = 0; i < scores.size(); ++i) scores[i] = product(scores[i], last.values[i]);
    return shared(scores, news, share);
  }
};

struct ConsensusEntropy {
  double mu = 0.9;
  bool share = true;
  double copy_cosine = 0.95, least_novelty = 0.05;
  Averages averages = {};

  Estimates observe(const Round& round) {
    const Innovations news(round, copy_cosine, least_novelty);
    std::vector<Mat> layers;  // of the innovations
    for (std::size_t i = 0; i < round.clients.size(); ++i) {
      const Client& client = round.clients[i];
      Mat layer = Mat::Zero(client.weight.rows(), client.weight.cols());
      if (news.v[i].norm() > 0) layer = client.weight / client.update.norm();
      if (news.v[i].norm() > 0 && news.g.norm() > 0)
        layer -= news.along[i].value * round.global_weight / round.global_update.norm();
      if (news.v[i].norm() > 0) layer /= news.novelty[i].value;
      layers.push_back(layer);
    }
    Estimates scores;
    for (std::size_t i = 0; i < round.clients.size(); ++i) scores.push_back(score(round, news, layers, i));
    return shared(averages.take(round, scores, mu), news, share);
  }

 private:
  static Estimate score(const Round& round, const Innovations& news, const std::vector<Mat>& layers,
                        std::size_t i) {
    const Mat& w = round.clients[i].weight;
    const Consensus others(layers, news, i, news.layer_error);
    if (w.norm() == 0) return {0, 0};
    Estimates x;
    for (Index j = 0; j < others.rank; ++j) {
      const Real a = others.svd.matrixU().col(j).dot(w * others.svd.matrixV().col(j)) / w.norm();
      const double error = 2 * others.turn(j, j) + 2 * d(w.size()) * unit;  // of a
      x.push_back({a > 0 ? a * a : 0, (2 * std::max(d(a), 0.0) + error) * error});
    }
    return confirmed_share(x, std::min(w.rows(), w.cols()));
  }
};

struct ConfirmedEntropy {
  double mu = 0.9, energy = 0.9, power = 1, novelty_tau = 0.9, novelty_power = 4, agreement_tau = 0.6,
         agreement_power = 2;
  bool share = true;
  double copy_cosine = 0.95, least_novelty = 0.05;
  Averages confirmed = {}, novelties = {}, agreements = {};
  Gates last_novelty = {}, last_agreement = {};

  Estimates observe(const Round& round) {
    const Innovations news(round, copy_cosine, least_novelty);
    std::vector<Mat> layers;  // of the normalised updates
    for (const Client& client : round.clients)
      layers.push_back(client.update.norm() > 0 ? Mat(client.weight / client.update.norm())
                                                : Mat(Mat::Zero(client.weight.rows(), client.weight.cols())));
    Estimates scores;
    for (std::size_t i = 0; i < round.clients.size(); ++i) scores.push_back(score(round, news, layers, i));
    scores = confirmed.take(round, scores, mu);
    last_novelty = gates(novelties.take(round, news.novelty, mu), novelty_tau, novelty_power);
    last_agreement = gates(agreements.take(round, news.agreement, mu), agreement_tau, agreement_power);
    for (std::size_t i = 0; i < scores.size(); ++i)
      scores[i] = product(scores[i], product(last_novelty.values[i], last_agreement.values[i]));
    return shared(scores, news, share);
  }

 private:
  Estimate score(const Round& round, const Innovations& news, const std::vector<Mat>& layers,
                 std::size_t i) const {
    const Mat& w = round.clients[i].weight;
    const Consensus others(layers, news, i, 2 * (d(round.clients[i].update.size()) + 4) * unit);
    if (w.norm() == 0 || others.rank == 0) return {0, 0};
    const Real total = others.svd.singularValues().squaredNorm();
    Real held = 0;
    Index k = 0;
    while (k < others.svd.singularValues().size() && held < energy * total) {
      held += others.sigma(k) * others.sigma(k);
      ++k;
      if (energy < 1) REQUIRE(std::abs(d(held / total) - energy) > 1e-9);
    }
    k = std::min(k, others.rank);
    const Mat p = others.svd.matrixU().leftCols(k).transpose() * w * others.svd.matrixV().leftCols(k);
    const Vec sigma = Eigen::JacobiSVD<Mat>(p).singularValues() / w.norm();
    const double error = 2 * others.turn(0, k - 1) + 4 * d(w.size()) * unit;  // of a singular value
    Estimates x;
    Real e = 0;
    for (const Real value : sigma) {
      e += value * value;
      x.push_back({value * value, (2 * d(value) + error) * error});
    }
    Estimate result = confirmed_share(x, std::min(w.rows(), w.cols()));
    if (power != 1 && e > 0) {
      const double factor = d(std::pow(e, Real{power} - 1));
      result.value *= factor;
      result.error = factor * (result.error + 2 * d(x.size()) * error / d(e) * std::abs(power - 1));
    }
    return result;
  }
};

/// cos(v_{i,c}, vbar_c) with vbar_c = sum_j w_j v_{j,c}.
inline std::vector<Estimates> class_cosines(const Round& round, const Estimates& weights) {
  const std::size_t n = round.clients.size();
  std::vector<Estimates> result(n);
  if (n == 0) return result;
  const bool bias = round.clients[0].bias.size() > 0;
  const Index classes = round.clients[0].weight.rows(), features = round.clients[0].weight.cols();
  for (Index c = 0; c < classes; ++c) {
    std::vector<Vec> rows;
    Vec mean = Vec::Zero(features + bias);
    Real lengths = 0, off = 0;
    for (std::size_t i = 0; i < n; ++i) {
      rows.emplace_back(features + bias);
      rows[i].head(features) = round.clients[i].weight.row(c).transpose();
      if (bias) rows[i][features] = round.clients[i].bias[c];
      mean += weights[i].value * rows[i];
      lengths += std::abs(weights[i].value) * rows[i].norm();
      off += weights[i].error * rows[i].norm();
    }
    const double mean_error =
        mean.norm() > 0 ? d(off / mean.norm()) + (d(n) + 2) * unit * d(lengths / mean.norm()) : 0;
    for (std::size_t i = 0; i < n; ++i) {
      const bool zero = rows[i].norm() == 0 || mean.norm() == 0;
      result[i].push_back(zero ? Estimate{}
                               : Estimate{rows[i].dot(mean) / (rows[i].norm() * mean.norm()),
                                          2 * mean_error + 2 * (d(features) + 6) * unit});
    }
  }
  return result;
}

inline Estimate mean(const Estimates& values) {
  Estimate result;
  for (const Estimate& value : values) {
    result.value += value.value / Real(values.size());
    result.error += (value.error + d(values.size()) * unit) / d(values.size());
  }
  return result;
}

struct ClassAlignment {
  double mu = 0;
  bool raw = false;
  Averages averages = {};

  Estimates observe(const Round& round) {
    Estimates scores;
    for (const Estimates& cosines : class_cosines(round, Estimates(round.clients.size(), {1, 0}))) {
      scores.push_back(mean(cosines));
      if (!raw) scores.back() = {(1 + scores.back().value) / 2, scores.back().error / 2 + unit};
    }
    return averages.take(round, scores, mu);
  }
};

struct ShapFed {
  double mu = 0.9;
  std::map<ClientId, Estimates> classes = {};  // gamma class by class

  Estimates observe(const Round& round) {
    const std::vector<Estimates> cosines = class_cosines(round, weights(round));
    Estimates scores;
    for (std::size_t i = 0; i < cosines.size(); ++i) {
      const auto [place, first] = classes.try_emplace(round.clients[i].id, cosines[i]);
      for (std::size_t c = 0; c < cosines[i].size() && !first; ++c) {
        Estimate& old = place->second[c];
        old.value = mu * old.value + (1 - Real{mu}) * cosines[i][c].value;
        old.error = mu * old.error + (1 - mu) * cosines[i][c].error + 4 * unit;
      }
      scores.push_back(mean(place->second));
    }
    return scores;
  }

  /// gamma without its negative part, as shares of the round; a newcomer has the mean of those known.
  Estimates weights(const Round& round) const {
    Estimate newcomer{classes.empty() ? Real{1} : Real{0}, 0};
    const auto positive = [](Estimate value) {
      value.value = std::max<Real>(0, value.value);
      return value;
    };
    for (const auto& [id, cosines] : classes) {
      newcomer.value += positive(mean(cosines)).value / Real(classes.size());
      newcomer.error += mean(cosines).error / d(classes.size());
    }
    Estimates result;
    Estimate sum;
    for (const Client& client : round.clients) {
      const auto known = classes.find(client.id);
      result.push_back(known == classes.end() ? newcomer : positive(mean(known->second)));
      sum.value += result.back().value;
      sum.error += result.back().error;
    }
    for (Estimate& value : result) {
      if (sum.value == 0) {
        value = {1 / Real(result.size()), unit};
      } else {
        value.error = 1.1 * (value.error + d(value.value / sum.value) * sum.error) / d(sum.value) + 4 * unit;
        value.value /= sum.value;
      }
    }
    return result;
  }
};

}  // namespace fedval::tests::naive
