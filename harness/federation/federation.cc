#include "harness/federation/federation.hpp"

#include <chrono>
#include <cmath>
#include <numeric>
#include <set>

#include "fedval/tensor/check.hpp"
#include "fedval/tensor/torch.hpp"

namespace fedval::harness {

namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// The draws of one agent in one round, apart from every other use of the seed.
random::Stream shuffle_stream(std::uint64_t seed, std::size_t agent, std::size_t round) {
  constexpr std::uint64_t tag = 0x7366;  // "sf"
  return random::Stream(seed, (tag << 48) | (std::uint64_t{agent} << 24) | round);
}

std::vector<std::size_t> first_indices(std::size_t count) {
  std::vector<std::size_t> indices(count);
  std::iota(indices.begin(), indices.end(), std::size_t{0});
  return indices;
}

}  // namespace

Federation::Federation(const Settings& settings, const Dataset& data, const Shards& shards, Workers& workers)
    : settings_(settings), workers_(workers) {
  const Normalisation normalisation = normalisation_of(data.train);
  for (const auto& shard : shards) {
    std::set<std::uint8_t> labels;
    for (const std::size_t index : shard) labels.insert(data.train.labels[index]);
    agents_.push_back({agents_.size() + 1, make_samples(data.train, shard, normalisation), labels.size()});
  }
  const std::size_t wanted = settings.evaluation.test_samples;
  if (wanted > data.test.size())
    fail("evaluation.test_samples is ", wanted, ", but the test part of the data has ", data.test.size());
  test_ = make_samples(data.test, first_indices(wanted == 0 ? data.test.size() : wanted), normalisation);
  for (std::size_t worker = 0; worker < workers.count(); ++worker)
    networks_.push_back(make_network(settings.model.name, settings.seed));
  start_ = networks_.front().state().clone();
}

LocalTraining Federation::local_training(std::size_t round) const {
  const TrainingSettings& t = settings_.training;
  return {t.local_epochs, t.batch_size,
          t.learning_rate * std::pow(t.learning_rate_decay, static_cast<double>(round))};
}

std::size_t Federation::steps_a_run() const {
  std::size_t steps = 0;
  for (const Agent& agent : agents_)
    steps += settings_.training.rounds * steps_of(local_training(0), agent.samples.size());
  return steps;
}

at::Tensor Federation::train_from(const at::Tensor& state, std::size_t agent, std::size_t round,
                                  std::size_t worker, std::atomic<std::size_t>& steps) {
  FlatNetwork& network = networks_[worker];
  network.state().copy_(state);
  train(network, agents_[agent].samples, local_training(round), shuffle_stream(settings_.seed, agent, round),
        steps);
  return network.state().clone();
}

std::vector<double> Federation::accuracies(const std::vector<at::Tensor>& states) {
  constexpr std::size_t batch = 50;  // small enough that a layer's activations stay in cache
  const std::size_t batches = (test_.size() + batch - 1) / batch;
  std::vector<std::size_t> correct(states.size() * batches);
  std::vector<const void*> loaded(workers_.count(), nullptr);
  workers_.for_each(correct.size(), [&](std::size_t task, std::size_t worker) {
    const at::Tensor& state = states[task / batches];
    if (loaded[worker] != state.data_ptr()) {
      networks_[worker].state().copy_(state);
      loaded[worker] = state.data_ptr();
    }
    const std::size_t begin = task % batches * batch;
    correct[task] = count_correct(networks_[worker], test_, begin, std::min(test_.size(), begin + batch));
  });
  std::vector<double> result;
  for (std::size_t s = 0; s < states.size(); ++s) {
    const auto first = correct.begin() + static_cast<std::ptrdiff_t>(s * batches);
    const std::size_t sum =
        std::accumulate(first, first + static_cast<std::ptrdiff_t>(batches), std::size_t{0});
    result.push_back(static_cast<double>(sum) / static_cast<double>(test_.size()));
  }
  return result;
}

