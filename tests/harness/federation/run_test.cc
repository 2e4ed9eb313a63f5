// One method's run: the same bits every time, who trains from what, and who is left out.
#include "harness/federation/run.hpp"

#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros_like.h>

#include <set>

#include "fedval/error.hpp"
#include "harness/data/held_out.hpp"
#include "tests/doctest_torch.hpp"
#include "tests/harness/federation/small_federation.hpp"
#include "tests/support/complaint.hpp"

using namespace fedval;
using namespace fedval::harness;
using tests::complaint_of;

namespace {

struct Outcome {
  std::vector<RoundRecord> rounds;
  RunResult result;
  KeptModels models;
};

Outcome finish(SmallFederation& scene, Run& run) {
  Outcome outcome;
  while (!run.done()) outcome.rounds.push_back(run.next(scene.steps));
  outcome.result = run.finish();
  outcome.models = kept_by(run);
  return outcome;
}

Outcome outcome_of(const std::string& method, const Settings& settings, std::size_t threads = 2,
                   const Dataset& data = digits()) {
  SmallFederation scene(settings, threads, data);
  return finish(scene, *scene.run(method));
}

/// With examples held out, for methods and scores that test models.
const Dataset& validated_digits() {
  static const Dataset data = [] {
    Dataset some = digits();
    set_aside(some, 60, 1);
    return some;
  }();
  return data;
}

/// Equal to the last bit, times aside.
void check_same(const Outcome& one, const Outcome& two) {
  CHECK(one.result.credit == two.result.credit);
  CHECK(one.result.agent_accuracy == two.result.agent_accuracy);
  CHECK(one.result.server_accuracy == two.result.server_accuracy);
  CHECK(one.result.notes == two.result.notes);
  CHECK(one.models.server.equal(two.models.server));
  for (const auto& [id, model] : one.models.agents) CHECK(model.equal(two.models.agents.at(id)));
  REQUIRE(one.rounds.size() == two.rounds.size());
  for (std::size_t t = 0; t < one.rounds.size(); ++t) {
    CHECK(one.rounds[t].server_accuracy == two.rounds[t].server_accuracy);
    CHECK(one.rounds[t].participants == two.rounds[t].participants);
    CHECK(one.rounds[t].stragglers == two.rounds[t].stragglers);
    REQUIRE(one.rounds[t].readers.size() == two.rounds[t].readers.size());
    for (std::size_t reader = 0; reader < one.rounds[t].readers.size(); ++reader) {
      const Scores &left = one.rounds[t].readers[reader].scores,
                   &right = two.rounds[t].readers[reader].scores;
      // ECI-OR speaks after the last round alone.
      if (one.rounds[t].readers[reader].name != "ECI-OR" || t + 1 == one.rounds.size())
        REQUIRE(left.size() == one.rounds[t].participants.size());
      REQUIRE(left.size() == right.size());
      for (std::size_t i = 0; i < left.size(); ++i) {
        CHECK(left[i].first == right[i].first);
        CHECK(left[i].second.value == right[i].second.value);
      }
    }
  }
}

/// Keeps the rounds it sees; averages with equal weights and leaves every agent a model of its own.
class Watching : public Method {
 public:
  struct Seen {
    std::map<ClientId, at::Tensor> models, updates;
    at::Tensor server, server_after, global_update;
  };
  explicit Watching(std::vector<Seen>& seen) : seen_(seen) {}

  void step(const Round& round, Models& models, Context&) override {
    Seen now{models.agents, {}, models.server, {}, {}};
    const auto copy = [](const TensorView& view) {
      std::vector<double> values(view.size());
      view.read(0, values);
      return at::tensor(values).to(at::kFloat);
    };
    at::Tensor sum = at::zeros_like(models.server);
    weights_.assign(round.size(), 1.0 / static_cast<double>(round.size()));
    for (const auto& client : round.clients()) {
      now.updates[client.id] = copy(client.parts.update);
      sum = sum + now.updates[client.id] / static_cast<double>(round.size());
    }
    if (round.global_update.size() > 0) now.global_update = copy(round.global_update);
    models.server = models.server + sum;
    double scale = 1;
    for (auto& [id, model] : models.agents) model = models.server * (scale += 0.01);
    now.server_after = models.server;
    seen_.push_back(std::move(now));
  }
  std::vector<double> weights() const override { return weights_; }
  std::map<ClientId, double> credit() const override { return {}; }
  std::string save() const override { return ""; }
  void restore(std::string_view) override {}

