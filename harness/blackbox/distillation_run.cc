#include "harness/blackbox/distillation_run.hpp"

#include <ATen/Parallel.h>
#include <omp.h>

#include <algorithm>

#include "fedval/error.hpp"
#include "harness/blackbox/tensors.hpp"

namespace fedval::harness {

namespace {

using Clock = std::chrono::steady_clock;

/// While it lives, this thread computes with one thread, LibTorch's operations and fedval's loops alike: the
/// bits of a network's pass must not depend on the number of workers.
class OneThread {
 public:
  OneThread() : before_(omp_get_max_threads()) { at::set_num_threads(1); }
  ~OneThread() { omp_set_num_threads(before_); }
  OneThread(const OneThread&) = delete;
  OneThread& operator=(const OneThread&) = delete;

 private:
  int before_;
};

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

}  // namespace

DistillationRun::DistillationRun(Federation& federation)
    : federation_(federation),
      server_(make_network(federation.settings().model, federation.data().shape, federation.data().classes,
                           federation.settings().seed, federation.device())) {
  if (federation.data().shape.is_text()) fail("samples are made as images, but the data are sentences");
  if (!federation.settings().attack.kinds.empty())
    fail("attack.kinds: attackers send updates, and no update is sent by this method");
}

black_box::EnsembleWeights DistillationRun::weights(const std::vector<std::size_t>& agents) {
  return settings().black_box.ensemble == "size" ? weights_by_size(agents) : weights_by_class(agents);
}

black_box::EnsembleWeights DistillationRun::weights_by_size(const std::vector<std::size_t>& agents) const {
  std::vector<double> sizes;
  sizes.reserve(agents.size());
  for (const std::size_t agent : agents)
    sizes.push_back(static_cast<double>(federation_.agents()[agent].shard.size()));
  return black_box::EnsembleWeights::by_size(sizes);
}

black_box::EnsembleWeights DistillationRun::weights_by_class(const std::vector<std::size_t>& agents) {
  const Dataset& data = federation_.data();
  if (!told_classes_)
    add(result_.bytes, "class counts", static_cast<double>(4 * agents.size() * data.classes));
  told_classes_ = true;
  linalg::Matrix<double> counts(agents.size(), data.classes);
  for (std::size_t k = 0; k < agents.size(); ++k)
    for (const std::size_t example : federation_.agents()[agents[k]].shard)
      ++counts(k, data.train.labels[example]);
  return black_box::EnsembleWeights::by_class(std::move(counts));
}

RoundRecord DistillationRun::next(std::atomic<std::size_t>& counter) {
  const auto start = Clock::now();
  const std::size_t t = result_.rounds;
  RoundRecord record{.round = t + 1, .learning_rate = learning_rate_of(settings().training, t)};
  const std::vector<Participant> participants =
      participants_of(settings().participation, federation_.agents().size(), settings().seed, t);
  for (const Participant& who : participants) {
    record.participants.push_back(federation_.agents()[who.agent].id);
    if (who.share < 1) record.stragglers.push_back(record.participants.back());
  }
  double training = 0;
  for (const Figure& phase : result_.split) training -= phase.name == "client training" ? phase.value : 0;
  try {
    const OneThread pinned;  // networks are at work on this thread, too
    exchange(participants, record, counter);
  } catch (const Error& error) {
    fail("round ", t + 1, ": ", error.what());
  }
  for (const Figure& phase : result_.split) training += phase.name == "client training" ? phase.value : 0;
  told_classes_ = false;
  for (const Participant& who : participants)
    if (const Agent& agent = federation_.agents()[who.agent];
        std::ranges::find(record.participants, agent.id) != record.participants.end())
      result_.credit[agent.id] = static_cast<double>(agent.shard.size());

  ++result_.rounds;
  if (done() || (t + 1) % settings().evaluation.every == 0)
    phase("evaluation", [&] { record.server_accuracy = federation_.accuracies({server_.state()})[0]; });
  note_accuracy(record, result_);
  record.training_seconds = training;
  record.seconds = seconds_since(start);
  result_.seconds += record.seconds;
  result_.training_seconds += training;
  return record;
}

RunResult DistillationRun::finish() {
  const auto start = Clock::now();
  result_.agent_accuracy.clear();
  result_.agent_loss.clear();
  for (const Tested& tested : test_agents()) {
    result_.agent_accuracy.push_back(tested.accuracy);
    result_.agent_loss.push_back(tested.loss);
  }
  double samples = 0;
  for (const auto& [id, credit] : result_.credit) samples += credit;
  RunResult result = result_;
  for (auto& [id, credit] : result.credit) credit /= samples;
  result.seconds += seconds_since(start);
  return result;
}

void DistillationRun::fields(Archive& archive) {
  state_field(archive, "server", server_.state());
  archive.field("result", result_);
  keep(archive);
}

}  // namespace fedval::harness
