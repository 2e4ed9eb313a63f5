// Clients that send their models: what methods do that are no black boxes.
#pragma once

#include <atomic>
#include <functional>
#include <vector>

#include "harness/federation/federation.hpp"
#include "harness/federation/run_result.hpp"

namespace fedval::harness {

/// What TrainOptions::regularise is for each agent (from 0).
using Regularisers = std::function<std::function<void(FlatNetwork&, std::size_t)>(std::size_t agent)>;

/// Whose models arrived, and what they are.
struct OpenModels {
  std::vector<std::size_t> agents;
  std::vector<at::Tensor> states;
};

/// Participants train from the server's state and send what they reach; one whose model is objected to
/// (objection.hpp) is noted in the record and left out; nobody may be left (note_refused()). Counts the bytes
/// of both ways: four a parameter and running statistic.
OpenModels train_open(Federation& federation, const std::vector<Participant>& participants,
                      const at::Tensor& server, RoundRecord& record, RunResult& result,
                      std::atomic<std::size_t>& counter, const Regularisers& regularisers = {});

/// sum_k w_k state_k, w_k = |D_k| / sum_j |D_j|.
at::Tensor average(const Federation& federation, const OpenModels& models);

}  // namespace fedval::harness
