// What server and clients agree on before they meet.
#pragma once

#include "fedval/black_box/queries.hpp"
#include "harness/blackbox/message.hpp"
#include "harness/config/settings.hpp"

namespace fedval::harness {

/// The law of `count` points around a sample.
black_box::QueryOptions query_options(const BlackBoxSettings& settings, std::size_t count);

/// What clients tell.
AnswerForm answer_form(const BlackBoxSettings& settings);

/// The network of an agent (from 0): models and widths are dealt in turn.
ModelSettings client_model(const Settings& settings, std::size_t agent);

/// Samples and the points around them, [1 + q, B, ...], from [B, ...]; what a server sends as points is bit
/// for bit what a client makes of a seed.
at::Tensor with_points(const at::Tensor& samples, const black_box::Queries& queries);

}  // namespace fedval::harness
