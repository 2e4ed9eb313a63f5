#include "harness/federation/standalone.hpp"

#include "harness/federation/objection.hpp"

namespace fedval::harness {

Standalone::Standalone(Federation& federation)
    : federation_(federation),
      states_(federation.agents().size(), federation.start()),
      diverged_(states_.size(), 0) {}

void Standalone::next(std::atomic<std::size_t>& counter) {
  std::vector<Federation::Task> tasks;
  for (std::size_t agent = 0; agent < states_.size(); ++agent)
    if (diverged_[agent] == 0) tasks.push_back({{agent, 1}, states_[agent]});
  const std::vector<at::Tensor> reached = federation_.train_kept(tasks, rounds_, counter);
  std::vector<std::string> objections(tasks.size());
  for (std::size_t i = 0; i < tasks.size(); ++i) {
    if (!reached[i].defined()) continue;
    try {
      check_finite_there(reached[i],
                         "client " + federation_.agents()[tasks[i].who.agent].id.text() + ": model");
    } catch (const Error& error) {
      objections[i] = error.what();
    }
  }
  federation_.ranks().share(objections, federation_.keepers(tasks));
  ++rounds_;
  std::size_t left = 0;
  for (std::size_t i = 0; i < tasks.size(); ++i) {
    const std::size_t agent = tasks[i].who.agent;
    if (objections[i].empty()) {
      states_[agent] = reached[i];
      ++left;
    } else {
      diverged_[agent] = 1;
      notes_.push_back("round " + std::to_string(rounds_) +
                       ": training alone diverged, the model of the round before is kept: " + objections[i]);
    }
  }
  if (left > 0) return;
  std::string all;
  for (const std::string& note : notes_) all += (all.empty() ? "" : "; ") + note;
  fail(all);
}

std::vector<double> Standalone::accuracies() {
  std::vector<double> accuracies;
  for (const Tested& tested : federation_.test_agents(states_, std::vector<bool>(states_.size(), true)))
    accuracies.push_back(tested.accuracy);
  return accuracies;
}

std::vector<std::size_t> Standalone::keepers() const {
  std::vector<std::size_t> keepers;
  for (std::size_t agent = 0; agent < states_.size(); ++agent) keepers.push_back(federation_.keeper(agent));
  return keepers;
}

void Standalone::collect() { federation_.ranks().collect(states_, keepers(), federation_.start()); }

void Standalone::let_go() {
  const std::vector<std::size_t> ranks = keepers();
  for (std::size_t agent = 0; agent < states_.size(); ++agent)
    if (ranks[agent] != federation_.ranks().rank()) states_[agent] = at::Tensor();
}

void Standalone::fields(Archive& archive) {
  archive.field("rounds", rounds_);
  archive.field("states", states_);
  let_go();
  archive.field("diverged", diverged_);
  archive.field("notes", notes_);
}

}  // namespace fedval::harness
