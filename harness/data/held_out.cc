#include "harness/data/held_out.hpp"

#include <algorithm>
#include <numeric>
#include <span>
#include <vector>

#include "fedval/error.hpp"
#include "fedval/random/philox.hpp"

namespace fedval::harness {

namespace {

/// Appends example i of one part to another.
void append(const Examples& from, std::size_t i, std::size_t entries, Examples& to) {
  const auto copy = [&](const auto& source, auto& target, std::size_t width) {
    if (source.empty()) return;
    const auto first = source.begin() + static_cast<std::ptrdiff_t>(i * width);
    target.insert(target.end(), first, first + static_cast<std::ptrdiff_t>(width));
  };
  copy(from.pixels, to.pixels, entries);
  copy(from.tokens, to.tokens, entries);
  copy(from.labels, to.labels, 1);
  copy(from.owners, to.owners, 1);
}

}  // namespace

void set_aside(Dataset& data, std::size_t count, std::uint64_t seed) {
  if (count == 0) return;
  if (count >= data.train.size())
    fail("data.held_out is ", count, ", but the training part of ", data.name, " has ", data.train.size(),
         " examples");
  constexpr std::uint64_t tag = 0x68656c64;  // "held": apart from every other use of the seed
  std::vector<std::size_t> order(data.train.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  random::Stream(seed, tag << 32).shuffle(std::span(order));
  std::vector<bool> aside(order.size(), false);
  for (std::size_t i = 0; i < count; ++i) aside[order[i]] = true;
  const Examples all = std::move(data.train);
  data.train = {};
  for (std::size_t i = 0; i < aside.size(); ++i)
    append(all, i, data.shape.entries(), aside[i] ? data.held_out : data.train);
}

}  // namespace fedval::harness
