// fedval's operations on a device beside LibTorch's own of the same kind, the share of the memory's speed
// that each reaches, and a local epoch beside a bare loop over the same images.
//
//   device_benchmark [DEVICE [clients [parameters [repetitions]]]]      cuda, 10, 10,000,000 and 9 unless
//   given
//
// The limit is the bytes that must be read and written over what a plain copy on the device moves in a
// second, measured in the same run. On DEVICE cpu LibTorch computes as it would on a device, so the program
// can be tried without one; those times say nothing about a GPU.
#include <ATen/ops/cosine_similarity.h>
#include <ATen/ops/cross_entropy_loss.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/linalg_eigvalsh.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/randperm.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/topk.h>
#include <torch/optim/sgd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <functional>
#include <numeric>
#include <string>
#include <vector>

#include "fedval/error.hpp"
#include "fedval/random/fill.hpp"
#include "fedval/reward/sparsify.hpp"
#include "fedval/shapley/cosine_gradient.hpp"
#include "fedval/spectral/entropy.hpp"
#include "fedval/tensor/gram.hpp"
#include "fedval/tensor/operations.hpp"
#include "fedval/tensor/torch.hpp"
#include "fedval/zeroth_order/in_place.hpp"
#include "harness/data/rendered_digits.hpp"
#include "harness/federation/federation.hpp"
#include "harness/model/device.hpp"
#include "harness/model/small_cnns.hpp"

namespace {

using namespace fedval;
using namespace fedval::harness;

struct Case {
  std::string name;
  double bytes;  ///< that must be read and written; 0: not bound by memory
  std::function<void()> body;
  std::vector<double> seconds = {};

