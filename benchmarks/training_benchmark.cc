// A local epoch of the small networks, on two cores: two agents side by side as the federation trains them,
// beside bare LibTorch loops over the same images, and what a step is made of.
//
//   training_benchmark [images [repetitions]]      50,000 and 5 unless given
//
// The bare loops have what a careful user would write: the images normalised beforehand as one float tensor,
// index_select for a batch, torch::optim::SGD; one loop on LibTorch's own two threads, and two loops of one
// thread each. They share the allocator's settings, which Workers makes for the process. Without the real
// data set, random bytes of its shape are trained on, and the title says so.
#include <ATen/Parallel.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/cross_entropy_loss.h>
#include <ATen/ops/randperm.h>
#include <torch/optim/sgd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <exception>
#include <functional>
#include <memory>
#include <numeric>
#include <string>
#include <thread>
#include <vector>

#include "fedval/random/philox.hpp"
#include "harness/data/data_folder.hpp"
#include "harness/data/registry.hpp"
#include "harness/federation/federation.hpp"
#include "harness/model/small_cnns.hpp"

extern "C" void openblas_set_num_threads(int) __attribute__((weak));

namespace {

using namespace fedval;
using namespace fedval::harness;

constexpr std::size_t cores = 2;
constexpr double learning_rate = 0.01;

Dataset random_bytes(std::string_view set, const ExampleShape& shape, std::size_t images) {
  Dataset data{.name = "random bytes in the shape of " + std::string(set), .description = {}, .classes = 10};
  data.shape = shape;
  random::Stream stream(1);
  data.train.pixels.resize(images * shape.entries());
  for (std::uint8_t& pixel : data.train.pixels) pixel = static_cast<std::uint8_t>(stream.below(256));
  for (std::size_t i = 0; i < images; ++i)
    data.train.labels.push_back(static_cast<std::uint8_t>(stream.below(10)));
  data.test = data.train;
  return data;
}

/// The first images of a set, or random bytes where its files are missing.
Dataset images_of(std::string_view set, const ExampleShape& shape, std::size_t images) {
  const auto source = std::ranges::find(data_sources(), set, &DataSource::name);
  const auto folder = default_data_folder();
  if (!source->present(folder)) return random_bytes(set, shape, images);
  Dataset data = source->load(folder, 1);
  data.train.labels.resize(std::min(images, data.train.size()));
  data.train.pixels.resize(data.train.size() * shape.entries());
  return data;
}

Settings settings_of(const std::string& model, std::size_t batch_size) {
  Settings settings;
  settings.model.name = model;
  settings.training = {.local_epochs = 1, .batch_size = batch_size, .learning_rate = learning_rate};
  return settings;
}

/// Each core's share of the images, one after the other.
Shards halves(std::size_t images) {
  Shards shards(cores, Indices(images / cores));
  std::size_t next = 0;
  for (Indices& shard : shards)
    for (std::size_t& index : shard) index = next++;
  return shards;
}

/// A training loop as one would write it with LibTorch alone.
template <class Net>
void bare_epoch(Net& network, const at::Tensor& images, const at::Tensor& labels, std::size_t batch_size) {
  torch::optim::SGD optimiser(network.parameters(), learning_rate);
  for (const at::Tensor& batch :
       at::randperm(images.size(0), at::kLong).split(static_cast<std::int64_t>(batch_size))) {
    optimiser.zero_grad();
    at::cross_entropy_loss(network.forward(images.index_select(0, batch)), labels.index_select(0, batch))
        .backward();
    optimiser.step();
  }
}

/// Runs body(0), body(1), ... on threads of their own, with so many LibTorch threads each.
void side_by_side(std::size_t loops, int threads, const std::function<void(std::size_t)>& body) {
  if (openblas_set_num_threads != nullptr) openblas_set_num_threads(threads);
  std::vector<std::jthread> running;
  for (std::size_t loop = 0; loop < loops; ++loop)
    running.emplace_back([&, loop] {
      at::set_num_threads(threads);
      body(loop);
    });
  running.clear();
  if (openblas_set_num_threads != nullptr) openblas_set_num_threads(1);
}

struct Case {
  std::string name;
  std::function<void()> body;
  std::vector<double> seconds = {};

