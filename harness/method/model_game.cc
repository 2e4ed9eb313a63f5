#include "harness/method/model_game.hpp"

#include <algorithm>
#include <cmath>

#include "fedval/reward/importance.hpp"
#include "fedval/tensor/operations.hpp"
#include "fedval/tensor/torch.hpp"
#include "harness/distributed/sliced.hpp"

namespace fedval::harness {

ModelGame::ModelGame(const Round& round, at::Tensor start, Context& context, Utility utility)
    : updates_(round.parts(&ClientParts::update, "update", "the value of coalitions").tensors),
      start_(std::move(start)),
      context_(&context),
      utility_(utility) {
  for (const auto& client : round.clients()) {
    names_.push_back(client.id.text());
    samples_.push_back(client.samples);
  }
}

at::Tensor ModelGame::model_of(const shapley::Coalition& coalition) const {
  if (coalition.size() == 0) return start_;
  std::vector<TensorView> updates;
  std::vector<double> samples;
  coalition.for_each([&](std::size_t i) {
    if (i >= updates_.size())
      fail("coalition ", coalition.text(), " of a round of ", updates_.size(), " clients, counted from 0");
    updates.push_back(updates_[i]);
    samples.push_back(samples_[i]);
  });
  at::Tensor model = start_.clone();
  combine(reward::normalise_importance(std::move(samples)).values, updates, 1.0, everywhere(model, updates));
  return model;
}

void ModelGame::batch(std::span<const shapley::Coalition> coalitions, std::span<double> out) const {
  for (std::size_t k = 0; k < coalitions.size();) {
    std::vector<at::Tensor> models;
    for (const auto& coalition : coalitions.subspan(k, std::min(most_models, coalitions.size() - k)))
      models.push_back(model_of(coalition));
    for (const Tested& tested : context_->validate(models)) {
      const double value = worth(tested, utility_);
      if (!std::isfinite(value))
        fail("a model with the update of ", clients(coalitions[k]), " has a loss of ", tested.loss);
      out[k++] = value;
    }
  }
}

std::string ModelGame::clients(const shapley::Coalition& coalition) const {
  std::string all;
  coalition.for_each([&](std::size_t i) { all += (all.empty() ? "client " : ", client ") + names_[i]; });
  return all.empty() ? "nobody" : all;
}

}  // namespace fedval::harness
