// Likeness of clients and the voices that it leaves them, by hand.
#include "fedval/contribution/likeness.hpp"

#include "tests/contribution/verified_rounds.hpp"

using namespace fedval;
using namespace fedval::tests;

TEST_CASE("likeness and voices by hand") {
  // Updates in the plane that g is orthogonal to: their innovations are themselves. Their layers are told
  // apart by `products`.
  const Values g{0, 0, 1}, east{1, 0, 0}, north{0, 1, 0}, between{0.5, std::sqrt(0.75), 0};
  const auto take = [&](Likeness& likeness, const std::vector<Values>& updates, double of_rows, bool moved) {
    Round round;
    for (std::size_t i = 0; i < updates.size(); ++i) round.add(i, {.update = updates[i]});
    if (moved) round.global_update = g;
    Values products(updates.size() * updates.size(), of_rows);
    for (std::size_t i = 0; i < updates.size(); ++i) products[i * updates.size() + i] = 1;
    return likeness.take(round, Innovations(round, {}, "test"),
                         Gram(products, std::vector<int>(updates.size(), 0)), moved, {}, 0.5);
  };
  Likeness likeness;
  // Before there is a g, a cosine of .5 says nothing, and neither do the rows; copies are copies.
  near(take(likeness, {east, between, east}, 0.9, false), {1, 0, 1, 0, 1, 0, 1, 0, 1});
  // Cosine .5 is half way from .4 to .6, cosine 0 is nothing; a row cosine of .65 is a third of the way.
  near(take(likeness, {east, between, north}, 0, true), {1, 0.5, 0, 0.5, 1, 1, 0, 1, 1});
  // The pairs' second round: (0, 1) has 1/3 of .5 and 2/3 of 1; (0, 2) and (1, 2) stay.
  near(take(likeness, {east, east}, 0, true), {1, 1, 1, 1});
  near(take(likeness, {east, between, north}, 0, false), {1, 1, 0, 1, 1, 1, 0, 1, 1});
  Likeness fresh;
  near(take(fresh, {east, north}, 0.65, true), {1, 1.0 / 3, 1.0 / 3, 1});
  near(voices(Values{1, 0.5, 0, 0.5, 1, 1, 0, 1, 1}, 3), {1 / 1.5, 1 / 2.5, 0.5});
  near(voices(Values{1}, 1), {1});
}
