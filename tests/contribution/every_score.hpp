// Every score of a round's updates behind one face, with what its header says of it, for properties that hold
// for all of them.
#pragma once

#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "fedval/contribution/class_alignment.hpp"
#include "fedval/contribution/confirmed_entropy.hpp"
#include "fedval/contribution/consensus_entropy.hpp"
#include "fedval/contribution/cosine_gradient_shapley.hpp"
#include "fedval/contribution/gated_entropy.hpp"
#include "fedval/contribution/gradient_shapley.hpp"
#include "fedval/contribution/leave_one_out_cosine.hpp"
#include "fedval/contribution/residual_weights.hpp"
#include "fedval/contribution/shapfed.hpp"
#include "fedval/contribution/spectral_fed.hpp"
#include "fedval/contribution/spectral_fuse.hpp"
#include "fedval/contribution/verified_entropy.hpp"
#include "fedval/tensor/std.hpp"
#include "tests/contribution/score_properties.hpp"

namespace fedval::tests {

/// One score at work.
struct Scorer {
  std::function<Scores(const Round&)> observe;
  std::function<std::string()> state;
  std::function<void(const std::string&)> restore;
};

/// What a score reads of a client.
struct Reads {
  bool update = false, weight = false, bias = false;
};

/// On whose updates, beside its own, a client's score depends.
enum class Sees {
  everyone,
  known,  ///< a newcomer has no weight in what it is compared with
  nobody
};

/// What a score's header says of it.
struct Traits {
  double least = 0, most = 1;  ///< of its values
  Sees sees = Sees::everyone;
  bool lengths = false;     ///< whether a client's length counts, beside its direction
  bool remembers = true;    ///< from round to round
  bool starts_anew = true;  ///< newcomers among themselves have what a first round gives
};

/// One score, and what is true of it.
struct Entry {
  std::string name;
  std::function<Scorer()> make;
  Reads reads;
  Traits traits = {};
};

template <SavableScore S>
std::function<Scorer()> maker(typename S::Options options = {}) {
  return [options] {
    const auto score = std::make_shared<S>(options);
    return Scorer{[score](const Round& round) { return score->observe(round); },
                  [score] { return save(*score); },
                  [score](const std::string& text) { restore(text, *score); }};
  };
}

/// All scores of updates that the library has; those of coalitions are
/// tests/contribution/coalition_games.hpp's.
inline std::vector<Entry> every_score() {
  constexpr double any = std::numeric_limits<double>::max();
  constexpr Reads update{.update = true}, weight{.weight = true}, layer{.weight = true, .bias = true},
      both{.update = true, .weight = true}, all{.update = true, .weight = true, .bias = true};
  using Cgsv = CosineGradientShapley;
  const auto cgsv = [](Cgsv::Value value, reward::Mode mode = reward::Mode::paper) {
    return maker<Cgsv>({.mode = mode, .value = value});
  };
  return {
      {"SpectralFed", maker<SpectralFed>(), weight, {.sees = Sees::nobody, .starts_anew = false}},
      {"SpectralFed, exponential",
       maker<SpectralFed>({.momentum = 0.5, .alpha = 1}),
       weight,
       {.most = 2.72, .sees = Sees::nobody, .starts_anew = false}},
      {"SpectralFuse",
       maker<SpectralFuse>(),
       layer,
       {.least = -any, .most = any, .lengths = true, .starts_anew = false}},
      {"SpectralFuse, reference",
       maker<SpectralFuse>(SpectralFuse::Options::reference()),
       layer,
       {.least = -any, .most = any, .lengths = true, .starts_anew = false}},
      {"ClassAlignment", maker<ClassAlignment>(), layer, {.lengths = true}},
      {"ClassAlignment, raw",
       maker<ClassAlignment>({.momentum = 0.6, .raw = true}),
       layer,
       {.least = -1, .lengths = true}},
      {"ShapFed", maker<ShapFed>(), layer, {.least = -1, .lengths = true}},
      {"CGSV psi", cgsv(Cgsv::Value::psi), update, {.least = -1, .sees = Sees::known}},
      {"CGSV phi, smoothed", cgsv(Cgsv::Value::exact), update, {.least = -2, .most = 2}},
      {"CGSV Euclidean", cgsv(Cgsv::Value::euclidean), update, {.least = -1, .sees = Sees::known}},
      // Beside the length stands 1e-7.
      {"CGSV, authors' code",
       cgsv(Cgsv::Value::psi, reward::Mode::authors_code),
       update,
       {.least = -1, .sees = Sees::known, .lengths = true}},
      {"CGSV phi", maker<GradientShapley>(), update, {.least = -2, .most = 2, .remembers = false}},
      {"CGSV phi, sampled",
       maker<GradientShapley>({.exact_up_to = 2, .epsilon = 0.5}),
       update,
       {.least = -2, .most = 2, .remembers = false}},
      {"LeaveOneOutCosine", maker<LeaveOneOutCosine>(), update, {.least = -1}},
      {"ResidualReweighting", maker<ResidualReweighting>(), update, {.lengths = true, .remembers = false}},
      {"GatedEntropy", maker<GatedEntropy>(), both},
      {"ConsensusEntropy", maker<ConsensusEntropy>(), all},
      {"ConfirmedEntropy", maker<ConfirmedEntropy>(), all},
      {"VerifiedEntropy", maker<VerifiedEntropy>(), all, {.most = any}},
  };
}

}  // namespace fedval::tests
