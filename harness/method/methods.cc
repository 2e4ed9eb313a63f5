#include "harness/method/methods.hpp"

#include <array>

#include "fedval/contribution/confirmed_entropy.hpp"
#include "fedval/contribution/gated_entropy.hpp"
#include "fedval/contribution/shapfed.hpp"
#include "fedval/contribution/spectral_fuse.hpp"
#include "harness/method/cgsv_rewards.hpp"
#include "harness/method/fedavg.hpp"
#include "harness/method/spectral_fed_averaging.hpp"

namespace fedval::harness {

namespace {

SpectralFed::Options spectral_fed_options(const Settings& settings) {
  SpectralFed::Options options{.momentum = settings.spectral_fed.momentum};
  const std::string& normaliser = settings.spectral_fed.normaliser;
  if (normaliser == "log_rank")
    options.entropy = {.normaliser = spectral::Normaliser::log_rank, .epsilon = 1e-10};
  if (normaliser == "none") options.entropy.normaliser = spectral::Normaliser::none;
  return options;
}

CosineGradientShapley::Options cgsv_options(const Settings& settings) {
  return {.gamma = settings.cgsv.gamma, .alpha = settings.cgsv.alpha};
}

struct Entry {
  const char* name;
  const char* credit;
  std::unique_ptr<Method> (*make)(const Settings&);
};

const std::array<Entry, 3> entries{{
    {"fedavg", "data share",
     [](const Settings&) -> std::unique_ptr<Method> { return std::make_unique<FedAvg>(); }},
    {"cgsv", "r",
     [](const Settings& settings) -> std::unique_ptr<Method> {
       return std::make_unique<CgsvRewards>(cgsv_options(settings), settings.cgsv.beta);
     }},
    {"spectral_fed", "s",
     [](const Settings& settings) -> std::unique_ptr<Method> {
       return std::make_unique<SpectralFedAveraging>(spectral_fed_options(settings));
     }},
}};

const Entry& find(const std::string& name) {
  std::string known;
  for (const Entry& entry : entries) {
    if (entry.name == name) return entry;
    known += (known.empty() ? "" : ", ") + std::string(entry.name);
  }
  fail("there is no method named \"", name, "\"; known: ", known);
}

}  // namespace

std::unique_ptr<Method> make_method(const std::string& name, const Settings& settings) {
  return find(name).make(settings);
}

std::string credit_name(const std::string& method) { return find(method).credit; }

std::vector<std::string> method_names() {
  std::vector<std::string> names;
  for (const Entry& entry : entries) names.emplace_back(entry.name);
  return names;
}

namespace {

/// A score with its own defaults, from round to round.
template <ContributionScore S>
ScoreReader reader(const std::string& symbol, S score = {}) {
  const std::string name = std::string(S::name) + (symbol.empty() ? "" : " " + symbol);
  const auto shared = std::make_shared<S>(std::move(score));
  return {name, [shared](const Round& round) { return shared->observe(round); }};
}

}  // namespace

std::vector<ScoreReader> make_readers(const Settings& settings) {
  // psi and r come from one pass over the updates: the second reader shows what the first one learned.
  const auto cgsv = std::make_shared<CosineGradientShapley>(cgsv_options(settings));
  return {{"CGSV psi", [cgsv](const Round& round) { return cgsv->observe(round); }},
          {"CGSV r",
           [cgsv](const Round&) {
             Scores scores;
             for (const auto& [id, r] : cgsv->importance()) scores.emplace_back(id, Score{r});
             return scores;
           }},
          reader("s", SpectralFed(spectral_fed_options(settings))),
          reader<SpectralFuse>("x"),
          reader<ShapFed>("gamma"),
          reader<GatedEntropy>(""),
          reader<ConfirmedEntropy>("")};
}

}  // namespace fedval::harness
