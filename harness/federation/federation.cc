#include "harness/federation/federation.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <map>
#include <numeric>
#include <set>

#include "fedval/error.hpp"
#include "harness/attack/attack.hpp"
#include "harness/federation/accuracy.hpp"
#include "harness/model/device.hpp"

namespace fedval::harness {

namespace {

std::vector<std::size_t> range(std::size_t begin, std::size_t end) {
  std::vector<std::size_t> indices(end - begin);
  std::iota(indices.begin(), indices.end(), begin);
  return indices;
}

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

void check_attackers(const AttackSettings& settings, std::size_t agents) {
  if (settings.kinds.empty() != settings.agents.empty())
    fail("attack.", settings.kinds.empty() ? "agents" : "kinds", " is given, but attack.",
         settings.kinds.empty() ? "kinds" : "agents", " is empty");
  if (settings.role == "inside" && settings.kinds.size() > 1)
    fail("attack.kinds has ", settings.kinds.size(),
         " kinds, but with attack.role = \"inside\" all attackers ",
         "do the same; a list of lists is a sweep");
  for (const std::size_t agent : settings.agents)
    if (agent > agents) fail("attack.agents names agent ", agent, " of ", agents);
}

/// Ranks exchange what lies in the host's memory.
at::Device device_for(const Settings& settings, const Ranks* ranks) {
  const at::Device device = device_of(settings.device);
  if (!device.is_cpu() && ranks != nullptr && ranks->count() > 1)
    fail("device is \"", settings.device, "\", but ", ranks->count(), " ranks train on the CPU only");
  return device;
}

}  // namespace

Federation::Federation(const Settings& settings, const Dataset& data, const Shards& shards, Workers& workers,
                       const std::optional<Normalisation>& normalisation, Ranks* ranks)
    : settings_(settings),
      device_(device_for(settings, ranks)),
      data_(data),
      tested_(tested_part(settings.evaluation, data)),
      workers_(workers),
      ranks_(ranks != nullptr ? *ranks : alone_),
      batches_(data.shape, normalisation ? *normalisation : normalisation_of(data.train, data.shape),
               device_),
      test_samples_(settings.evaluation.test_samples == 0 ? tested_.size()
                                                          : settings.evaluation.test_samples) {
  for (const Indices& shard : shards) {
    std::set<std::uint8_t> labels;
    for (const std::size_t index : shard) labels.insert(data.train.labels[index]);
    agents_.push_back({agents_.size() + 1, shard, labels.size()});
  }
  std::vector<std::size_t> sizes;
  for (const Agent& agent : agents_) sizes.push_back(agent.shard.size());
  keepers_ = ranks_.owners(sizes);
  check_attackers(settings.attack, agents_.size());
  for (std::size_t worker = 0; worker < workers.count(); ++worker)
    networks_.push_back(make_network(settings.model, data.shape, data.classes, settings.seed, device_));
  for (const Examples* part : {&data.train, &data.held_out, &data.test}) batches_.keep(*part);
  start_ = networks_.front().state().clone();
}

/// On the CPU so small that a layer's activations stay in cache; a GPU wants work for all its cores.
std::size_t Federation::test_batch() const { return device_.is_cpu() ? 50 : 1000; }

std::span<const std::size_t> Federation::shard_of(const Task& task) const {
  const std::span<const std::size_t> all = agents_[task.who.agent].shard;
  return task.examples == 0 ? all : all.first(std::min(task.examples, all.size()));
}

std::size_t Federation::steps(std::size_t begin, std::size_t end, bool alone) const {
  std::size_t steps = 0;
  const auto add = [&](const Task& task) {
    steps += steps_of(settings_.training, shard_of(task).size(), task.who.share);
  };
  for (std::size_t round = begin; round < end; ++round) {
    if (alone)
      for (std::size_t agent = 0; agent < agents_.size(); ++agent) add({{agent, 1}, {}});
    else
      for (const Participant& who :
           participants_of(settings_.participation, agents_.size(), settings_.seed, round)) {
        add({who, {}});
        for (const Poison& poison : poisons_of(settings_.attack, who.agent))
          add({who, {}, poison.flipped, poison.examples});
      }
  }
  return steps;
}

void Federation::for_each(std::span<const std::size_t> costs, std::span<const std::size_t> owners,
                          const std::function<void(std::size_t, std::size_t)>& body) {
  std::vector<std::size_t> own;
  for (std::size_t task = 0; task < costs.size(); ++task)
    if (owners[task] == ranks_.rank()) own.push_back(task);
  // The longest first: tasks differ in size, and the last one to start must not keep the others waiting.
  std::ranges::stable_sort(own, std::ranges::greater(), [&](std::size_t task) { return costs[task]; });
  ranks_.together([&] {
    workers_.for_each(own.size(), [&](std::size_t place, std::size_t worker) { body(own[place], worker); });
  });
}

std::vector<std::size_t> Federation::steps_of_each(const std::vector<Task>& tasks) const {
  std::vector<std::size_t> steps;
  for (const Task& task : tasks)
    steps.push_back(steps_of(settings_.training, shard_of(task).size(), task.who.share));
  return steps;
}

std::vector<std::size_t> Federation::keepers(const std::vector<Task>& tasks) const {
  std::vector<std::size_t> ranks;
  for (const Task& task : tasks) ranks.push_back(keepers_[task.who.agent]);
  return ranks;
}

std::vector<at::Tensor> Federation::train_apart(const std::vector<Task>& tasks,
                                                std::span<const std::size_t> owners, std::size_t round,
                                                std::atomic<std::size_t>& counter) {
  const std::vector<std::size_t> steps = steps_of_each(tasks);
  std::vector<at::Tensor> reached(tasks.size());
  for_each(steps, owners, [&](std::size_t i, std::size_t worker) {
    const Task& task = tasks[i];
    const Agent& agent = agents_[task.who.agent];
    FlatNetwork& network = networks_[worker];
    network.state().copy_(task.state);
    try {
      train(network, batches_, data_.train, shard_of(task), settings_.training,
            learning_rate_of(settings_.training, round), steps[i],
            training_key(settings_.seed, task.who.agent, round), counter, {task.flipped, task.regularise});
    } catch (const Error& error) {
      fail("client ", agent.id, ": ", error.what());
    }
    reached[i] = network.state().clone();
  });
  for (std::size_t i = 0; i < tasks.size(); ++i)
    if (owners[i] != ranks_.rank()) counter += steps[i];
  return reached;
}

std::vector<at::Tensor> Federation::train_all(const std::vector<Task>& tasks, std::size_t round,
                                              std::atomic<std::size_t>& counter) {
  const std::vector<std::size_t> owners = ranks_.owners(steps_of_each(tasks));
  std::vector<at::Tensor> reached = train_apart(tasks, owners, round, counter);
  ranks_.share(reached, owners, start_);
  return reached;
}

std::vector<at::Tensor> Federation::train_kept(const std::vector<Task>& tasks, std::size_t round,
                                               std::atomic<std::size_t>& counter) {
  return train_apart(tasks, keepers(tasks), round, counter);
}

Federation::Pace Federation::measure() {
  const Agent& largest =
      *std::ranges::max_element(agents_, {}, [](const Agent& a) { return a.shard.size(); });
  std::atomic<std::size_t> unused;
  const auto seconds_of = [&](const auto& body) {
    const auto start = std::chrono::steady_clock::now();
    workers_.for_each(workers_.count(), [&](std::size_t, std::size_t worker) { body(networks_[worker]); });
    wait_for(device_);
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  };
  // In rounds, as in a run: who is done with its share of the agents waits for the others.
  const std::size_t round = std::max<std::size_t>(1, steps(0, 1, false) / workers_.count());
  const auto seconds_of_steps = [&](std::size_t steps) {
    double seconds = 0;
    for (std::size_t left = steps; left > 0; left -= std::min(round, left))
      seconds += seconds_of([&](FlatNetwork& network) {
        network.state().copy_(start_);
        train(network, batches_, data_.train, largest.shard, settings_.training,
              settings_.training.learning_rate, std::min(round, left), {}, unused);
      });
    return seconds;
  };
  const std::size_t tested = std::min(test_samples_, test_batch());
  const auto seconds_of_tests = [&](std::size_t tests) {
    return seconds_of([&](FlatNetwork& network) {
      for (std::size_t i = 0; i < tests; ++i)
        harness::test(network, batches_, tested_, range(0, tested), counted_classes());
    });
  };
  // The first also pays for memory and for choosing kernels, which is little of one that takes long; others
  // are repeated until caches and clocks are warm.
  const auto seconds_of_one = [](const auto& seconds_of_many) {
    constexpr double long_one = 2, enough = 2;
    constexpr std::size_t fewest = 4, most = 16384;
    const double first = seconds_of_many(1);
    if (first > long_one) return first;
    const double seconds = seconds_of_many(fewest) / fewest;
    const double more = enough / std::max(seconds, enough / most);
    return more > fewest ? seconds_of_many(static_cast<std::size_t>(more)) / std::floor(more) : seconds;
  };
  const auto workers = static_cast<double>(workers_.count());
  return {seconds_of_one(seconds_of_steps) / workers,
          seconds_of_one(seconds_of_tests) / (workers * static_cast<double>(tested))};
}

std::vector<double> Federation::own_losses(const std::vector<Task>& tasks) {
  const std::size_t batch = test_batch();
  std::vector<double> losses(tasks.size());
  std::vector<std::size_t> sizes;
  for (const Task& task : tasks) sizes.push_back(shard_of(task).size());
  const std::vector<std::size_t> owners = keepers(tasks);
  for_each(sizes, owners, [&](std::size_t i, std::size_t worker) {
    networks_[worker].state().copy_(tasks[i].state);
    const std::span<const std::size_t> shard = shard_of(tasks[i]);
    for (std::size_t begin = 0; begin < shard.size(); begin += batch)
      losses[i] += harness::test(networks_[worker], batches_, data_.train,
                                 shard.subspan(begin, std::min(batch, shard.size() - begin)), 1)
                       .loss;
    losses[i] /= static_cast<double>(shard.size());
  });
  ranks_.share(losses, owners);
  return losses;
}

std::vector<Tested> Federation::test(const std::vector<at::Tensor>& states) {
  return test(states, {}, tested_, test_samples_);
}

std::vector<Tested> Federation::test_agents(const std::vector<at::Tensor>& states,
                                            const std::vector<bool>& kept) {
  std::vector<std::size_t> holders;
  for (std::size_t agent = 0; agent < states.size(); ++agent)
    holders.push_back(kept[agent] ? keepers_[agent] : anywhere);
  return test(states, holders, tested_, test_samples_);
}

std::vector<double> Federation::accuracies(const std::vector<at::Tensor>& states) {
  std::vector<double> accuracies;
  for (const Tested& tested : test(states)) accuracies.push_back(tested.accuracy);
  return accuracies;
}

std::vector<Tested> Federation::validate(const std::vector<at::Tensor>& states) {
  const std::size_t asked = settings_.validation.samples, there = data_.held_out.size();
  if (there == 0) fail("models are to be validated, but no examples are held out: data.held_out is 0");
  if (asked > there) fail("validation.samples is ", asked, ", but the held_out part of the data has ", there);
  if (states.empty()) return {};
  return test(states, {}, data_.held_out, asked == 0 ? there : asked);
}

std::vector<Tested> Federation::test(const std::vector<at::Tensor>& states,
                                     std::span<const std::size_t> holders, const Examples& part,
                                     std::size_t samples) {
  // Every rank finds the same different states: what one rank alone has is nobody else's.
  std::map<const void*, std::size_t> known;
  std::vector<at::Tensor> different;
  std::vector<std::size_t> places, held;
  for (std::size_t i = 0; i < states.size(); ++i) {
    const std::size_t holder = holders.empty() || ranks_.count() == 1 ? anywhere : holders[i];
    const bool first = holder != anywhere || known.try_emplace(states[i].data_ptr(), different.size()).second;
    places.push_back(first ? different.size() : known.at(states[i].data_ptr()));
    if (!first) continue;
    different.push_back(states[i]);
    held.push_back(holder);
  }

  const std::size_t batch = test_batch(), batches = (samples + batch - 1) / batch;
  const std::size_t tasks = different.size() * batches;
  const std::vector<std::size_t> costs(tasks, batch);
  std::vector<std::size_t> owners = ranks_.owners(costs);
  for (std::size_t task = 0; task < tasks; ++task)
    if (held[task / batches] != anywhere) owners[task] = held[task / batches];
  const std::size_t classes = counted_classes();
  const std::vector<std::size_t> sizes = class_sizes(std::span(part.labels).first(samples), classes);
  std::vector<double> correct(tasks * classes), loss(tasks);
  std::vector<const void*> loaded(workers_.count(), nullptr);
  for_each(costs, owners, [&](std::size_t task, std::size_t worker) {
    const at::Tensor& state = different[task / batches];
    if (loaded[worker] != state.data_ptr()) {
      networks_[worker].state().copy_(state);
      loaded[worker] = state.data_ptr();
    }
    const std::size_t begin = task % batches * batch;
    const Counted counted = harness::test(networks_[worker], batches_, part,
                                          range(begin, std::min(samples, begin + batch)), classes);
    for (std::size_t c = 0; c < classes; ++c)
      correct[task * classes + c] = static_cast<double>(counted.correct[c]);
    loss[task] = counted.loss;
  });
  std::vector<std::size_t> counters;  // the rank that each count is from
  for (const std::size_t owner : owners) counters.insert(counters.end(), classes, owner);
  ranks_.share(correct, counters);
  ranks_.share(loss, owners);
  std::vector<Tested> result;
  for (const std::size_t place : places) {
    std::vector<double> all_correct(classes);
    double all_loss = 0;
    for (std::size_t task = place * batches; task < (place + 1) * batches; ++task) {
      for (std::size_t c = 0; c < classes; ++c) all_correct[c] += correct[task * classes + c];
      all_loss += loss[task];
    }
    result.push_back({accuracy_of(all_correct, sizes), all_loss / static_cast<double>(samples)});
  }
  return result;
}

}  // namespace fedval::harness
