#include "harness/federation/run.hpp"

#include <ATen/ops/cat.h>

#include <algorithm>
#include <chrono>
#include <exception>
#include <numeric>

#include "fedval/shapley/game.hpp"
#include "fedval/tensor/operations.hpp"
#include "fedval/tensor/torch.hpp"
#include "harness/attack/attack.hpp"
#include "harness/federation/objection.hpp"

namespace fedval::harness {

namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

}  // namespace

// Not in the unnamed namespace: Archive finds these by their arguments' namespace.
static void fields(Archive& archive, Models& models) {
  archive.field("server", models.server);
  archive.field("agents", models.agents);
}

static void fields(Archive& archive, Kept& kept) {
  std::string text = archive.reading() ? std::string() : kept.save();
  archive.field("state", text);
  if (archive.reading()) kept.restore(text);
}

namespace {

std::vector<RunResult::Reader> nothing_yet(const Readers& readers) {
  std::vector<RunResult::Reader> results;
  for (const auto& reader : readers) results.push_back({reader->name(), {}, 0});
  return results;
}

/// Scores of the agents behind the names: those of one agent are added up.
Scores by_owner(const Scores& scores) {
  std::map<ClientId, Score> sums;
  for (const auto& [name, score] : scores) {
    const auto [place, first] = sums.try_emplace(owner_of(name), score);
    if (first) continue;
    place->second.value += score.value;
    place->second.variance += score.variance;
  }
  return {sums.begin(), sums.end()};
}

/// Error where what was saved are not this federation's models: another version may make other networks of
/// the same settings.
void check_restored(const Federation& federation, const Models& models, const at::Tensor& buffers) {
  const auto check = [](const at::Tensor& found, const at::Tensor& expected, const std::string& what) {
    const std::int64_t numbers = found.defined() ? found.numel() : 0;
    if (numbers != expected.numel() || (numbers > 0 && found.scalar_type() != expected.scalar_type()))
      fail("checkpoint: ", what, " of ", numbers, " numbers for a network of ", expected.numel());
  };
  const at::Tensor& start = federation.start();
  check(models.server, start.narrow(0, 0, federation.dimension()), "the server's model");
  check(buffers, start.narrow(0, federation.dimension(), federation.buffers()),
        "the server's running statistics");
  for (const Agent& agent : federation.agents()) {
    const auto found = models.agents.find(agent.id);
    if (found == models.agents.end()) fail("checkpoint: no model of client ", agent.id);
    // Undefined where another rank has it.
    if (found->second.defined())
      check(found->second, models.server, "the model of client " + agent.id.text());
  }
}

}  // namespace

class Run::RoundContext : public Context {
 public:
  RoundContext(Run& run, const Arrived& arrived, double rate)
      : Context(run.rounds(), rate, run.models_.server), run_(run), arrived_(arrived) {}

  std::vector<Tested> validate(const std::vector<at::Tensor>& parameters) override {
    std::vector<at::Tensor> states;
    for (const at::Tensor& each : parameters) states.push_back(run_.whole(each));
    return run_.federation_.validate(states);
  }

  std::vector<double> own_losses(const Round& round) override {
    if (losses_.empty()) {
      const std::vector<double> losses = run_.federation_.own_losses(arrived_.tasks);
      for (std::size_t i = 0; i < losses.size(); ++i) losses_.emplace(arrived_.honest[i].id, losses[i]);
    }
    std::vector<double> result;
    for (const auto& client : round.clients()) result.push_back(losses_.at(owner_of(client.id)));
    return result;
  }

  std::size_t keeper(const ClientId& client) const override { return run_.keeper(client); }
  bool keeps(const ClientId& client) const override { return keeper(client) == run_.ranks().rank(); }

  std::vector<TensorView> spread(const Round& round, const std::vector<at::Tensor>& own) override {
    std::vector<TensorView> views;
    for (const Sliced& vector : Sliced::cut(run_.ranks(), own, keepers(round), model))
      views.push_back(vector.view());
    return views;
  }

