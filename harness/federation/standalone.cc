#include "harness/federation/standalone.hpp"

#include "fedval/tensor/check.hpp"
#include "fedval/tensor/torch.hpp"

namespace fedval::harness {

Standalone::Standalone(Federation& federation)
    : federation_(federation),
      states_(federation.agents().size(), federation.start()),
      diverged_(states_.size(), 0) {}

void Standalone::next(std::atomic<std::size_t>& counter) {
  std::vector<Federation::Task> tasks;
  for (std::size_t agent = 0; agent < states_.size(); ++agent)
    if (diverged_[agent] == 0) tasks.push_back({{agent, 1}, states_[agent]});
  const std::vector<at::Tensor> reached = federation_.train_all(tasks, rounds_, counter);
  ++rounds_;
  std::size_t left = 0;
  for (std::size_t i = 0; i < tasks.size(); ++i) {
    const std::size_t agent = tasks[i].who.agent;
    try {
      check_finite(reached[i], "client " + federation_.agents()[agent].id.text() + ": model");
      states_[agent] = reached[i];
      ++left;
    } catch (const Error& error) {
      diverged_[agent] = 1;
      notes_.push_back("round " + std::to_string(rounds_) +
                       ": training alone diverged, the model of the round before is kept: " + error.what());
    }
  }
  if (left > 0) return;
  std::string all;
  for (const std::string& note : notes_) all += (all.empty() ? "" : "; ") + note;
  fail(all);
}

void Standalone::fields(Archive& archive) {
  archive.field("rounds", rounds_);
  archive.field("states", states_);
  archive.field("diverged", diverged_);
  archive.field("notes", notes_);
}

}  // namespace fedval::harness
