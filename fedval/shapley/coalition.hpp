// A coalition: a set of players 0, 1, 2, ..., any number of them.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <vector>

namespace fedval::shapley {

/// A coalition of players below 64 as a bit mask: bit i is set where player i is a member.
using Mask = std::uint64_t;

/// A set of players. The first 64 are one word; more of them take memory of their own.
class Coalition {
  using Rest = std::vector<Mask>;  // players from 64 on, without zero words at the end

 public:
  /// The empty coalition.
  Coalition() = default;
  /// O(1) without players from 64 on, else O(largest player / 64).
  Coalition(const Coalition& other) : first_(other.first_), rest_(copy(other)) {}
  /// O(1); the source is left its players below 64.
  Coalition(Coalition&&) = default;
  /// As the copy constructor; in the memory at hand where it suffices.
  Coalition& operator=(const Coalition& other) {
    first_ = other.first_;
    if (rest_ == nullptr && other.rest_ == nullptr) return *this;
    if (rest_ != nullptr && other.rest_ != nullptr) {
      *rest_ = *other.rest_;  // in the memory that is there
    } else {
      rest_ = copy(other);
    }
    return *this;
  }
  /// As the move constructor.
  Coalition& operator=(Coalition&&) = default;
  /// Player i is a member where bit i is set.
  explicit Coalition(Mask mask) : first_(mask) {}
  /// In any order; repeats count once.
  Coalition(std::initializer_list<std::size_t> members) {
    for (const std::size_t i : members) insert(i);
  }

  /// Players 0 ... n - 1.
  static Coalition everyone(std::size_t n) {
    Coalition all(n < 64 ? (Mask{1} << n) - 1 : ~Mask{0});
    for (std::size_t i = 64; i < n; ++i) all.insert(i);
    return all;
  }

  /// O(1), for any i.
  bool contains(std::size_t i) const {
    return i < 64 ? (first_ >> i & 1) != 0
                  : i / 64 <= rest().size() && (rest()[i / 64 - 1] >> i % 64 & 1) != 0;
  }
  /// No effect on a member. Takes memory for players 64 ... i, a bit each.
  void insert(std::size_t i) {
    if (i < 64) {
      first_ |= Mask{1} << i;
      return;
    }
    if (rest_ == nullptr) rest_ = std::make_unique<Rest>();
    if (i / 64 > rest_->size()) rest_->resize(i / 64);
    (*rest_)[i / 64 - 1] |= Mask{1} << i % 64;
  }
  /// No effect on a player that is no member.
  void erase(std::size_t i) {
    if (i < 64) first_ &= ~(Mask{1} << i);
    if (i < 64 || i / 64 > rest().size()) return;
    (*rest_)[i / 64 - 1] &= ~(Mask{1} << i % 64);
    trim();
  }
  /// Lets player i in or out.
  void flip(std::size_t i) { contains(i) ? erase(i) : insert(i); }

  /// How many members.
  std::size_t size() const {
    auto count = static_cast<std::size_t>(std::popcount(first_));
    for (const Mask word : rest()) count += static_cast<std::size_t>(std::popcount(word));
    return count;
  }
  /// Those of n players that are not members.
  Coalition complement(std::size_t n) const {
    Coalition others = everyone(n);
    others.first_ &= ~first_;
    for (std::size_t w = 0; w < rest().size() && w < others.rest().size(); ++w)
      (*others.rest_)[w] &= ~rest()[w];
    others.trim();
    return others;
  }

  /// Calls body(i) for the members in ascending order.
  template <class Body>
  void for_each(Body&& body) const {
    for_each_bit(first_, 0, body);
    for (std::size_t w = 0; w < rest().size(); ++w) for_each_bit(rest()[w], 64 * (w + 1), body);
  }
  /// In ascending order.
  std::vector<std::size_t> members() const {
    std::vector<std::size_t> list;
    for_each([&](std::size_t i) { list.push_back(i); });
    return list;
  }

