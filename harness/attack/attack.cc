#include "harness/attack/attack.hpp"

#include <ATen/ops/empty_like.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>
#include <array>
#include <cstdint>

#include "fedval/error.hpp"
#include "fedval/random/fill.hpp"
#include "fedval/tensor/operations.hpp"
#include "fedval/tensor/torch.hpp"
#include "harness/attack/adaptive.hpp"
#include "harness/attack/forging.hpp"

namespace fedval::harness {

namespace {

using at::Tensor;
using random::Law;

template <Law law>
Updates noise_alone(const Situation& s, const AttackSettings& settings) {
  return {noise(law, s, own_update(s), settings.noise * length(own_update(s)))};
}

Updates zero(const Situation& s, const AttackSettings&) { return {at::zeros_like(own_update(s))}; }

Updates replay(const Situation& s, const AttackSettings& settings) {
  return s.last_update.defined() ? Updates{s.last_update.clone()} : zero(s, settings);
}

Updates poisoned(const Situation& s, const AttackSettings&) { return {s.poisoned.clone()}; }

Updates sign_flip(const Situation& s, const AttackSettings&) { return {own_update(s).neg()}; }

Updates sign_random(const Situation& s, const AttackSettings&) {
  Tensor signs = at::empty_like(own_update(s));
  random::fill({Law::rademacher, s.draws}, signs);
  return {signs.mul_(own_update(s))};
}

Updates rescale(const Situation& s, const AttackSettings& settings) {
  Tensor sent = own_update(s).clone();
  scale(settings.factor, sent);
  return {sent};
}

Updates honest(const Situation& s, const AttackSettings&) { return {own_update(s).clone()}; }

Updates duplicate(const Situation& s, const AttackSettings&) {
  return {own_update(s).clone(), own_update(s).clone()};
}

/// The agent with the most samples among the others, the first of equals; the attacker where it is alone.
std::size_t largest_other(std::span<const double> samples, std::size_t attacker) {
  std::size_t largest = attacker;
  for (std::size_t i = 0; i < samples.size(); ++i)
    if (i != attacker && (largest == attacker || samples[i] > samples[largest])) largest = i;
  return largest;
}

Updates copy(const Situation& s, const AttackSettings& settings) {
  std::vector<double> samples;
  for (const Upload& each : s.honest) samples.push_back(each.samples);
  const std::size_t largest = largest_other(samples, s.attacker);
  return largest != s.attacker ? Updates{s.honest[largest].update.clone()} : zero(s, settings);
}

Updates sybil(const Situation& s, const AttackSettings& settings) { return sybils(s, settings, 0.94); }

Updates with_noisy_final_weight(const Tensor& update, const Situation& s, const AttackSettings& settings) {
  const Tensor sent = update.clone(), weight = s.network.final_weight(sent);
  weight.add_(noise(Law::gaussian, s, weight, settings.noise * length(weight)));
  return {sent};
}

Updates inflate(const Situation& s, const AttackSettings& settings) {
  return with_noisy_final_weight(own_update(s), s, settings);
}

Updates few_samples(const Situation& s, const AttackSettings& settings) {
  return with_noisy_final_weight(s.poisoned, s, settings);
}

Updates mixed_replay(const Situation& s, const AttackSettings&) {
  const Tensor &u = own_update(s), &g = s.last_update;
  Tensor sent = u.clone();
  const double own = length(u), global = g.defined() ? length(g) : 0;
  if (own > 0 && global > 0) {
    sent.zero_();
    axpy(0.3 / own, u, sent);
    axpy(0.7 / global, g, sent);
    scale(own / length(sent), sent);
  }
  return {sent};
}

struct Kind {
  std::string_view name;
  Updates (*updates)(const Situation&, const AttackSettings&);  // the first one under the attacker's own name
  Poison poison = {};
  bool overclaims = false;  // says that it has more samples than it has
};

constexpr std::array kinds{
    Kind{"uniform_noise", noise_alone<Law::uniform>},
    Kind{"gaussian_noise", noise_alone<Law::gaussian>},
    Kind{"zero", zero},
    Kind{"replay", replay},
    Kind{"label_flip", poisoned, {.flipped = true}},
    Kind{"sign_flip", sign_flip},
    Kind{"sign_random", sign_random},
    Kind{"rescale", rescale},
    Kind{"overclaim", honest, {}, true},
    Kind{"duplicate", duplicate},
    Kind{"copy", copy},
    Kind{"sybil", sybil},
    Kind{"inflate", inflate},
    Kind{"mixed_replay", mixed_replay},
    Kind{"few_samples", few_samples, {.examples = 10}},
    Kind{"spanned_noise", spanned_noise},
    Kind{"spanned_few_samples", spanned_few_samples, {.examples = 10}},
    Kind{"flatten", flatten},
    Kind{"loose_sybil", loose_sybil},
    Kind{"spanned_sybil", spanned_sybil},
    Kind{"whitened_replay", whitened_replay},
    Kind{"forge", forge_update},
    Kind{"collusion", collusion},
};

constexpr auto names = [] {
  std::array<std::string_view, kinds.size()> all;
  std::ranges::transform(kinds, all.begin(), &Kind::name);
  return all;
}();

const Kind& find(std::string_view name) {
  const auto place = std::ranges::find(kinds, name, &Kind::name);
  if (place != kinds.end()) return *place;
  std::string known;
  for (const Kind& kind : kinds) known += (known.empty() ? "" : ", ") + std::string(kind.name);
  fail("there is no attack named \"", name, "\"; known: ", known);
}

}  // namespace

std::span<const std::string_view> attack_kinds() { return names; }

Poison poison_of(std::string_view kind) { return find(kind).poison; }

std::vector<Poison> poisons_of(const AttackSettings& settings, std::size_t agent) {
  std::vector<Poison> poisons;
  if (std::ranges::count(settings.agents, agent + 1) == 0) return poisons;
  for (const std::string& kind : settings.kinds)
    if (const Poison poison = poison_of(kind); poison != Poison{} && std::ranges::count(poisons, poison) == 0)
      poisons.push_back(poison);
  return poisons;
}

ClientId alias_of(const ClientId& attacker, std::size_t number) {
  return attacker.text() + "-" + std::to_string(number);
}

ClientId owner_of(const ClientId& name) { return name.text().substr(0, name.text().find('-')); }

std::vector<std::size_t> read_by(std::string_view kind, std::span<const double> samples,
                                 std::size_t attacker) {
  if (find(kind).updates != copy) return {attacker};
  return {attacker, largest_other(samples, attacker)};
}

std::vector<Upload> forge(std::string_view kind, const Situation& situation, const AttackSettings& settings) {
  const Upload& own = situation.honest[situation.attacker];
  const Kind& way = find(kind);
  const Updates updates = way.updates(situation, settings);
  const double samples = own.samples * (way.overclaims ? settings.factor : 1);
  std::vector<Upload> uploads;
  for (const Tensor& update : updates)
    uploads.push_back({uploads.empty() ? own.id : alias_of(own.id, uploads.size() + 1), update,
                       samples / static_cast<double>(updates.size())});
  return uploads;
}

}  // namespace fedval::harness
