#include "harness/federation/federation.hpp"

#include <algorithm>
#include <chrono>
#include <map>
#include <numeric>
#include <set>

#include "fedval/error.hpp"

namespace fedval::harness {

namespace {

/// The draws of one agent in one round, apart from every other use of the seed.
random::Key training_key(std::uint64_t seed, std::size_t agent, std::size_t round) {
  constexpr std::uint64_t tag = 0x7366;  // "sf"
  return {seed, (tag << 48) | (std::uint64_t{agent} << 24) | round};
}

constexpr std::size_t test_batch = 50;  // small enough that a layer's activations stay in cache

const Examples& tested_part(const EvaluationSettings& settings, const Dataset& data) {
  const Examples& part = settings.on == "test" ? data.test : data.held_out;
  if (part.size() == 0)
    fail("evaluation.on is \"", settings.on, "\", but ", data.name, " has no such part",
         settings.on == "held_out" ? "; data.held_out sets training examples aside" : "");
  if (settings.test_samples > part.size())
    fail("evaluation.test_samples is ", settings.test_samples, ", but the ", settings.on,
         " part of the data has ", part.size());
  return part;
}

}  // namespace

Federation::Federation(const Settings& settings, const Dataset& data, const Shards& shards, Workers& workers,
                       const std::optional<Normalisation>& normalisation)
    : settings_(settings),
      data_(data),
      tested_(tested_part(settings.evaluation, data)),
      workers_(workers),
      batches_(data.shape, normalisation ? *normalisation : normalisation_of(data.train, data.shape)),
      test_samples_(settings.evaluation.test_samples == 0 ? tested_.size()
                                                          : settings.evaluation.test_samples) {
  for (const Indices& shard : shards) {
    std::set<std::uint8_t> labels;
    for (const std::size_t index : shard) labels.insert(data.train.labels[index]);
    agents_.push_back({agents_.size() + 1, shard, labels.size()});
  }
  for (std::size_t worker = 0; worker < workers.count(); ++worker)
    networks_.push_back(make_network(settings.model, data.shape, data.classes, settings.seed));
  start_ = networks_.front().state().clone();
}

std::size_t Federation::steps(std::size_t begin, std::size_t end, bool alone) const {
  std::size_t steps = 0;
  const auto add = [&](std::size_t agent, double share) {
    steps += steps_of(settings_.training, agents_[agent].shard.size(), share);
  };
  for (std::size_t round = begin; round < end; ++round) {
    if (alone)
      for (std::size_t agent = 0; agent < agents_.size(); ++agent) add(agent, 1);
    else
      for (const Participant& who :
           participants_of(settings_.participation, agents_.size(), settings_.seed, round))
        add(who.agent, who.share);
  }
  return steps;
}

std::vector<at::Tensor> Federation::train_all(const std::vector<Task>& tasks, std::size_t round,
                                              std::atomic<std::size_t>& counter) {
  // The longest first: agents differ in size, and the last one to start must not keep the others waiting.
  std::vector<std::size_t> order(tasks.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  const auto steps = [&](std::size_t i) {
    return steps_of(settings_.training, agents_[tasks[i].who.agent].shard.size(), tasks[i].who.share);
  };
  std::ranges::stable_sort(order, std::ranges::greater(), steps);
  std::vector<at::Tensor> reached(tasks.size());
  workers_.for_each(order.size(), [&](std::size_t place, std::size_t worker) {
    const Task& task = tasks[order[place]];
    const Agent& agent = agents_[task.who.agent];
    FlatNetwork& network = networks_[worker];
    network.state().copy_(task.state);
    try {
      train(network, batches_, data_.train, agent.shard, settings_.training,
            learning_rate_of(settings_.training, round), steps(order[place]),
            training_key(settings_.seed, task.who.agent, round), counter);
    } catch (const Error& error) {
      fail("client ", agent.id, ": ", error.what());
    }
    reached[order[place]] = network.state().clone();
  });
  return reached;
}

Federation::Pace Federation::measure() {
  const Agent& largest =
      *std::ranges::max_element(agents_, {}, [](const Agent& a) { return a.shard.size(); });
  std::atomic<std::size_t> unused;
  const auto seconds_of = [&](const auto& body) {
    const auto start = std::chrono::steady_clock::now();
    workers_.for_each(workers_.count(), [&](std::size_t, std::size_t worker) { body(networks_[worker]); });
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  };
  const auto seconds_of_steps = [&](std::size_t steps) {
    return seconds_of([&](FlatNetwork& network) {
      network.state().copy_(start_);
      train(network, batches_, data_.train, largest.shard, settings_.training,
            settings_.training.learning_rate, steps, {}, unused);
    });
  };
  const std::size_t tested = std::min(test_samples_, test_batch);
  const auto test_once = [&](FlatNetwork& network) { count_correct(network, batches_, tested_, 0, tested); };

  // The first step also pays for memory and for choosing kernels; where it takes long that is little of it.
  constexpr double long_step = 2;
  constexpr std::size_t more = 4;
  const auto workers = static_cast<double>(workers_.count());
  double step = seconds_of_steps(1);
  if (step < long_step) step = seconds_of_steps(more) / more;
  return {step / workers, seconds_of(test_once) / (workers * static_cast<double>(tested))};
}

std::vector<double> Federation::accuracies(const std::vector<at::Tensor>& states) {
  std::map<const void*, std::size_t> place;  // of each different state
  std::vector<at::Tensor> different;
  for (const at::Tensor& state : states)
    if (place.try_emplace(state.data_ptr(), different.size()).second) different.push_back(state);

  const std::size_t batch = test_batch;
  const std::size_t batches = (test_samples_ + batch - 1) / batch;
  std::vector<std::size_t> correct(different.size() * batches);
  std::vector<const void*> loaded(workers_.count(), nullptr);
  workers_.for_each(correct.size(), [&](std::size_t task, std::size_t worker) {
    const at::Tensor& state = different[task / batches];
    if (loaded[worker] != state.data_ptr()) {
      networks_[worker].state().copy_(state);
      loaded[worker] = state.data_ptr();
    }
    const std::size_t begin = task % batches * batch;
    correct[task] =
        count_correct(networks_[worker], batches_, tested_, begin, std::min(test_samples_, begin + batch));
  });
  std::vector<double> result;
  for (const at::Tensor& state : states) {
    const auto first = correct.begin() + static_cast<std::ptrdiff_t>(place.at(state.data_ptr()) * batches);
    const std::size_t sum =
        std::accumulate(first, first + static_cast<std::ptrdiff_t>(batches), std::size_t{0});
    result.push_back(static_cast<double>(sum) / static_cast<double>(test_samples_));
  }
  return result;
}

}  // namespace fedval::harness
