// What final layers say once their scale is gone, by hand.
#include "fedval/contribution/unit_layers.hpp"

#include "tests/contribution/verified_rounds.hpp"

using namespace fedval;
using namespace fedval::tests;

TEST_CASE("the parts of a layer by hand") {
  // G's pairs are (e_c, e_c); W_0 has 1/sqrt 6 of each, and rows that add the fourth feature alone.
  const Square global{{4, 0, 0, 0}, {0, 2, 0, 0}, {0, 0, 1, 0}},
      own{{1, 0, 0, 1}, {0, 1, 0, 1}, {0, 0, 1, 1}}, other{{5, 0, 0, 0}, {0, 5, 0, 0}, {0, 0, 0, 0}},
      mixing{{0, 1, 0, 0}, {0, 0, 2, 0}, {3, 0, 0, 0}};
  Sent<double> sent = sent_of({{own, {}}, {other, {}}, {mixing, {}}, {-3 * global, {}}});
  sent.global = {{}, global, {}};
  const Round round = sent.round();
  const detail::FinalLayers layers(round, "test");
  const detail::UnitLayers units(round, layers, true, "test"), still(round, layers, false, "test");
  near({units.novelty(0), units.novelty(1), units.novelty(2), units.novelty(3)}, {std::sqrt(0.5), 0, 1, 0});
  CHECK(units.novelty(3) == 0);
  near(units.row_entropies(), {0, 0, entropy_of({1.0 / 14, 4.0 / 14, 9.0 / 14}, 3), 0});
  near(still.row_entropies(),
       {entropy_of({4.0 / 6, 1.0 / 6, 1.0 / 6}, 3), entropy_of({0.5, 0.5}, 3),
        entropy_of({1.0 / 14, 4.0 / 14, 9.0 / 14}, 3), entropy_of({1.0 / 21, 4.0 / 21, 16.0 / 21}, 3)});
  const Gram products = units.row_products();
  CHECK(products.cosine(0, 1) == 0);
  CHECK(products.cosine(0, 3) == 0);
  CHECK(std::abs(products.cosine(0, 2)) < 1e-15);
  CHECK(std::abs(still.row_products().cosine(0, 1) - 2 / std::sqrt(12)) < 1e-15);

  // The others' sum is a W_1: features 1 and 2, which hold 2 of W_0's 6, and W_0 agrees in both classes
  // alike.
  const auto seen = units.confirmed(0, Values{0, 0.3, 0, 0}, 1e-4);
  CHECK(std::abs(seen.inside - 2.0 / 6) < 1e-15);
  CHECK(std::abs(seen.agreed - entropy_of({0.5, 0.5}, 3)) < 1e-15);
  // W_3 against it agrees in nothing, but moves the same features.
  const auto against = units.confirmed(3, Values{0, 0.3, 0, 0}, 1e-4);
  CHECK(against.agreed == 0);
  CHECK(std::abs(against.inside - 20.0 / 21) < 1e-15);
  // A direction weaker than `least` is none: W_2's sigma are 1, 2 and 3 times its scale.
  CHECK(std::abs(units.confirmed(0, Values{0, 0, 1, 0}, 0.3).inside - 3.0 / 6) < 1e-15);
  CHECK(std::abs(units.confirmed(0, Values{0, 0, 1, 0}, 0.5).inside - 2.0 / 6) < 1e-15);
  CHECK(std::abs(units.confirmed(0, Values{0, 0, 1, 0}, 0.9).inside - 1.0 / 6) < 1e-15);
  CHECK(units.confirmed(0, Values{0, 0, 0, 0}, 1e-4).inside == 0);

  // A taller layer: W and its transpose have the same novelty.
  const auto transposed = [](const Upload<double>& upload) {
    return Upload<double>{{}, upload.weight.transpose(), {}};
  };
  const Sent<double> turned = sent.changed(transposed);
  const Round tall = turned.round();
  const detail::FinalLayers tall_layers(tall, "test");
  const detail::UnitLayers tall_units(tall, tall_layers, true, "test");
  for (std::size_t i = 0; i < 4; ++i) CHECK(std::abs(tall_units.novelty(i) - units.novelty(i)) < 1e-15);
  CHECK(std::abs(tall_units.confirmed(0, Values{0, 0.3, 0, 0}, 1e-4).inside - 4.0 / 6) < 1e-15);
}
