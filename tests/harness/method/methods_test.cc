#include "harness/method/methods.hpp"

#include <ATen/ops/zeros.h>

#include "harness/attack/attack.hpp"
#include "harness/blackbox/runs.hpp"
#include "harness/data/registry.hpp"
#include "harness/method/readers.hpp"
#include "harness/model/network.hpp"
#include "harness/partition/partition.hpp"
#include "tests/harness/method/scene.hpp"

using namespace fedval;
using namespace fedval::harness;

TEST_CASE("FedAvg moves the server by the average weighted by data, and hands it to everyone") {
  Scene scene(1);
  const at::Tensor before = scene.models.server.clone();
  const auto method = make_method("fedavg", Settings{});
  method->step(scene.round, scene.models, scene.context);
  const at::Tensor expected = before + (scene.updates[0] + 2 * scene.updates[1] + 3 * scene.updates[2]) / 6;
  CHECK(distance(scene.models.server, expected) < 1e-5);
  for (const auto& [id, agent] : scene.models.agents) CHECK(agent.is_same(scene.models.server));
  CHECK(method->credit() == std::map<ClientId, double>{{1, 1 / 6.0}, {2, 2 / 6.0}, {3, 3 / 6.0}});
  CHECK(method->weights() == std::vector<double>{1 / 6.0, 2 / 6.0, 3 / 6.0});
}

TEST_CASE("SpectralFed averages with its states as weights") {
  Scene scene(2);
  const at::Tensor before = scene.models.server.clone();
  const auto method = make_method("spectral_fed", Settings{});
  method->step(scene.round, scene.models, scene.context);
  const std::map<ClientId, double> s = method->credit();
  const double sum = s.at(1) + s.at(2) + s.at(3);
  at::Tensor expected = before.clone();
  for (std::size_t i = 0; i < 3; ++i) {
    expected = expected + scene.updates[i] * (s.at(i + 1) / sum);
    CHECK(method->weights()[i] == doctest::Approx(s.at(i + 1) / sum).epsilon(1e-12));
  }
  CHECK(distance(scene.models.server, expected) < 1e-5);
  CHECK(method->take_notes().empty());
}

TEST_CASE("SpectralFed says when it falls to uniform weights") {
  Scene scene(2);
  Settings settings;
  settings.spectral_fed.momentum = 0;  // the state is the entropy of this round: zero
  for (at::Tensor& update : scene.updates) update.zero_();
  const auto method = make_method("spectral_fed", settings);
  method->step(scene.round, scene.models, scene.context);
  const std::vector<std::string> notes = method->take_notes();
  REQUIRE(notes.size() == 1);
  CHECK(notes[0].find("uniform") != std::string::npos);
  CHECK(method->take_notes().empty());
}

TEST_CASE(
    "CGSV: the server takes the whole aggregate, each agent its largest entries, own steps rolled back") {
  Scene scene(3);
  const at::Tensor before = scene.models.server.clone();
  Settings settings;
  settings.cgsv.beta = 0.5;
  const auto method = make_method("cgsv", settings);
  method->step(scene.round, scene.models, scene.context);

  at::Tensor aggregate = at::zeros({12}, at::kDouble);  // round 1: weights 1/N, uploads of norm Gamma = .5
  for (const at::Tensor& update : scene.updates) {
    const at::Tensor u = update.to(at::kDouble);
    aggregate = aggregate + u / u.norm() * (0.5 / 3);
  }
  CHECK(distance(scene.models.server.to(at::kDouble), before.to(at::kDouble) + aggregate) < 1e-5);

  std::vector<double> r;
  for (const auto& [id, importance] : method->credit()) r.push_back(importance);
  const double largest = std::max({r[0], r[1], r[2]});
  std::vector<double> gap;
  for (std::size_t i = 0; i < 3; ++i) {
    const auto quota =
        static_cast<std::int64_t>(std::floor(12 * std::tanh(0.5 * r[i]) / std::tanh(0.5 * largest)));
    const at::Tensor moved = scene.models.agents.at(i + 1) - before;
    CHECK(moved.count_nonzero().item().toLong() == quota);
    gap.push_back(distance(moved.to(at::kDouble), aggregate));
  }
  for (std::size_t i = 0; i < 3; ++i)  // Theorem 2
    for (std::size_t j = 0; j < 3; ++j)
      if (r[i] >= r[j]) CHECK(gap[i] <= gap[j] + 1e-6);
  CHECK_FALSE(scene.models.agents.at(1).is_same(scene.models.server));
}