  std::vector<at::Tensor> tensors_of(const at::Tensor& parameters) override {
    return run_.federation_.network().tensors(parameters);
  }

  /// The same round, in which nobody has asked yet.
  RoundContext afresh() const { return {run_, arrived_, learning_rate}; }

 private:
  Run& run_;
  const Arrived& arrived_;
  std::map<ClientId, double> losses_;
};

Run::Run(Federation& federation, std::unique_ptr<Method> method, const std::function<Readers()>& readers)
    : federation_(federation), method_(std::move(method)), readers_(readers()) {
  const auto validates = [](const auto& reader) { return reader->validates(); };
  if (method_->validates() || std::ranges::any_of(readers_, validates)) federation.validate({});
  models_.server = parameters_of(federation.start()).clone();
  buffers_ = federation.start().narrow(0, federation.dimension(), federation.buffers()).clone();
  for (const Agent& agent : federation.agents()) models_.agents.emplace(agent.id, models_.server);
  result_.readers = nothing_yet(readers_);
  const AttackSettings& attack = federation.settings().attack;
  if (attack.role == "inside") return;
  for (const std::string& kind : attack.kinds)
    for (const std::size_t agent : attack.agents) {
      attack_readers_.push_back(readers());
      result_.attacks.push_back(
          {kind, federation.agents()[agent - 1].id, nothing_yet(attack_readers_.back())});
    }
}

at::Tensor Run::parameters_of(const at::Tensor& state) const {
  return state.narrow(0, 0, federation_.dimension());
}

at::Tensor Run::whole(const at::Tensor& parameters) const {
  return buffers_.numel() == 0 || !parameters.defined() ? parameters : at::cat({parameters, buffers_});
}

std::size_t Run::keeper(const ClientId& client) const {
  const auto agent = std::ranges::find(federation_.agents(), owner_of(client), &Agent::id);
  return federation_.keeper(static_cast<std::size_t>(agent - federation_.agents().begin()));
}

bool Run::is_own(const at::Tensor& model) const {
  return !model.defined() || model.data_ptr() != models_.server.data_ptr();
}

void Run::average_buffers(const Round& round, const Arrived& arrived) {
  if (buffers_.numel() == 0) return;
  const std::vector<double> weights = method_->weights();
  const double total = std::accumulate(weights.begin(), weights.end(), 0.0);
  if (!(total > 0)) return;  // nobody is in the aggregate, so nothing has changed
  at::Tensor average = buffers_.new_zeros(buffers_.sizes());
  for (std::size_t i = 0; i < round.size(); ++i)
    average.add_(arrived.buffers.at(owner_of(round.clients()[i].id)), weights[i] / total);
  buffers_ = average;
}

/// Whether there is an objection to the update, which is then on record.
bool Run::objects(const ClientId& client, const std::string& objection, RoundRecord& record) {
  if (objection.empty()) return false;
  record.refused.push_back({client, objection});
  result_.notes.push_back("round " + std::to_string(record.round) + ": client " + client.text() +
                          " was left out: " + objection);
  return true;
}

