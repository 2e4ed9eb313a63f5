// Selection by counting: how many keys have which leading digit within an interval, which narrows it to one
// digit; again, until few enough keys are left to be collected, or one. Any number of ranks share the reads,
// and no input is slow: a float has two digits, a double five.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <functional>
#include <span>
#include <type_traits>
#include <vector>

#include "fedval/tensor/magnitude.hpp"
#include "fedval/tensor/slices.hpp"

namespace fedval::detail {

/// An interval of keys that holds the rank-th largest, and how many are above and in it.
template <class S>
struct Bracket {
  std::size_t rank = 0;      // counted from 1
  Key<S> low = 0, high = 0;  // both belong to it
  std::size_t above = 0, inside = 0;

  bool found() const { return low == high; }
  /// One comparison instead of two, for keys are not negative.
  bool contains(Key<S> key) const {
    using Unsigned = std::make_unsigned_t<Key<S>>;
    return static_cast<Unsigned>(key - low) <= static_cast<Unsigned>(high - low);
  }
};

inline int bit_width(std::int64_t range) {
  return static_cast<int>(std::bit_width(static_cast<std::uint64_t>(range)));
}

/// Numbers of keys by their digit of `bits` bits within an interval, as high a digit as the interval needs.
template <class S>
class DigitCounts {
 public:
  DigitCounts(const Bracket<S>& interval, int bits)
      : interval_(interval),
        shift_(std::max(0, bit_width(interval.high - interval.low) - bits)),
        outside_(std::size_t{1} << bits),
        counts_(lanes * (outside_ + 1), 0) {}

  bool counts_for(const Bracket<S>& bracket) const {
    return interval_.low == bracket.low && interval_.high == bracket.high;
  }

  /// Adds key(0), ..., key(count - 1).
  template <class KeyAt>
  void add(std::size_t count, KeyAt&& key) {
    const Bracket<S> interval = interval_;
    const std::size_t outside = outside_;
    const int shift = shift_;
    std::size_t* const counts = counts_.data();
    const auto add_one = [&](Key<S> each, std::size_t lane) {
      const auto digit = static_cast<std::size_t>((each - interval.low) >> shift);
      ++counts[lane * (outside + 1) + (interval.contains(each) ? digit : outside)];
    };
    // Neighbours that fall on one digit must not wait for each other's stores.
    std::size_t i = 0;
    for (; i + lanes <= count; i += lanes)
      for (std::size_t lane = 0; lane < lanes; ++lane) add_one(key(i + lane), lane);
    for (; i < count; ++i) add_one(key(i), 0);
  }
  void add(const DigitCounts& other) {
    for (std::size_t i = 0; i < counts_.size(); ++i) counts_[i] += other.counts_[i];
  }

  /// Narrows a bracket on this interval to the digit of its rank.
  void narrow(Bracket<S>& bracket) const {
    std::size_t digit = outside_, inside = 0;
    for (std::size_t above = bracket.above; above < bracket.rank; above += inside) {
      bracket.above = above;
      inside = count(--digit);
    }
    bracket.inside = inside;
    bracket.low = interval_.low + (static_cast<Key<S>>(digit) << shift_);
    bracket.high = std::min(interval_.high, bracket.low + ((Key<S>{1} << shift_) - 1));
  }

  std::size_t outside() const { return count(outside_); }

 private:
  static constexpr std::size_t lanes = 2;

  std::size_t count(std::size_t digit) const {
    std::size_t sum = 0;
    for (std::size_t lane = 0; lane < lanes; ++lane) sum += counts_[lane * (outside_ + 1) + digit];
    return sum;
  }

