// The harness on a GPU beside the CPU; skipped where there is none.
#include <torch/cuda.h>

#include "tests/harness/device/on_device.hpp"

using namespace fedval::harness;

namespace {

const auto without_gpu = doctest::skip(!torch::cuda::is_available());

}  // namespace

TEST_CASE("a GPU: batches have the host's bits" * without_gpu) {
  check_batches(digits());
  check_batches(made_sentences(1, 40, 10));
}

TEST_CASE("a GPU: every model starts and learns as on the CPU" * without_gpu) {
  for (const std::string_view model : model_names()) check_step(std::string(model), examples_for(model));
}

TEST_CASE("a GPU: directions have the host's bits, and a descent in place ends where the host's does" *
          without_gpu) {
  check_descent();
}

TEST_CASE(
    "a GPU: every method and score as on the CPU, the same bits twice, "
    "and resumable" *
    without_gpu) {
  for (const std::string& method : method_names()) check_run(method);
  for (const std::string& method : distillation_names()) check_run(method);
}
