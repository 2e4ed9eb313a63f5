// CFFL against a second implementation over rounds that agents come to and leave, a golden case, and removal.
#include "harness/method/cffl.hpp"

#include <ATen/ops/zeros.h>

#include <cmath>
#include <set>

#include "fedval/random/philox.hpp"
#include "tests/harness/method/scene.hpp"
#include "tests/support/complaint.hpp"
#include "tests/support/oracle.hpp"

using namespace fedval;
using namespace fedval::harness;
using tests::Values;

namespace {

Values values_of(const at::Tensor& tensor) {
  const at::Tensor dense = tensor.to(at::kDouble).contiguous();
  return {dense.data_ptr<double>(), dense.data_ptr<double>() + dense.numel()};
}

double far(const Values& a, const Values& b) {
  double most = 0;
  for (std::size_t k = 0; k < a.size(); ++k) most = std::max(most, std::abs(a[k] - b[k]));
  return most;
}

/// An accuracy that falls with the distance from all entries 1.
double accuracy(const Values& model) {
  double square = 0;
  for (const double value : model) square += (value - 1) * (value - 1);
  return 1 / (1 + square);
}

/// What stays of the k largest entries.
Values largest(const Values& values, std::size_t k) {
  Values result(values.size(), 0.0);
  for (const std::uint64_t i : tests::naive_top_k(values, k)) result[i] = values[i];
  return result;
}

/// The method as its header has it, one agent after the other.
struct Naive {
  CfflOptions options;
  Values server;
  std::map<int, Values> agents;
  std::map<int, double> c;  // of those that are in
  std::set<int> removed, uploaded;

  void step(const std::map<int, Values>& updates, std::size_t t) {
    const std::size_t D = server.size();
    std::map<int, Values> u;
    std::map<int, double> old, vacc;
    double known = 0, joined = 0, held = 0, all = 0, sum = 0;
    for (const auto& [id, value] : c) known += value;
    for (const auto& [id, dw] : updates) {
      if (!removed.contains(id)) {
        Values clipped = dw;
        for (double& value : clipped) value = std::clamp(value, -options.clip, options.clip);
        u[id] = largest(clipped, static_cast<std::size_t>(options.upload_share * static_cast<double>(D)));
        Values model = options.upload_share < 1 ? server : agents[id];
        for (std::size_t k = 0; k < D; ++k) model[k] += u[id][k];
        all += vacc[id] = accuracy(model);
        const double mean = c.empty() ? 0 : known / static_cast<double>(c.size());
        held += old[id] = c.contains(id) ? c.at(id) : mean;
        if (!c.contains(id)) joined += mean;
      }
      for (std::size_t k = 0; k < D; ++k) agents[id][k] += dw[k];
    }
    if (!c.empty())  // what newcomers have, everyone gives
      for (auto& [id, value] : old) value /= known + joined;
    held = c.empty() ? 1 : held / (known + joined);
    const double s = options.sharpness * (1 + static_cast<double>(t) / static_cast<double>(options.rounds));
    for (auto& [id, value] : old)
      sum += value = std::sinh(s * (options.memory * value + (1 - options.memory) * held * vacc[id] / all));
    for (const auto& [id, value] : old) c[id] = held * value / sum;
    scale();
    const double limit = options.threshold / static_cast<double>(c.size());
    uploaded.clear();
    for (const auto& [id, value] : old) {
      if (c.at(id) < limit) removed.insert(id);
      if (!removed.contains(id)) uploaded.insert(id);
    }
    for (const int id : removed) c.erase(id);
    scale();
    Values aggregate(D, 0.0);
    double most = 0;
    for (const int id : uploaded) {
      for (std::size_t k = 0; k < D; ++k) aggregate[k] += u[id][k];
      most = std::max(most, c.at(id));
    }
    for (const int id : uploaded) {
      Values others = aggregate;
      for (std::size_t k = 0; k < D; ++k) others[k] -= u[id][k];
      const Values reward =
          largest(others, static_cast<std::size_t>(c.at(id) / most * static_cast<double>(D)));
      for (std::size_t k = 0; k < D; ++k) agents[id][k] += reward[k];
    }
    for (std::size_t k = 0; k < D; ++k) server[k] += aggregate[k];
  }

