// What attackers send where nothing is drawn, their names, what they train on, and that nothing is shared.
#include "harness/attack/attack.hpp"

#include <ATen/ops/cat.h>
#include <ATen/ops/ones.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>
#include <string>

#include "tests/doctest_torch.hpp"
#include "tests/harness/attack/scene.hpp"
#include "tests/support/complaint.hpp"

using namespace fedval;
using namespace fedval::harness;
using tests::complaint_of;

TEST_CASE("nothing, the last global update, poisoned training, minus u, and u on another scale") {
  Scene scene;
  CHECK(scene.sent("zero").count_nonzero().item().toLong() == 0);
  CHECK(scene.sent("replay").equal(scene.last_update));
  CHECK(scene.sent("label_flip").equal(scene.poisoned));
  CHECK(scene.sent("sign_flip").equal(-scene.own()));
  CHECK(scene.sent("rescale").equal(
      scene.own().to(at::kDouble).mul(2.5).to(at::kFloat)));  // rounded once, from the exact product
  scene.last_update = at::Tensor();
  CHECK(scene.sent("replay").count_nonzero().item().toLong() == 0);
}

TEST_CASE("copy: the update of whoever has the most among the others, with the attacker's own samples") {
  Scene scene;
  CHECK(scene.sent("copy").equal(scene.honest[0].update));  // as many as the last agent, which comes later
  scene.honest[3].samples = 41;
  CHECK(scene.sent("copy").equal(scene.honest[3].update));
  scene.honest[1].samples = 100;  // its own do not count
  CHECK(scene.sent("copy").equal(scene.honest[3].update));
  scene.attacker = 3;
  CHECK(scene.sent("copy").equal(scene.honest[1].update));
  scene.honest.erase(scene.honest.begin(), scene.honest.begin() + 3);
  scene.attacker = 0;  // alone
  CHECK(scene.sent("copy").count_nonzero().item().toLong() == 0);
}

TEST_CASE("overclaim: u, said to come from more samples than there are") {
  const Scene scene;
  const std::vector<Upload> uploads = scene.send("overclaim");
  REQUIRE(uploads.size() == 1);
  CHECK(uploads[0].id == 2);
  CHECK(uploads[0].update.equal(scene.own()));
  CHECK(uploads[0].samples == 2.5 * 30);
}

TEST_CASE("duplicate: u under two names, each with half of the samples") {
  const Scene scene;
  const std::vector<Upload> uploads = scene.send("duplicate");
  REQUIRE(uploads.size() == 2);
  CHECK(uploads[0].id == 2);
  CHECK(uploads[1].id == alias_of(2, 2));
  for (const Upload& upload : uploads) {
    CHECK(upload.update.equal(scene.own()));
    CHECK(upload.samples == 15);
  }
}

TEST_CASE("mixed replay: three parts of u's direction, seven of the last global update's, u's length") {
  Scene scene;
  const at::Tensor u = scene.own().to(at::kDouble), g = scene.last_update.to(at::kDouble);
  const at::Tensor mixture = u.mul(0.3 / length(u)).add(g, 0.7 / length(g));
  const at::Tensor sent = scene.sent("mixed_replay");
  CHECK(length(difference(sent, mixture.mul(length(u) / length(mixture)))) < 1e-6 * length(u));
  // Whatever the global update's length.
  scene.last_update = scene.last_update.mul(1024);
  CHECK(length(difference(sent, scene.sent("mixed_replay"))) < 1e-6 * length(u));
  for (const at::Tensor& nothing : {at::Tensor(), at::Tensor(scene.last_update.mul(0))}) {
    scene.last_update = nothing;
    CHECK(scene.sent("mixed_replay").equal(scene.own()));
  }
}

TEST_CASE("an agent that learned nothing: what is relative to its update is zero too") {
  Scene scene;
  scene.honest[1].update = at::Tensor(scene.own().mul(0));
  scene.poisoned = at::Tensor(scene.poisoned.mul(0));
  for (const std::string_view kind : attack_kinds()) {
    CAPTURE(kind);
    const bool taken = kind == "replay" || kind == "copy";
    for (const Upload& upload : scene.send(kind))
      CHECK((upload.update.count_nonzero().item().toLong() > 0) == taken);
  }
}

