// A client as its server sees it: it answers messages, and there is no other way to it.
#pragma once

#include <optional>
#include <span>

#include "harness/blackbox/message.hpp"

namespace fedval::harness {

class BlackBox {
 public:
  virtual ~BlackBox() = default;

  /// The reply to a message; nothing from a client that does not answer. What comes back is anybody's guess:
  /// the server checks it.
  virtual std::optional<Bytes> answer(std::span<const std::byte> message) = 0;
};

}  // namespace fedval::harness