Arrived Run::train(std::atomic<std::size_t>& counter, RoundRecord& record) {
  const Settings& settings = federation_.settings();
  const std::size_t t = result_.rounds;
  std::vector<Federation::Task> tasks;
  for (const Participant& who :
       participants_of(settings.participation, federation_.agents().size(), settings.seed, t))
    tasks.push_back({who, whole(models_.agents.at(federation_.agents()[who.agent].id))});
  const std::size_t honest = tasks.size();
  for (std::size_t i = 0; i < honest; ++i)
    for (const Poison& poison : poisons_of(settings.attack, tasks[i].who.agent))
      tasks.push_back({tasks[i].who, tasks[i].state, poison.flipped, poison.examples});
  std::vector<at::Tensor> reached = federation_.train_kept(tasks, t, counter);
  const std::vector<std::size_t> keepers = federation_.keepers(tasks);

  // What a rank has trained it looks at and sends; of the others it has what they say.
  std::vector<at::Tensor> changes(tasks.size()), statistics(tasks.size());
  std::vector<std::string> said(tasks.size());
  const Objections objections(whole(models_.server), settings.participation.longest_update);
  for (std::size_t i = 0; i < tasks.size(); ++i) {
    if (!reached[i].defined()) continue;
    statistics[i] = reached[i].narrow(0, federation_.dimension(), federation_.buffers()).clone();
    const at::Tensor change = reached[i].sub_(tasks[i].state);
    // The whole state is looked at: a running statistic that is not finite spoils a model as a weight does.
    if (i < honest) said[i] = objections.to(change, "update");
    changes[i] = parameters_of(change);
  }
  ranks().share(said, keepers);
  if (buffers_.numel() > 0) ranks().share(statistics, keepers, buffers_);

  Arrived arrived;
  std::vector<Upload> uploads;
  std::vector<std::size_t> senders;
  for (std::size_t i = 0; i < honest; ++i) {
    const Agent& agent = federation_.agents()[tasks[i].who.agent];
    if (objects(agent.id, said[i], record)) continue;
    record.participants.push_back(agent.id);
    if (tasks[i].who.share < 1) record.stragglers.push_back(agent.id);
    arrived.tasks.push_back(tasks[i]);
    uploads.push_back({agent.id, changes[i], static_cast<double>(agent.shard.size())});
    senders.push_back(keepers[i]);
    arrived.buffers.emplace(agent.id, statistics[i]);
  }
  arrived.honest = Sent::all(uploads, senders, models_.server, federation_.network(), ranks());
  const std::vector<Sliced> poisoned =
      Sliced::cut(ranks(), {changes.begin() + static_cast<std::ptrdiff_t>(honest), changes.end()},
                  std::span(keepers).subspan(honest), models_.server);
  for (std::size_t i = honest; i < tasks.size(); ++i)
    arrived.poisoned.emplace(std::pair(tasks[i].who.agent, Poison{tasks[i].flipped, tasks[i].examples}),
                             poisoned[i - honest]);
  return arrived;
}

/// The honest uploads, those of attackers inside replaced.
std::vector<Sent> Run::with_attackers(const Arrived& arrived, RoundRecord& record) {
  const AttackSettings& settings = federation_.settings().attack;
  std::vector<Sent> uploads = arrived.honest;
  if (settings.role != "inside" || settings.kinds.empty()) return uploads;
  const Objections objections(models_.server, federation_.settings().participation.longest_update);
  for (const std::size_t agent : settings.agents) {
    const ClientId& id = federation_.agents()[agent - 1].id;
    const std::vector<Upload> sent =
        attacked(federation_, arrived, last_update_, result_.rounds, settings.kinds.front(), agent - 1);
    if (sent.empty()) continue;
    std::erase_if(uploads, [&](const Sent& honest) { return honest.id == id; });
    // Under all of its names or under none.
    if (std::ranges::any_of(sent, [&](const Upload& each) {
          return objects(each.id, objections.to(each.update, "update"), record);
        })) {
      std::erase(record.participants, id);
      continue;
    }
    for (const Upload& upload : sent) {
      models_.agents.try_emplace(upload.id, models_.agents.at(id));
      uploads.emplace_back(upload, federation_.network(), ranks());
    }
  }
  return uploads;
}

void Run::read(const Round& round, RoundContext& context, RoundRecord& record) {
  for (std::size_t i = 0; i < readers_.size(); ++i) {
    const auto start = Clock::now();
    Scores scores = readers_[i]->observe(round, context);
    RunResult::Reader& sum = result_.readers[i];
    record.readers.push_back({sum.name, by_owner(scores), seconds_since(start)});
    sum.seconds += record.readers.back().seconds;
    for (const auto& [id, score] : record.readers.back().scores) sum.scores.insert_or_assign(id, score.value);
  }
}