  /// The only member of one coalition that the other lacks; n where they do not differ by one player.
  static std::size_t difference(const Coalition& a, const Coalition& b, std::size_t n) {
    std::size_t player = n, differing = 0;
    const auto compare = [&](Mask word, std::size_t base) {
      if (word == 0) return;
      player = base + static_cast<std::size_t>(std::countr_zero(word));
      differing += (word & (word - 1)) == 0 ? 1 : 2;
    };
    compare(a.first_ ^ b.first_, 0);
    const Rest &left = a.rest(), &right = b.rest();
    for (std::size_t w = 0; w < left.size() || w < right.size(); ++w)
      compare((w < left.size() ? left[w] : 0) ^ (w < right.size() ? right[w] : 0), 64 * (w + 1));
    return differing == 1 ? player : n;
  }

  /// Players below 64 as a bit mask.
  Mask mask() const { return first_; }
  /// Whether there are others.
  bool beyond_mask() const { return rest_ != nullptr && !rest_->empty(); }
  /// The same members, however they came in.
  bool operator==(const Coalition& other) const { return first_ == other.first_ && rest() == other.rest(); }

  /// "{0, 3, 4}".
  std::string text() const {
    std::string result = "{";
    for_each([&](std::size_t i) {
      if (result.size() > 1) result += ", ";
      result += std::to_string(i);
    });
    return result + "}";
  }

  /// For unordered containers; keyed by nothing, so the same in every run.
  struct Hash {
    /// O(largest player / 64).
    std::size_t operator()(const Coalition& coalition) const {
      std::size_t hash = mix(coalition.first_);
      for (const Mask word : coalition.rest()) hash = mix(hash + 0x9e3779b97f4a7c15 + word);  // and its place
      return hash;
    }

   private:
    /// Every bit of the word reaches every bit of the result (the finaliser of splitmix64).
    static std::uint64_t mix(std::uint64_t x) {
      x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
      x = (x ^ x >> 27) * 0x94d049bb133111eb;
      return x ^ x >> 31;
    }
  };

 private:
  template <class Body>
  static void for_each_bit(Mask word, std::size_t base, Body& body) {
    for (; word != 0; word &= word - 1) body(base + static_cast<std::size_t>(std::countr_zero(word)));
  }

  static std::unique_ptr<Rest> copy(const Coalition& other) {
    return other.rest_ == nullptr ? nullptr : std::make_unique<Rest>(*other.rest_);
  }
  const Rest& rest() const {
    static const Rest none;
    return rest_ == nullptr ? none : *rest_;
  }
  /// Equal sets have equal words.
  void trim() {
    if (rest_ == nullptr) return;
    while (!rest_->empty() && rest_->back() == 0) rest_->pop_back();
  }

  Mask first_ = 0;
  std::unique_ptr<Rest> rest_;  // null as a rule, which makes copies cheap
};

/// A list of coalitions that keeps the memory of those it had before.
class CoalitionList {
 public:
  /// Number of coalitions.
  std::size_t size() const { return size_; }
  /// Valid, as end(), until the next push_back().
  const Coalition* begin() const { return slots_.data(); }
  /// One behind the last.
  const Coalition* end() const { return slots_.data() + size_; }
  /// Unchecked: k < size().
  const Coalition& operator[](std::size_t k) const { return slots_[k]; }
  /// The last one, of a list that is not empty.
  Coalition& back() { return slots_[size_ - 1]; }
  /// The memory stays.
  void clear() { size_ = 0; }
  /// `coalition` may be a member of the list.
  void push_back(const Coalition& coalition) {
    if (size_ == slots_.size()) {
      slots_.push_back(coalition);
    } else {
      slots_[size_] = coalition;
    }
    ++size_;
  }

 private:
  std::vector<Coalition> slots_;
  std::size_t size_ = 0;
};

}  // namespace fedval::shapley
