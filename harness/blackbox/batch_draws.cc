#include "harness/blackbox/batch_draws.hpp"

#include <ATen/ops/empty.h>

#include "fedval/random/draws.hpp"
#include "fedval/random/fill.hpp"
#include "fedval/tensor/torch.hpp"

namespace fedval::harness {

BatchDraws draw_batch(random::Key key, std::size_t batch, std::size_t noise, std::size_t classes,
                      at::Device device) {
  const auto rows = static_cast<std::int64_t>(batch);
  BatchDraws draws{
      at::empty({rows, static_cast<std::int64_t>(noise)}, device), at::empty({rows}, at::kLong), {}};
  // Integers and Gaussians of one stream come from different words, so they are apart.
  random::fill(random::Sequence{random::Law::gaussian, key}, draws.noise);
  random::Draws integers(key.seed, key.stream);
  for (std::int64_t i = 0; i < rows; ++i) {
    draws.classes.push_back(static_cast<std::uint32_t>(integers.below_wide(classes)));
    draws.class_tensor.data_ptr<std::int64_t>()[i] = draws.classes.back();
  }
  draws.class_tensor = draws.class_tensor.to(device);
  return draws;
}

}  // namespace fedval::harness
