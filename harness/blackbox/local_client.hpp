// A client in this process: a network, examples, and answers to messages.
//
// A server holds it as a BlackBox. What the harness itself needs of it, to test it and to save it, stands
// beside that interface and does not go through messages.
#pragma once

#include <atomic>
#include <cstdint>
#include <vector>

#include "harness/blackbox/black_box.hpp"
#include "harness/checkpoint/archive.hpp"
#include "harness/federation/federation.hpp"

namespace fedval::harness {

/// What is saved of a client.
struct ClientState {
  at::Tensor network;          ///< parameters and buffers
  std::uint64_t answered = 0;  ///< images that it was asked about

  void fields(Archive& archive);
};

class LocalClient : public BlackBox {
 public:
  /// Agent `agent` (from 0) of the federation, with a network of its own kind and start; the federation must
  /// outlive it. Error for examples that are no images, and from the network.
  LocalClient(Federation& federation, std::size_t agent);

  /// Trains, answers in evaluation mode, or learns what it is taught; a refusal for what it cannot do or will
  /// not: queries beyond its budget, more points than agreed, images of another shape, lessons about samples
  /// it has not seen.
  std::optional<Bytes> answer(std::span<const std::byte> message) override;

  /// Optimiser steps of its local training since the last call.
  std::size_t take_steps() { return steps_.exchange(0); }
  /// Images that it was asked about.
  std::uint64_t answered() const { return answered_; }
  /// What its answers depend on from a round's beginning. Shares the memory of its network.
  ClientState state() const { return {network_.state(), answered_}; }
  /// On the part that the settings name for evaluation.
  Tested test();
  void fields(Archive& archive);

 private:
  Message reply(const Message& message);
  Message train(const TrainMessage& order);
  Message teach(const TeachMessage& lesson);
  Message query(const QueryMessage& asked);
  Message query(const PublicMessage& asked);
  void check_budget(std::uint64_t images) const;
  Message answers_about(const at::Tensor& inputs, std::int64_t groups);

  Federation& federation_;
  std::size_t agent_;
  FlatNetwork network_;
  at::Tensor seen_;  // the samples of the last query, as the network reads them
  std::uint64_t answered_ = 0;
  std::atomic<std::size_t> steps_ = 0;
};

}  // namespace fedval::harness
