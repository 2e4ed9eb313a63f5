// The state of a score, a sampler, a memo, an estimator or a step; the first byte says of which. What is
// accepted is the same when saved again, and a sampler goes on from it or says why not.
#include <array>
#include <type_traits>
#include <vector>

#include "fedval/contribution/class_alignment.hpp"
#include "fedval/contribution/completed_shapley.hpp"
#include "fedval/contribution/confirmed_entropy.hpp"
#include "fedval/contribution/consensus_entropy.hpp"
#include "fedval/contribution/contribution_index.hpp"
#include "fedval/contribution/cosine_gradient_shapley.hpp"
#include "fedval/contribution/fed_shapley.hpp"
#include "fedval/contribution/gated_entropy.hpp"
#include "fedval/contribution/gtg_shapley.hpp"
#include "fedval/contribution/leave_one_out.hpp"
#include "fedval/contribution/leave_one_out_cosine.hpp"
#include "fedval/contribution/shapfed.hpp"
#include "fedval/contribution/spectral_fed.hpp"
#include "fedval/contribution/spectral_fuse.hpp"
#include "fedval/contribution/state.hpp"
#include "fedval/contribution/verified_entropy.hpp"
#include "fedval/shapley/complementary.hpp"
#include "fedval/shapley/group_testing.hpp"
#include "fedval/shapley/kernel_shap.hpp"
#include "fedval/shapley/memo.hpp"
#include "fedval/shapley/owen.hpp"
#include "fedval/shapley/permutation.hpp"
#include "fedval/shapley/sampler.hpp"
#include "fedval/shapley/stratified.hpp"
#include "fedval/shapley/svarm.hpp"
#include "fedval/zeroth_order/gradient.hpp"
#include "fedval/zeroth_order/in_place.hpp"
#include "fedval/zeroth_order/step.hpp"
#include "tests/fuzz/target.hpp"

using namespace fedval;

namespace {

constexpr std::size_t players = 4;

template <class Design>
struct Sampling : shapley::Sampler<Design> {
  Sampling() : shapley::Sampler<Design>(Design{}, players) {}
  /// From wherever it is; the game is worth the sum of its players' numbers.
  void go_on() {
    this->estimates();
    this->run(
        [](shapley::Mask coalition) {
          double sum = 0;
          shapley::Coalition(coalition).for_each([&](std::size_t i) { sum += static_cast<double>(i); });
          return sum;
        },
        shapley::units(this->estimates().units + 2));
  }
};

template <class State>
void check(const std::string& text) {
  State state;
  if (!fuzz::reads([&] { restore(text, state); })) return;
  const std::string once = save(state);
  State again;
  restore(once, again);
  fuzz::demand(save(again) == once, "what was saved is saved again as it was");
  if constexpr (requires { state.go_on(); }) fuzz::reads([&] { state.go_on(); });
}

constexpr std::array checks{
    check<CosineGradientShapley>,
    check<SpectralFed>,
    check<SpectralFuse>,
    check<ShapFed>,
    check<CompletedShapley>,
    check<VerifiedEntropy>,
    check<ClassAlignment>,
    check<GatedEntropy>,
    check<ConsensusEntropy>,
    check<ConfirmedEntropy>,
    check<LeaveOneOutCosine>,
    check<FedShapley>,
    check<GtgShapley>,
    check<LeaveOneOut>,
    check<ContributionIndex>,
    check<Sampling<shapley::Permutation>>,
    check<Sampling<shapley::Antithetic>>,
    check<Sampling<shapley::Cyclic>>,
    check<Sampling<shapley::Truncated>>,
    check<Sampling<shapley::Stratified>>,
    check<Sampling<shapley::Owen>>,
    check<Sampling<shapley::Complementary>>,
    check<Sampling<shapley::Svarm>>,
    check<Sampling<shapley::KernelShap>>,
    check<Sampling<shapley::GroupTesting>>,
    check<shapley::Memo>,
    check<zeroth_order::Estimator>,
    check<zeroth_order::InPlace>,
    check<zeroth_order::Sgd>,
    check<zeroth_order::Sign>,
    check<zeroth_order::Adam>,
    check<zeroth_order::AdaMm>,
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  checks[data[0] % checks.size()](std::string(reinterpret_cast<const char*>(data) + 1, size - 1));
  return 0;
}
