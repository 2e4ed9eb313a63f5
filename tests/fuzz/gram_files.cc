// Two vectors in one file: the first bytes say how they lie, the rest is the file.
#include <array>
#include <cmath>

#include "fedval/tensor/mapped_file.hpp"
#include "tests/fuzz/target.hpp"

using namespace fedval;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr std::size_t header = 12;
  if (size < header) return 0;
  constexpr std::array types{ScalarType::float64, ScalarType::float32, ScalarType::float16,
                             ScalarType::bfloat16};
  const auto path = fuzz::write("file", {reinterpret_cast<const char*>(data) + header, size - header});
  const auto described = [&](const std::uint8_t* words) {
    RawFile file{.path = path.string(), .type = types[words[0] % 4], .offset = words[1]};
    if (words[0] >= 128) file.count = words[2] + 256U * words[3];
    if (words[0] == 255) file.count = ~std::size_t{0} >> (words[2] % 64);
    if (words[1] == 255) file.offset = ~std::uint64_t{0} << (words[3] % 64);
    return file;
  };
  const auto check = [](const Gram& products) {
    for (std::size_t i = 0; i < products.size(); ++i) {
      fuzz::demand(std::isfinite(products.scaled_norm(i)), "a norm of finite entries");
      fuzz::demand(std::abs(products.cosine(0, i)) <= 1 + 1e-9, "a cosine within [-1, 1]");
    }
  };
  const std::array files{described(data), described(data + 4)};
  fuzz::reads([&] { check(gram_of_files(files, 4096)); });
  fuzz::reads([&] { check(gram_of_rows(files[0], data[8] % 8, 4096)); });
  return 0;
}
