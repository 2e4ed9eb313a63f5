// Half of the agents a round, and one update in the middle that cannot be used: every method and every score
// goes to the end of the run.
#include <ATen/ops/full_like.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

#include "harness/data/held_out.hpp"
#include "tests/doctest_torch.hpp"
#include "tests/harness/federation/small_federation.hpp"

using namespace fedval;
using namespace fedval::harness;

namespace {

constexpr std::size_t rounds = 5, middle = 2;  // counted from 0

/// A method that leaves one agent with a model of NaN before the middle round, and takes it back afterwards:
/// what the agent trains in that round is not finite.
class Spoiling : public Method {
 public:
  Spoiling(std::unique_ptr<Method> method, const ClientId& agent)
      : method_(std::move(method)), agent_(agent) {}

  void step(const Round& round, Models& models, Context& context) override {
    at::Tensor& model = models.agents.at(agent_);
    if (context.number == middle) model = whole_;
    method_->step(round, models, context);
    for (std::string& text : method_->take_notes()) note(std::move(text));
    if (context.number + 1 != middle) return;
    whole_ = model;
    model = at::full_like(model, std::nan(""));
  }
  bool needs_all_models() const override { return method_->needs_all_models(); }
  std::vector<double> weights() const override { return method_->weights(); }
  std::map<ClientId, double> credit() const override { return method_->credit(); }
  std::string save() const override { return method_->save(); }
  void restore(std::string_view text) override { method_->restore(text); }

 private:
  std::unique_ptr<Method> method_;
  ClientId agent_;
  at::Tensor whole_;
};

const Dataset& digits_held_out() {
  static const Dataset data = [] {
    Dataset all = digits();
    set_aside(all, 60, 1);
    return all;
  }();
  return data;
}

Settings settings_of(const std::vector<std::string>& read) {
  Settings settings = small_settings();
  settings.partition.agents = 4;
  settings.partition.samples_per_agent = 40;
  settings.training.rounds = rounds;
  settings.training.local_epochs = 1;
  settings.participation = {.fraction = 0.5, .stragglers = 0.5};
  settings.scores.read = read;
  return settings;
}

std::vector<ClientId> drawn(const SmallFederation& scene, std::size_t round) {
  std::vector<ClientId> ids;
  for (const Participant& who : participants_of(scene.settings.participation,
                                                scene.federation.agents().size(), scene.settings.seed, round))
    ids.push_back(scene.federation.agents()[who.agent].id);
  return ids;
}

void check_scores(const RoundRecord& record) {
  for (const auto& reader : record.readers) {
    CAPTURE(reader.name);
    if (reader.name == "ECI-OR" && record.round < rounds) continue;  // after the last round alone
    REQUIRE(reader.scores.size() == record.participants.size());
    for (std::size_t i = 0; i < reader.scores.size(); ++i) {
      CHECK(reader.scores[i].first == record.participants[i]);
      CHECK(std::isfinite(reader.scores[i].second.value));
    }
  }
}

/// Runs to the end under this method.
void check_run(const std::string& name, const std::vector<std::string>& read) {
  CAPTURE(name);
  SmallFederation scene(settings_of(read), 2, digits_held_out());
  const ClientId faulty = drawn(scene, middle).back();
  auto spoiling = std::make_unique<Spoiling>(make_method(name, scene.settings), faulty);
  const Method& method = *spoiling;
  Run run(scene.federation, std::move(spoiling), [&] { return make_readers(scene.settings); });
  std::set<ClientId> took_part;
  for (std::size_t t = 0; t < rounds; ++t) {
    CAPTURE(t);
    std::vector<ClientId> expected = drawn(scene, t);
    REQUIRE(expected.size() == 2);
    if (t == middle) std::erase(expected, faulty);
    const RoundRecord record = run.next(scene.steps);
    CHECK(record.participants == expected);
    CHECK(record.refused.size() == (t == middle ? 1 : 0));
    for (const auto& refused : record.refused) CHECK(refused.id == faulty);
    check_scores(record);
    took_part.insert(expected.begin(), expected.end());
    const std::vector<double> weights = method.weights();
    REQUIRE(weights.size() == expected.size());
    for (const double weight : weights) CHECK(weight >= 0);
    CHECK(std::abs(std::accumulate(weights.begin(), weights.end(), -1.0)) < 1e-12);
  }
  const RunResult result = run.finish();
  const auto named = [&](const std::string& note) {
    return note.starts_with("round 3: client " + faulty.text() + " was left out: update[");
  };
  CHECK(std::ranges::count_if(result.notes, named) == 1);
  std::set<ClientId> credited;
  for (const auto& [id, credit] : result.credit) {
    credited.insert(id);
    CHECK(std::isfinite(credit));
  }
  CHECK((credited == took_part));
  for (const double loss : result.agent_loss) CHECK(std::isfinite(loss));
}

}  // namespace

TEST_CASE("every method") {
  for (const std::string& name : method_names()) check_run(name, {"data_size"});
}

TEST_CASE("every score") { check_run("fedavg", reader_names()); }
