// Batch normalisation: its running statistics are averaged with the method's weights, start the next round
// and are what a model is tested with.
#include <ATen/ops/cat.h>

#include "harness/federation/run.hpp"
#include "tests/doctest_torch.hpp"
#include "tests/harness/federation/small_federation.hpp"

using namespace fedval::harness;

namespace {

/// The smallest images that a ResNet takes: its last layers see one position, so that a batch of one cannot
/// be normalised in training mode.
Dataset tiny_images() {
  Dataset data;
  data.name = "tiny";
  data.classes = 2;
  data.shape = {.channels = 1, .height = 4, .width = 4};
  fedval::random::Stream draw(9);
  for (Examples* part : {&data.train, &data.test})
    for (int i = 0; i < 12; ++i) {
      for (int p = 0; p < 16; ++p) part->pixels.push_back(static_cast<std::uint8_t>(draw.below(256)));
      part->labels.push_back(static_cast<std::uint8_t>(i % 2));
    }
  return data;
}

Settings resnet_settings() {
  Settings settings;
  settings.model = {.name = "resnet18"};
  settings.training = {.rounds = 2, .local_epochs = 1, .batch_size = 4, .learning_rate = 0.01};
  settings.evaluation = {.test_samples = 1, .every = 100};
  return settings;
}

double largest(const at::Tensor& tensor) { return tensor.abs().max().item().toDouble(); }

}  // namespace

TEST_CASE("running statistics: averaged by data size under FedAvg, and trained from in the next round") {
  const Dataset data = tiny_images();
  const Settings settings = resnet_settings();
  const Shards shards{{0, 1, 2, 3}, {4, 5, 6, 7, 8, 9, 10, 11}};
  SmallFederation scene(settings, 1, data, shards);
  Federation& federation = scene.federation;
  REQUIRE(federation.buffers() > 0);
  const auto run = scene.run("fedavg");
  at::Tensor state = federation.start();
  for (std::size_t t = 0; t < 2; ++t) {
    const auto reached = federation.train_all({{{0, 1}, state}, {{1, 1}, state}}, t, scene.steps);
    const RoundRecord record = run->next(scene.steps);
    CHECK(record.refused.empty());
    // Parameters and statistics alike: a third of the first agent's and two of the second's.
    const at::Tensor expected = reached[0] / 3 + reached[1] * (2.0 / 3);
    const KeptModels kept = kept_by(*run);
    const at::Tensor buffers = expected.narrow(0, federation.dimension(), federation.buffers());
    const at::Tensor before = state.narrow(0, federation.dimension(), federation.buffers());
    CHECK(largest(buffers - before) > 1e-3);
    CHECK(largest(kept.buffers - buffers) < 1e-5);
    CHECK(largest(kept.server - expected.narrow(0, 0, federation.dimension())) < 1e-5);
    state = at::cat({kept.server, kept.buffers});
  }
  // In training mode the test of a single image would be refused, so this is evaluation mode.
  const RunResult result = run->finish();
  FlatNetwork network = make_network(settings.model, data.shape, data.classes, settings.seed);
  network.state().copy_(state);
  network.train(false);
  const at::NoGradGuard no_grad;
  const Batches batches(data.shape, normalisation_of(data.train, data.shape));
  const std::vector<std::size_t> one{0};
  const bool right =
      network.forward(batches.inputs(data.test, one)).argmax(1).item().toLong() == data.test.labels[0];
  CHECK(result.server_accuracy == (right ? 1 : 0));
  CHECK(result.agent_accuracy == std::vector<double>(2, result.server_accuracy));
}
