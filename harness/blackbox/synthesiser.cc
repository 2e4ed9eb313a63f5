#include "harness/blackbox/synthesiser.hpp"

#include <torch/utils.h>

#include <utility>

#include "harness/blackbox/batch_draws.hpp"
#include "harness/blackbox/tensors.hpp"

namespace fedval::harness {

namespace {

/// The draws of a batch, apart from every other use of the seed.
random::Key batch_key(std::uint64_t seed, std::size_t round, std::size_t step) {
  constexpr std::uint64_t tag = 0x677a;  // "gz"
  return {seed, (tag << 48) | (std::uint64_t{round} << 24) | step};
}

Generator made_of(const BlackBoxSettings& settings, const ExampleShape& shape, std::size_t classes,
                  std::uint64_t seed) {
  torch::manual_seed(seed);  // as networks draw their starts
  return {shape, static_cast<std::int64_t>(classes), static_cast<std::int64_t>(settings.noise)};
}

}  // namespace

Synthesiser::Synthesiser(const BlackBoxSettings& settings, const ExampleShape& shape, std::size_t classes,
                         std::uint64_t seed, at::Device device)
    : settings_(settings),
      classes_(classes),
      seed_(seed),
      generator_(made_of(settings, shape, classes, seed)),
      flat_(generator_, device) {}

void Synthesiser::begin_round() {
  optimiser_.emplace(TrainingSettings{.optimiser = "adam"}, flat_.parameters());
}

Synthesiser::Made Synthesiser::make(std::size_t round, std::size_t step) {
  BatchDraws draws = draw_batch(batch_key(seed_, round, step), settings_.samples, settings_.noise, classes_,
                                flat_.state().device());
  generator_.train(true);
  return {generator_.forward(draws.noise, draws.class_tensor), draws.noise, std::move(draws.classes)};
}

void Synthesiser::step(const Made& made, const at::Tensor& gradient, double learning_rate) {
  flat_.gradient().zero_();
  made.images.backward(gradient);
  const torch::NoGradGuard no_grad;
  optimiser_->step(flat_.parameters(), flat_.gradient(), learning_rate);
}

void Synthesiser::fields(Archive& archive) { state_field(archive, "generator", flat_.state()); }

}  // namespace fedval::harness
