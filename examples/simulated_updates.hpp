// What the examples that show a tensor type have in common: the updates of three clients, and what is printed
// of them.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdio>

#include "fedval/contribution/cosine_gradient_shapley.hpp"
#include "fedval/contribution/spectral_fed.hpp"

namespace simulated_updates {

inline constexpr std::size_t clients = 3, classes = 4, features = 5;

/// Entry (i, j) of a client's update of the final layer: clients 1 and 2 pull the same way, the third its
/// own.
inline float entry(std::size_t client, std::size_t i, std::size_t j) {
  const auto at = static_cast<float>(features * i + j);
  return std::sin(at * (client == 3 ? 2.f : .3f)) + .2f * std::cos(at * static_cast<float>(client));
}

/// A line for each client: its spectral contribution and its share of the cosine gradient Shapley value.
inline void print_scores(const fedval::Round& round) {
  fedval::SpectralFed spectral({.momentum = 0});
  fedval::CosineGradientShapley cgsv;
  const fedval::Scores entropies = spectral.observe(round), values = cgsv.observe(round);
  for (std::size_t k = 0; k < round.size(); ++k)
    std::printf("client %s: spectral %.6f, psi %.6f\n", round.clients()[k].id.text().c_str(),
                entropies[k].second.value, values[k].second.value);
}

}  // namespace simulated_updates
