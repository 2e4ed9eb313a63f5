// The same federations on the CPU and on a GPU, and what must then be alike.
#pragma once

#include <ATen/ops/allclose.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "fedval/random/fill.hpp"
#include "fedval/tensor/torch.hpp"
#include "fedval/zeroth_order/in_place.hpp"
#include "harness/blackbox/runs.hpp"
#include "harness/data/held_out.hpp"
#include "harness/data/sentences.hpp"
#include "harness/model/device.hpp"
#include "tests/doctest_torch.hpp"
#include "tests/harness/blackbox/scene.hpp"
#include "tests/harness/federation/small_federation.hpp"

namespace fedval::harness {

inline const Dataset& digits_with_held_out() {
  static const Dataset data = [] {
    Dataset all = digits();
    set_aside(all, 40, 1);
    return all;
  }();
  return data;
}

/// The digits as colour pictures of 32 x 32 pixels.
inline const Dataset& coloured_digits() {
  static const Dataset data = [] {
    Dataset all = digits();
    constexpr std::size_t side = 28, wide = 32, border = (wide - side) / 2;
    for (Examples* part : {&all.train, &all.test}) {
      std::vector<std::uint8_t> pixels(part->size() * 3 * wide * wide);
      for (std::size_t k = 0; k < part->pixels.size(); ++k) {
        const std::size_t example = k / (side * side), y = k / side % side, x = k % side;
        for (std::size_t channel = 0; channel < 3; ++channel)
          pixels[((3 * example + channel) * wide + y + border) * wide + x + border] =
              static_cast<std::uint8_t>(part->pixels[k] >> channel);
      }
      part->pixels = std::move(pixels);
    }
    all.shape = {3, wide, wide};
    return all;
  }();
  return data;
}

/// Examples that a model takes.
inline const Dataset& examples_for(std::string_view model) {
  static const Dataset sentences = made_sentences(1, 400, 200);
  if (model == "text_cnn") return sentences;
  const bool coloured = model == "cifar_cnn" || model == "tf_cnn" || model == "vit_b16";
  return coloured ? coloured_digits() : digits();
}

/// A federation on a device, and its runs.
struct OnDevice {
  OnDevice(Settings settings, const std::string& device, std::size_t threads = 1,
           const Dataset& data = digits_with_held_out())
      : scene((settings.device = device, settings), threads, data) {}

  std::unique_ptr<MethodRun> run(const std::string& method) {
    if (distils(method)) return make_distillation_run(method, scene.federation);
    return scene.run(method);
  }

  /// As it is saved after so many rounds.
  std::string saved(MethodRun& run, std::size_t rounds) {
    while (run.rounds() < rounds) records.push_back(run.next(scene.steps));
    Archive writer;
    run.fields(writer);
    return writer.bytes();
  }

