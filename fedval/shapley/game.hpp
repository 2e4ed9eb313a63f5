// Cooperative games: n players, and a value for every coalition of them.
//
//   v: subsets of {0, ..., n - 1} -> R,   n <= 63,   a coalition is a bit mask: player i is in S where bit i
//   is set
//
// Any callable is a game: one that takes the bit mask, or one that takes the members as a span of players in
// ascending order. A game that knows a faster way to a whole block of coalitions offers it as block()
// (BlockGame).
#pragma once

#include <array>
#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "fedval/error.hpp"

namespace fedval::shapley {

/// Bit i is set where player i is a member.
using Coalition = std::uint64_t;

inline constexpr std::size_t most_players = 63;

/// All of n players.
constexpr Coalition everyone(std::size_t n) { return (Coalition{1} << n) - 1; }

/// "{0, 3, 4}".
inline std::string text(Coalition coalition) {
  std::string result = "{";
  for (; coalition != 0; coalition &= coalition - 1) {
    if (result.size() > 1) result += ", ";
    result += std::to_string(std::countr_zero(coalition));
  }
  return result + "}";
}

/// A game by bit mask.
template <class G>
concept MaskGame = requires(G& game, Coalition coalition) {
  { game(coalition) } -> std::convertible_to<double>;
};

/// A game by members.
template <class G>
concept MemberGame = requires(G& game, std::span<const std::size_t> members) {
  { game(members) } -> std::convertible_to<double>;
};

template <class G>
concept Game = MaskGame<G> || MemberGame<G>;

/// A game that gives 2^L values at once: block(high, out) writes v(high + s), s = 0 ... 2^L - 1, where the
/// low L bits of `high` are 0 and out has 2^L entries. Must be callable from several threads, and must not
/// throw.
template <class G>
concept BlockGame = requires(const G& game, Coalition high, std::span<double> out) {
  game.block(high, out);
};

/// What a utility threw, with the coalition it was asked for; the original is nested
/// (std::rethrow_if_nested).
class UtilityError : public std::runtime_error {
 public:
  UtilityError(Coalition coalition, const std::string& what)
      : std::runtime_error("utility of coalition " + text(coalition) + ": " + what), coalition_(coalition) {}
  Coalition coalition() const { return coalition_; }

 private:
  Coalition coalition_;
};

/// v(coalition). UtilityError when the game throws or its value is not finite: nothing is skipped in silence.
template <Game G>
double value_of(G& game, Coalition coalition) {
  double value = 0;
  try {
    if constexpr (MaskGame<G>) {
      value = static_cast<double>(game(coalition));
    } else {
      std::array<std::size_t, most_players + 1> members{};
      std::size_t count = 0;
      for (Coalition rest = coalition; rest != 0; rest &= rest - 1)
        members[count++] = static_cast<std::size_t>(std::countr_zero(rest));
      value = static_cast<double>(game(std::span<const std::size_t>(members.data(), count)));
    }
  } catch (const std::exception& error) {
    std::throw_with_nested(UtilityError(coalition, error.what()));
  }
  if (!(value - value == 0)) throw UtilityError(coalition, "is " + std::to_string(value));
  return value;
}

/// Called now and then with the share of the work that is done, in [0, 1]; false stops it.
using Progress = std::function<bool(double)>;

/// Work that its progress callback stopped.
class Cancelled : public std::runtime_error {
 public:
  Cancelled() : std::runtime_error("cancelled") {}
};

}  // namespace fedval::shapley
