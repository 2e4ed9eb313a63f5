#include "harness/method/fedopt.hpp"

#include <ATen/ops/empty_like.h>
#include <ATen/ops/full_like.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "fedval/tensor/operations.hpp"
#include "fedval/tensor/torch.hpp"
#include "harness/checkpoint/archive.hpp"
#include "harness/distributed/sliced.hpp"
#include "harness/method/averaging.hpp"

namespace fedval::harness {

namespace {

/// Error unless what was saved is the object's own.
template <class T>
void option(Archive& archive, std::string_view name, T value) {
  T saved = value;
  archive.field(name, saved);
  if (saved != value) fail("state of FedOpt: saved with another ", name);
}

}  // namespace

FedOpt::FedOpt(const FedOptSettings& settings) : settings_(settings) {
  constexpr std::array<std::string_view, 4> optimisers{"adam", "yogi", "adagrad", "momentum"};
  if (std::ranges::find(optimisers, settings.optimiser) == optimisers.end())
    fail("FedOpt: the optimiser is \"", settings.optimiser, "\", must be adam, yogi, adagrad or momentum");
  if (!(settings.learning_rate > 0 && std::isfinite(settings.learning_rate)))
    fail("FedOpt: the learning rate is ", settings.learning_rate, ", must be finite and above 0");
  for (const auto& [name, beta] : {std::pair("beta1", settings.beta1), std::pair("beta2", settings.beta2)})
    if (!(beta >= 0 && beta < 1)) fail("FedOpt: ", name, " is ", beta, ", must be in [0, 1)");
  constexpr double least = std::numeric_limits<float>::min(), most = std::numeric_limits<float>::max();
  if (!(settings.tau >= least && settings.tau <= most))
    fail("FedOpt: tau is ", settings.tau, ", must be in [", least, ", ", most, "]");
}

void FedOpt::advance(State& state, const at::Tensor& delta) const {
  const bool adaptive = settings_.optimiser != "momentum";
  const double beta1 = settings_.beta1, beta2 = settings_.beta2;
  if (!state.m.defined()) {
    state.m = at::zeros_like(delta);
    if (adaptive) state.root = at::full_like(delta, settings_.tau);
  }
  state.m = state.m.to(delta.device()).mul(beta1).add_(delta, adaptive ? 1 - beta1 : 1);
  if (!adaptive) return;
  const at::Tensor v = state.root.to(delta.device(), at::kDouble).square(),
                   square = delta.to(at::kDouble).square();
  if (settings_.optimiser == "adam")
    v.mul_(beta2).add_(square, 1 - beta2);
  else if (settings_.optimiser == "yogi")
    v.sub_(v.sub(square).sign_().mul_(square), 1 - beta2);
  else
    v.add_(square);
  state.root = v.sqrt().to(delta.scalar_type());
}

void FedOpt::step(const Round& round, Models& models, Context&) {
  if (round.size() == 0) return weights_.clear();
  State next = state_;
  if (next.m.defined() && next.m.numel() != models.server.numel())
    fail("FedOpt: the model has ", models.server.numel(), " entries, had ", next.m.numel());
  std::vector<double> weights = next.shares.take(round);
  const at::Tensor delta = at::empty_like(models.server);
  const Round::Parts updates = round.parts(&ClientParts::update, "update", "FedOpt");
  combine(weights, updates.tensors, 0.0, everywhere(delta, updates.tensors));
  advance(next, delta);

  at::Tensor step = next.m;
  if (next.root.defined()) step = step.div(next.root.add(settings_.tau));
  hand_out(models.server.add(step, settings_.learning_rate), models);
  state_ = std::move(next);
  weights_ = std::move(weights);
}

FedOpt::State FedOpt::fields(State state, Archive& archive) const {
  option(archive, "optimiser", settings_.optimiser);
  option(archive, "learning rate", settings_.learning_rate);
  option(archive, "beta1", settings_.beta1);
  option(archive, "beta2", settings_.beta2);
  option(archive, "tau", settings_.tau);
  std::string shares = fedval::save(state.shares);
  archive.field("shares", shares);
  fedval::restore(shares, state.shares);
  archive.field("m", state.m);
  archive.field("root of v", state.root);
  return state;
}

std::string FedOpt::save() const {
  Archive archive;
  fields(state_, archive);
  return archive.bytes();
}

void FedOpt::restore(std::string_view text) {
  Archive archive(std::string(text), "state of FedOpt");
  State read = fields(state_, archive);
  archive.end();
  state_ = std::move(read);
}

}  // namespace fedval::harness