TEST_CASE("what is sent is its own: inputs stay, and no two tensors share memory") {
  Scene scene;
  // Views into larger vectors, as parameters in front of running statistics are.
  for (Upload& upload : scene.honest)
    upload.update = at::cat({upload.update, at::ones({3})}).narrow(0, 0, dimension);
  const auto inputs = [&] {
    std::vector<at::Tensor> all{scene.poisoned, scene.last_update};
    for (const Upload& upload : scene.honest) all.push_back(upload.update);
    return all;
  };
  std::vector<at::Tensor> before;
  for (const at::Tensor& input : inputs()) before.push_back(input.clone());
  for (const std::string_view kind : attack_kinds()) {
    CAPTURE(kind);
    std::set<const void*> storages;
    for (const at::Tensor& input : inputs()) storages.insert(input.storage().data());
    for (const Upload& upload : scene.send(kind)) {
      CHECK(storages.insert(upload.update.storage().data()).second);
      CHECK(upload.update.is_contiguous());
      upload.update.fill_(7);
    }
    for (std::size_t i = 0; i < before.size(); ++i) CHECK(inputs()[i].equal(before[i]));
  }
}

TEST_CASE("an update from poisoned training that is not finite is not hidden by the noise") {
  Scene scene;
  for (const float value : {std::nanf(""), std::numeric_limits<float>::infinity()}) {
    scene.poisoned = random_vector(20, 0.02);
    scene.poisoned[weight_begin + 5] = value;
    CHECK_FALSE(scene.sent("few_samples")[weight_begin + 5].isfinite().item().toBool());
    CHECK_FALSE(scene.sent("label_flip")[weight_begin + 5].isfinite().item().toBool());
  }
}

TEST_CASE("names made up lead back to who made them up, and are told apart") {
  std::set<std::string> names;
  for (const int agent : {1, 2, 10, 12, 1000})
    for (const std::size_t number : {2, 3, 12, 1000}) {
      const ClientId alias = alias_of(agent, number);
      CHECK(owner_of(alias) == agent);
      CHECK(alias != agent);
      CHECK(names.insert(alias.text()).second);
    }
  CHECK(alias_of(3, 2) == "3-2");
  CHECK(owner_of(17) == 17);
}

TEST_CASE("what attackers train on beside their examples: only they, each kind of training once") {
  CHECK(poison_of("label_flip") == Poison{.flipped = true});
  CHECK(poison_of("few_samples") == Poison{.examples = 10});
  CHECK(poison_of("spanned_few_samples") == Poison{.examples = 10});
  for (const std::string_view kind : attack_kinds())
    if (kind != "label_flip" && !kind.ends_with("few_samples")) CHECK(poison_of(kind) == Poison{});
  AttackSettings settings{.kinds = {"zero", "few_samples", "sybil", "label_flip", "few_samples"},
                          .agents = {3, 1}};
  const std::vector<Poison> both{Poison{.examples = 10}, Poison{.flipped = true}};
  CHECK((poisons_of(settings, 0) == both));
  CHECK(poisons_of(settings, 1).empty());
  CHECK((poisons_of(settings, 2) == both));
  settings.kinds = {"zero", "sybil"};
  CHECK(poisons_of(settings, 0).empty());
}

TEST_CASE("the settings accept exactly the kinds that there are; others are refused by name") {
  std::string known;
  for (const std::string_view kind : attack_kinds()) {
    CHECK_NOTHROW(parse_settings("[attack]\nkinds = [\"" + std::string(kind) + "\"]\nagents = [1]", "t"));
    known += (known.empty() ? "" : ", ") + std::string(kind);
  }
  // The refusal by the settings lists what they accept, each in quotes.
  const std::string refusal = complaint_of([] { parse_settings("[attack]\nkinds = [\"?\"]", "t"); });
  CHECK(std::ranges::count(refusal, '"') == static_cast<std::ptrdiff_t>(2 * (attack_kinds().size() + 1)));
  const Scene scene;
  const std::string message = "there is no attack named \"bribe\"; known: " + known;
  CHECK(complaint_of([&] { scene.send("bribe"); }) == message);
  CHECK(complaint_of([&] { poison_of("bribe"); }) == message);
  CHECK(complaint_of([&] { poisons_of({.kinds = {"bribe"}, .agents = {1}}, 0); }) == message);
}
