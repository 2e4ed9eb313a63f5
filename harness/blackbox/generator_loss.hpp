// A generator's loss as the settings have it, and as a round's record shows it.
#pragma once

#include <vector>

#include "fedval/black_box/estimator.hpp"
#include "harness/config/settings.hpp"
#include "harness/federation/run_result.hpp"

namespace fedval::harness {

inline black_box::GeneratorLoss generator_loss(const BlackBoxSettings& settings) {
  return {settings.temperature, settings.adversarial, settings.diversity, settings.information};
}

inline std::vector<Figure> figures_of(const black_box::GeneratorLoss& loss,
                                      const black_box::LossParts& parts) {
  return {{"fidelity", parts.fidelity},
          {"adversarial", parts.adversarial},
          {"diversity", parts.diversity},
          {"information", parts.information},
          {"generator loss", parts.total(loss)}};
}

}  // namespace fedval::harness