  Bracket<S> interval_;
  int shift_;
  std::size_t outside_;  // the digit of keys that are not in the interval
  std::vector<std::size_t> counts_;
};

/// Narrows a bracket, all of whose keys are given, to the very key.
template <class S>
void select_key(Bracket<S>& bracket, std::vector<Key<S>> keys) {
  if (keys.size() > 4096) {  // counting is several times faster than selecting
    DigitCounts<S> counts(bracket, 11);
    counts.add(keys.size(), [&](std::size_t i) { return keys[i]; });
    counts.narrow(bracket);
    std::erase_if(keys, [bracket](Key<S> key) { return !bracket.contains(key); });
  }
  const auto nth = keys.begin() + static_cast<std::ptrdiff_t>(bracket.rank - bracket.above - 1);
  std::nth_element(keys.begin(), nth, keys.end(), std::greater<>());
  const Key<S> found = *nth;
  for (const Key<S> key : keys) bracket.above += key > found;
  bracket.inside = static_cast<std::size_t>(std::count(keys.begin(), keys.end(), found));
  bracket.low = bracket.high = found;
}

/// Counts for all intervals in one read.
template <class S>
void count_digits(const Entries<S>& entries, std::vector<DigitCounts<S>>& intervals) {
  const auto team = static_cast<std::size_t>(threads_for(entries.size()));
  std::vector<std::vector<DigitCounts<S>>> threads(team, intervals);
  const Slices slices(entries.size());
  for_each_index(slices.count(), entries.size(), [&](std::size_t s) {
    std::vector<DigitCounts<S>>& mine = threads[thread_index()];
    entries.for_each_block(slices.begin(s), slices.end(s),
                           [&](const S* block, std::size_t count, std::size_t) {
                             for (DigitCounts<S>& counts : mine)
                               counts.add(count, [block](std::size_t i) { return key_of(block[i]); });
                           });
  });
  for (const std::vector<DigitCounts<S>>& thread : threads)
    for (std::size_t i = 0; i < intervals.size(); ++i) intervals[i].add(thread[i]);
}

/// The keys of each of some disjoint brackets, highest first, in one read.
template <class S>
std::vector<std::vector<Key<S>>> collect_keys(const Entries<S>& entries,
                                              std::span<const Bracket<S>> brackets) {
  using Lists = std::vector<std::vector<Key<S>>>;
  // A table of digits between the lowest and the highest bracket: the place, from 1, of the highest bracket
  // that a digit touches, 0 where it touches none. Its last entry is for keys beyond.
  constexpr int bits = 16;
  const Bracket<S> range{0, brackets.back().low, brackets.front().high};
  const int shift = std::max(0, bit_width(range.high - range.low) - bits);
  std::vector<std::uint32_t> table((std::size_t{1} << bits) + 1, 0);
  const auto digit_of = [range, shift](Key<S> key) {
    return range.contains(key) ? static_cast<std::size_t>((key - range.low) >> shift)
                               : std::size_t{1} << bits;
  };
  for (std::size_t b = brackets.size(); b-- > 0;)
    for (std::size_t digit = digit_of(brackets[b].low); digit <= digit_of(brackets[b].high); ++digit)
      table[digit] = static_cast<std::uint32_t>(b + 1);
  std::vector<Lists> threads(static_cast<std::size_t>(threads_for(entries.size())), Lists(brackets.size()));
  const Slices slices(entries.size());
  const auto collect_slice = [&](std::size_t s) {
    Lists& mine = threads[thread_index()];
    const auto collect = [&mine, brackets, digit_of, places = table.data()](const S* block, std::size_t count,
                                                                            std::size_t) {
      std::array<std::uint16_t, block_width> touched;  // without a branch that depends on the entries
      std::size_t hits = 0;
      for (std::size_t i = 0; i < count; ++i) {
        touched[hits] = static_cast<std::uint16_t>(i);
        hits += places[digit_of(key_of(block[i]))] != 0;
      }
      for (std::size_t h = 0; h < hits; ++h) {
        const Key<S> key = key_of(block[touched[h]]);
        std::size_t b = places[digit_of(key)] - 1;
        while (brackets[b].low > key && b + 1 < brackets.size()) ++b;
        if (brackets[b].contains(key)) mine[b].push_back(key);
      }
    };
    entries.for_each_block(slices.begin(s), slices.end(s), collect);
  };
  for_each_index(slices.count(), entries.size(), collect_slice);
  for (std::size_t t = 1; t < threads.size(); ++t)
    for (std::size_t b = 0; b < brackets.size(); ++b)
      threads[0][b].insert(threads[0][b].end(), threads[t][b].begin(), threads[t][b].end());
  return std::move(threads[0]);
}

/// For each rank, ascending and from 1 on, the bracket of the rank-th largest key alone; nothing where an
/// entry is not finite. At most six reads, usually two.
template <class S>
std::vector<Bracket<S>> find_by_digits(const Entries<S>& entries, std::span<const std::size_t> ranks) {
  const std::size_t few = entries.size() / 64 + 4096;
  std::vector<Bracket<S>> brackets;
  for (const std::size_t rank : ranks) brackets.push_back({rank, 0, infinity_key<S> - 1, 0, entries.size()});
  std::vector<DigitCounts<S>> intervals;
  for (bool first = true;; first = false) {
    // As ranks ascend, brackets of one interval are neighbours.
    std::vector<std::size_t> interval_of(brackets.size());
    intervals.clear();
    for (std::size_t b = 0; b < brackets.size(); ++b) {
      if (!first && (brackets[b].found() || brackets[b].inside <= few)) continue;
      if (intervals.empty() || !intervals.back().counts_for(brackets[b]))
        intervals.emplace_back(brackets[b], 15);
      interval_of[b] = intervals.size();
    }
    if (intervals.empty()) break;
    count_digits(entries, intervals);
    if (first && intervals.front().outside() > 0) return {};
    for (std::size_t b = 0; b < brackets.size(); ++b)
      if (interval_of[b] > 0) intervals[interval_of[b] - 1].narrow(brackets[b]);
  }

  std::vector<Bracket<S>> distinct;
  for (const Bracket<S>& bracket : brackets)
    if (!bracket.found() && (distinct.empty() || distinct.back().low != bracket.low))
      distinct.push_back(bracket);
  if (distinct.empty()) return brackets;
  const auto keys = collect_keys<S>(entries, distinct);
  std::size_t place = 0;
  for (Bracket<S>& bracket : brackets) {
    if (bracket.found()) continue;
    if (distinct[place].low != bracket.low) ++place;
    select_key(bracket, keys[place]);
  }
  return brackets;
}

}  // namespace fedval::detail
