// Selection by sampling: a sample of the entries says between which two magnitudes the rank-th largest is, as
// good as certainly; one read counts the entries above and collects those between, among which it is
// selected. After Floyd and Rivest, "Expected time bounds for selection", Communications of the ACM 18(3),
// 1975.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "fedval/tensor/magnitude.hpp"
#include "fedval/tensor/select_by_digits.hpp"
#include "fedval/tensor/slices.hpp"

namespace fedval::detail {

/// Runs of neighbouring entries from all over a tensor, one after the other. Neighbours cost one cache line;
/// within its stretch a run's place follows the golden ratio, so that it meets no period of the tensor's.
inline constexpr std::size_t run_length = 32, most_runs = 1024, entries_a_run = 512;

template <class S>
std::vector<Key<S>> sample_keys(const Entries<S>& entries, std::size_t runs) {
  std::vector<Key<S>> sample(runs * run_length);
  Key<S>* next = sample.data();
  const std::size_t stretch = entries.size() / runs;
  for (std::uint64_t run = 0; run < runs; ++run) {
    const std::uint64_t fraction = run * 0x9e3779b97f4a7c15 >> 32;  // of 2^32
    const std::size_t begin = run * stretch + (fraction * (stretch - run_length + 1) >> 32);
    entries.for_each_part(begin, begin + run_length, [&](const S* part, std::size_t count, std::size_t) {
      for (std::size_t i = 0; i < count; ++i) *next++ = key_of(part[i]);
    });
  }
  return sample;
}

/// In descending order, but keys that differ by less than 2^-22 of their range may change places. Radix sort.
template <class K>
std::vector<K> sorted_roughly(std::vector<K> keys) {
  constexpr int bits = 11;
  K least = keys.front(), high = keys.front();
  for (const K key : keys) {
    least = std::min(least, key);
    high = std::max(high, key);
  }
  const int shift = std::max(0, bit_width(high - least) - 2 * bits);
  std::vector<K> sorted(keys.size());
  for (const int digit : {shift, shift + bits}) {
    const auto digit_of = [&](K key) {
      return static_cast<std::size_t>((high - key) >> digit) & ((std::size_t{1} << bits) - 1);
    };
    std::array<std::size_t, std::size_t{1} << bits> place{};
    for (const K key : keys) ++place[digit_of(key)];
    std::size_t next = 0;
    for (std::size_t& each : place) next += std::exchange(each, next);
    for (const K key : keys) sorted[place[digit_of(key)]++] = key;
    keys.swap(sorted);
  }
  return keys;
}

/// For each rank a bracket that holds it as good as certainly: three and a half standard errors to either
/// side in a sample. The error is that of whole runs, for neighbours in a tensor may be alike.
template <class S>
std::vector<Bracket<S>> sampled_brackets(const Entries<S>& entries, std::span<const std::size_t> ranks) {
  constexpr double errors = 3.5, least_margin = 8;
  const std::size_t runs = std::min(most_runs, entries.size() / entries_a_run);
  const std::vector<Key<S>> sample = sample_keys(entries, runs), sorted = sorted_roughly(sample);
  std::vector<Bracket<S>> brackets;
  for (const std::size_t rank : ranks) {
    Bracket<S>& bracket = brackets.emplace_back(Bracket<S>{rank, 0, infinity_key<S> - 1});
    const double share = static_cast<double>(rank) / static_cast<double>(entries.size());
    const double middle = share * static_cast<double>(sorted.size());
    const Key<S> estimate = sorted[std::min(sorted.size() - 1, static_cast<std::size_t>(middle))];
    double sum = 0, squares = 0;
    for (std::size_t begin = 0; begin < sample.size(); begin += run_length) {
      Key<S> above = 0;
      for (std::size_t i = 0; i < run_length; ++i) above += sample[begin + i] > estimate;
      sum += static_cast<double>(above);
      squares += static_cast<double>(above * above);
    }
    const double variance = squares - sum * sum / static_cast<double>(runs);
    const double margin = errors * std::sqrt(std::max(0.0, variance)) + least_margin;
    if (middle >= margin) bracket.high = sorted[static_cast<std::size_t>(middle - margin)];
    if (middle + margin < static_cast<double>(sorted.size()))
      bracket.low = sorted[static_cast<std::size_t>(middle + margin)];
    if (bracket.low > bracket.high) std::swap(bracket.low, bracket.high);
  }
  return brackets;
}

/// One thread's counts for one bracket. The entries are looked at in four rows of 64, summed by column: no
/// step depends on what they are, and only columns with a key inside are looked at again.
template <class S>
class BracketCounter {
 public:
  /// Keys inside are collected unless the bracket is one key, and as long as they are at most `limit`.
  BracketCounter(const Bracket<S>& bracket, std::size_t limit)
      : bracket_(bracket), limit_(limit), collect_(!bracket.found()) {}

  void add(const S* entries, std::size_t count) {
    if (collect_) {
      if (keys_.size() < collected_ + count) keys_.resize(2 * collected_ + 4 * count);
      add_rows<true>(entries, count);
      collect_ = collected_ <= limit_;
    } else {
      add_rows<false>(entries, count);
    }
  }

  void add(BracketCounter&& other) {
    for (std::size_t column = 0; column < columns; ++column) {
      above_[column] += other.above_[column];
      at_least_[column] += other.at_least_[column];
      largest_[column] = std::max(largest_[column], other.largest_[column]);
    }
    if (collected_ == 0) {
      keys_ = std::move(other.keys_);
      collected_ = other.collected_;
      return;
    }
    keys_.resize(collected_);
    keys_.insert(keys_.end(), other.keys_.begin(),
                 other.keys_.begin() + static_cast<std::ptrdiff_t>(other.collected_));
    collected_ = keys_.size();
  }

