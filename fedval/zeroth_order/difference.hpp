// Slopes along directions, from function values: a stencil, and what stands in for f(x) where none is asked.
//
//   D_i = (sum_k w_k f(x + o_k mu u_i) - baseline_i) / mu
//
//   difference      nodes (o: w)                       baseline                     queries    exact for
//   forward         0: -1, 1: 1                                                     m + 1      linear f
//   central         1: 1/2, -1: -1/2                                                2 m        quadratic f
//   five_point      1: 2/3, -1: -2/3, 2: -1/12, -2: 1/12                            4 m        quartic f
//   one_point       1: 1                                                            m
//   leave_one_out   1: 1                               mean of the others' values   m
//   residual        1: 1                               the value one step earlier   m
//
// Sources: Flaxman, Kalai, McMahan, SODA 2005 (one point); Zhang, Zhou, Ji, Zavlanos, arXiv:2006.10820
// (residual); Salimans, Ho, Chen, Sidor, Sutskever, arXiv:1703.03864 (baselines).
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <span>
#include <string>
#include <vector>

#include "fedval/error.hpp"

namespace fedval::zeroth_order {

/// One evaluation of a stencil: f(x + offset mu u), and its weight in the slope. Offset 0 is f(x), asked
/// once for all directions.
struct Node {
  double offset = 0,  ///< o, in units of mu
      weight = 0;     ///< w, before the division by mu
};

/// What is subtracted from a direction's stencil before the division by mu, to lower the slopes' variance.
enum class Baseline : std::uint8_t {
  none,     ///< nothing
  others,   ///< the mean stencil of the other m - 1 directions; m >= 2
  previous  ///< direction i's stencil of the step before; a first step asks twice as much
};

struct Difference {
  std::string name;                    ///< in messages and saved states
  std::vector<Node> nodes;             ///< the stencil; f is asked in this order, at x first
  Baseline baseline = Baseline::none;  ///< what is subtracted from it
  int order = 1;                       ///< the slope's error is O(mu^order) where f is smooth

  /// Whether f(x) itself is asked: a node has offset 0.
  bool asks_point() const {
    return std::any_of(nodes.begin(), nodes.end(), [](const Node& node) { return node.offset == 0; });
  }
  /// Evaluations along each direction.
  std::size_t per_direction() const { return nodes.size() - (asks_point() ? 1 : 0); }
  /// Evaluations for m directions, those of a first step beside it left out.
  std::size_t queries(std::size_t m) const { return m * per_direction() + (asks_point() ? 1 : 0); }
};

/// (f(x + mu u) - f(x)) / mu: m + 1 queries, error O(mu).
inline const Difference forward{"forward", {{0, -1}, {1, 1}}, Baseline::none, 1};
/// (f(x + mu u) - f(x - mu u)) / (2 mu): 2 m queries, error O(mu^2).
inline const Difference central{"central", {{1, 0.5}, {-1, -0.5}}, Baseline::none, 2};
/// The central difference of fourth order, at +-mu and +-2 mu: 4 m queries, error O(mu^4).
inline const Difference five_point{
    "five-point", {{1, 2.0 / 3}, {-1, -2.0 / 3}, {2, -1.0 / 12}, {-2, 1.0 / 12}}, Baseline::none, 4};
/// f(x + mu u) / mu: m queries, variance of order f^2 / mu^2. mu has no default.
inline const Difference one_point{"one-point", {{1, 1}}, Baseline::none, 1};
/// f(x + mu u_i) less the mean of the other directions' values, over mu: m queries, m >= 2.
inline const Difference leave_one_out{"leave-one-out", {{1, 1}}, Baseline::others, 1};
/// f(x + mu u_i) less the value one step earlier, over mu: m queries, 2 m in a first step. mu has no default.
inline const Difference residual{"residual", {{1, 1}}, Baseline::previous, 1};

/// Error unless the stencil is one: offsets that differ, and slopes of constants that are zero where no
/// baseline takes them away (one point is the exception that its source makes).
inline void check(const Difference& difference, std::size_t m) {
  for (std::size_t k = 0; k < difference.nodes.size(); ++k)
    for (std::size_t j = 0; j < k; ++j)
      if (difference.nodes[k].offset == difference.nodes[j].offset)
        fail("zeroth_order: the ", difference.name, " difference has two nodes at ",
             difference.nodes[k].offset);
  if (difference.per_direction() == 0)
    fail("zeroth_order: the ", difference.name, " difference asks nothing along a direction");
  double sum = 0, size = 0;
  for (const Node& node : difference.nodes) {
    if (!std::isfinite(node.offset) || !std::isfinite(node.weight))
      fail("zeroth_order: the ", difference.name, " difference has a node that is not finite");
    sum += node.weight;
    size += std::abs(node.weight);
  }
  if (difference.baseline == Baseline::none && difference.nodes.size() > 1 && std::abs(sum) > 1e-12 * size)
    fail("zeroth_order: the ", difference.name, " difference of a constant is not zero");
  if (difference.baseline == Baseline::others && m < 2)
    fail("zeroth_order: ", difference.name, " needs at least 2 directions");
}

/// The m slopes. `values` are f(x), where a node asks for it, then direction by direction the nodes that are
/// not at the point, in their order; `previous` holds each direction's stencil of one step earlier where the
/// baseline is that. Leaves the stencils in `stencils`. Error when a slope is beyond a double.
inline std::vector<double> slopes(const Difference& difference, std::span<const double> values,
                                  std::span<const double> previous, double smoothing,
                                  std::vector<double>& stencils) {
  double point = 0;
  if (difference.asks_point()) {
    point = values.front();
    values = values.subspan(1);
  }
  const std::size_t m = values.size() / difference.per_direction();
  stencils.assign(m, 0.0);
  for (std::size_t i = 0; i < m; ++i) {
    const double* value = values.data() + i * difference.per_direction();
    for (const Node& node : difference.nodes)
      stencils[i] += node.weight * (node.offset == 0 ? point : *value++);
  }
  std::vector<double> result = stencils;
  if (difference.baseline == Baseline::others) {
    // From the first one on: the slopes are the same, and large values can be doubles whose sum is none.
    for (double& rise : result) rise -= stencils.front();
    const double sum = std::accumulate(result.begin(), result.end(), 0.0);
    for (double& rise : result) rise -= (sum - rise) / static_cast<double>(m - 1);
  }
  for (std::size_t i = 0; i < m; ++i) {
    if (difference.baseline == Baseline::previous) result[i] -= previous[i];
    result[i] /= smoothing;
    if (!std::isfinite(result[i])) fail("zeroth_order: direction ", i, ": the slope overflows");
  }
  return result;
}

}  // namespace fedval::zeroth_order
