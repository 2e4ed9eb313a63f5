// The examples of a server's work: a round, and updates that lie in files.
#include <doctest/doctest.h>

#include <cmath>
#include <fstream>
#include <limits>
#include <vector>

#include "fedval/fedval.hpp"
#include "tests/examples/program.hpp"

using examples::run;

namespace {

void write(const std::string& path, const std::vector<float>& values) {
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(values.data()),
             static_cast<std::streamsize>(values.size() * sizeof(float)));
}

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t found = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++found;
  return found;
}

}  // namespace

TEST_CASE("the aggregation server refuses what is broken, and rewards by importance in both rounds") {
  const examples::Finished finished = run("examples/aggregator");
  INFO(finished.output);
  CHECK(finished.code == 0);
  CHECK(count(finished.output, "refused: client mallory: update[17] is NaN\n") == 2);
  CHECK(count(finished.output, "bob: importance ") == 2);
  CHECK(count(finished.output, "downloads 1000 of 1000 entries\n") ==
        2);  // the one with the most, and nobody else
  // The same updates again, of a server that has the first one's state: the model goes on.
  const auto number = [&](const std::string& text, std::size_t at) {
    return std::stod(finished.output.substr(finished.output.find(text, at) + text.size()));
  };
  const std::size_t second = finished.output.find("round 2\n");
  REQUIRE(second != std::string::npos);
  const std::string length = "the model has length ";
  CHECK(number(length, second) > 1.5 * number(length, 0));
}

TEST_CASE("updates in files: values by their closed form, and the file that is at fault") {
  const char* temporary = std::getenv("TEST_TMPDIR");
  const std::string folder = temporary ? temporary : "/tmp", a = folder + "/a.f32", b = folder + "/b.f32",
                    bad = folder + "/bad.f32";
  // Two orthogonal updates of unequal length: psi is the cosine with the sum of the unit vectors, 1 / sqrt 2.
  std::vector<float> first(5000), second(5000);
  first[7] = 3;
  second[4999] = -.5;
  write(a, first);
  write(b, second);
  const examples::Finished finished = run("examples/files " + a + " " + b);
  CHECK(finished.code == 0);
  CHECK(finished.output ==
        "a.f32: norm 3, psi 0.707107, exact 0.500000\nb.f32: norm 0.5, psi 0.707107, exact 0.500000\n");

  second[42] = std::numeric_limits<float>::quiet_NaN();
  write(bad, second);
  const examples::Finished refused = run("examples/files " + a + " " + bad);
  CHECK(refused.code == 2);
  CHECK(refused.output == bad + "[42] is NaN\n");

  CHECK(count(run("examples/files").output, "psi ") == 3);
}
