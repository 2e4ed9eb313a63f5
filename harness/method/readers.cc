#include "harness/method/readers.hpp"

#include <algorithm>
#include <array>
#include <limits>

#include "fedval/contribution/completed_shapley.hpp"
#include "fedval/contribution/confirmed_entropy.hpp"
#include "fedval/contribution/consensus_entropy.hpp"
#include "fedval/contribution/contribution_index.hpp"
#include "fedval/contribution/fed_shapley.hpp"
#include "fedval/contribution/gated_entropy.hpp"
#include "fedval/contribution/gtg_shapley.hpp"
#include "fedval/contribution/leave_one_out.hpp"
#include "fedval/contribution/leave_one_out_cosine.hpp"
#include "fedval/contribution/residual_weights.hpp"
#include "fedval/contribution/shapfed.hpp"
#include "fedval/contribution/spectral_fuse.hpp"
#include "fedval/contribution/verified_entropy.hpp"
#include "harness/method/accumulated_index.hpp"
#include "harness/method/coalition_game.hpp"
#include "harness/method/data_size.hpp"
#include "harness/method/score_options.hpp"

namespace fedval::harness {

namespace {

/// A score from round to round.
template <ContributionScore S>
class UpdateReader : public ScoreReader {
 public:
  explicit UpdateReader(const std::string& symbol, S score = S())
      : ScoreReader(std::string(S::name) + (symbol.empty() ? "" : " " + symbol)), score_(std::move(score)) {}

  Scores observe(const Round& round, Context&) override { return score_.observe(round); }
  std::string save() const override { return fedval::save(score_); }
  void restore(std::string_view text) override { fedval::restore(text, score_); }

 private:
  S score_;
};

/// A score of what coalitions are worth, from round to round.
template <class S>
class CoalitionReader : public ScoreReader {
 public:
  CoalitionReader(const std::string& name, Utility utility, S score = S())
      : ScoreReader(name), utility_(utility), score_(std::move(score)) {}

  bool validates() const override { return true; }
  Scores observe(const Round& round, Context& context) override {
    CoalitionGame game(round, context, utility_);
    return score_.observe(round, game);
  }
  std::string save() const override { return fedval::save(score_); }
  void restore(std::string_view text) override { fedval::restore(text, score_); }

 private:
  Utility utility_;
  S score_;
};

/// A value such as psi and the importance r come from one pass over the updates: the second of these readers
/// shows what the first one learned.
class CgsvReader : public ScoreReader {
 public:
  CgsvReader(const std::string& name, bool learns, std::shared_ptr<CosineGradientShapley> score)
      : ScoreReader(name), learns_(learns), score_(std::move(score)) {}

