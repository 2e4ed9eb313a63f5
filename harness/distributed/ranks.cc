#include "harness/distributed/ranks.hpp"

#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cstring>
#include <numeric>

#include "fedval/error.hpp"
#include "harness/distributed/group.hpp"
#include "harness/distributed/messages.hpp"

namespace fedval::harness {

namespace {

/// Of how long a text is that is about to be sent.
at::Tensor announcement(const std::string& text) {
  at::Tensor length = at::empty({1}, at::kDouble);
  *length.data_ptr<double>() = static_cast<double>(text.size());
  return length;
}

}  // namespace

Ranks::Ranks() = default;

Ranks::Ranks(const Rendezvous& rendezvous)
    : rank_(rendezvous.rank), count_(rendezvous.ranks), group_(std::make_unique<Group>(rendezvous)) {}

Ranks::~Ranks() = default;

std::vector<std::size_t> Ranks::owners(std::span<const std::size_t> costs) const {
  std::vector<std::size_t> order(costs.size()), owners(costs.size()), load(count_);
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order, std::ranges::greater(), [&](std::size_t task) { return costs[task]; });
  for (const std::size_t task : order) {
    const auto least = std::ranges::min_element(load);
    owners[task] = static_cast<std::size_t>(least - load.begin());
    *least += std::max<std::size_t>(1, costs[task]);
  }
  return owners;
}

void Ranks::together(const std::function<void()>& work) {
  if (!group_) return work();
  std::string error;
  try {
    work();
  } catch (const Error& thrown) {
    error = thrown.what();
    if (error.empty()) error = "an error without a message";
  }
  const std::vector<std::string> errors = texts(error);
  for (std::size_t rank = 0; rank < count_; ++rank)
    if (!errors[rank].empty()) fail(errors[rank] == error ? error : group_->name(rank) + ": " + errors[rank]);
}

void Ranks::share(std::vector<at::Tensor>& tensors, std::span<const std::size_t> owners,
                  const at::Tensor& like) {
  if (!group_) return;
  for (std::size_t i = 0; i < tensors.size(); ++i)
    if (owners[i] != rank_) tensors[i] = at::empty_like(like);
  group_->broadcast(tensors, owners);
}

void Ranks::collect(std::vector<at::Tensor>& tensors, std::span<const std::size_t> owners,
                    const at::Tensor& like) {
  if (!group_) return;
  std::vector<Group::Parcel> parcels;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    if (leads() && owners[i] != rank_) tensors[i] = at::empty_like(like);
    parcels.push_back({tensors[i], owners[i], 0});
  }
  group_->send(parcels);
}

void Ranks::share(std::vector<double>& values, std::span<const std::size_t> owners) {
  if (!group_ || values.empty()) return;
  // Those of each rank one after the other; from each they are told once.
  std::vector<std::vector<double>> packed(count_);
  for (std::size_t i = 0; i < values.size(); ++i) packed[owners[i]].push_back(values[i]);
  std::vector<at::Tensor> tensors;
  std::vector<std::size_t> senders;
  for (std::size_t rank = 0; rank < count_; ++rank) {
    if (packed[rank].empty()) continue;
    const auto size = static_cast<std::int64_t>(packed[rank].size());
    tensors.push_back(at::from_blob(packed[rank].data(), {size}, at::kDouble));
    senders.push_back(rank);
  }
  group_->broadcast(tensors, senders);
  std::vector<std::size_t> next(count_);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = packed[owners[i]][next[owners[i]]++];
}

void Ranks::share(std::vector<std::string>& texts, std::span<const std::size_t> owners) {
  if (!group_) return;
  std::vector<double> lengths;
  lengths.reserve(texts.size());
  for (const std::string& text : texts) lengths.push_back(static_cast<double>(text.size()));
  share(lengths, owners);
  std::vector<at::Tensor> bytes;
  std::vector<std::size_t> senders, places;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const std::size_t length = length_of(lengths[i], most_at_once, group_->name(owners[i]));
    if (length == 0) texts[i].clear();
    if (length == 0) continue;
    bytes.push_back(at::empty({static_cast<std::int64_t>(length)}, at::kByte));
    if (owners[i] == rank_) std::memcpy(bytes.back().data_ptr(), texts[i].data(), texts[i].size());
    senders.push_back(owners[i]);
    places.push_back(i);
  }
  if (bytes.empty()) return;
  group_->broadcast(bytes, senders);
  for (std::size_t k = 0; k < bytes.size(); ++k)
    texts[places[k]].assign(static_cast<const char*>(bytes[k].data_ptr()),
                            static_cast<std::size_t>(bytes[k].numel()));
}

std::vector<at::Tensor> Ranks::cut(const std::vector<at::Tensor>& wholes, std::span<const std::size_t> owners,
                                   std::span<const std::int64_t> bounds, const at::Tensor& like) {
  const auto run = [&](const at::Tensor& whole, std::size_t rank) {
    return whole.narrow(0, bounds[rank], bounds[rank + 1] - bounds[rank]);
  };
  std::vector<at::Tensor> own;
  std::vector<Group::Parcel> parcels;
  for (std::size_t i = 0; i < wholes.size(); ++i) {
    const bool here = owners[i] == rank_;
    own.push_back(here ? run(wholes[i], rank_).clone()
                       : at::empty({bounds[rank_ + 1] - bounds[rank_]}, like.options()));
    for (std::size_t rank = 0; rank < count_; ++rank)
      parcels.push_back({here ? run(wholes[i], rank) : own.back(), owners[i], rank});
  }
  if (group_) group_->send(parcels);
  return own;
}

