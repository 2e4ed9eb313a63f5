#include "harness/method/methods.hpp"

#include <ATen/ops/randn.h>
#include <ATen/ops/zeros.h>
#include <torch/utils.h>

#include "fedval/tensor/torch.hpp"
#include "harness/data/registry.hpp"
#include "harness/partition/partition.hpp"
#include "tests/doctest_torch.hpp"

using namespace fedval;
using namespace fedval::harness;

namespace {

/// Three clients with 1, 2 and 3 samples, updates of twelve entries whose last six are a 2 x 3 final weight.
struct Scene {
  std::vector<at::Tensor> updates;
  Round round;
  Models models;

  explicit Scene(std::uint64_t seed) {
    torch::manual_seed(seed);
    for (int i = 0; i < 3; ++i) updates.push_back(at::randn({12}).mul(i + 1));
    for (int i = 0; i < 3; ++i)
      round.add(i + 1,
                {.update = updates[static_cast<std::size_t>(i)],
                 .final_weight = updates[static_cast<std::size_t>(i)].narrow(0, 6, 6).view({2, 3})},
                i + 1);
    models.server = at::randn({12});
    models.agents.assign(3, models.server);
  }
};

double distance(const at::Tensor& a, const at::Tensor& b) { return (a - b).norm().item().toDouble(); }

}  // namespace

TEST_CASE("FedAvg moves the server by the average weighted by data, and hands it to everyone") {
  Scene scene(1);
  const at::Tensor before = scene.models.server.clone();
  const auto method = make_method("fedavg", Settings{});
  method->step(scene.round, scene.models);
  const at::Tensor expected = before + (scene.updates[0] + 2 * scene.updates[1] + 3 * scene.updates[2]) / 6;
  CHECK(distance(scene.models.server, expected) < 1e-5);
  for (const at::Tensor& agent : scene.models.agents) CHECK(agent.is_same(scene.models.server));
  CHECK(method->credit() == std::vector<double>{1 / 6.0, 2 / 6.0, 3 / 6.0});
}

TEST_CASE("SpectralFed averages with its states as weights") {
  Scene scene(2);
  const at::Tensor before = scene.models.server.clone();
  const auto method = make_method("spectral_fed", Settings{});
  method->step(scene.round, scene.models);
  const std::vector<double> s = method->credit();
  const double sum = s[0] + s[1] + s[2];
  at::Tensor expected = before.clone();
  for (std::size_t i = 0; i < 3; ++i) expected = expected + scene.updates[i] * (s[i] / sum);
  CHECK(distance(scene.models.server, expected) < 1e-5);
  CHECK(method->notes.empty());
}

TEST_CASE("SpectralFed says when it falls to uniform weights") {
  Scene scene(2);
  Settings settings;
  settings.spectral_fed.momentum = 0;  // the state is the entropy of this round: zero
  for (at::Tensor& update : scene.updates) update.zero_();
  const auto method = make_method("spectral_fed", settings);
  method->step(scene.round, scene.models);
  REQUIRE(method->notes.size() == 1);
  CHECK(method->notes[0].find("uniform") != std::string::npos);
}

TEST_CASE(
    "CGSV: the server takes the whole aggregate, each agent its largest entries, own steps rolled back") {
  Scene scene(3);
  const at::Tensor before = scene.models.server.clone();
  Settings settings;
  settings.cgsv.beta = 0.5;
  const auto method = make_method("cgsv", settings);
  method->step(scene.round, scene.models);

  at::Tensor aggregate = at::zeros({12}, at::kDouble);  // round 1: weights 1/N, uploads of norm Gamma = .5
  for (const at::Tensor& update : scene.updates) {
    const at::Tensor u = update.to(at::kDouble);
    aggregate = aggregate + u / u.norm() * (0.5 / 3);
  }
  CHECK(distance(scene.models.server.to(at::kDouble), before.to(at::kDouble) + aggregate) < 1e-5);

  const std::vector<double> r = method->credit();
  const double largest = std::max({r[0], r[1], r[2]});
  std::vector<double> gap;
  for (std::size_t i = 0; i < 3; ++i) {
    const auto quota =
        static_cast<std::int64_t>(std::floor(12 * std::tanh(0.5 * r[i]) / std::tanh(0.5 * largest)));
    const at::Tensor moved = scene.models.agents[i] - before;
    CHECK(moved.count_nonzero().item().toLong() == quota);
    gap.push_back(distance(moved.to(at::kDouble), aggregate));
  }
  for (std::size_t i = 0; i < 3; ++i)  // Theorem 2
    for (std::size_t j = 0; j < 3; ++j)
      if (r[i] >= r[j]) CHECK(gap[i] <= gap[j] + 1e-6);
  CHECK_FALSE(scene.models.agents[0].is_same(scene.models.server));
}

TEST_CASE("CGSV says when nobody has a positive importance") {
  Scene scene(4);
  for (at::Tensor& update : scene.updates) update.zero_();
  const auto method = make_method("cgsv", Settings{});
  method->step(scene.round, scene.models);
  REQUIRE(method->notes.size() == 1);
  CHECK(method->notes[0].find("uniform") != std::string::npos);
}

TEST_CASE("the settings accept exactly the methods, partitions and data sets that there are") {
  const auto accepted = [](const std::string& setting, const std::vector<std::string>& names) {
    std::string list;
    for (const std::string& name : names) {
      const auto at = setting.find('?');
      CHECK_NOTHROW(parse_settings(setting.substr(0, at) + name + setting.substr(at + 1), "t"));
    }
    try {  // the refusal lists what is accepted, each in quotes
      parse_settings(setting, "t");
      FAIL("accepted ?");
    } catch (const Error& error) {
      const std::string text = error.what();
      std::size_t quotes = 0;
      for (const char c : text) quotes += c == '"';
      for (const std::string& name : names) CHECK(text.find('"' + name + '"') != std::string::npos);
      CHECK(quotes == 2 * (names.size() + 1));
    }
  };
  accepted("[methods]\nrun = [\"?\"]", method_names());
  accepted("[partition]\nkind = \"?\"", partition_names());
  accepted("[data]\nset = \"?\"", dataset_names());
}

TEST_CASE("an unknown method is refused") {
  CHECK_THROWS_WITH_AS(make_method("fedprox", Settings{}),
                       "there is no method named \"fedprox\"; known: fedavg, cgsv, spectral_fed",
                       fedval::Error);
}
