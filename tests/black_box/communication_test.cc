// Bytes of a round's messages against the totals of whole trainings, and one by one.
#include "fedval/black_box/communication.hpp"

#include <doctest/doctest.h>

using namespace fedval::black_box;

namespace {

constexpr std::uint64_t batch = 500, entries = 3 * 32 * 32, classes = 10, clients = 10, rounds = 100;

std::uint64_t training(Sending sending, std::uint64_t q) {
  return clients * rounds * communication(sending, batch, entries, classes, q).total();
}

double gibibytes(std::uint64_t bytes) { return static_cast<double>(bytes) * 0x1p-30; }

}  // namespace

TEST_CASE("10 clients, 100 rounds, CIFAR-10, 500 samples: to the byte") {
  CHECK(training(Sending::points, 5) == 37'004'000'000);
  CHECK(training(Sending::seed, 5) == 6'284'008'000);
  CHECK(training(Sending::points, 10) == 67'824'000'000);
  CHECK(training(Sending::seed, 10) == 6'384'008'000);
  CHECK(gibibytes(training(Sending::points, 5)) == doctest::Approx(34.46).epsilon(1e-4));
  CHECK(gibibytes(training(Sending::seed, 5)) == doctest::Approx(5.85).epsilon(1e-3));
  CHECK(gibibytes(training(Sending::points, 10)) == doctest::Approx(63.17).epsilon(1e-4));
  CHECK(gibibytes(training(Sending::seed, 10)) == doctest::Approx(5.95).epsilon(1e-3));
}

TEST_CASE("by what a message carries: 2 samples of 7 entries, 3 classes, 5 points") {
  const Communication sent = communication(Sending::points, 2, 7, 3, 5);
  CHECK(sent.samples == 56);
  CHECK(sent.points == 280);
  CHECK(sent.answers == 144);
  CHECK(sent.teaching == 24);
  CHECK(sent.models == 0);
  CHECK(sent.total() == 504);
  const Communication seeded = communication(Sending::seed, 2, 7, 3, 5);
  CHECK(seeded.samples == 56);
  CHECK(seeded.points == 8);
  CHECK(seeded.answers == 144);
  CHECK(seeded.teaching == 24);
  CHECK(seeded.models == 0);
  CHECK(seeded.total() == 232);
}

TEST_CASE("a model goes both ways, four bytes a parameter") {
  const Communication sent = communication_of_model(2'043'185);
  CHECK(sent.models == 16'345'480);
  CHECK(sent.total() == 16'345'480);
  CHECK(communication_of_model(0).total() == 0);
}
