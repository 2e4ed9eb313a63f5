// What docs/black_box.md says of the estimators, on models that the example does not use.
#include <doctest/doctest.h>

#include <cstdio>
#include <memory>
#include <string>

#include "examples/black_boxes.hpp"

using namespace black_boxes;

namespace {

constexpr std::uint64_t seed = 611;
constexpr double entries = Scene::entries, batch = Scene::batch;

const Scene& scene() {
  static const Scene made{{seed, 0}};
  return made;
}

double loss_at(const Rows& x) {
  return bb::losses_of({}, {x, scene().z, scene().ordered}, scene().ensemble(x), scene().server(x)).total({});
}

}  // namespace

TEST_CASE("the truth is the slope of the loss") {
  CAPTURE(seed);
  const Rows truth = scene().truth();
  Rows moved = scene().x;
  for (const std::size_t i : {std::size_t{0}, Scene::batch - 1})
    for (const std::size_t e : {std::size_t{0}, Scene::entries / 2}) {
      constexpr double step = 1e-4;
      moved[i][e] += step;
      const double above = loss_at(moved);
      moved[i][e] -= 2 * step;
      const double below = loss_at(moved);
      moved[i][e] = scene().x[i][e];
      CHECK(truth[i][e] == doctest::Approx((above - below) / (2 * step)).epsilon(1e-5).scale(1e-3));
    }
}

TEST_CASE(
    "errors follow the closed forms: (dB - 1) / q for one number a batch, (d - q) / q for one a sample") {
  CAPTURE(seed);
  constexpr double q = 12;
  const std::vector<Errors> errors = measure(scene(), 12, 40);
  const Errors &scalar = errors[0], &reference = errors[1], &sample = errors[2], &chain = errors[3];
  // A mean of 40 x 32 samples' errors is within a few per cent; the batch has 40 errors only, each of which
  // hangs on one difference squared.
  CHECK(scalar.squared == doctest::Approx((entries * batch - 1) / q).epsilon(0.25));
  CHECK(sample.squared == doctest::Approx((entries - q) / q).epsilon(0.1));
  CHECK(chain.squared < sample.squared);
  CHECK(chain.cosine > 3 * scalar.cosine);
  CHECK(reference.cosine == doctest::Approx(scalar.cosine).epsilon(1e-9));
  CHECK(reference.squared < 2);
}

TEST_CASE("as many orthogonal points as entries leave no error but epsilon's") {
  CAPTURE(seed);
  const std::vector<Errors> errors = measure(scene(), Scene::entries, 2);
  CHECK(errors[2].squared < 1e-5);
  CHECK(errors[3].squared < 1e-5);
  CHECK(errors[0].squared > 10);
}

TEST_CASE("the program prints its three tables") {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> program(popen("examples/black_boxes", "r"), pclose);
  REQUIRE(program != nullptr);
  std::string printed;
  for (int c = std::fgetc(program.get()); c != EOF; c = std::fgetc(program.get()))
    printed += static_cast<char>(c);
  for (const char* table : {"5 points a sample: 10632 bytes a client (41344 where the points travel)\n",
                            "24 points a sample: ", "48 points a sample: "})
    CHECK(printed.find(table) != std::string::npos);
  CHECK(printed.find("nan") == std::string::npos);
}