 private:
  std::vector<Seen>& seen_;
  std::vector<double> weights_;
};

}  // namespace

TEST_CASE("what agents end with is tested, model by model") {
  Settings settings = small_settings();
  SUBCASE("plain accuracy") {}
  SUBCASE("balanced accuracy") { settings.evaluation.accuracy = "balanced"; }
  SmallFederation scene(settings);
  const Outcome outcome = finish(scene, *scene.run("cgsv"));
  std::set<double> losses;
  for (std::size_t i = 0; i < scene.federation.agents().size(); ++i) {
    const at::Tensor& model = outcome.models.agents.at(scene.federation.agents()[i].id);
    const Tested tested = scene.federation.test({model})[0];
    CHECK(outcome.result.agent_accuracy.at(i) == tested.accuracy);
    CHECK(outcome.result.agent_loss.at(i) == tested.loss);
    losses.insert(tested.loss);
  }
  CHECK(losses.size() > 1);  // models of their own
}

TEST_CASE("downloads: how much of the server's step agents took in") {
  Settings settings = small_settings();
  settings.training.rounds = 1;
  for (const std::string method : {"fedavg", "cgsv"}) {
    CAPTURE(method);
    SmallFederation scene(settings);
    const at::Tensor start = scene.federation.start().clone();
    const Outcome outcome = finish(scene, *scene.run(method));
    const at::Tensor step = outcome.models.server.sub(start).to(at::kDouble);
    double least = 1;
    for (const auto& [id, model] : outcome.models.agents) {
      const at::Tensor change = model.sub(start).to(at::kDouble);
      const RunResult::Download& download = outcome.result.downloads.at(id);
      CHECK(download.rounds == 1);
      CHECK(download.energy ==
            doctest::Approx((change * step).sum().item().toDouble() / (step * step).sum().item().toDouble())
                .epsilon(1e-6));
      CHECK(download.entries == change.ne(0).to(at::kDouble).mean().item().toDouble());
      // What CGSV leaves of a step is a part of its entries, the largest.
      CHECK(download.energy >= download.entries * (1 - 1e-6));
      least = std::min(least, download.energy);
      if (method == "fedavg") CHECK(download.energy == 1);
    }
    CHECK((least < 1) == (method == "cgsv"));
  }
}

TEST_CASE("same seed, same bits, with one worker and with three, for every method and score") {
  Settings settings = small_settings("mnist_cnn");
  settings.scores.read = reader_names();
  for (const std::string& method : method_names()) {
    CAPTURE(method);
    check_same(outcome_of(method, settings, 1, validated_digits()),
               outcome_of(method, settings, 3, validated_digits()));
  }
}

TEST_CASE("another seed gives other scores") {
  Settings settings = small_settings();
  const Outcome one = outcome_of("spectral_fed", settings);
  settings.seed = 2;
  CHECK(one.result.credit != outcome_of("spectral_fed", settings).result.credit);
}

TEST_CASE("saved after any round and restored into a new run, it ends with the same bits") {
  Settings settings = small_settings();
  settings.participation = {.fraction = 0.67, .dropout = 0.2, .stragglers = 0.5};
  settings.scores.read = reader_names();
  for (const std::string& method : method_names()) {
    CAPTURE(method);
    const Outcome whole = outcome_of(method, settings, 2, validated_digits());
    for (std::size_t stop = 0; stop <= settings.training.rounds; ++stop) {
      CAPTURE(stop);
      SmallFederation scene(settings, 2, validated_digits()), other(settings, 1, validated_digits());
      const auto first = scene.run(method);
      Outcome parts;
      for (std::size_t t = 0; t < stop; ++t) parts.rounds.push_back(first->next(scene.steps));
      Archive writer;
      first->fields(writer);
      Archive reader(writer.bytes(), "run");
      const auto second = other.run(method);
      second->fields(reader);
      reader.end();
      CHECK(second->rounds() == stop);
      const Outcome rest = finish(other, *second);
      parts.rounds.insert(parts.rounds.end(), rest.rounds.begin(), rest.rounds.end());
      parts.result = rest.result;
      parts.models = rest.models;
      check_same(whole, parts);
    }
  }
}