std::vector<double> Federation::standalone(const Observer& observer) {
  std::atomic<std::size_t> unused;
  std::vector<at::Tensor> states(agents_.size());
  workers_.for_each(agents_.size(), [&](std::size_t agent, std::size_t worker) {
    states[agent] = start_;
    for (std::size_t round = 0; round < settings_.training.rounds; ++round)
      states[agent] =
          train_from(states[agent], agent, round, worker, observer.steps ? *observer.steps : unused);
  });
  for (std::size_t i = 0; i < states.size(); ++i)
    check_finite(states[i], "client " + agents_[i].id.text() + ": model");
  return accuracies(states);
}

Round Federation::make_round(const std::vector<at::Tensor>& updates) const {
  Round round;
  for (std::size_t i = 0; i < agents_.size(); ++i) {
    ClientParts parts{.update = updates[i], .final_weight = networks_.front().final_weight(updates[i])};
    if (const at::Tensor bias = networks_.front().final_bias(updates[i]); bias.defined())
      parts.final_bias = bias;
    round.add(agents_[i].id, std::move(parts), static_cast<double>(agents_[i].samples.size()));
  }
  return round;
}

RunResult Federation::run(Method& method, const MakeReaders& make_readers, const Observer& observer) {
  const auto run_start = Clock::now();
  std::atomic<std::size_t> unused;
  std::vector<ScoreReader> readers = make_readers();
  Models models{start_.clone(), std::vector<at::Tensor>(agents_.size())};
  for (at::Tensor& agent : models.agents) agent = models.server;
  at::Tensor last_global;
  RunResult result;

  for (std::size_t t = 0; t < settings_.training.rounds; ++t) {
    const auto round_start = Clock::now();
    RoundRecord record{t + 1, local_training(t).learning_rate, {}, {}, 0, 0, 0};
    std::vector<at::Tensor> updates(agents_.size());
    // The longest first: agents differ in size, and the last one to start must not keep the others waiting.
    std::vector<std::size_t> order = first_indices(agents_.size());
    std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
      return agents_[a].samples.size() > agents_[b].samples.size();
    });
    workers_.for_each(order.size(), [&](std::size_t task, std::size_t worker) {
      const std::size_t agent = order[task];
      updates[agent] =
          train_from(models.agents[agent], agent, t, worker, observer.steps ? *observer.steps : unused)
              .sub_(models.agents[agent]);
    });
    record.training_seconds = seconds_since(round_start);

    Round round = make_round(updates);
    if (last_global.defined()) {
      round.global_update = last_global;
      round.global_final_weight = networks_.front().final_weight(last_global);
    }
    const at::Tensor before = models.server.clone();
    double reading_seconds = 0;
    try {
      for (ScoreReader& reader : readers) {
        const auto start = Clock::now();
        Scores scores = reader.observe(round);
        record.readers.push_back({reader.name, std::move(scores), seconds_since(start)});
        reading_seconds += record.readers.back().seconds;
      }
      const auto start = Clock::now();
      method.step(round, models);
      record.valuation_seconds = seconds_since(start);
    } catch (const Error& error) {
      fail("round ", t + 1, ": ", error.what());
    }
    last_global = models.server.sub(before);

    const bool last = t + 1 == settings_.training.rounds;
    if (last || (t + 1) % settings_.evaluation.every == 0)
      record.server_accuracy = accuracies({models.server})[0];
    record.seconds = seconds_since(round_start) - reading_seconds;
    observer.round(record);
    result.rounds.push_back(std::move(record));
  }

  result.server_accuracy = result.rounds.back().server_accuracy.value();
  result.agent_accuracy.assign(agents_.size(), result.server_accuracy);
  std::vector<at::Tensor> own;
  for (const at::Tensor& agent : models.agents)
    if (!agent.is_same(models.server)) own.push_back(agent);
  const std::vector<double> own_accuracy = own.empty() ? std::vector<double>{} : accuracies(own);
  for (std::size_t i = 0, next = 0; i < agents_.size(); ++i)
    if (!models.agents[i].is_same(models.server)) result.agent_accuracy[i] = own_accuracy[next++];
  result.seconds = seconds_since(run_start);
  for (const RoundRecord& record : result.rounds) {
    for (const auto& reader : record.readers) result.seconds -= reader.seconds;
    result.training_seconds += record.training_seconds;
    result.valuation_seconds += record.valuation_seconds;
  }
  return result;
}

}  // namespace fedval::harness
