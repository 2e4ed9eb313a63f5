// What a rank-adaptive fusion is told, and what it knows of a client.
//
//   options   Q, P_0, trust r (beta), noise R (kappa, R_min, R_max, power, memory), shares (guard, scale)
//   track     x, P and the mean order of one client
//
// The formulas they stand in are those of kalman/rank_adaptive_fusion.hpp. Defaults: arXiv:2604.22562,
// section 3, but for trust and noise, which are this project's.
#pragma once

#include "fedval/kalman/rank_trust.hpp"

namespace fedval::kalman {

/// Where a sensor's noise comes from.
enum class Noise {
  trust,    ///< from its trust alone: kappa (1 - r) + R_min, at most R_max
  residual  ///< from what optimal updates left so far, kalman/residual_noise.hpp; trust moves the gain only
};

struct FusionOptions {
  /// What a sensor's order of the clients is held against.
  Trust trust = Trust::cross;
  /// What R is made of.
  Noise noise = Noise::residual;
  double process_noise = 1e-4;  ///< Q, by which a state's variance grows a round
  double guard = 0;             ///< added to the sums that readings are divided by
  bool scale_to_state = true;   ///< shares are of what the round's clients hold, not of 1
  double beta = 0.1;            ///< share of this round in the trust r, in (0, 1]
  double kappa = 1;             ///< scale of 1 - r
  double least_noise = 1e-3;    ///< R_min
  double most_noise = 100;      ///< R_max
  double power = 4;             ///< of D^2: how soon a less trusted sensor is left out, at least 0
  double initial_variance = 1;  ///< P_0 of a client nothing is known about
  double memory = 0.98;         ///< b of the residual noise, in (0, 1)
  double order_momentum = 0.9;  ///< of the mean ranks that `cross` trust asks, in [0, 1)

  bool operator==(const FusionOptions&) const = default;
  void fields(auto& archive) {
    archive.state("trust", trust);
    archive.state("noise", noise);
    archive.state("process_noise", process_noise);
    archive.state("guard", guard);
    archive.state("scale_to_state", scale_to_state);
    archive.state("beta", beta);
    archive.state("kappa", kappa);
    archive.state("least_noise", least_noise);
    archive.state("most_noise", most_noise);
    archive.state("power", power);
    archive.state("initial_variance", initial_variance);
    archive.state("memory", memory);
    archive.state("order_momentum", order_momentum);
  }
};

/// What is known of one client.
struct Track {
  double x = 0;         ///< state
  double variance = 0;  ///< P
  double order = 0;     ///< mean centred rank so far, which `cross` trust asks

  bool operator==(const Track&) const = default;
  void fields(auto& archive) {
    archive.state("x", x);
    archive.state("P", variance);
    archive.check(variance >= 0, "a variance below 0");
    archive.state("order", order);
  }
};

}  // namespace fedval::kalman