TEST_CASE("what was saved of another network is refused") {
  SmallFederation one(small_settings("mlp")), other(small_settings("mnist_cnn"));
  const auto first = one.run("fedavg"), second = other.run("fedavg");
  Archive writer;
  first->fields(writer);
  Archive reader(writer.bytes(), "run");
  CHECK(complaint_of([&] { second->fields(reader); }) ==
        "checkpoint: the server's model of " + std::to_string(one.federation.dimension()) +
            " numbers for a network of " + std::to_string(other.federation.dimension()));
}

TEST_CASE("one agent under FedAvg is that agent trained alone, and its cosine with the aggregate is one") {
  Settings settings = small_settings();
  settings.partition = {.kind = "uni", .agents = 1, .samples_per_agent = 100};
  const Outcome outcome = outcome_of("fedavg", settings, 1);
  SmallFederation scene(settings);
  at::Tensor state = scene.federation.start();
  for (std::size_t t = 0; t < settings.training.rounds; ++t)
    state = scene.federation.train_all({{{0, 1}, state}}, t, scene.steps)[0];
  // Adding (after - before) to before rounds differently from after itself, so the models agree to a few
  // ulps.
  CHECK((outcome.models.server - state).abs().max().item().toDouble() < 1e-5);
  CHECK(outcome.result.credit == std::map<ClientId, double>{{1, 1.0}});
  for (const RoundRecord& record : outcome.rounds) {
    CHECK(record.readers[0].name == "CGSV psi");
    CHECK(record.readers[0].scores[0].second.value == doctest::Approx(1.0).epsilon(1e-12));
  }
}

TEST_CASE("rounds are evaluated every so often, and the last one always") {
  const Outcome outcome = outcome_of("fedavg", small_settings());
  CHECK_FALSE(outcome.rounds[0].server_accuracy.has_value());
  CHECK(outcome.rounds[1].server_accuracy.has_value());
  CHECK(outcome.rounds[2].server_accuracy.has_value());
  CHECK(outcome.rounds[2].server_accuracy == outcome.result.server_accuracy);
}

TEST_CASE("agents train from their own models, and their updates are measured from them") {
  Settings settings = small_settings();
  settings.participation = {.fraction = 0.67, .stragglers = 0.5};
  SmallFederation scene(settings), peer(settings, 1);
  std::vector<Watching::Seen> seen;
  Run run(scene.federation, std::make_unique<Watching>(seen), [] { return Readers(); });
  for (std::size_t t = 0; t < settings.training.rounds; ++t) {
    const RoundRecord record = run.next(scene.steps);
    CHECK(record.round == t + 1);
    CHECK(record.learning_rate == learning_rate_of(settings.training, t));
    std::vector<Federation::Task> tasks;
    for (const Participant& who : participants_of(settings.participation, 3, settings.seed, t))
      tasks.push_back({who, seen[t].models.at(who.agent + 1)});
    const auto reached = peer.federation.train_all(tasks, t, peer.steps);
    REQUIRE(seen[t].updates.size() == tasks.size());
    REQUIRE(record.participants.size() == tasks.size());
    std::vector<ClientId> stragglers;
    for (std::size_t i = 0; i < tasks.size(); ++i) {
      const ClientId id = tasks[i].who.agent + 1;
      CHECK(record.participants[i] == id);
      CHECK(seen[t].updates.at(id).equal(reached[i] - tasks[i].state));
      if (tasks[i].who.share < 1) stragglers.push_back(id);
    }
    CHECK(record.stragglers == stragglers);
    CHECK(seen[t].global_update.defined() == (t > 0));
    if (t > 0) CHECK(seen[t].global_update.equal(seen[t - 1].server_after - seen[t - 1].server));
  }
  CHECK(scene.steps == scene.federation.steps(0, settings.training.rounds, false));
}

TEST_CASE("those who are away: under CGSV they keep their model, under an average they get the server's") {
  Settings settings = small_settings();
  settings.participation.fraction = 0.34;  // two of three
  for (const std::string method : {"cgsv", "fedavg", "spectral_fed"}) {
    CAPTURE(method);
    SmallFederation scene(settings);
    const auto run = scene.run(method);
    for (std::size_t t = 0; t < settings.training.rounds; ++t) {
      const KeptModels before = kept_by(*run);
      const RoundRecord record = run->next(scene.steps);
      REQUIRE(record.participants.size() == 2);
      const KeptModels after = kept_by(*run);
      int moved = 0;  // one at least: under CGSV the other may have earned nothing
      for (const auto& [id, model] : after.agents) {
        const bool here = std::ranges::count(record.participants, id) > 0;
        if (method != "cgsv") CHECK(model.is_same(after.server));
        if (method == "cgsv" && !here) CHECK(model.equal(before.agents.at(id)));
        if (here) moved += !model.equal(before.agents.at(id));
      }
      CHECK(moved > 0);
      for (const auto& reader : record.readers) {
        REQUIRE(reader.scores.size() == 2);
        for (std::size_t i = 0; i < 2; ++i) CHECK(reader.scores[i].first == record.participants[i]);
      }
    }
  }
}

