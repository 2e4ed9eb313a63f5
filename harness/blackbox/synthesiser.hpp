// A generator with its optimiser: makes batches of samples, and steps along a gradient with respect to them.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <vector>

#include "harness/checkpoint/archive.hpp"
#include "harness/federation/federation.hpp"
#include "harness/federation/optimiser.hpp"
#include "harness/model/flat_module.hpp"
#include "harness/model/generator.hpp"

namespace fedval::harness {

class Synthesiser {
 public:
  struct Made {
    at::Tensor images;  ///< [B, channels, side, side] in (-1, 1), with what backward() needs
    at::Tensor noise;   ///< [B, nz]
    std::vector<std::uint32_t> classes;
  };

  /// A new generator, its start drawn from `seed` alone, on a device. Error for images that it cannot make.
  Synthesiser(const BlackBoxSettings& settings, const ExampleShape& shape, std::size_t classes,
              std::uint64_t seed, at::Device device);

  /// The optimiser is made anew.
  void begin_round();
  /// B samples of noise N(0, 1) and classes drawn alike, from (seed, round, step) alone.
  Made make(std::size_t round, std::size_t step);
  /// One step of Adam along dL/dimages.
  void step(const Made& made, const at::Tensor& gradient, double learning_rate);

  std::int64_t parameters() const { return flat_.dimension(); }
  void fields(Archive& archive);

 private:
  BlackBoxSettings settings_;
  std::size_t classes_;
  std::uint64_t seed_;
  Generator generator_;
  FlatModule flat_;
  std::optional<Optimiser> optimiser_;
};

/// For the data of a federation, as its settings say.
inline Synthesiser synthesiser_of(const Federation& federation) {
  return {federation.settings().black_box, federation.data().shape, federation.data().classes,
          federation.settings().seed, federation.device()};
}

}  // namespace fedval::harness