std::vector<at::Tensor> Ranks::join(const std::vector<at::Tensor>& own, std::span<const std::int64_t> bounds,
                                    std::span<const std::size_t> to) {
  std::vector<at::Tensor> wholes(own.size());
  std::vector<Group::Parcel> parcels;
  for (std::size_t i = 0; i < own.size(); ++i) {
    const bool here = to[i] == rank_;
    if (here) wholes[i] = at::empty({bounds.back()}, own[i].options());
    for (std::size_t rank = 0; rank < count_; ++rank) {
      const std::int64_t size = bounds[rank + 1] - bounds[rank];
      const at::Tensor run = here ? wholes[i].narrow(0, bounds[rank], size) : own[i];
      if (here && rank == rank_) run.copy_(own[i]);
      parcels.push_back({run, rank, to[i]});
    }
  }
  if (group_) group_->send(parcels);
  return wholes;
}

void Ranks::complete(const at::Tensor& whole, std::span<const std::int64_t> bounds) {
  if (!group_) return;
  std::vector<at::Tensor> runs;
  std::vector<std::size_t> owners;
  for (std::size_t rank = 0; rank < count_; ++rank) {
    runs.push_back(whole.narrow(0, bounds[rank], bounds[rank + 1] - bounds[rank]));
    owners.push_back(rank);
  }
  group_->broadcast(runs, owners);
}

void Ranks::in_turn(std::span<double> total, const std::function<void()>& add) {
  if (!group_) return add();
  const at::Tensor sum = at::from_blob(total.data(), {static_cast<std::int64_t>(total.size())}, at::kDouble);
  for (std::size_t rank = 0; rank < count_; ++rank) {
    if (rank == rank_) add();
    if (rank + 1 < count_) group_->send({{sum, rank, rank + 1}});
  }
  const std::vector<std::size_t> last{count_ - 1};
  group_->broadcast({sum}, last);
}

std::size_t Ranks::received() const { return group_ ? group_->received() : 0; }

std::vector<std::string> Ranks::texts(const std::string& own) {
  if (!group_) return {own};
  // Lengths first: all must know of how long what they receive is.
  std::vector<std::size_t> lengths;
  for (const at::Tensor& each : group_->gather(announcement(own)))
    lengths.push_back(length_of(*each.data_ptr<double>(), most_at_once, group_->name(lengths.size())));
  const std::size_t longest = std::ranges::max(lengths);
  if (longest == 0) return std::vector<std::string>(count_);
  at::Tensor padded = at::zeros({static_cast<std::int64_t>(longest)}, at::kByte);
  std::memcpy(padded.data_ptr(), own.data(), own.size());
  std::vector<std::string> texts;
  for (const at::Tensor& each : group_->gather(padded))
    texts.emplace_back(static_cast<const char*>(each.data_ptr()), lengths[texts.size()]);
  return texts;
}

std::string Ranks::leading(const std::string& own) {
  if (!group_) return own;
  const at::Tensor length = announcement(own);
  const std::vector<std::size_t> owner{0};
  group_->broadcast({length}, owner);
  // A checkpoint is as long as its models are large.
  constexpr std::size_t most = std::size_t{1} << 53;
  return in_pieces(length_of(*length.data_ptr<double>(), most, group_->name(0)),
                   [&](std::size_t begin, std::size_t bytes) {
                     const at::Tensor piece = at::empty({static_cast<std::int64_t>(bytes)}, at::kByte);
                     if (leads()) std::memcpy(piece.data_ptr(), own.data() + begin, bytes);
                     group_->broadcast({piece}, owner);
                     return std::string(static_cast<const char*>(piece.data_ptr()), bytes);
                   });
}

std::vector<bool> Ranks::leading(const std::vector<bool>& own) {
  if (!group_) return own;
  return answers_of(leading(to_text(own)), own.size(), group_->name(0));
}

bool Ranks::any(bool own) {
  return std::ranges::any_of(texts(own ? "yes" : ""), [](const std::string& text) { return !text.empty(); });
}

std::size_t Ranks::beside() const { return group_ ? group_->beside() : 1; }

void Ranks::check_same(const std::string& text, const std::string& what) {
  const std::vector<std::string> all = texts(text);
  for (std::size_t rank = 1; rank < all.size(); ++rank)
    if (all[rank] != all[0]) fail(group_->name(rank), " has other ", what, " than ", group_->name(0));
}

bool Ranks::lost_one() const { return group_ && group_->lost_one(); }

void Ranks::reform() {
  group_->reform();
  rank_ = group_->rendezvous().rank;
  count_ = group_->rendezvous().ranks;
}

void Ranks::finish() {
  if (group_) group_->finish();
}

void Ranks::abandon(const std::string& why) {
  if (group_) group_->abandon(why);
}

}  // namespace fedval::harness
