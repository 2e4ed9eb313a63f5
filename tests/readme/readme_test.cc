// README's own code, compiled and run: the build cuts it out of README.md. The example is a program of its
// own.
#include <doctest/doctest.h>

#include <array>
#include <cstdio>
#include <memory>
#include <string>

#include "fedval/fedval.hpp"
#include "tests/readme/own_type.inc"

namespace {

constexpr std::string_view promised_output =
#include "tests/readme/output.inc"
    ;
constexpr std::string_view promised_shapley_output =
#include "tests/readme/shapley_output.inc"
    ;
constexpr std::string_view promised_gradient_output =
#include "tests/readme/gradient_output.inc"
    ;

std::string output_of(const char* program) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> example(popen(program, "r"), pclose);
  REQUIRE(example != nullptr);
  std::string printed;
  for (std::array<char, 4096> part; std::fgets(part.data(), part.size(), example.get()) != nullptr;)
    printed += part.data();
  return printed;
}

}  // namespace

TEST_CASE("README's examples print what README says") {
  CHECK(output_of("tests/readme/example") == promised_output);
  CHECK(output_of("tests/readme/shapley") == promised_shapley_output);
  CHECK(output_of("tests/readme/gradient") == promised_gradient_output);
}

TEST_CASE("README's own tensor type is a tensor that can be read and written") {
  static_assert(fedval::FloatingTensor<Buffer> && fedval::MutableTensor<Buffer>);
  std::vector<float> memory{3, 0, 0, 4};
  const Buffer buffer{2, 2, memory.data()};
  CHECK(fedval::norm(buffer) == 5);
  fedval::scale(2, buffer);
  CHECK(memory == std::vector<float>{6, 0, 0, 8});
}
