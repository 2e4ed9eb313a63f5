// mistake: -DMISTAKE
// says g++: constraints not satisfied ... (Game<G>) || (BlockGame<G>) ... no operand of the disjunction is satisfied
// says clang++: does not satisfy 'Game'
// A game is asked for the value of a coalition: a span of players or a bit mask.
#include <cstddef>
#include <span>

#include "fedval/shapley/exact.hpp"

#ifdef MISTAKE
auto f() {
  return fedval::shapley::exact([](const char* players) { return players != nullptr ? 1.0 : 0.0; }, 3);
}
#else
auto f() {
  return fedval::shapley::exact(
      [](std::span<const std::size_t> players) { return players.empty() ? 0.0 : 1.0; }, 3);
}
#endif
