// Classes cut by Dirichlet shares. All in logarithms: at alpha = .01 a share of 1e-300 is common, and the sum
// of a class's shares over the agents may be smaller than any double.
//
//   log g = log Gamma(alpha + 1) + log(U) / alpha  is the logarithm of a Gamma(alpha) number
//   p_kc = g_kc / sum_c g_kc,   share of agent k in class c = p_kc / sum_k p_kc
//
// Source of the gamma numbers: Marsaglia, Tsang, "A simple method for generating gamma variables", 2000.
#include <algorithm>
#include <cmath>

#include "fedval/error.hpp"
#include "harness/partition/deal.hpp"

namespace fedval::harness::dealing {
namespace {

/// Logarithm of a number from the gamma law with shape a > 0 and scale 1.
double log_gamma_draw(double a, random::Stream& draw) {
  const double d = a + 1 - 1.0 / 3, c = 1 / std::sqrt(9 * d);  // of shape a + 1, where the method holds
  while (true) {
    const double x = draw.normal(), v = std::pow(1 + c * x, 3), u = 1 - draw.uniform();
    if (v > 0 && std::log(u) < 0.5 * x * x + d - d * v + d * std::log(v))
      return std::log(d * v) + std::log(1 - draw.uniform()) / a;
  }
}

/// log sum exp, which needs no range.
double log_sum(const std::vector<double>& logs) {
  const double largest = *std::ranges::max_element(logs);
  double sum = 0;
  for (const double x : logs) sum += std::exp(x - largest);
  return largest + std::log(sum);
}

Shards draw_shards(const Deal& deal, const std::vector<Indices>& by_class, random::Stream draw) {
  const std::size_t agents = deal.agents(), classes = by_class.size();
  std::vector<std::vector<double>> log_p(classes, std::vector<double>(agents));
  for (std::size_t k = 0; k < agents; ++k) {
    std::vector<double> g(classes);
    for (double& x : g) x = log_gamma_draw(deal.settings.alpha, draw);
    const double total = log_sum(g);
    for (std::size_t c = 0; c < classes; ++c) log_p[c][k] = g[c] - total;
  }
  Shards shards(agents);
  for (std::size_t c = 0; c < classes; ++c) {
    const double total = log_sum(log_p[c]);
    double shares = 0;
    std::size_t begin = 0;
    for (std::size_t k = 0; k < agents; ++k) {
      shares += std::exp(log_p[c][k] - total);
      // To the nearest: rounded down, 1 - 1e-9 would keep an example for the agents that have next to
      // nothing.
      const auto end =
          static_cast<std::size_t>(std::llround(shares * static_cast<double>(by_class[c].size())));
      append(shards[k], by_class[c], begin, end);
      begin = end;
    }
  }
  return shards;
}

}  // namespace

Shards dirichlet(const Deal& deal) {
  constexpr std::size_t attempts = 1000;
  const std::vector<Indices> by_class = deal.by_class();
  const std::size_t smallest = deal.settings.smallest_shard;
  constexpr double least_alpha = 1e-300;  // log(U) / alpha must not overflow
  const double alpha = deal.settings.alpha;
  if (!(alpha >= least_alpha && std::isfinite(alpha)))
    fail("partition: alpha is ", alpha, ", must be finite and at least ", least_alpha);
  if (smallest > deal.samples)
    fail("partition: smallest_shard is ", smallest, ", but ", deal.agents(), " agents share ",
         deal.pool.size(), " examples");
  for (std::size_t attempt = 0; attempt < attempts; ++attempt) {
    Shards shards = draw_shards(deal, by_class, attempt_stream(deal.seed, attempt));
    if (std::ranges::min_element(shards, {}, &Indices::size)->size() >= smallest) return shards;
  }
  fail("partition: dirichlet with alpha = ", alpha, " left an agent with fewer than ", smallest,
       " examples, ", attempts, " times in a row; raise alpha or lower smallest_shard");
}

}  // namespace fedval::harness::dealing
