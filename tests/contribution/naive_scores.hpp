// The scores as they are defined, over explicit vectors of long double: u_i, g and v_i formed entry by entry,
// copies counted, the others summed anew for every client, full SVDs, medians by sorting. With every value
// comes how far a result in double may be from it, carried through the formulas; and random rounds to try
// both on.
#pragma once

#include <doctest/doctest.h>

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <map>
#include <optional>
#include <vector>

#include "fedval/contribution/round.hpp"
#include "fedval/contribution/state.hpp"
#include "fedval/random/philox.hpp"
#include "fedval/tensor/eigen.hpp"
#include "tests/support/complaint.hpp"
#include "tests/support/oracle.hpp"
#include "tests/support/threads.hpp"

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

namespace fedval::tests {

template <class S>
using RowMatrix = Eigen::Matrix<S, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

/// What one client sends: a model of three parameters, the last two its final layer.
template <class S>
struct Upload {
  std::vector<S> body;
  RowMatrix<S> weight;
  std::vector<S> bias;  // empty: none

  TensorView update() const { return {body, weight, bias}; }
  ClientParts parts() const {
    return {.update = update(),
            .final_weight = weight,
            .final_bias = bias.empty() ? TensorView() : TensorView(bias)};
  }
  void for_each(auto&& change) {
    for (S& value : body) value = static_cast<S>(change(value));
    for (S& value : weight.reshaped()) value = static_cast<S>(change(value));
    for (S& value : bias) value = static_cast<S>(change(value));
  }
  Upload scaled(S factor) const {
    Upload result = *this;
    result.for_each([&](S value) { return value * factor; });
    return result;
  }
  naive::Vec flat() const {
    std::vector<double> values(update().size());
    update().read(0, values);
    return Eigen::Map<Eigen::VectorXd>(values.data(), naive::Index(values.size())).cast<naive::Real>();
  }
};

/// a x + b y, entry by entry.
template <class S>
Upload<S> mixed(double a, const Upload<S>& x, double b, const Upload<S>& y) {
  Upload<S> result = x;
  const auto mix = [&](auto& to, const auto& from) {
    for (naive::Index i = 0; i < naive::Index(from.size()); ++i)
      to.data()[i] = static_cast<S>(a * to.data()[i] + b * from.data()[i]);
  };
  mix(result.body, y.body), mix(result.weight, y.weight), mix(result.bias, y.bias);
  return result;
}

/// A round and all that its views show.
template <class S>
struct Sent {
  std::map<ClientId, Upload<S>> clients = {};
  std::optional<Upload<S>> global = {};

  Round round() const {
    std::vector<ClientId> order;
    for (const auto& [id, upload] : clients) order.push_back(id);
    return round(order);
  }
  Round round(const std::vector<ClientId>& order) const {
    Round result;
    for (const ClientId& id : order) result.add(id, clients.at(id).parts());
    if (global) {
      result.global_update = global->update();
      result.global_final_weight = global->weight;
    }
    return result;
  }
  naive::Round naive() const {
    naive::Round result;
    for (const auto& [id, upload] : clients) {
      const naive::Vec bias = Eigen::Map<const Eigen::Matrix<S, Eigen::Dynamic, 1>>(
                                  upload.bias.data(), naive::Index(upload.bias.size()))
                                  .template cast<naive::Real>();
      result.clients.push_back({id, upload.flat(), upload.weight.template cast<naive::Real>(), bias});
    }
    if (global) {
      result.global_update = global->flat();
      result.global_weight = global->weight.template cast<naive::Real>();
    }
    return result;
  }
  /// The same with every upload, the global one included, changed.
  Sent changed(const std::function<Upload<S>(const Upload<S>&)>& change) const {
    Sent result = *this;
    for (auto& [id, upload] : result.clients) upload = change(upload);
    if (global) result.global = change(*global);
    return result;
  }
};

struct Layer {
  naive::Index classes = 4, features = 7;
  std::size_t body = 9;
  bool bias = true;
};

/// Clients that come and go, with a common direction, a taste of their own, noise, and now and then someone
/// who copies, replays, flips, sends noise or nothing; they are fewer than half.
template <class S>
class Federation {
 public:
  Federation(random::Stream& stream, Layer layer, std::size_t pool = 9) : stream_(stream), layer_(layer) {
    for (std::size_t i = 0; i < pool; ++i) tastes_.push_back(gaussian());
    common_ = gaussian();
  }

