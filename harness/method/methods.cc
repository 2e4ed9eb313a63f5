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

/// A score from round to round.
template <ContributionScore S>
class Reader : public ScoreReader {
 public:
  explicit Reader(const std::string& symbol, S score = {})
      : ScoreReader(std::string(S::name) + (symbol.empty() ? "" : " " + symbol)), score_(std::move(score)) {}

  Scores observe(const Round& round) override { return score_.observe(round); }
  std::string save() const override { return fedval::save(score_); }
  void restore(std::string_view text) override { fedval::restore(text, score_); }

 private:
  S score_;
};

/// psi and r come from one pass over the updates: the second of these shows what the first one learned.
class CgsvReader : public ScoreReader {
 public:
  CgsvReader(const std::string& symbol, bool learns, std::shared_ptr<CosineGradientShapley> score)
      : ScoreReader("CGSV " + symbol), learns_(learns), score_(std::move(score)) {}

  Scores observe(const Round& round) override {
    if (learns_) return score_->observe(round);
    Scores scores;
    for (const auto& client : round.clients())
      scores.emplace_back(client.id, Score{score_->importance().at(client.id)});
    return scores;
  }
  std::string save() const override { return fedval::save(*score_); }
  void restore(std::string_view text) override { fedval::restore(text, *score_); }

 private:
  bool learns_;
  std::shared_ptr<CosineGradientShapley> score_;
};

}  // namespace

Readers make_readers(const Settings& settings) {
  const auto cgsv = std::make_shared<CosineGradientShapley>(cgsv_options(settings));
  Readers readers;
  readers.push_back(std::make_unique<CgsvReader>("psi", true, cgsv));
  readers.push_back(std::make_unique<CgsvReader>("r", false, cgsv));
  readers.push_back(std::make_unique<Reader<SpectralFed>>("s", SpectralFed(spectral_fed_options(settings))));
  readers.push_back(std::make_unique<Reader<SpectralFuse>>("x"));
  readers.push_back(std::make_unique<Reader<ShapFed>>("gamma"));
  readers.push_back(std::make_unique<Reader<GatedEntropy>>(""));
  readers.push_back(std::make_unique<Reader<ConfirmedEntropy>>(""));
  return readers;
}

}  // namespace fedval::harness