TEST_CASE("CGSV says when nobody has a positive importance") {
  Scene scene(4);
  for (at::Tensor& update : scene.updates) update.zero_();
  const auto method = make_method("cgsv", Settings{});
  method->step(scene.round, scene.models, scene.context);
  const std::vector<std::string> notes = method->take_notes();
  REQUIRE(notes.size() == 1);
  CHECK(notes[0].find("uniform") != std::string::npos);
  CHECK(method->take_notes().empty());
}

TEST_CASE(
    "the settings accept exactly the methods, scores, attacks, partitions, data sets and models that there "
    "are") {
  const auto accepted = [](const std::string& setting, const auto& names) {
    for (const auto& name : names) {
      const auto at = setting.find('?');
      CHECK_NOTHROW(parse_settings(setting.substr(0, at) + std::string(name) + setting.substr(at + 1), "t"));
    }
    try {  // the refusal lists what is accepted, each in quotes
      parse_settings(setting, "t");
      FAIL("accepted ?");
    } catch (const Error& error) {
      const std::string text = error.what();
      std::size_t quotes = 0;
      for (const char c : text) quotes += c == '"';
      for (const auto& name : names) CHECK(text.find('"' + std::string(name) + '"') != std::string::npos);
      CHECK(quotes == 2 * (names.size() + 1));
    }
  };
  std::vector<std::string> methods = method_names();
  for (const std::string& name : distillation_names()) methods.push_back(name);
  accepted("[methods]\nrun = [\"?\"]", methods);
  accepted("[scores]\nread = [\"?\"]", reader_names());
  accepted("[attack]\nkinds = [\"?\"]", attack_kinds());
  accepted("[partition]\nkind = \"?\"", partition_names());
  accepted("[data]\nset = \"?\"", dataset_names());
  accepted("[model]\nname = \"?\"", model_names());
}

TEST_CASE("an unknown method is refused") {
  std::string known;
  for (const std::string& name : method_names()) known += (known.empty() ? "" : ", ") + name;
  CHECK_THROWS_WITH_AS(make_method("fedprox", Settings{}),
                       ("there is no method named \"fedprox\"; known: " + known).c_str(), fedval::Error);
  Settings settings;
  settings.scores.read = {"entropy"};
  CHECK_THROWS_WITH_AS(make_readers(settings), "there is no score named \"entropy\"", fedval::Error);
}

TEST_CASE("an agent that is away: in the next models, not in the weights; its credit stays") {
  for (const std::string& name : method_names()) {
    CAPTURE(name);
    Scene scene(5);
    const auto method = make_method(name, Settings{});
    method->step(scene.round, scene.models, scene.context);
    const auto all = method->credit();
    const at::Tensor own = scene.models.agents.at(2);
    const Round without = scene.of({1, 3});
    method->step(without, scene.models, scene.context);
    CHECK(method->weights().size() == 2);
    CHECK(method->weights()[0] + method->weights()[1] == doctest::Approx(1).epsilon(1e-12));
    CHECK(method->credit().size() == 3);
    const bool personal = name.starts_with("cgsv") || name == "cffl" || name == "rffl" || name == "shapfed";
    CHECK(scene.models.agents.at(2).is_same(personal ? own : scene.models.server));
    if (name == "fedavg") CHECK(method->credit() == all);
    if (name == "spectral_fed") CHECK(method->credit().at(2) == all.at(2));
  }
}

TEST_CASE(
    "saved and restored, every method and reader goes on with the same bits; another's text is refused") {
  for (const std::string& name : method_names()) {
    CAPTURE(name);
    Scene scene(6), next(7), again(7);
    const auto method = make_method(name, Settings{}), other = make_method(name, Settings{});
    method->step(scene.round, scene.models, scene.context);
    other->restore(method->save());
    CHECK(other->credit() == method->credit());
    method->step(next.round, next.models, next.context);
    other->step(again.round, again.models, again.context);
    CHECK(next.models.server.equal(again.models.server));
    CHECK(other->credit() == method->credit());
    CHECK(other->save() == method->save());
    for (const std::string& wrong : method_names())
      if (wrong != name) CHECK_THROWS_AS(make_method(wrong, Settings{})->restore(method->save()), Error);
  }
  Settings every;
  every.scores.read = reader_names();
  Readers readers = make_readers(every), others = make_readers(every);
  Scene scene(6), next(7);
  for (const auto& reader : readers) reader->observe(scene.round, scene.context);
  for (std::size_t i = 0; i < readers.size(); ++i) others[i]->restore(readers[i]->save());
  for (std::size_t i = 0; i < readers.size(); ++i) {
    const Scores left = readers[i]->observe(next.round, next.context),
                 right = others[i]->observe(next.round, next.context);
    CAPTURE(readers[i]->name());
    REQUIRE(left.size() == right.size());
    for (std::size_t k = 0; k < left.size(); ++k) CHECK(left[k].second.value == right[k].second.value);
  }
}