void Run::read_attacks(const Arrived& arrived, const Round& honest, const RoundContext& context) {
  for (std::size_t a = 0; a < result_.attacks.size(); ++a) {
    RunResult::Attack& attack = result_.attacks[a];
    const auto agent = std::ranges::find(federation_.agents(), attack.agent, &Agent::id);
    std::vector<Sent> uploads = arrived.honest;
    for (const Upload& upload : attacked(federation_, arrived, last_update_, result_.rounds, attack.kind,
                                         static_cast<std::size_t>(agent - federation_.agents().begin()))) {
      try {
        check_finite_there(upload.update, "update");
      } catch (const Error& error) {
        fail(attack.kind, " by client ", upload.id, ": ", error.what());
      }
      std::erase_if(uploads, [&](const Sent& other) { return other.id == upload.id; });
      uploads.emplace_back(upload, federation_.network(), ranks());
    }
    const Round round = make_round(uploads, last_update_, federation_.network(), ranks());
    RoundContext own = context.afresh();
    share_honest(honest, context.coalitions, attack.agent, own.coalitions);
    for (std::size_t i = 0; i < attack.readers.size(); ++i)
      for (const auto& [id, score] : by_owner(attack_readers_[a][i]->observe(round, own)))
        attack.readers[i].scores.insert_or_assign(id, score.value);
  }
}

/// Of those that took part: who was away got nothing in this round, whatever the method.
void Run::note_downloads(const Arrived& arrived) {
  const double whole = fedval::dot(last_update_, last_update_);
  if (!(whole > 0)) return;
  const std::vector<std::size_t> keepers = federation_.keepers(arrived.tasks);
  std::vector<double> energies(keepers.size()), entries(keepers.size());
  for (std::size_t i = 0; i < keepers.size(); ++i) {
    if (keepers[i] != ranks().rank()) continue;
    const at::Tensor change =
        models_.agents.at(arrived.honest[i].id).sub(parameters_of(arrived.tasks[i].state));
    energies[i] = fedval::dot(change, last_update_) / whole;
    entries[i] =
        static_cast<double>(change.count_nonzero().item().toLong()) / static_cast<double>(change.numel());
  }
  ranks().share(energies, keepers);
  ranks().share(entries, keepers);
  for (std::size_t i = 0; i < keepers.size(); ++i) {
    RunResult::Download& sum = result_.downloads[arrived.honest[i].id];
    sum.energy += energies[i];
    sum.entries += entries[i];
    ++sum.rounds;
  }
}

/// Scores, and then the method's step. Seconds that the scores took.
double Run::aggregate(const Arrived& arrived, const std::vector<Sent>& uploads, RoundRecord& record) {
  const Round round = make_round(uploads, last_update_, federation_.network(), ranks());
  RoundContext context(*this, arrived, record.learning_rate);
  const auto reading_start = Clock::now();
  double reading_seconds = 0;
  try {
    read(round, context, record);
    read_attacks(arrived, round, context);
    reading_seconds = seconds_since(reading_start);
    const auto start = Clock::now();
    method_->step(round, models_, context);
    record.valuation_seconds = seconds_since(start);
  } catch (const shapley::UtilityError& error) {
    try {
      std::rethrow_if_nested(error);  // such as too little memory, which is not the coalition's
    } catch (const Error&) {          // a lost rank's, or a client's: what() says all of it
    }
    fail(error.what());
  }
  average_buffers(round, arrived);
  return reading_seconds;
}