  void scale() {
    double sum = 0;
    for (const auto& [id, value] : c) sum += value;
    for (auto& [id, value] : c) value /= sum;
  }
};

/// Agents a and b at zero, whose models' accuracies depend on where the first entry is.
struct Pair {
  const Values a{3, -0.5}, b{0.2, 0.8};
  Models models;
  Round round;
  FakeContext context;

  Pair(double good, double poor) : models{at::zeros({2}, at::kDouble), {}}, context(models.server) {
    models.agents = {{"a", models.server}, {"b", models.server}};
    round.add("a", {.update = a}, 1);
    round.add("b", {.update = b}, 3);
    context.tested = [=](const at::Tensor& model) {
      return Tested{model[0].item().toDouble() > 0.5 ? good : poor, 0};
    };
  }
};

}  // namespace

TEST_CASE("rounds that agents come to and leave are those of a second implementation") {
  std::size_t removals = 0;
  for (std::uint64_t seed = 1; seed <= 8; ++seed) {
    CAPTURE(seed);
    random::Stream stream(seed, 78);
    CfflOptions options{.upload_share = 0.5, .clip = 0.3, .memory = 0.7, .threshold = 0.6, .rounds = 12};
    if (seed % 2 == 0) options.upload_share = 1;
    Cffl method(options);
    Models models{at::zeros({9}, at::kDouble), {}};
    Naive naive{options, Values(9, 0.0), {}, {}, {}, {}};
    for (int id = 1; id <= 5; ++id) {
      models.agents.emplace(id, models.server);
      naive.agents[id] = Values(9, 0.0);
    }
    for (std::size_t t = 0; t < 12; ++t) {
      CAPTURE(t);
      std::map<int, Values> updates;
      for (int id = 1; id <= 5; ++id) {
        if (id > 1 && stream.below(4) == 0) continue;
        if (id == 5 && t < 5) continue;  // a newcomer
        Values update = tests::normals(stream, 9, 0.2);
        for (double& value : update) value += id == 3 ? -0.3 : 0.05;
        updates.emplace(id, update);
      }
      Round round;
      for (const auto& [id, update] : updates) round.add(id, {.update = update}, id);
      FakeContext context(models.server, 0.1, t);
      context.tested = [](const at::Tensor& model) { return Tested{accuracy(values_of(model)), 0}; };
      method.step(round, models, context);
      naive.step(updates, t);

      CHECK(far(values_of(models.server), naive.server) < 1e-12);
      for (const auto& [id, model] : naive.agents) CHECK(far(values_of(models.agents.at(id)), model) < 1e-12);
      std::size_t i = 0;
      for (const auto& [id, update] : updates) {
        CHECK(method.weights()[i++] ==
              (naive.uploaded.contains(id) ? 1 / static_cast<double>(naive.uploaded.size()) : 0));
        CHECK(std::abs(method.credit().at(id) - (naive.c.contains(id) ? naive.c.at(id) : 0)) < 1e-12);
      }
    }
    removals += naive.removed.size();
  }
  CHECK(removals >= 4);
}

TEST_CASE("two agents by hand: clipped, the larger half uploaded, the rest of the others' downloaded") {
  Pair pair(0.6, 0.2);
  Cffl method({.upload_share = 0.5, .clip = 1, .memory = 0.8, .rounds = 10});
  method.step(pair.round, pair.models, pair.context);
  // uploads (1, 0) and (0, .8), accuracies .6 and .2; c as sinh(5 * .2 * .75) : sinh(5 * .2 * .25)
  const double ratio = std::sinh(0.25) / std::sinh(0.75);
  CHECK(method.credit().at("a") == doctest::Approx(1 / (1 + ratio)).epsilon(1e-14));
  CHECK(method.credit().at("b") == doctest::Approx(ratio / (1 + ratio)).epsilon(1e-14));
  CHECK(far(values_of(pair.models.server), {1, 0.8}) < 1e-15);
  CHECK(far(values_of(pair.models.agents.at("a")), {3, 0.3}) < 1e-15);
  CHECK(far(values_of(pair.models.agents.at("b")), {0.2, 0.8}) < 1e-15);  // floor(2 * .31) = 0
  CHECK(method.weights() == Values{0.5, 0.5});
  CHECK(pair.context.validated == 2);
}