  Upload<S> gaussian(double scale = 1) {
    Upload<S> result{std::vector<S>(layer_.body), RowMatrix<S>(layer_.classes, layer_.features),
                     std::vector<S>(layer_.bias ? static_cast<std::size_t>(layer_.classes) : 0)};
    result.for_each([&](S) { return scale * stream_.normal(); });
    return result;
  }

  /// A round of `count` clients, 2 to all where it is 0; without attackers where it must be.
  Sent<S> next(std::size_t count = 0, bool attackers = true) {
    const std::size_t n = count > 0 ? count : 2 + stream_.below(tastes_.size() - 1);
    std::vector<std::size_t> ids(tastes_.size());
    for (std::size_t i = 0; i < ids.size(); ++i) ids[i] = i;
    stream_.shuffle(std::span(ids));
    const Upload<S> common = mixed(0.8, common_, 0.5, gaussian());
    Sent<S> sent;
    if (rounds_++ > 0) sent.global = global_;
    const std::size_t bad = attackers ? stream_.below((n + 1) / 2) : 0;
    for (std::size_t k = 0; k < n; ++k) {
      Upload<S> upload = mixed(1, mixed(0.7, common, 0.5, tastes_[ids[k]]), 0.4, gaussian());
      if (sent.global) upload = mixed(1, upload, 0.5, *sent.global);
      if (k >= n - bad) upload = attack(sent, upload, sent.clients.at(ids[0]));
      sent.clients[ids[k]] = upload.scaled(static_cast<S>(std::exp(stream_.normal())));
    }
    global_ = mixed(0.6, common, 0.3, gaussian());
    return sent;
  }

 private:
  Upload<S> attack(const Sent<S>& sent, const Upload<S>& honest, const Upload<S>& other) {
    switch (stream_.below(6)) {
      case 0:
        return gaussian();
      case 1:
        return honest.scaled(-1);
      case 2:
        return other;
      case 3:
        return mixed(1, other, 0.02, honest);
      case 4:
        return sent.global ? sent.global->scaled(-1.75) : honest;
      default:
        return honest.scaled(0);
    }
  }