RoundRecord Run::next(std::atomic<std::size_t>& counter) {
  const auto round_start = Clock::now();
  const Settings& settings = federation_.settings();
  const std::size_t t = result_.rounds;
  RoundRecord record{.round = t + 1, .learning_rate = learning_rate_of(settings.training, t)};
  const Arrived arrived = train(counter, record);
  record.training_seconds = seconds_since(round_start);
  const std::vector<Sent> uploads = with_attackers(arrived, record);
  const at::Tensor before = models_.server.clone();
  double reading_seconds = 0;
  try {
    note_refused(record, federation_.agents().size(), result_);
    if (!uploads.empty()) reading_seconds = aggregate(arrived, uploads, record);
  } catch (const Error& error) {
    fail("round ", t + 1, ": ", error.what());
  }
  add(result_.bytes, "models",
      static_cast<double>(8 * arrived.honest.size()) * static_cast<double>(whole(before).numel()));
  last_update_ = models_.server.sub(before);
  note_downloads(arrived);
  for (const std::string& note : method_->take_notes())
    result_.notes.push_back("round " + std::to_string(t + 1) + ": " + note);

  ++result_.rounds;
  if (done() || (t + 1) % settings.evaluation.every == 0)
    record.server_accuracy = federation_.accuracies({whole(models_.server)})[0];
  note_accuracy(record, result_);
  record.seconds = seconds_since(round_start) - reading_seconds;
  result_.seconds += record.seconds;
  result_.training_seconds += record.training_seconds;
  result_.valuation_seconds += record.valuation_seconds;
  return record;
}

RunResult Run::finish() {
  const auto start = Clock::now();
  result_.credit.clear();
  result_.agent_accuracy.clear();
  result_.agent_loss.clear();
  for (const auto& [name, credit] : method_->credit()) result_.credit[owner_of(name)] += credit;
  std::map<const void*, at::Tensor> states{{models_.server.data_ptr(), whole(models_.server)}};
  std::vector<at::Tensor> all;
  std::vector<bool> kept;
  for (const Agent& agent : federation_.agents()) {
    const at::Tensor& model = models_.agents.at(agent.id);
    kept.push_back(is_own(model));
    if (!model.defined()) {
      all.emplace_back();
      continue;
    }
    const auto place = states.find(model.data_ptr());
    all.push_back(place != states.end() ? place->second : states[model.data_ptr()] = whole(model));
  }
  for (const Tested& tested : federation_.test_agents(all, kept)) {
    result_.agent_accuracy.push_back(tested.accuracy);
    result_.agent_loss.push_back(tested.loss);
  }
  result_.seconds += seconds_since(start);
  return result_;
}

void Run::collect() {
  // What the leading rank says that it lacks.
  std::vector<bool> lacks;
  for (const auto& [id, model] : models_.agents) lacks.push_back(!model.defined());
  lacks = ranks().leading(lacks);
  std::vector<at::Tensor> models;
  std::vector<std::size_t> keepers;
  collected_.clear();
  auto lacking = lacks.begin();
  for (const auto& [id, model] : models_.agents) {
    if (!*lacking++) continue;
    collected_.push_back(id);
    models.push_back(model);
    keepers.push_back(keeper(id));
  }
  ranks().collect(models, keepers, models_.server);
  for (std::size_t i = 0; i < collected_.size(); ++i)
    if (ranks().leads()) models_.agents.at(collected_[i]) = models[i];
}

void Run::fields(Archive& archive) {
  archive.field("models", models_);
  for (const ClientId& id : collected_) models_.agents.at(id) = at::Tensor();
  collected_.clear();
  for (auto& [id, model] : models_.agents)
    if (archive.reading() && !method_->needs_all_models() && is_own(model) && keeper(id) != ranks().rank())
      model = at::Tensor();
  archive.field("buffers", buffers_);
  if (archive.reading()) check_restored(federation_, models_, buffers_);
  archive.field("last update", last_update_);
  archive.field("result", result_);
  archive.field("method", *method_);
  const auto all = [&](const Readers& readers) {
    for (const auto& reader : readers) archive.field(reader->name(), static_cast<Kept&>(*reader));
  };
  all(readers_);
  for (const Readers& readers : attack_readers_) all(readers);
}

}  // namespace fedval::harness