  SmallFederation scene;
  std::vector<RoundRecord> records;
};

inline at::Tensor server_in(MethodRun& run) {
  Run* const steering = dynamic_cast<Run*>(&run);
  return steering != nullptr ? kept_by(*steering).server : server_of(run);
}

inline Settings device_settings(const std::string& method) {
  Settings settings = distils(method) ? black_box_settings() : small_settings();
  settings.training.rounds = 2;
  settings.scores.read = reader_names();
  settings.cffl.threshold = 0;
  return settings;
}

/// Of two tensors, as a share of how far the second has come from `start`.
inline double distance(const at::Tensor& one, const at::Tensor& two, const at::Tensor& start) {
  return (one.sub(two).norm() / two.sub(start).norm()).item().toDouble();
}

/// Rounding differs, training multiplies it; nothing else does.
constexpr double alike = 1e-2;

inline void check_scores(const RoundRecord& there, const RoundRecord& here) {
  REQUIRE(there.readers.size() == here.readers.size());
  for (std::size_t reader = 0; reader < here.readers.size(); ++reader) {
    const Scores &found = there.readers[reader].scores, &expected = here.readers[reader].scores;
    CAPTURE(here.readers[reader].name);
    REQUIRE(found.size() == expected.size());
    double scale = 0;
    for (const auto& [id, score] : expected) scale = std::max(scale, std::abs(score.value));
    for (std::size_t i = 0; i < expected.size(); ++i) {
      CHECK(found[i].first == expected[i].first);
      CHECK(std::abs(found[i].second.value - expected[i].second.value) <= alike * scale);
    }
  }
}

/// A run on the GPU does what it does on the CPU; twice the same bits, with any number of workers; and goes
/// on from what it has saved.
inline void check_run(const std::string& method) {
  CAPTURE(method);
  const Settings settings = device_settings(method);
  OnDevice here(settings, "cpu"), there(settings, "cuda"), again(settings, "cuda", 3);
  const auto cpu = here.run(method), gpu = there.run(method), second = again.run(method);
  const std::string one = there.saved(*gpu, 1);
  CHECK(server_in(*gpu).is_cpu());  // an archive is read by whoever wants to
  here.saved(*cpu, 1);
  check_scores(there.records[0], here.records[0]);

  const auto resumed = there.run(method);
  Archive reader(one, "one round", there.scene.federation.device());
  resumed->fields(reader);
  reader.end();
  there.saved(*gpu, 2);
  here.saved(*cpu, 2);
  const at::Tensor server = server_in(*gpu);
  const at::Tensor start = here.scene.federation.start().narrow(0, 0, here.scene.federation.dimension());
  CHECK(distance(server, server_in(*cpu), start) < alike);
  there.saved(*resumed, 2);
  CHECK(server_in(*resumed).equal(server));
  again.saved(*second, 2);
  CHECK(server_in(*second).equal(server));

  const RunResult found = gpu->finish(), expected = cpu->finish();
  CHECK(found.notes == expected.notes);
  REQUIRE(found.agent_loss.size() == expected.agent_loss.size());
  for (std::size_t agent = 0; agent < expected.agent_loss.size(); ++agent)
    CHECK(found.agent_loss[agent] == doctest::Approx(expected.agent_loss[agent]).epsilon(alike));
}

/// A network starts with the same numbers, and learns the same in a step, whatever the model.
inline void check_step(const std::string& model, const Dataset& data) {
  CAPTURE(model);
  Settings settings = small_settings(model);
  settings.training = {.rounds = 1, .local_epochs = 1, .batch_size = 16, .learning_rate = 0.01};
  OnDevice here(settings, "cpu", 1, data), there(settings, "cuda", 1, data);
  const at::Tensor start = here.scene.federation.start();
  CHECK(there.scene.federation.start().is_cuda());
  CHECK(there.scene.federation.start().cpu().equal(start));
  const auto reached = [&](OnDevice& one) {
    return one.scene.federation
        .train_all({{{0, 1e-9}, one.scene.federation.start()}}, 0,
                   one.scene.steps)[0]  // one batch
        .cpu();
  };
  CHECK(distance(reached(there), reached(here), start) < alike);
  const Tested found = there.scene.federation.test({there.scene.federation.start()})[0],
               expected = here.scene.federation.test({start})[0];
  CHECK(found.loss == doctest::Approx(expected.loss).epsilon(1e-4));
}

/// Batches have the host's bits, of examples that the device keeps and of others.
inline void check_batches(const Dataset& data) {
  const Normalisation normalisation = normalisation_of(data.train, data.shape);
  const Batches here(data.shape, normalisation);
  Batches there(data.shape, normalisation, device_of("cuda"));
  there.keep(data.train);
  const std::vector<std::size_t> chosen{7, 0, 3, 7};
  for (const Examples* part : {&data.train, &data.test}) {
    const at::Tensor found = there.inputs(*part, chosen), labels = there.labels(*part, chosen);
    CHECK(found.is_cuda());
    CHECK(labels.is_cuda());
    CHECK(found.cpu().equal(here.inputs(*part, chosen)));
    CHECK(labels.cpu().equal(here.labels(*part, chosen)));
  }
  CHECK(there.inputs(data.train, {}).size(0) == 0);
  if (data.shape.is_text()) return;
  const at::Tensor images = here.inputs(data.test, chosen).mul(0.1);
  CHECK(there.normalised(images.to(device_of("cuda"))).cpu().equal(here.normalised(images)));
}

/// Directions drawn there have the host's bits, and a descent in place ends where the host's does.
inline void check_descent() {
  using namespace zeroth_order;
  for (const random::Law law :
       {random::Law::gaussian, random::Law::rademacher, random::Law::uniform, random::Law::laplace}) {
    const at::Tensor here = at::zeros({1000}), there = here.to(device_of("cuda"));
    random::fill({law, {1, 2}}, here);
    random::fill({law, {1, 2}}, there);
    CHECK(there.is_cuda());
    CHECK(there.cpu().equal(here));
  }
  const at::Tensor start = at::arange(1000, at::kDouble).mul(1e-3);
  for (const Directions& law : {gaussian(2), rademacher(2), sphere(2), l1_sphere(2), hadamard(2)}) {
    CAPTURE(law.name);
    const auto descended = [&](at::Tensor x) {
      InPlace descent({.directions = law, .smoothing = 0.1, .rate = 1e-3, .seed = 5});
      double calls = 0;
      for (int t = 0; t < 3; ++t) descent([&] { return std::sin(++calls); }, x);
      return x.cpu();
    };
    const at::Tensor here = descended(start.clone()), there = descended(start.to(device_of("cuda")));
    CHECK_FALSE(at::allclose(here, start, 1e-6, 1e-6));
    CHECK(at::allclose(there, here, 1e-12, 1e-12));
  }
}

}  // namespace fedval::harness
