// A small federation of clients that answer, and clients that do not answer as they should.
#pragma once

#include <functional>
#include <optional>
#include <utility>

#include "harness/blackbox/fedzge.hpp"
#include "tests/harness/federation/small_federation.hpp"

namespace fedval::harness {

inline Settings black_box_settings() {
  Settings settings = small_settings("small_cnn");
  settings.model.width = 4;
  settings.training.optimiser = "adam";
  settings.training.learning_rate = 0.01;
  settings.training.schedule = "cosine_in_round";
  settings.black_box.samples = 6;
  settings.black_box.noise = 8;
  settings.black_box.queries = 3;
  settings.black_box.server_steps = 4;
  settings.black_box.client_steps = 2;
  return settings;
}

/// What a run ends with, as bits.
struct Ending {
  std::vector<RoundRecord> rounds;
  RunResult result;
  at::Tensor server;
};

inline at::Tensor server_of(MethodRun& run) {
  Archive writer;
  run.fields(writer);
  Archive reader(writer.bytes(), "run");
  at::Tensor server;
  reader.field("server", server);
  return server;
}

inline Ending finish(SmallFederation& scene, MethodRun& run) {
  Ending ending;
  while (!run.done()) ending.rounds.push_back(run.next(scene.steps));
  ending.result = run.finish();
  ending.server = server_of(run);
  return ending;
}

/// A client that another one answers for, unless `spoil` has something else to say: for message number n
/// (from 0) it gets n and the honest reply and gives the one that is sent.
class Spoiled : public BlackBox {
 public:
  using Spoil = std::function<std::optional<Bytes>(std::size_t n, std::optional<Bytes> honest)>;
  Spoiled(BlackBox& honest, Spoil spoil) : honest_(honest), spoil_(std::move(spoil)) {}

  std::optional<Bytes> answer(std::span<const std::byte> message) override {
    return spoil_(asked_++, honest_.answer(message));
  }
  std::size_t asked() const { return asked_; }

 private:
  BlackBox& honest_;
  Spoil spoil_;
  std::size_t asked_ = 0;
};

inline double figure(const std::vector<Figure>& figures, const std::string& name) {
  for (const Figure& one : figures)
    if (one.name == name) return one.value;
  return 0;
}

}  // namespace fedval::harness
