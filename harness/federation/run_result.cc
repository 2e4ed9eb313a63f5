#include "harness/federation/run_result.hpp"

namespace fedval::harness {

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

void fields(Archive& archive, RunResult& result) {
  archive.field("rounds", result.rounds);
  archive.field("server accuracy", result.server_accuracy);
  archive.field("agent accuracy", result.agent_accuracy);
  archive.field("agent loss", result.agent_loss);
  archive.field("downloads", result.downloads);
  archive.field("credit", result.credit);
  archive.field("readers", result.readers);
  archive.field("attacks", result.attacks);
  archive.field("notes", result.notes);
  archive.field("seconds", result.seconds);
  archive.field("training seconds", result.training_seconds);
  archive.field("valuation seconds", result.valuation_seconds);
}

}  // namespace fedval::harness
