#include "harness/blackbox/query_options.hpp"

#include <ATen/ops/empty.h>

#include "fedval/tensor/torch.hpp"

namespace fedval::harness {

black_box::QueryOptions query_options(const BlackBoxSettings& settings, std::size_t count) {
  namespace zo = zeroth_order;
  const zo::Directions law = settings.directions == "orthogonal"   ? zo::orthogonal(count)
                             : settings.directions == "hadamard"   ? zo::hadamard(count)
                             : settings.directions == "rademacher" ? zo::rademacher(count)
                                                                   : zo::sphere(count);
  return {law, settings.epsilon};
}

AnswerForm answer_form(const BlackBoxSettings& settings) {
  return settings.answers == "logits" ? AnswerForm::logits
         : settings.answers == "top1" ? AnswerForm::top1
                                      : AnswerForm::label;
}

ModelSettings client_model(const Settings& settings, std::size_t agent) {
  ModelSettings model = settings.model;
  const auto& names = settings.black_box.client_models;
  const auto& widths = settings.black_box.client_widths;
  if (!names.empty()) model.name = names[agent % names.size()];
  if (!widths.empty()) model.width = widths[agent % widths.size()];
  return model;
}

at::Tensor with_points(const at::Tensor& samples, const black_box::Queries& queries) {
  std::vector<std::int64_t> sizes = samples.sizes().vec();
  sizes.insert(sizes.begin(), 1 + static_cast<std::int64_t>(queries.count()));
  at::Tensor all = at::empty(sizes, samples.device());
  all[0].copy_(samples);
  for (std::size_t k = 0; k < queries.count(); ++k)
    queries.point(samples, k, all[static_cast<std::int64_t>(k) + 1]);
  return all;
}

}  // namespace fedval::harness
