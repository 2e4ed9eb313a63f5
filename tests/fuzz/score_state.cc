// The state of a score; the first byte says of which. What is accepted is the same when saved again.
#include "fedval/contribution/completed_shapley.hpp"
#include "fedval/contribution/cosine_gradient_shapley.hpp"
#include "fedval/contribution/shapfed.hpp"
#include "fedval/contribution/spectral_fed.hpp"
#include "fedval/contribution/spectral_fuse.hpp"
#include "fedval/contribution/state.hpp"
#include "fedval/contribution/verified_entropy.hpp"
#include "tests/fuzz/target.hpp"

using namespace fedval;

namespace {

template <class Score>
void check(const std::string& text) {
  Score score;
  if (!fuzz::reads([&] { restore(text, score); })) return;
  const std::string once = save(score);
  Score again;
  restore(once, again);
  fuzz::demand(save(again) == once, "what was saved is saved again as it was");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string text(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 6) {
    case 0:
      check<CosineGradientShapley>(text);
      break;
    case 1:
      check<SpectralFed>(text);
      break;
    case 2:
      check<SpectralFuse>(text);
      break;
    case 3:
      check<ShapFed>(text);
      break;
    case 4:
      check<CompletedShapley>(text);
      break;
    default:
      check<VerifiedEntropy>(text);
      break;
  }
  return 0;
}
