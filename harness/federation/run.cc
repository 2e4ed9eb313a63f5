#include "harness/federation/run.hpp"

#include <ATen/ops/cat.h>

#include <chrono>
#include <numeric>

#include "fedval/tensor/check.hpp"
#include "fedval/tensor/torch.hpp"

namespace fedval::harness {

namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// Why the update cannot be used; empty when it can.
std::string objection_to(const at::Tensor& update) {
  try {
    check_finite(update, "update");
  } catch (const Error& error) {
    return error.what();
  }
  return "";
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

static void fields(Archive& archive, RunResult::Reader& reader) {
  archive.field("name", reader.name);
  archive.field("scores", reader.scores);
  archive.field("seconds", reader.seconds);
}

void fields(Archive& archive, RunResult& result) {
  archive.field("rounds", result.rounds);
  archive.field("server accuracy", result.server_accuracy);
  archive.field("agent accuracy", result.agent_accuracy);
  archive.field("credit", result.credit);
  archive.field("readers", result.readers);
  archive.field("notes", result.notes);
  archive.field("seconds", result.seconds);
  archive.field("training seconds", result.training_seconds);
  archive.field("valuation seconds", result.valuation_seconds);
}

Run::Run(Federation& federation, std::unique_ptr<Method> method, Readers readers)
    : federation_(federation), method_(std::move(method)), readers_(std::move(readers)) {
  models_.server = parameters_of(federation.start()).clone();
  buffers_ = federation.start().narrow(0, federation.dimension(), federation.buffers()).clone();
  for (const Agent& agent : federation.agents()) models_.agents.emplace(agent.id, models_.server);
  for (const auto& reader : readers_) result_.readers.push_back({reader->name(), {}, 0});
}

at::Tensor Run::parameters_of(const at::Tensor& state) const {
  return state.narrow(0, 0, federation_.dimension());
}

at::Tensor Run::whole(const at::Tensor& parameters) const {
  return buffers_.numel() == 0 ? parameters : at::cat({parameters, buffers_});
}

void Run::average_buffers(const std::vector<at::Tensor>& buffers, const std::vector<double>& weights) {
  if (buffers_.numel() == 0) return;
  const double total = std::accumulate(weights.begin(), weights.end(), 0.0);
  at::Tensor average = buffers_.new_zeros(buffers_.sizes());
  for (std::size_t i = 0; i < buffers.size(); ++i) average.add_(buffers[i], weights[i] / total);
  buffers_ = average;
}

void Run::read(const Round& round, RoundRecord& record) {
  for (std::size_t i = 0; i < readers_.size(); ++i) {
    const auto start = Clock::now();
    Scores scores = readers_[i]->observe(round);
    RunResult::Reader& sum = result_.readers[i];
    record.readers.push_back({sum.name, std::move(scores), seconds_since(start)});
    sum.seconds += record.readers.back().seconds;
    for (const auto& [id, score] : record.readers.back().scores) sum.scores.insert_or_assign(id, score.value);
  }
}

RoundRecord Run::next(std::atomic<std::size_t>& counter) {
  const auto round_start = Clock::now();
  const Settings& settings = federation_.settings();
  const std::size_t t = result_.rounds;
  RoundRecord record{.round = t + 1, .learning_rate = learning_rate_of(settings.training, t)};

  std::vector<Federation::Task> tasks;
  for (const Participant& who :
       participants_of(settings.participation, federation_.agents().size(), settings.seed, t))
    tasks.push_back({who, whole(models_.agents.at(federation_.agents()[who.agent].id))});
  const std::vector<at::Tensor> reached = federation_.train_all(tasks, t, counter);
  record.training_seconds = seconds_since(round_start);

  Round round;
  std::vector<at::Tensor> updates, buffers;
  std::string refusals;
  for (std::size_t i = 0; i < tasks.size(); ++i) {
    const Agent& agent = federation_.agents()[tasks[i].who.agent];
    // The whole state is looked at: a running statistic that is not finite spoils a model as a weight does.
    const at::Tensor change = reached[i].sub(tasks[i].state);
    if (const std::string objection = objection_to(change); !objection.empty()) {
      record.refused.push_back({agent.id, objection});
      refusals += (refusals.empty() ? "client " : "; client ") + agent.id.text() + ": " + objection;
      result_.notes.push_back("round " + std::to_string(t + 1) + ": client " + agent.id.text() +
                              " was left out: " + objection);
      continue;
    }
    record.participants.push_back(agent.id);
    if (tasks[i].who.share < 1) record.stragglers.push_back(agent.id);
    updates.push_back(parameters_of(change));
    buffers.push_back(reached[i].narrow(0, federation_.dimension(), federation_.buffers()));
    ClientParts parts{.update = updates.back(),
                      .final_weight = federation_.network().final_weight(updates.back())};
    if (const at::Tensor bias = federation_.network().final_bias(updates.back()); bias.defined())
      parts.final_bias = bias;
    round.add(agent.id, std::move(parts), static_cast<double>(agent.shard.size()));
  }
  if (updates.empty()) fail("round ", t + 1, ": nobody's update can be used: ", refusals);

  if (last_update_.defined()) {
    round.global_update = last_update_;
    round.global_final_weight = federation_.network().final_weight(last_update_);
  }
  const at::Tensor before = models_.server.clone();
  const auto reading_start = Clock::now();
  double reading_seconds = 0;
  try {
    read(round, record);
    reading_seconds = seconds_since(reading_start);
    const auto start = Clock::now();
    method_->step(round, models_);
    record.valuation_seconds = seconds_since(start);
  } catch (const Error& error) {
    fail("round ", t + 1, ": ", error.what());
  }
  average_buffers(buffers, method_->weights());
  last_update_ = models_.server.sub(before);
  for (const std::string& note : method_->take_notes())
    result_.notes.push_back("round " + std::to_string(t + 1) + ": " + note);

  ++result_.rounds;
  if (done() || (t + 1) % settings.evaluation.every == 0)
    record.server_accuracy = federation_.accuracies({whole(models_.server)})[0];
  result_.server_accuracy = record.server_accuracy.value_or(result_.server_accuracy);
  record.seconds = seconds_since(round_start) - reading_seconds;
  result_.seconds += record.seconds;
  result_.training_seconds += record.training_seconds;
  result_.valuation_seconds += record.valuation_seconds;
  return record;
}

RunResult Run::finish() {
  const auto start = Clock::now();
  result_.credit = method_->credit();
  std::map<const void*, at::Tensor> states{{models_.server.data_ptr(), whole(models_.server)}};
  std::vector<at::Tensor> all;
  for (const auto& [id, model] : models_.agents) {
    const auto place = states.find(model.data_ptr());
    all.push_back(place != states.end() ? place->second : states[model.data_ptr()] = whole(model));
  }
  result_.agent_accuracy = federation_.accuracies(all);
  result_.seconds += seconds_since(start);
  return result_;
}

void Run::fields(Archive& archive) {
  archive.field("models", models_);
  archive.field("buffers", buffers_);
  archive.field("last update", last_update_);
  archive.field("result", result_);
  archive.field("method", *method_);
  for (const auto& reader : readers_) archive.field(reader->name(), static_cast<Kept&>(*reader));
}

}  // namespace fedval::harness
