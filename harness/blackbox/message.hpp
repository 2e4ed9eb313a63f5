// What travels between a server and a client that only answers: bytes, and what they carry.
//
//   to the client
//     train     round, share of the steps                              it trains on its own examples
//     query     samples, and q points around them or their seed        it answers, and keeps the samples
//     public    numbers of examples that everyone has                  the same
//     teach     logits of the ensemble for these samples               it learns them
//   from the client
//     answers   [1 + q, B, C] logits; or [1 + q, B] classes, with or without their probability
//     done      nothing
//     refusal   why there is no other reply
//
// A message is a head of 64 bytes and then numbers of four bytes (a class: two; a seed: eight),
// little-endian. Numbers are counted by kind as they are written; heads apart from them.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "harness/federation/run_result.hpp"

namespace fedval::harness {

using Bytes = std::vector<std::byte>;

struct TrainMessage {
  std::uint32_t round = 0;
  double share = 1;
};

struct QueryMessage {
  at::Tensor samples;  ///< [B, channels, height, width] floats in [-1, 1]
  std::uint32_t q = 0;
  std::variant<std::uint64_t, at::Tensor> points = std::uint64_t{0};  ///< a seed, or [q, B, ...] floats
};

struct PublicMessage {
  std::vector<std::uint32_t> examples;
};

struct TeachMessage {
  at::Tensor logits;  ///< [B, C] floats
};

/// What a client tells of an image.
enum class AnswerForm : std::uint8_t { logits, top1, label };

struct AnswersMessage {
  AnswerForm form = AnswerForm::logits;
  at::Tensor values;   ///< logits: [1 + q, B, C] floats; top1: [1 + q, B] probabilities; label: undefined
  at::Tensor classes;  ///< top1, label: [1 + q, B] int64; logits: undefined
};

struct DoneMessage {};

struct RefusalMessage {
  std::string reason;
};

using Message = std::variant<TrainMessage, QueryMessage, PublicMessage, TeachMessage, AnswersMessage,
                             DoneMessage, RefusalMessage>;

Bytes encode(const Message& message);

/// Error "message: ..." for bytes that no encode() made: wrong length, unknown kind, impossible extents.
/// Reserves at most four times the memory that the bytes have: class numbers of two bytes become eight.
Message decode(std::span<const std::byte> bytes);

/// Adds the bytes of a message by what they carry: "samples", "points" or "seed", "teaching", "answers", and
/// "heads", which what is no number belongs to.
void count(std::span<const std::byte> bytes, std::vector<Figure>& figures);

}  // namespace fedval::harness
