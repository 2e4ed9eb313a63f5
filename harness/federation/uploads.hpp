// What agents send in a round, and the round that scores and methods see of it.
#pragma once

#include <ATen/core/Tensor.h>

#include <span>
#include <vector>

#include "fedval/contribution/round.hpp"
#include "harness/distributed/sliced.hpp"
#include "harness/model/network.hpp"

namespace fedval::harness {

/// One client's update of all parameters, laid out as the network's.
struct Upload {
  ClientId id;
  at::Tensor update;
  double samples = 0;  ///< the size of its data, as it says
};

/// An upload as scores and methods see it: of several ranks each has a run of the update, and all have its
/// final layer.
struct Sent {
  ClientId id;
  Sliced update;
  double samples = 0;
  at::Tensor final_weight, final_bias;  ///< no bias: undefined

  /// Of an upload that every rank has; shares its memory.
  Sent(const Upload& upload, const FlatNetwork& network, Ranks& ranks);
  /// All uploads, upload i with rank owners[i]; elsewhere its update is undefined. `like`: a vector of all
  /// parameters.
  static std::vector<Sent> all(const std::vector<Upload>& uploads, std::span<const std::size_t> owners,
                               const at::Tensor& like, const FlatNetwork& network, Ranks& ranks);

 private:
  Sent(const Upload& upload, Sliced sliced)
      : id(upload.id), update(std::move(sliced)), samples(upload.samples) {}
};

/// The round of what was sent, which it views; `last_update` of the server's parameters, which every rank
/// has, is undefined before the first round. O(N). Error when two have the same id.
Round make_round(std::span<const Sent> sent, const at::Tensor& last_update, const FlatNetwork& network,
                 Ranks& ranks);

}  // namespace fedval::harness