TEST_CASE("everyone's update is refused: the error names each agent, the entry and what it is") {
  Settings settings = small_settings();
  settings.training.learning_rate = 1e38;
  const std::string message = complaint_of([&] { outcome_of("fedavg", settings); });
  CAPTURE(message);
  CHECK(message.starts_with("round 1: nobody's update can be used: client 1: update["));
  for (const std::string client : {"; client 2: update[", "; client 3: update["})
    CHECK(message.find(client) != std::string::npos);
  CHECK((message.ends_with("NaN") || message.ends_with("infinite")));
}

TEST_CASE("a round in which all who answered are refused leaves the model, and the run goes on") {
  Settings settings = small_settings();
  settings.training.rounds = 12;
  settings.participation.fraction = 0.3;  // one of three
  settings.attack = {.kinds = {"rescale"}, .agents = {2}, .role = "inside", .factor = 1e60};
  settings.scores.read = {"cgsv", "spectral_fed"};
  for (const std::string method : {"fedavg", "cgsv", "fedopt", "afl"}) {
    CAPTURE(method);
    SmallFederation scene(settings);
    const auto run = scene.run(method);
    std::size_t refused = 0;
    for (std::size_t t = 0; t < settings.training.rounds; ++t) {
      const at::Tensor before = kept_by(*run).server.clone();
      const RoundRecord record = run->next(scene.steps);
      const bool nobody = record.participants.empty();
      CHECK(kept_by(*run).server.equal(before) == nobody);
      CHECK(record.refused.size() == (nobody ? 1 : 0));
      CHECK(record.readers.empty() == nobody);
      refused += nobody ? 1 : 0;
    }
    CHECK(refused > 0);
    CHECK(refused < settings.training.rounds);
    const RunResult result = run->finish();
    CHECK(result.rounds == settings.training.rounds);
    CHECK(std::ranges::count_if(result.notes, [](const std::string& note) {
            return note.ends_with("nobody's update can be used: the model stays, and there are no scores");
          }) == static_cast<std::ptrdiff_t>(refused));
  }
}

TEST_CASE("a coalition's model without a finite loss ends the run with the round and its clients") {
  Settings settings = small_settings();
  settings.attack = {.kinds = {"rescale"}, .agents = {2}, .role = "inside", .factor = 1e30};
  settings.participation.longest_update = 0;
  settings.scores.read = {"leave_one_out"};
  settings.validation.utility = "loss";
  Dataset data = digits();
  set_aside(data, 60, 1);
  SmallFederation scene(settings, 2, data);
  const std::string message = complaint_of([&] { scene.run("fedavg")->next(scene.steps); });
  INFO(message);
  CHECK(message.starts_with("round 1: utility of coalition {"));
  CHECK(message.find("a model with the update of client 1, client 2") != std::string::npos);
  CHECK(message.find(" has a loss of ") != std::string::npos);
}

TEST_CASE("every agent refused, one a round: an error that names them all, and from a stop, too") {
  Settings settings = small_settings();
  settings.training.rounds = 40;
  settings.training.learning_rate = 1e38;
  settings.participation.fraction = 0.3;  // one of three
  const auto ends_in = [&](bool with_stops) {
    SmallFederation scene(settings);
    auto run = scene.run("fedavg");
    for (std::size_t t = 1;; ++t) {
      const std::string message = complaint_of([&] { run->next(scene.steps); });
      if (message != "no error") {
        CHECK(
            message.starts_with("round " + std::to_string(t) + ": nobody's update can be used: client 1: "));
        for (const std::string client : {"; client 2: ", "; client 3: "})
          CHECK(message.find(client) != std::string::npos);
        return t;
      }
      REQUIRE(t < settings.training.rounds);
      if (!with_stops) continue;
      Archive writer;
      run->fields(writer);
      run = scene.run("fedavg");
      Archive reader(writer.bytes(), "run");
      run->fields(reader);
      reader.end();
    }
  };
  const std::size_t at_once = ends_in(false);
  CHECK(at_once >= 3);
  CHECK(ends_in(true) == at_once);
}
