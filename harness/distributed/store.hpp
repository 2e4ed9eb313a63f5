// c10d's store, whose values are bytes, and how it is served.
#pragma once

#include <cstdint>
#include <string>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>
#include <vector>

#include "harness/libtorch.hpp"

namespace fedval::harness {

/// A store at this port, or a way to it. It serves as many as come: the number of those who connect says
/// nothing.
template <class Options = c10d::TCPStoreOptions>
Options store_at(std::uint16_t port, bool serves) {
  Options options;
  options.port = port;
  options.isServer = serves;
  options.waitWorkers = false;
  libtorch::serve_plainly(options);
  return options;
}

inline std::vector<std::uint8_t> bytes_of(const std::string& text) { return {text.begin(), text.end()}; }
inline std::string text_of(const std::vector<std::uint8_t>& bytes) { return {bytes.begin(), bytes.end()}; }

}  // namespace fedval::harness