  random::Stream& stream_;
  Layer layer_;
  std::vector<Upload<S>> tastes_;
  Upload<S> common_, global_;
  std::size_t rounds_ = 0;
};

/// Checks that a round's scores are the naive ones, to the error these carry, and that this says something:
/// the novelty of a replay is the root of a rounding error.
inline void check_scores(const Scores& scores, const naive::Round& round, const naive::Estimates& expected) {
  REQUIRE(scores.size() == expected.size());
  for (std::size_t i = 0; i < scores.size(); ++i) {
    const double value = scores[i].second.value, right = naive::d(expected[i].value);
    INFO("client ", scores[i].first.text(), ": ", value, ", naive ", right, ", apart ", value - right,
         ", allowed ", expected[i].error);
    CHECK(scores[i].first == round.clients[i].id);
    CHECK(std::abs(value - right) <= expected[i].error);
    CHECK(expected[i].error < 4e-7);
  }
}

/// Checks that two rounds' scores are the same to the last bit.
inline void check_same_bits(const Scores& a, const Scores& b) {
  REQUIRE(a.size() == b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    CAPTURE(a[i].first.text());
    CHECK(a[i].first == b[i].first);
    CHECK(bits(a[i].second.value) == bits(b[i].second.value));
    CHECK(bits(a[i].second.variance) == bits(b[i].second.variance));
  }
}

/// Layers of all proportions, a single class and a single feature among them.
inline std::vector<Layer> layers() {
  return {{1, 9, 12, true},  {6, 1, 12, true},   {4, 7, 9, true},  {8, 3, 5, true},
          {5, 5, 11, false}, {10, 24, 40, true}, {3, 12, 0, false}};
}

// What holds for every score, of a scorer made by make() and its definition made by naive().

/// Every round's scores are the naive ones; most are so to a few roundings, not only to what the worst of
/// them would allow.
template <class S>
void check_rounds(random::Stream& stream, auto&& make, auto&& naive) {
  std::size_t near = 0, all = 0;
  for (const Layer& layer : layers()) {
    CAPTURE(layer.classes);
    CAPTURE(layer.features);
    Federation<S> federation(stream, layer);
    auto scorer = make();
    auto right = naive();
    for (int r = 0; r < 10; ++r) {
      CAPTURE(r);
      const Sent<S> sent = federation.next();
      const Scores scores = scorer.observe(sent.round());
      const naive::Estimates expected = right.observe(sent.naive());
      check_scores(scores, sent.naive(), expected);
      for (std::size_t i = 0; i < scores.size(); ++i, ++all)
        near += std::abs(scores[i].second.value - naive::d(expected[i].value)) < 1e-13;
    }
  }
  CHECK(10 * near > 9 * all);
}

/// Rounds as they are change nothing but rounding when `change` makes others of them.
template <class S>
void check_invariance(random::Stream& stream, const Layer& layer, auto&& make, auto&& naive, auto&& change,
                      double slack = 3) {
  Federation<S> federation(stream, layer);
  auto scorer = make();
  auto right = naive();
  for (int r = 0; r < 6; ++r) {
    CAPTURE(r);
    const Sent<S> sent = federation.next();
    naive::Estimates expected = right.observe(sent.naive());
    for (naive::Estimate& value : expected) value.error *= slack;
    const Sent<S> other = change(sent);
    check_scores(scorer.observe(other.round()), sent.naive(), expected);
  }
}

/// The same with other names: every score follows its client.
template <class S>
void check_renaming(random::Stream& stream, auto&& make, auto&& naive) {
  const std::vector<ClientId> names{"zoe", "7", "", "ann", "10", "B", "b c", "2", "0"};
  Federation<S> federation(stream, {}, names.size());
  auto scorer = make();
  auto right = naive();
  for (int r = 0; r < 6; ++r) {
    CAPTURE(r);
    const Sent<S> sent = federation.next();
    Sent<S> renamed{{}, sent.global};
    std::map<ClientId, naive::Estimate> expected;
    const naive::Estimates values = right.observe(sent.naive());
    for (const auto& [id, upload] : sent.clients) {
      const ClientId& name = names[std::stoul(id.text())];
      naive::Estimate value = values[expected.size()];
      value.error *= 3;
      expected[name] = value;
      renamed.clients[name] = upload;
    }
    naive::Estimates in_order;
    for (const auto& [name, value] : expected) in_order.push_back(value);
    check_scores(scorer.observe(renamed.round()), renamed.naive(), in_order);
  }
}

/// One orthogonal matrix applied to the features of every final layer: each entry of it is rounded by about d
/// units, as in a sum.
void check_rotation(random::Stream& stream, auto&& make, auto&& naive) {
  for (const Layer& layer : layers()) {
    RowMatrix<double> gaussian(layer.features, layer.features);
    for (double& value : gaussian.reshaped()) value = stream.normal();
    const RowMatrix<double> rotation = Eigen::HouseholderQR<RowMatrix<double>>(gaussian).householderQ();
    const auto rotated = [&](const Upload<double>& upload) {
      Upload<double> result = upload;
      result.weight = upload.weight * rotation;
      return result;
    };
    check_invariance<double>(stream, layer, make, naive,
                             [&](const Sent<double>& sent) { return sent.changed(rotated); });
  }
}

/// Scales of the clients and of the global update: no bit where they are powers of two.
void check_own_scales(random::Stream& stream, auto&& make, auto&& naive) {
  const auto scaled = [&](auto sent, const auto& factors) {
    for (auto& [id, upload] : sent.clients) upload = upload.scaled(factors[stream.below(factors.size())]);
    if (sent.global) sent.global = sent.global->scaled(factors[stream.below(factors.size())]);
    return sent;
  };
  check_invariance<double>(stream, {}, make, naive, [&](const Sent<double>& sent) {
    return scaled(sent, Values{1, 1e30, 1e-30, 1e200, 1e-200, 3.7});
  });
  const auto exactly = [&]<class S>(const std::vector<S>& factors) {
    Federation<S> federation(stream, {});
    auto scorer = make(), other = make();
    for (int r = 0; r < 6; ++r) {
      const Sent<S> sent = federation.next();
      check_same_bits(other.observe(scaled(sent, factors).round()), scorer.observe(sent.round()));
    }
  };
  exactly(std::vector<double>{1, 0x1p100, 0x1p-100, 0x1p664, 0x1p-664, 2});
  exactly(std::vector<float>{1, 0x1p90f, 0x1p-90f, 0.5f});
}

/// The order of arrival changes no bit, of the scores and of the state.
template <class S>
void check_order(random::Stream& stream, auto&& make) {
  Federation<S> federation(stream, {});
  auto sorted = make(), shuffled = make();
  for (int r = 0; r < 6; ++r) {
    const Sent<S> sent = federation.next();
    std::vector<ClientId> order;
    for (const auto& [id, upload] : sent.clients) order.push_back(id);
    stream.shuffle(std::span(order));
    check_same_bits(shuffled.observe(sent.round(order)), sorted.observe(sent.round()));
    CHECK(save(shuffled) == save(sorted));
  }
}

/// Transposed and strided matrices are read as what they show.
template <class S>
void check_views(random::Stream& stream, auto&& make) {
  Federation<S> federation(stream, {5, 8, 6, true});
  auto dense = make(), strided = make();
  for (int r = 0; r < 4; ++r) {
    const Sent<S> sent = federation.next();
    using Columns = Eigen::Matrix<S, Eigen::Dynamic, Eigen::Dynamic>;
    std::map<ClientId, Columns> transposed, framed;
    Round round;
    for (const auto& [id, upload] : sent.clients) {
      Columns& t = transposed[id] = upload.weight.transpose();
      Columns& f = framed[id] = Columns::Constant(9, 11, std::numeric_limits<S>::quiet_NaN());
      f.block(2, 1, 5, 8) = upload.weight;
      const TensorView turned = t.transpose(), inside = f.block(2, 1, 5, 8);
      round.add(id, {.update = {upload.body, inside, upload.bias},
                     .final_weight = round.size() % 2 == 0 ? turned : inside,
                     .final_bias = upload.bias});
    }
    if (sent.global) {
      Columns& t = transposed["global"] = sent.global->weight.transpose();
      round.global_update = {sent.global->body, t.transpose(), sent.global->bias};
      round.global_final_weight = t.transpose();
    }
    check_same_bits(strided.observe(round), dense.observe(sent.round()));
  }
}

/// The number of threads changes no bit; the layer is large enough for several.
template <class S>
void check_threads(random::Stream& stream, auto&& make) {
  Federation<S> federation(stream, {10, 2048, 3000, true});
  auto one = make(), many = make();
  for (int r = 0; r < 2; ++r) {
    const Sent<S> sent = federation.next(8);
    const auto observe = [&](auto& scorer, int count) {
      const Threads threads(count);
      return scorer.observe(sent.round());
    };
    check_same_bits(observe(many, 3 + 2 * r), observe(one, 1));
  }
}

/// A refused round says so, and it is as if it had never been.
void check_refused(auto& scorer, const Round& bad, const std::string& message) {
  const std::string before = save(scorer);
  CHECK(complaint_of([&] { scorer.observe(bad); }) == message);
  CHECK(save(scorer) == before);
}

/// The global update may be left out of a score's first round, and of no other; zeros say that nothing moved.
template <class S>
void check_global_update_asked_for(random::Stream& stream, auto&& make) {
  Federation<S> federation(stream, {4, 7, 9, true});
  const Sent<S> none = federation.next(6);
  Sent<S> zeros = none;
  zeros.global = none.clients.begin()->second.scaled(0);
  auto scorer = make(), other = make(), back = make();
  check_same_bits(scorer.observe(none.round()), other.observe(zeros.round()));
  restore(save(scorer), back);
  for (auto* each : {&scorer, &back}) {
    check_refused(*each, none.round(),
                  std::string(each->name) +
                      " needs global_update from the second round on (zeros where nothing moved), which was "
                      "not given");
    check_same_bits(each->observe(zeros.round()), decltype(other)(other).observe(zeros.round()));
  }
}

/// An empty round has no scores and changes nothing.
void check_empty(auto scorer) {
  const std::string before = save(scorer);
  Round round;
  CHECK(scorer.observe(round).empty());
  const std::vector<double> global{1, 2};
  round.global_update = round.global_final_weight = global;
  CHECK(scorer.observe(round).empty());
  CHECK(save(scorer) == before);
}

}  // namespace fedval::tests