TEST_CASE("who is removed uploads no more, is tested no more, and trains on alone") {
  Pair pair(0.9, 0.02);
  Cffl method({.upload_share = 0.5, .clip = 1, .memory = 0.8, .rounds = 10});
  method.step(pair.round, pair.models, pair.context);
  const std::vector<std::string> notes = method.take_notes();
  REQUIRE(notes.size() == 1);
  CHECK(notes[0].starts_with("client b was removed: its reputation is 0.0"));
  CHECK(notes[0].ends_with(", must be at least 0.166667"));
  CHECK(values_of(pair.models.server) == Values{1, 0});
  CHECK(method.weights() == Values{1, 0});
  CHECK(method.credit() == std::map<ClientId, double>{{"a", 1}, {"b", 0}});

  Round only;
  only.add("b", {.update = pair.a}, 3);
  method.step(only, pair.models, pair.context);
  CHECK(pair.context.validated == 2);
  CHECK(values_of(pair.models.server) == Values{1, 0});
  CHECK(far(values_of(pair.models.agents.at("b")), {3.2, 0.3}) < 1e-15);
  CHECK(method.weights() == Values{0});
  CHECK(method.take_notes().size() == 1);
}

TEST_CASE("the sharpness grows with the round") {
  double before = 0;
  for (const std::size_t t : {0, 5, 10}) {
    Pair pair(0.6, 0.4);
    pair.context.number = t;
    Cffl method({.upload_share = 0.5, .clip = 1, .memory = 0.8, .rounds = 10});
    method.step(pair.round, pair.models, pair.context);
    const double s = 5 + 0.5 * static_cast<double>(t), ratio = std::sinh(s * 0.08) / std::sinh(s * 0.12);
    CHECK(method.credit().at("a") == doctest::Approx(1 / (1 + ratio)).epsilon(1e-14));
    CHECK(method.credit().at("a") > before);
    before = method.credit().at("a");
  }
}

TEST_CASE("updates of zero, accuracies of zero, one agent") {
  Scene scene(31, 3);
  for (at::Tensor& update : scene.updates) update.zero_();
  const Models before = copy_of(scene.models);
  Cffl method({});
  method.step(scene.round, scene.models, scene.context);
  check_same(scene.models, before);
  CHECK(method.credit().at(2) == doctest::Approx(1 / 3.0));
  CHECK(method.take_notes().empty());

  Pair pair(0, 0);
  Cffl poor({});
  poor.step(pair.round, pair.models, pair.context);
  CHECK(poor.credit() == std::map<ClientId, double>{{"a", 0.5}, {"b", 0.5}});
  CHECK(poor.take_notes() == std::vector<std::string>{"no upload had any accuracy, all get the same share"});

  Scene single(32, 1, at::kDouble);
  const at::Tensor own = single.models.server.add(single.updates[0]);
  Cffl alone({});
  alone.step(single.round, single.models, single.context);
  CHECK(single.models.agents.at(1).equal(own));  // there is nothing of others
  CHECK(alone.weights() == Values{1});
}

TEST_CASE("resumes, a removal included; any order of arrival; refusals leave all as it was") {
  const auto make = [] {
    return std::make_unique<Cffl>(CfflOptions{.upload_share = 1, .clip = 1, .threshold = 1});
  };
  check_resumes(make);
  check_any_order(make);
  check_refuses_without_update(make);
  CHECK_THROWS_AS(Cffl({}).restore(make()->save()), Error);

  Scene scene(33, 2);
  const Models before = copy_of(scene.models);
  Cffl method({});
  const std::string state = method.save();
  scene.updates[1][3] = std::nan("");
  CHECK_THROWS_AS(method.step(scene.round, scene.models, scene.context), Error);
  scene.updates[1][3] = 0;
  scene.context.tested = {};
  CHECK_THROWS_AS(method.step(scene.round, scene.models, scene.context), Error);
  check_same(scene.models, before);
  CHECK(method.save() == state);

  CHECK(tests::complaint_of([] { Cffl({.upload_share = 0}); }) ==
        "CFFL: upload_share is 0, must be in (0, 1]");
  CHECK(tests::complaint_of([] { Cffl({.clip = 0}); }) == "CFFL: clip is 0, must be above 0");
  CHECK(tests::complaint_of([] { Cffl({.memory = 1}); }) == "CFFL: memory is 1, must be in [0, 1)");
  CHECK(tests::complaint_of([] { Cffl({.sharpness = 301}); }) ==
        "CFFL: sharpness is 301, must be in (0, 300]");
  CHECK(tests::complaint_of([] { Cffl({.rounds = 0}); }) == "CFFL: rounds is 0, must be at least 1");
}
