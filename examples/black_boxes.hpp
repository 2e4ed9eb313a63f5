// A server and clients that only answer: what each of four estimators learns from the same answers.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <numeric>
#include <vector>

#include "fedval/black_box/communication.hpp"
#include "fedval/black_box/estimator.hpp"
#include "fedval/random/draws.hpp"
#include "fedval/tensor/operations.hpp"
#include "fedval/tensor/std.hpp"

namespace black_boxes {

namespace bb = fedval::black_box;
using Rows = std::vector<std::vector<double>>;  // any tensor type will do

inline Rows random_rows(fedval::random::Draws& draws, std::size_t rows, std::size_t columns, double scale) {
  Rows result(rows, std::vector<double>(columns));
  for (auto& row : result)
    for (double& entry : row) entry = scale * draws.normal();
  return result;
}

/// logits = second tanh(first x).
class Model {
 public:
  Model(fedval::random::Draws& draws, std::size_t entries, std::size_t hidden, std::size_t classes)
      : first_(random_rows(draws, hidden, entries, 1 / std::sqrt(static_cast<double>(entries)))),
        second_(random_rows(draws, classes, hidden, 3 / std::sqrt(static_cast<double>(hidden)))) {}

  /// All that a server may ask of a client's model.
  bb::Logits operator()(const Rows& x) const {
    bb::Logits logits(x.size(), second_.size());
    for (std::size_t i = 0; i < x.size(); ++i)
      for (std::size_t h = 0; h < first_.size(); ++h) {
        const double active = unit(h, x[i]);
        for (std::size_t c = 0; c < second_.size(); ++c) logits(i, c) += second_[c][h] * active;
      }
    return logits;
  }

  /// J^T v: what the server can do with its own model alone.
  Rows pull_back(const Rows& x, const bb::Logits& v) const {
    Rows result(x.size(), std::vector<double>(x.front().size()));
    for (std::size_t i = 0; i < x.size(); ++i)
      for (std::size_t h = 0; h < first_.size(); ++h) {
        const double active = unit(h, x[i]);
        double slope = 0;
        for (std::size_t c = 0; c < second_.size(); ++c) slope += second_[c][h] * v(i, c);
        fedval::axpy(slope * (1 - active * active), first_[h], result[i]);
      }
    return result;
  }

 private:
  double unit(std::size_t h, const std::vector<double>& x) const {
    return std::tanh(std::inner_product(x.begin(), x.end(), first_[h].begin(), 0.0));
  }

  Rows first_, second_;
};

/// A generator's samples, five clients with their numbers of examples, and the server's model.
struct Scene {
  static constexpr std::size_t batch = 32, entries = 48, classes = 5, noise = 20;

  explicit Scene(fedval::random::Draws draws)
      : x(random_rows(draws, batch, entries, 0.5)),
        z(random_rows(draws, batch, noise, 1)),
        server(draws, entries, 32, classes) {
    for (std::size_t i = 0; i < batch; ++i) ordered.push_back(static_cast<std::uint32_t>(i % classes));
    for (std::size_t k = 0; k < sizes.size(); ++k) clients.emplace_back(draws, entries, 16 + 8 * k, classes);
  }

  bb::Logits ensemble(const Rows& images) const {
    std::vector<bb::Logits> answers;
    for (const Model& client : clients) answers.push_back(client(images));
    return bb::EnsembleWeights::by_size(sizes)(answers, ordered);
  }

  /// What only one who sees into the clients can know.
  Rows truth() const {
    Rows gradient = x;
    const auto through_clients = [&](const bb::Logits& v) {
      Rows sum(batch, std::vector<double>(entries));
      const auto weights = bb::EnsembleWeights::by_size(sizes);
      for (std::size_t k = 0; k < clients.size(); ++k)
        fedval::axpy(weights(k, 0), clients[k].pull_back(x, v), sum);
      return sum;
    };
    bb::exact_gradient(
        {}, {x, z, ordered}, ensemble(x), server(x), through_clients,
        [&](const bb::Logits& ds) { return server.pull_back(x, ds); }, gradient);
    return gradient;
  }

  Rows x, z;
  std::vector<std::uint32_t> ordered;  // the class that each sample was made for
  std::vector<double> sizes{100, 200, 300, 400, 500};
  Model server;
  std::vector<Model> clients;
};

/// The server's questions, 1 + q about each sample, and what everyone answers.
struct Asked {
  Asked(const Scene& scene, std::size_t q, std::uint64_t seed)
      : queries({.directions = fedval::zeroth_order::orthogonal(q)}, Scene::batch, Scene::entries, seed),
        ensemble{scene.ensemble(scene.x), {}},
        server{scene.server(scene.x), {}} {
    Rows point = scene.x;
    for (std::size_t k = 0; k < q; ++k) {
      queries.point(scene.x, k, point);  // a client makes it from the same seed
      ensemble.at_points.push_back(scene.ensemble(point));
      server.at_points.push_back(scene.server(point));
    }
  }

  bb::Queries queries;
  bb::Answers ensemble, server;
};

/// An estimate of truth() from the answers.
inline Rows estimate(const Scene& scene, bb::Estimator estimator, const Asked& asked) {
  const auto pullback = [&](const bb::Logits& ds) { return scene.server.pull_back(scene.x, ds); };
  Rows gradient = scene.x;
  bb::generator_gradient(estimator, {}, {scene.x, scene.z, scene.ordered}, asked.ensemble, asked.server,
                         asked.queries, pullback, gradient);
  return gradient;
}

struct Named {
  const char* name;
  bb::Estimator estimator;
};
inline constexpr Named estimators[] = {{"scalar", bb::Estimator::scalar},
                                       {"reference", bb::Estimator::reference},
                                       {"per_sample", bb::Estimator::per_sample},
                                       {"chain", bb::Estimator::chain}};

/// Means over estimates.
struct Errors {
  double squared = 0;  ///< ||g^ - g||^2 / ||g||^2
  double cosine = 0;   ///< cos(g^, g)
};

/// Of all estimators, each from the same answers.
inline std::vector<Errors> measure(const Scene& scene, std::size_t q, std::size_t runs) {
  const Rows truth = scene.truth();
  const double square = fedval::dot(truth, truth);
  std::vector<Errors> errors(std::size(estimators));
  for (std::size_t run = 0; run < runs; ++run) {
    const Asked asked(scene, q, run);
    for (std::size_t e = 0; e < errors.size(); ++e) {
      const Rows found = estimate(scene, estimators[e].estimator, asked);
      const double inner = fedval::dot(found, truth), length = fedval::dot(found, found);
      errors[e].squared += (length - 2 * inner + square) / square / static_cast<double>(runs);
      errors[e].cosine += inner / std::sqrt(length * square) / static_cast<double>(runs);
    }
  }
  return errors;
}

}  // namespace black_boxes