  Scores observe(const Round& round, Context&) override {
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

template <class R, class... Arguments>
void add(Readers& readers, Arguments&&... arguments) {
  readers.push_back(std::make_unique<R>(std::forward<Arguments>(arguments)...));
}

using Value = CosineGradientShapley::Value;

void add_cgsv(Readers& readers, const Settings& settings, Value value, const std::string& symbol,
              const std::string& importance) {
  const auto score = std::make_shared<CosineGradientShapley>(cgsv_options(settings, value));
  add<CgsvReader>(readers, "CGSV " + symbol, true, score);
  add<CgsvReader>(readers, "CGSV " + importance, false, score);
}

template <class S>
void add_coalition(Readers& readers, const Settings& settings, const std::string& name) {
  add<CoalitionReader<S>>(readers, name, utility_named(settings.validation.utility));
}

struct Entry {
  const char* name;
  void (*add_to)(Readers&, const Settings&);
  std::size_t most_agents = std::numeric_limits<std::size_t>::max();  ///< of those that it remembers: all
};

const std::array entries{
    Entry{"data_size", [](Readers& readers, const Settings&) { add<DataSize>(readers); }},
    Entry{"cgsv", [](Readers& readers,
                     const Settings& settings) { add_cgsv(readers, settings, Value::psi, "psi", "r"); }},
    Entry{"cgsv_exact",
          [](Readers& readers, const Settings& settings) {
            add_cgsv(readers, settings, Value::exact, "phi", "r of phi");
          }},
    Entry{"cgsv_euclidean",
          [](Readers& readers, const Settings& settings) {
            add_cgsv(readers, settings, Value::euclidean, "Euclidean", "r of Euclidean");
          }},
    Entry{"leave_one_out_cosine",
          [](Readers& readers, const Settings&) { add<UpdateReader<LeaveOneOutCosine>>(readers, ""); }},
    Entry{"rffl", [](Readers& readers,
                     const Settings& settings) { add<RfflReader>(readers, rffl_options(settings)); }},
    Entry{"residual",
          [](Readers& readers, const Settings&) { add<UpdateReader<ResidualReweighting>>(readers, ""); }},
    Entry{"spectral_fed",
          [](Readers& readers, const Settings& settings) {
            add<UpdateReader<SpectralFed>>(readers, "s", SpectralFed(spectral_fed_options(settings)));
          }},
    Entry{"spectral_fuse",
          [](Readers& readers, const Settings&) { add<UpdateReader<SpectralFuse>>(readers, "x"); }},
    Entry{"spectral_fuse_reference",
          [](Readers& readers, const Settings&) {
            add<UpdateReader<SpectralFuse>>(readers, "x reference",
                                            SpectralFuse(SpectralFuse::Options::reference()));
          }},
    Entry{"shapfed", [](Readers& readers, const Settings&) { add<UpdateReader<ShapFed>>(readers, "gamma"); }},
    Entry{"gated_entropy",
          [](Readers& readers, const Settings&) { add<UpdateReader<GatedEntropy>>(readers, ""); }},
    Entry{"consensus_entropy",
          [](Readers& readers, const Settings&) { add<UpdateReader<ConsensusEntropy>>(readers, ""); }},
    Entry{"confirmed_entropy",
          [](Readers& readers, const Settings&) { add<UpdateReader<ConfirmedEntropy>>(readers, ""); }},
    Entry{"verified_entropy",
          [](Readers& readers, const Settings&) { add<UpdateReader<VerifiedEntropy>>(readers, ""); }},
    Entry{"leave_one_out",
          [](Readers& readers, const Settings& settings) {
            add_coalition<LeaveOneOut>(readers, settings, "LeaveOneOut");
          }},
    Entry{"eci_or",
          [](Readers& readers, const Settings& settings) {
            // After the last round alone: it tests 2^N models.
            add<AccumulatedIndex>(readers, utility_named(settings.validation.utility),
                                  settings.training.rounds);
          },
          AccumulatedIndex::most_clients},
    Entry{"eci_mr",
          [](Readers& readers, const Settings& settings) {
            add_coalition<ContributionIndex>(readers, settings, "ECI-MR");
          }},
    Entry{"fedsv", [](Readers& readers,
                      const Settings& settings) { add_coalition<FedShapley>(readers, settings, "FedSV"); }},
    Entry{"comfedsv",
          [](Readers& readers, const Settings& settings) {
            add_coalition<CompletedShapley>(readers, settings, "ComFedSV");
          },
          CompletedShapley::Options().most_clients},
    Entry{"gtg_shapley",
          [](Readers& readers, const Settings& settings) {
            add_coalition<GtgShapley>(readers, settings, "GTG-Shapley");
          }},
};

}  // namespace

Readers make_readers(const Settings& settings) {
  Readers readers;
  for (const std::string& name : settings.scores.read) {
    const auto entry = std::ranges::find(entries, name, &Entry::name);
    if (entry == entries.end()) fail("there is no score named \"", name, "\"");
    if (settings.partition.agents > entry->most_agents)
      fail("scores.read has \"", name, "\", which takes ", entry->most_agents,
           " agents at most, and partition.agents is ", settings.partition.agents);
    entry->add_to(readers, settings);
  }
  return readers;
}

std::vector<std::string> reader_names() {
  std::vector<std::string> names;
  for (const Entry& entry : entries) names.emplace_back(entry.name);
  return names;
}

}  // namespace fedval::harness
