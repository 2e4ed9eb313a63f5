// The harness on a pretended GPU: that nothing but the device touches the device's memory, and how little of
// it comes to the host.
#include "tests/harness/device/pretended_gpu.hpp"

#include <numeric>
#include <utility>

#include "harness/federation/training.hpp"
#include "harness/model/network.hpp"
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

TEST_CASE("a pretended GPU: small models start and learn as on the CPU" * unlike) {
  for (const char* model : {"mnist_cnn", "mlp", "small_cnn", "text_cnn"})
    check_step(model, examples_for(model));
}

TEST_CASE(
    "a pretended GPU: directions have the host's bits, and a descent in place ends where the host's does" *
    unlike) {
  check_descent();
}

TEST_CASE("a pretended GPU: every method and score as on the CPU, the same bits twice, and resumable" *
          unlike) {
  for (const std::string& method : method_names()) check_run(method);
}

TEST_CASE("a pretended GPU: what comes to the host does not grow with the model" * unlike) {
  for (const std::size_t agents : {3, 6}) {
    CAPTURE(agents);
    // Whether an update is finite, how long it is and how much of the step; N x N inner products; ten
    // singular values an update. An update itself is not among them.
    const std::size_t averaged = bytes_to_host("fedavg", {}, agents);
    CHECK(averaged <= agents * 45 + 40);
    const std::size_t scored = bytes_to_host("fedavg", {"cgsv", "spectral_fed"}, agents);
    CHECK(scored - averaged <= agents * agents * 8 + agents * 88);
    MESSAGE(agents << " agents; to the host in a round: " << averaged << " bytes under fedavg, "
                   << scored - averaged << " more for CGSV and SpectralFed");
  }
}

TEST_CASE("a pretended GPU: of a test by class a count of each comes to the host, of all examples one" *
          unlike) {
  const Dataset& data = digits();
  const Normalisation normalisation = normalisation_of(data.train, data.shape);
  const auto on = [&](const char* device, std::size_t examples, std::size_t classes) {
    Batches batches(data.shape, normalisation, device_of(device));
    batches.keep(data.test);
    FlatNetwork network = make_network({.name = "mlp"}, data.shape, data.classes, 1, device_of(device));
    std::vector<std::size_t> first(examples);
    std::iota(first.begin(), first.end(), std::size_t{0});
    const std::size_t before = traffic().to_host;
    const Counted counted = harness::test(network, batches, data.test, first, classes);
    return std::pair(counted.correct, traffic().to_host - before);
  };
  for (const std::size_t classes : {std::size_t{1}, data.classes}) {
    const auto [few, bytes_of_few] = on("cuda", 10, classes);
    const auto [many, bytes_of_many] = on("cuda", 200, classes);
    CHECK(bytes_of_few == classes * 8 + 4);  // and the loss
    CHECK(bytes_of_many == bytes_of_few);
    CHECK(few == on("cpu", 10, classes).first);
    CHECK(many == on("cpu", 200, classes).first);
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
      CHECK(bytes <= averaged + agents * agents * 8 + agents * 36 + 16);
    }
  }
}