  double median() {
    std::ranges::sort(seconds);
    return seconds[seconds.size() / 2];
  }
};

void run(std::vector<Case>& cases, std::size_t repetitions, at::Device device) {
  for (std::size_t repetition = 0; repetition <= repetitions; ++repetition)
    for (Case& which : cases) {
      wait_for(device);
      const auto start = std::chrono::steady_clock::now();
      which.body();
      wait_for(device);
      if (repetition == 0) continue;  // kernels are chosen and memory is fetched
      which.seconds.push_back(
          std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    }
}

/// The first case is a copy, which gives the memory's speed.
void print(const std::string& title, std::vector<Case>& cases) {
  std::printf("\n%s\n%-36s %12s %14s\n", title.c_str(), "", "median ms", "of the limit");
  const double speed = cases.front().bytes / cases.front().median();
  for (Case& which : cases) {
    std::printf("%-36s %12.4f", which.name.c_str(), 1e3 * which.median());
    if (which.bytes > 0) std::printf(" %13.2f%%", 100 * which.bytes / speed / which.median());
    std::printf("\n");
  }
  std::printf("a copy moves %.1f GB/s\n", speed / 1e9);
  std::fflush(stdout);
}

void operations(at::Device device, std::int64_t n, std::int64_t d, std::size_t repetitions) {
  const auto options = at::TensorOptions(device).dtype(at::kFloat);
  std::vector<at::Tensor> updates, layers;
  for (std::int64_t i = 0; i < n; ++i) {
    updates.push_back(at::randn({d}, options));
    layers.push_back(at::randn({100, 512}, options));
  }
  std::vector<TensorView> views, matrices;
  for (const at::Tensor& update : updates) views.push_back(torch_device_view(update));
  for (const at::Tensor& layer : layers) matrices.push_back(torch_device_view(layer));
  const at::Tensor out = at::empty_like(updates[0]), direction = at::empty_like(updates[0]);
  zeroth_order::InPlace descent;
  const auto mutable_out = MutableTensorView(torch_device_view(out));
  const std::vector<double> weights(static_cast<std::size_t>(n), 1.0 / static_cast<double>(n));
  const double vector = 4.0 * static_cast<double>(d), all = vector * static_cast<double>(n);
  const auto k = static_cast<std::size_t>(d / 10);
  std::vector<Case> cases{
      {"copy", 2 * vector, [&] { out.copy_(updates[0]); }},
      {"Gram: fedval (in double)", all, [&] { gram(views); }},
      {"Gram: stack, matmul (in float)", all,
       [&] {
         const at::Tensor panel = at::stack(updates);
         panel.matmul(panel.t()).cpu();
       }},
      {"psi: fedval (in double)", all, [&] { shapley::cosine_gradient(gram(views), weights); }},
      {"psi: cosine_similarity (in float)", all,
       [&] {
         const at::Tensor panel = at::stack(updates);
         const at::Tensor aggregate = (panel / panel.norm(2, 1, true)).mean(0, true);
         at::cosine_similarity(panel, aggregate).cpu();
       }},
      {"average: fedval (in double)", all + vector, [&] { combine(weights, views, 0, mutable_out); }},
      {"average: add_ (in float)", all + vector,
       [&] {
         out.zero_();
         for (std::size_t i = 0; i < updates.size(); ++i) out.add_(updates[i], weights[i]);
       }},
      {"top k of a tenth: fedval", vector, [&] { top_k_threshold(views[0], k); }},
      {"top k of a tenth: at::topk", vector,
       [&] { at::topk(updates[0].abs(), static_cast<std::int64_t>(k)); }},
      {"download of a tenth: fedval", 2 * vector,
       [&] { reward::sparsify(views[0], top_k_threshold(views[0], k), mutable_out); }},
      {"download of a tenth: topk, scatter_", 2 * vector,
       [&] {
         const at::Tensor kept = std::get<1>(at::topk(updates[0].abs(), static_cast<std::int64_t>(k)));
         out.zero_().scatter_(0, kept, updates[0].index_select(0, kept));
       }},
      {"Gaussian direction: fedval", vector,
       [&] {
         random::fill(random::Sequence{random::Law::gaussian, {1, 2}}, mutable_out);
       }},
      {"Gaussian direction: normal_", vector, [&] { out.normal_(); }},
      // There, across, and home with the step: each pass reads and writes the parameters.
      {"zeroth-order step: fedval", 6 * vector, [&] { descent([] { return 0.0; }, mutable_out); }},
      {"zeroth-order step: normal_, add_", 6 * vector,
       [&] {
         for (const double displacement : {1e-3, -2e-3, 1e-3}) out.add_(direction.normal_(), displacement);
       }},
      {"entropies of 100 x 512: fedval", 0, [&] { spectral::entropies(matrices); }},
      {"entropies of 100 x 512: eigvalsh", 0,
       [&] {
         const at::Tensor batch = at::stack(layers).to(at::kDouble);
         at::linalg_eigvalsh(batch.matmul(batch.transpose(1, 2))).cpu();
       }},
  };
  run(cases, repetitions, device);
  print(std::to_string(n) + " updates of " + std::to_string(d) + " floats on " + device.str(), cases);
}

/// Images and labels on the device, index_select for a batch, torch::optim::SGD.
void bare_epoch(MnistCnn& network, const at::Tensor& images, const at::Tensor& labels,
                std::int64_t batch_size) {
  torch::optim::SGD optimiser(network.parameters(), 0.01);
  const at::Tensor order = at::randperm(images.size(0), at::kLong).to(images.device());
  for (const at::Tensor& batch : order.split(batch_size)) {
    optimiser.zero_grad();
    at::cross_entropy_loss(network.forward(images.index_select(0, batch)), labels.index_select(0, batch))
        .backward();
    optimiser.step();
  }
}

void training(const std::string& name, at::Device device, std::size_t repetitions) {
  constexpr std::size_t images = 6000, batch_size = 64;
  const Dataset data = rendered_digits(1, images, 100);
  Settings settings;
  settings.device = name;
  settings.model.name = "mnist_cnn";
  settings.training = {.local_epochs = 1, .batch_size = batch_size, .learning_rate = 0.01};
  Indices all(images);
  std::iota(all.begin(), all.end(), std::size_t{0});
  Workers workers(1);
  Federation federation(settings, data, {all}, workers);
  MnistCnn bare(10);
  bare.to(device);
  const at::Tensor inputs = federation.batches().inputs(data.train, all),
                   labels = federation.batches().labels(data.train, all);
  std::atomic<std::size_t> counter;
  std::vector<Case> cases{
      {"copy of the images", 2 * 4 * static_cast<double>(inputs.numel()), [&] { inputs.clone(); }},
      {"epoch: fedval", 0,
       [&] {
         federation.train_all({{{0, 1}, federation.start()}}, 0, counter);
       }},
      {"epoch: bare loop", 0, [&] { bare_epoch(bare, inputs, labels, batch_size); }},
  };
  run(cases, repetitions, device);
  print("mnist_cnn on 6,000 images, batches of 64", cases);
}

}  // namespace

int main(int argc, char** argv) try {
  const std::string name = argc > 1 ? argv[1] : "cuda";
  const at::Device device = device_of(name);
  const std::int64_t clients = argc > 2 ? std::stol(argv[2]) : 10,
                     parameters = argc > 3 ? std::stol(argv[3]) : 10'000'000;
  const std::size_t repetitions = argc > 4 ? std::stoul(argv[4]) : 9;
  operations(device, clients, parameters, repetitions);
  training(name, device, repetitions);
} catch (const Error& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 2;
}
