#include "harness/federation/run_result.hpp"

#include <algorithm>

#include "harness/attack/attack.hpp"

namespace fedval::harness {

void add(std::vector<Figure>& figures, const std::string& name, double value) {
  const auto place = std::ranges::find(figures, name, &Figure::name);
  if (place == figures.end()) {
    figures.push_back({name, value});
  } else {
    place->value += value;
  }
}

void note_refused(const RoundRecord& record, std::size_t agents, RunResult& result) {
  if (!record.participants.empty()) return result.refused.clear();
  for (const auto& [id, reason] : record.refused) result.refused.insert_or_assign(owner_of(id), reason);
  const std::string nobody = "nobody's update can be used";
  if (result.refused.size() < agents) {
    result.notes.push_back("round " + std::to_string(record.round) + ": " + nobody +
                           ": the model stays, and there are no scores");
    return;
  }
  std::string refusals;
  for (const auto& [id, reason] : result.refused)
    refusals += (refusals.empty() ? "client " : "; client ") + id.text() + ": " + reason;
  fail(nobody, ": ", refusals);
}

void note_accuracy(const RoundRecord& record, RunResult& result) {
  if (!record.server_accuracy) return;
  result.server_accuracy = *record.server_accuracy;
  result.best_server_accuracy = std::max(result.best_server_accuracy, *record.server_accuracy);
}

// Not in an unnamed namespace: Archive finds these by their arguments' namespace.
static void fields(Archive& archive, RunResult::Reader& reader) {
  archive.field("name", reader.name);
  archive.field("scores", reader.scores);
  archive.field("seconds", reader.seconds);
}

static void fields(Archive& archive, RunResult::Attack& attack) {
  archive.field("kind", attack.kind);
  std::string agent = attack.agent.text();
  archive.field("agent", agent);
  attack.agent = agent;
  archive.field("readers", attack.readers);
}

static void fields(Archive& archive, RunResult::Download& download) {
  archive.field("energy", download.energy);
  archive.field("entries", download.entries);
  archive.field("rounds", download.rounds);
}

static void fields(Archive& archive, Figure& figure) {
  archive.field("name", figure.name);
  archive.field("value", figure.value);
}

void fields(Archive& archive, RunResult& result) {
  archive.field("rounds", result.rounds);
  archive.field("server accuracy", result.server_accuracy);
  archive.field("best server accuracy", result.best_server_accuracy);
  archive.field("agent accuracy", result.agent_accuracy);
  archive.field("agent loss", result.agent_loss);
  archive.field("downloads", result.downloads);
  archive.field("credit", result.credit);
  archive.field("readers", result.readers);
  archive.field("attacks", result.attacks);
  archive.field("notes", result.notes);
  archive.field("refused", result.refused);
  archive.field("seconds", result.seconds);
  archive.field("training seconds", result.training_seconds);
  archive.field("valuation seconds", result.valuation_seconds);
  archive.field("bytes", result.bytes);
  archive.field("split", result.split);
  archive.field("answered", result.answered);
}

}  // namespace fedval::harness
