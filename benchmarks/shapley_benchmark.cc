// Shapley values: exact from a table, exact of the cosine game, and by random orders; beside the definition
// player by player, each value from the Gram matrix or from the vectors anew, and an order by the standard
// library. Python's times: shapley_numpy.py.
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdio>
#include <exception>
#include <memory>
#include <numeric>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "benchmarks/beside.hpp"
#include "benchmarks/limits.hpp"
#include "benchmarks/one_thread.hpp"
#include "fedval/random/philox.hpp"
#include "fedval/shapley/cosine_shapley.hpp"
#include "fedval/shapley/exact.hpp"
#include "fedval/shapley/permutation.hpp"
#include "fedval/tensor/std.hpp"

namespace {

using namespace fedval;
using namespace fedval::shapley;

/// The definition, a player at a time: 2^(n-1) differences for each.
std::vector<double> player_by_player(std::span<const double> v, std::size_t n) {
  const std::vector<double> w = shapley_weights(n);
  std::vector<double> phi(n, 0.0);
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t s = 0; s < v.size(); ++s)
      if ((s >> i & 1) == 0)
        phi[i] += w[static_cast<std::size_t>(std::popcount(s))] * (v[s | std::size_t{1} << i] - v[s]);
  return phi;
}

void add_table(std::size_t n, double aim_ms) {
  random::Stream stream(1);
  std::vector<double> values(std::size_t{1} << n);
  for (double& value : values) value = stream.uniform();
  const auto game = std::make_shared<TableGame>(values);
  const std::string name = "exact table/n = " + std::to_string(n) + "/";
  benchmarks::add(
      name + "fedval", [=] { return exact(*game, n); }, aim_ms);
  benchmarks::add(name + "player by player",
                  [=] { return player_by_player(game->table(0, std::size_t{1} << n), n); });
  benchmarks::add(name + "one read", [=] {
    const auto table = game->table(0, std::size_t{1} << n);
    return benchmarks::read_once({reinterpret_cast<const float*>(table.data()), 2 * table.size()});
  });
}

std::vector<std::vector<double>> normal_updates(std::size_t n, std::size_t dimension) {
  random::Stream stream(2);
  std::vector<std::vector<double>> updates(n, std::vector<double>(dimension));
  for (auto& update : updates)
    for (double& entry : update) entry = stream.normal();
  return updates;
}

GradientGame game_of(const std::vector<std::vector<double>>& updates) {
  return GradientGame(gram(std::vector<TensorView>(updates.begin(), updates.end())));
}

void add_cosine(std::size_t n, double aim_ms) {
  const auto game = std::make_shared<GradientGame>(game_of(normal_updates(n, 100)));
  const std::string name = "exact cosine game/n = " + std::to_string(n) + "/";
  benchmarks::add(
      name + "fedval", [=] { return exact(*game, n); }, aim_ms);
  if (n > 24) return;  // the peer takes half a minute
  benchmarks::add(name + "each value from the Gram matrix",
                  [=] { return exact([&](Mask coalition) { return (*game)(coalition); }, n); });
}

/// With the Gram matrix, and as it is done without it: the vectors of every coalition added up anew.
void add_vectors(std::size_t n, std::size_t dimension) {
  const auto updates = std::make_shared<std::vector<std::vector<double>>>(normal_updates(n, dimension));
  const std::string name = "CGSV from updates/" + std::to_string(n) + " x " + std::to_string(dimension) + "/";
  benchmarks::add(name + "fedval", [=] { return exact(game_of(*updates), n); });
  benchmarks::add(name + "each coalition's sum anew", [=] {
    std::vector<double> whole(dimension, 0.0), sum(dimension);
    for (const auto& update : *updates)
      for (std::size_t k = 0; k < dimension; ++k) whole[k] += update[k];
    return exact(
        [&](std::span<const std::size_t> members) {
          std::fill(sum.begin(), sum.end(), 0.0);
          for (const std::size_t i : members)
            for (std::size_t k = 0; k < dimension; ++k) sum[k] += (*updates)[i][k];
          double square = 0, along = 0, all = 0;
          for (std::size_t k = 0; k < dimension; ++k) {
            square += sum[k] * sum[k];
            along += sum[k] * whole[k];
            all += whole[k] * whole[k];
          }
          return square > 0 ? along / std::sqrt(square * all) : 0.0;
        },
        n);
  });
}

/// 1,000 random orders of a table game's players: 1,000 n marginals, so milliseconds are microseconds a
/// thousand, and the aim of 20 ns a marginal is .02 n ms.
void add_marginals(std::size_t n) {
  random::Stream stream(3);
  std::vector<double> values(std::size_t{1} << n);
  for (double& value : values) value = stream.uniform();
  const auto game = std::make_shared<TableGame>(values);
  const std::string name = "1,000 orders/n = " + std::to_string(n) + "/";
  benchmarks::add(
      name + "fedval",
      [=] {
        Sampler<Permutation> sampler({}, n);
        return sampler.run(*game, units(1000));
      },
      0.02 * static_cast<double>(n));
  benchmarks::add(name + "std::shuffle, sums alone", [=] {
    std::mt19937_64 generator(7);
    std::vector<std::size_t> order(n);
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::vector<double> sums(n, 0.0);
    for (int t = 0; t < 1000; ++t) {
      std::shuffle(order.begin(), order.end(), generator);
      Mask prefix = 0;
      double before = (*game)(0);
      for (const std::size_t i : order) {
        const double after = (*game)(prefix |= Mask{1} << i);
        sums[i] += after - before;
        before = after;
      }
    }
    return sums;
  });
}

/// A round of 100 clients, certified: what a server waits for where 2^n is out of reach.
void add_certified(std::size_t n) {
  const auto updates = std::make_shared<std::vector<std::vector<double>>>(normal_updates(n, 1000));
  const auto products =
      std::make_shared<Gram>(gram(std::vector<TensorView>(updates->begin(), updates->end())));
  benchmarks::add("certified CGSV to .1 / N/N = " + std::to_string(n) + "/fedval",
                  [=] { return cosine_shapley(*products, {}, {.exact_up_to = 0}); });
}

}  // namespace

int main(int argc, char** argv) try {
  benchmarks::one_thread();
  add_table(16, 0.07);
  add_table(20, 1.17);
  add_table(24, 23.9);
  add_cosine(20, 3.6);
  add_cosine(24, 69);
  add_cosine(26, 0);
  add_vectors(10, 100000);
  add_marginals(16);
  add_certified(20);
  add_certified(100);
  return benchmarks::run(argc, argv);
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 2;
}