  std::size_t above() const { return sum(above_); }
  std::size_t inside() const { return sum(at_least_) - above(); }
  /// Of all keys.
  Key<S> largest() const { return *std::max_element(largest_.begin(), largest_.end()); }
  /// The keys inside; fewer than those where they are too many.
  std::vector<Key<S>> keys() && {
    keys_.resize(collected_);
    return std::move(keys_);
  }

 private:
  static constexpr std::size_t columns = 64, rows = 4;

  template <bool collect>
  [[gnu::noinline]] void add_rows(const S* entries, std::size_t count) {
    const Bracket<S> bracket = bracket_;
    const Key<S> low = bracket.low, high = bracket.high;
    Key<S>* const keys = keys_.data();
    const std::size_t whole = count - count % (rows * columns);
    std::size_t collected = collected_;
    const auto keep = [&](Key<S> key) {
      keys[collected] = key;
      collected += bracket.contains(key);
    };
    for (std::size_t begin = 0; begin < whole; begin += rows * columns) {
      const S* block = entries + begin;
      // Memory is asked for earlier than the processor does of itself.
      constexpr std::size_t line = 64 / sizeof(S), ahead = 8192 / sizeof(S);
      for (std::size_t i = 0; i < rows * columns; i += line) __builtin_prefetch(block + ahead + i);
      alignas(64) std::array<std::uint8_t, columns> hit;
      for (std::size_t column = 0; column < columns; ++column) {
        Key<S> above = 0, at_least = 0, largest = largest_[column];
        for (std::size_t row = 0; row < rows; ++row) {
          const Key<S> key = key_of(block[row * columns + column]);
          above += key > high;
          at_least += key >= low;
          largest = std::max(largest, key);
        }
        largest_[column] = largest;
        above_[column] += above;
        at_least_[column] += at_least;
        hit[column] = at_least != above;
      }
      if (!collect) continue;
      std::array<std::uint16_t, columns + 8> places;
      const std::size_t hits = find_flags(hit, places.data());
      for (std::size_t i = 0; i < hits; ++i)
        for (std::size_t row = 0; row < rows; ++row) keep(key_of(block[row * columns + places[i]]));
    }
    for (std::size_t i = whole; i < count; ++i) {
      const Key<S> key = key_of(entries[i]);
      above_[0] += key > high;
      at_least_[0] += key >= low;
      largest_[0] = std::max(largest_[0], key);
      if (collect) keep(key);
    }
    collected_ = collected;
  }

  static std::size_t sum(const std::array<Key<S>, columns>& counts) {
    std::size_t all = 0;
    for (const Key<S> count : counts) all += static_cast<std::size_t>(count);
    return all;
  }

  Bracket<S> bracket_;
  std::size_t limit_, collected_ = 0;
  bool collect_;
  alignas(64) std::array<Key<S>, columns> above_{}, at_least_{}, largest_{};
  std::vector<Key<S>> keys_;
};

/// Adds all entries to all counters in one read.
template <class S>
void count_all(const Entries<S>& entries, std::vector<BracketCounter<S>>& counters) {
  std::vector<std::vector<BracketCounter<S>>> threads(static_cast<std::size_t>(threads_for(entries.size())),
                                                      counters);
  const Slices slices(entries.size());
  const auto add_slice = [&](std::size_t s) {
    std::vector<BracketCounter<S>>& mine = threads[thread_index()];
    const auto add = [&](const S* block, std::size_t count, std::size_t) {
      for (BracketCounter<S>& counter : mine) counter.add(block, count);
    };
    entries.for_each_block(slices.begin(s), slices.end(s), add);
  };
  for_each_index(slices.count(), entries.size(), add_slice);
  for (std::vector<BracketCounter<S>>& thread : threads)
    for (std::size_t c = 0; c < counters.size(); ++c) counters[c].add(std::move(thread[c]));
}

/// For each rank, ascending and from 1 on, the bracket of the rank-th largest key alone; nothing where an
/// entry is not finite. One read; a rank whose bracket turns out not to hold it, or to hold too many keys, is
/// found by digits. Time grows with the number of ranks.
template <class S>
std::vector<Bracket<S>> find_by_sample(const Entries<S>& entries, std::span<const std::size_t> ranks) {
  const std::size_t limit = entries.size() / 16 + 8192;  // keys collected for a rank
  std::vector<Bracket<S>> brackets = sampled_brackets(entries, ranks);
  std::vector<BracketCounter<S>> counters;
  counters.reserve(brackets.size());
  for (const Bracket<S>& bracket : brackets) counters.emplace_back(bracket, limit);
  count_all(entries, counters);
  if (counters.front().largest() >= infinity_key<S>) return {};

  std::vector<std::size_t> missed;
  for (std::size_t b = 0; b < brackets.size(); ++b) {
    Bracket<S>& bracket = brackets[b];
    bracket.above = counters[b].above();
    bracket.inside = counters[b].inside();
    std::vector<Key<S>> keys = std::move(counters[b]).keys();
    if (bracket.rank <= bracket.above || bracket.rank > bracket.above + bracket.inside ||
        (!bracket.found() && keys.size() < bracket.inside)) {
      missed.push_back(bracket.rank);
    } else if (!bracket.found()) {
      select_key(bracket, std::move(keys));
    }
  }
  if (missed.empty()) return brackets;
  for (const Bracket<S>& found : find_by_digits<S>(entries, missed)) {
    const auto lower = [](const Bracket<S>& bracket, std::size_t rank) { return bracket.rank < rank; };
    *std::lower_bound(brackets.begin(), brackets.end(), found.rank, lower) = found;
  }
  return brackets;
}

}  // namespace fedval::detail