  double median() {
    std::ranges::sort(seconds);
    return seconds[seconds.size() / 2];
  }
};

void run(std::vector<Case>& cases, std::size_t repetitions) {
  for (Case& which : cases) which.body();  // kernels are chosen and memory is fetched
  for (std::size_t repetition = 0; repetition < repetitions; ++repetition)
    for (Case& which : cases) {
      const auto start = std::chrono::steady_clock::now();
      which.body();
      which.seconds.push_back(
          std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    }
}

template <class Net>
void compare(Workers& workers, const std::string& model, const Dataset& data, std::size_t batch_size,
             std::size_t repetitions) {
  const Settings settings = settings_of(model, batch_size);
  const Shards shards = halves(data.train.size());
  Federation federation(settings, data, shards, workers);
  const Batches batches(data.shape, normalisation_of(data.train, data.shape));
  std::vector<std::size_t> all(data.train.size());
  std::iota(all.begin(), all.end(), std::size_t{0});
  const at::Tensor images = batches.inputs(data.train, all), labels = batches.labels(data.train, all);
  const auto half = static_cast<std::int64_t>(data.train.size() / cores);
  const std::size_t steps = steps_of(settings.training, shards[0].size());
  std::array<Net, cores> bare{Net(10), Net(10)};

  std::vector<FlatNetwork> networks;
  for (std::size_t i = 0; i < cores; ++i)
    networks.push_back(make_network(settings.model, data.shape, data.classes, 1));
  const auto one = std::span<const std::size_t>(all).first(std::min(batch_size, all.size()));
  const at::Tensor batch = batches.inputs(data.train, one), its_labels = batches.labels(data.train, one);
  /// `part` as often as there are steps in the epoch, on every worker.
  const auto part = [&](const auto& body) {
    return [&, body] {
      workers.for_each(cores, [&](std::size_t agent, std::size_t worker) {
        for (std::size_t step = 0; step < steps; ++step) body(networks[worker], agent, step);
      });
    };
  };
  std::vector<Case> cases{
      {"fedval, two agents side by side",
       [&] {
         std::atomic<std::size_t> counter;
         std::vector<Federation::Task> tasks;
         for (std::size_t agent = 0; agent < cores; ++agent)
           tasks.push_back({{agent, 1}, federation.start()});
         federation.train_all(tasks, 0, counter);
       }},
      {"bare, one loop on two threads",
       [&] { side_by_side(1, 2, [&](std::size_t) { bare_epoch(bare[0], images, labels, batch_size); }); }},
      {"bare, two loops side by side",
       [&] {
         side_by_side(cores, 1, [&](std::size_t loop) {
           const auto begin = static_cast<std::int64_t>(loop) * half;
           bare_epoch(bare[loop], images.narrow(0, begin, half), labels.narrow(0, begin, half), batch_size);
         });
       }},
      {"  batches alone", part([&](FlatNetwork&, std::size_t agent, std::size_t step) {
         const auto indices = std::span<const std::size_t>(shards[agent]).subspan(step * batch_size);
         const auto its = indices.first(std::min(batch_size, indices.size()));
         batches.inputs(data.train, its);
         batches.labels(data.train, its);
       })},
      {"  forward alone",
       part([&](FlatNetwork& network, std::size_t, std::size_t) { network.forward(batch); })},
      {"  forward and backward alone", part([&](FlatNetwork& network, std::size_t, std::size_t) {
         at::cross_entropy_loss(network.forward(batch), its_labels).backward();
       })},
      {"  update alone", part([&](FlatNetwork& network, std::size_t, std::size_t) {
         const torch::NoGradGuard no_grad;
         network.gradient().zero_();
         network.parameters().add_(network.gradient(), -learning_rate);
       })},
  };
  run(cases, repetitions);
  std::printf("\n%s on %zu images of %s, batches of %zu\n", model.c_str(), data.train.size(),
              data.name.c_str(), batch_size);
  std::printf("%-36s %10s %12s %14s\n", "", "seconds", "images/s", "of our time, %");
  const double ours = cases.front().median();
  for (Case& which : cases)
    std::printf("%-36s %10.3f %12.0f %14.1f\n", which.name.c_str(), which.median(),
                static_cast<double>(data.train.size()) / which.median(), 100 * which.median() / ours);
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) try {
  const std::size_t images = argc > 1 ? std::stoul(argv[1]) : 50000;
  const std::size_t repetitions = argc > 2 ? std::stoul(argv[2]) : 5;
  Workers workers(cores);
  const Dataset cifar = images_of("cifar10", {3, 32, 32}, images),
                mnist = images_of("mnist", {1, 28, 28}, images);
  for (const std::size_t batch_size : {128, 32})
    compare<CifarCnn>(workers, "cifar_cnn", cifar, batch_size, repetitions);
  for (const std::size_t batch_size : {128, 32})
    compare<MnistCnn>(workers, "mnist_cnn", mnist, batch_size, repetitions);
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 2;
}
