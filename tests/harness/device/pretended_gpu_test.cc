// The harness on a pretended GPU: that nothing but the device touches the device's memory, and how little of
// it comes to the host.
#include "tests/harness/device/pretended_gpu.hpp"
#include "tests/harness/device/on_device.hpp"
#include "tests/support/complaint.hpp"

using namespace fedval;
using namespace fedval::harness;
using tests::complaint_of, tests::traffic;

namespace {

const auto unlike = doctest::skip(!tests::gpu_can_be_pretended);

/// Bytes that come to the host in a round of a method, with these scores beside it; the second, in which all
/// is known that is needed once.
std::size_t bytes_to_host(const std::string& method, std::vector<std::string> scores, std::size_t agents) {
  Settings settings = small_settings();
  settings.partition = {.kind = "pow", .agents = agents, .samples_per_agent = 20};
  settings.training.rounds = 3;
  settings.evaluation.every = 3;
  settings.scores.read = std::move(scores);
  OnDevice scene(settings, "cuda");
  const auto run = scene.run(method);
  run->next(scene.scene.steps);
  const std::size_t before = traffic().to_host;
  run->next(scene.scene.steps);
  return traffic().to_host - before;
}

}  // namespace

TEST_CASE("a pretended GPU: one device, and no other" * unlike) {
  CHECK(device_of("cuda") == at::Device(at::kCUDA, 0));
  CHECK(device_of("cuda:0") == at::Device(at::kCUDA, 0));
  CHECK(complaint_of([] { device_of("cuda:1"); }) == "device is \"cuda:1\", but LibTorch finds 1 GPU here");
}

TEST_CASE("a pretended GPU: batches have the host's bits" * unlike) {
  check_batches(digits());
  check_batches(made_sentences(1, 40, 10));
}

TEST_CASE("a pretended GPU: every model starts and learns as on the CPU" * unlike) {
  for (const char* model : {"mnist_cnn", "mlp", "small_cnn"}) check_step(model, digits());
  check_step("text_cnn", made_sentences(1, 400, 200));
}

TEST_CASE("a pretended GPU: every method and score as on the CPU, the same bits twice, and resumable" *
          unlike) {
  for (const std::string& method : method_names()) check_run(method);
}

TEST_CASE("a pretended GPU: what comes to the host does not grow with the model" * unlike) {
  for (const std::size_t agents : {3, 6}) {
    CAPTURE(agents);
    // Whether an update is finite and how much of the step it is; N x N inner products; ten singular values
    // an update. An update itself is not among them.
    const std::size_t averaged = bytes_to_host("fedavg", {}, agents);
    CHECK(averaged <= agents * 48 + 64);
    const std::size_t scored = bytes_to_host("fedavg", {"cgsv", "spectral_fed"}, agents);
    CHECK(scored - averaged <= 2 * agents * agents * 8 + agents * 128 + 64);
    MESSAGE(agents << " agents; to the host in a round: " << averaged << " bytes under fedavg, "
                   << scored - averaged << " more for CGSV and SpectralFed");
  }
}

TEST_CASE("a pretended GPU: agents' downloads stay there, whatever the model's size" * unlike) {
  for (const std::size_t agents : {3, 6}) {
    CAPTURE(agents);
    // Beside what FedAvg needs: N x N inner products, and of each download its threshold and how many entries
    // are above it and equal to it.
    const std::size_t averaged = bytes_to_host("fedavg", {}, agents);
    for (const std::string method : {"cgsv", "rffl"}) {
      CAPTURE(method);
      const std::size_t bytes = bytes_to_host(method, {}, agents);
      MESSAGE(agents << " agents; to the host in a round: " << bytes << " bytes under " << method);
      CHECK(bytes <= averaged + 2 * agents * agents * 8 + agents * 160 + 256);
    }
  }
}
