// Cooperative games: n players, and a value for every coalition of them.
//
//   v: subsets of {0, ..., n - 1} -> R
//
// A game is any callable that takes a coalition as a bit mask (up to 64 players), or its members as a span of
// players in ascending order (any number); or an object whose batch() evaluates many coalitions at once, as
// its own threads, processes or devices see fit. A game that knows a faster way to a whole block of masks
// offers it as block() (BlockGame).
#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <limits>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "fedval/error.hpp"
#include "fedval/shapley/coalition.hpp"
#include "fedval/tensor/slices.hpp"

namespace fedval::shapley {

/// A game by bit mask.
template <class G>
concept MaskGame = requires(G& game, Mask mask) {
  { game(mask) } -> std::convertible_to<double>;
};

/// A game by members.
template <class G>
concept MemberGame = requires(G& game, std::span<const std::size_t> members) {
  { game(members) } -> std::convertible_to<double>;
};

/// A game that evaluates many coalitions at once: batch(coalitions, out) writes v(coalitions[k]) to out[k].
/// Entries it had no time to write before it throws are NaN, so that the others are not lost.
template <class G>
concept BatchGame = requires(G& game, std::span<const Coalition> coalitions, std::span<double> out) {
  game.batch(coalitions, out);
};

/// A game in any of the three forms.
template <class G>
concept Game = MaskGame<G> || MemberGame<G> || BatchGame<G>;

/// A game that gives 2^L values at once: block(high, out) writes v(high + s), s = 0 ... 2^L - 1, where the
/// low L bits of `high` are 0 and out has 2^L entries, L <= 14. Must be callable from several threads, and
/// must not throw.
template <class G>
concept BlockGame = requires(const G& game, Mask high, std::span<double> out) {
  game.block(high, out);
};

/// What a utility threw, nested (std::rethrow_if_nested), or that its value is not finite, with the coalition
/// it was asked for.
class UtilityError : public std::runtime_error {
 public:
  /// what() is "utility of coalition {0, 3}: " followed by `what`.
  UtilityError(Coalition coalition, const std::string& what)
      : std::runtime_error("utility of coalition " + coalition.text() + ": " + what),
        coalition_(std::move(coalition)) {}
  /// The one whose value was asked for.
  const Coalition& coalition() const { return coalition_; }

 private:
  Coalition coalition_;
};

/// v(coalition). UtilityError when the game throws or its value is not finite: nothing is skipped in silence.
/// Error for a game by bit mask and a player beyond 63.
template <class G>
requires MaskGame<G> || MemberGame<G>
double value_of(G& game, const Coalition& coalition) {
  double value = 0;
  if constexpr (MaskGame<G>)
    if (coalition.beyond_mask())
      fail("a game by bit mask has at most 64 players, asked for ", coalition.text());
  try {
    if constexpr (MaskGame<G>) {
      value = static_cast<double>(game(coalition.mask()));
    } else {
      const std::vector<std::size_t> members = coalition.members();
      value = static_cast<double>(game(std::span<const std::size_t>(members)));
    }
  } catch (const std::exception& error) {
    std::throw_with_nested(UtilityError(coalition, error.what()));
  } catch (...) {
    std::throw_with_nested(UtilityError(coalition, "something that is no std::exception"));
  }
  if (!(value - value == 0)) throw UtilityError(coalition, "is " + std::to_string(value));
  return value;
}

/// out[k] = v(coalitions[k]). A game without batch() is asked one by one, in order. Errors as for value_of();
/// a batch that throws anything but a UtilityError is named by its first coalition that has no value.
template <Game G>
void values_of(G& game, std::span<const Coalition> coalitions, std::span<double> out) {
  if constexpr (BatchGame<G>) {
    if (coalitions.empty()) return;
    std::fill(out.begin(), out.end(), std::numeric_limits<double>::quiet_NaN());
    const auto unwritten = [&] {
      std::size_t k = 0;
      while (k + 1 < out.size() && out[k] - out[k] == 0) ++k;
      return k;
    };
    try {
      game.batch(coalitions, out);
    } catch (const UtilityError&) {
      throw;
    } catch (const std::exception& error) {
      std::throw_with_nested(UtilityError(coalitions[unwritten()], error.what()));
    } catch (...) {
      std::throw_with_nested(UtilityError(coalitions[unwritten()], "something that is no std::exception"));
    }
    for (std::size_t k = 0; k < out.size(); ++k)
      if (!(out[k] - out[k] == 0)) throw UtilityError(coalitions[k], "is " + std::to_string(out[k]));
  } else {
    for (std::size_t k = 0; k < coalitions.size(); ++k) out[k] = value_of(game, coalitions[k]);
  }
}

/// A game whose callable may be used by several threads at a time, evaluated on all cores.
template <class G>
requires MaskGame<G> || MemberGame<G>
class InParallel {
 public:
  /// Keeps a reference: the game must outlive this.
  explicit InParallel(G& game) : game_(&game) {}

  /// out[k] = value_of(game, coalitions[k]). All are tried; then the first error, by index, is thrown.
  void batch(std::span<const Coalition> coalitions, std::span<double> out) {
    constexpr std::size_t worth_any_thread = std::size_t{1} << 40;
    fedval::detail::for_each_index(coalitions.size(), worth_any_thread,
                                   [&](std::size_t k) { out[k] = value_of(*game_, coalitions[k]); });
  }

 private:
  G* game_;
};

/// As InParallel; the game must outlive the result.
template <class G>
InParallel<G> in_parallel(G& game) {
  return InParallel<G>(game);
}

/// Called now and then with the share of the work that is done, in [0, 1]; false stops it.
using Progress = std::function<bool(double)>;

/// Work that its progress callback stopped.
class Cancelled : public std::runtime_error {
 public:
  /// what() is "cancelled".
  Cancelled() : std::runtime_error("cancelled") {}
};

}  // namespace fedval::shapley
