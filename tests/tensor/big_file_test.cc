// 100 vectors of ten million floats, four gigabytes, through a window: their Gram matrix is exact, and memory
// stays small. The files are sparse, so they hold some tens of megabytes of the disk.
#include <doctest/doctest.h>

#include <array>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "fedval/random/philox.hpp"
#include "fedval/tensor/mapped_file.hpp"
#include "tests/support/memory.hpp"

using namespace fedval;
namespace fs = std::filesystem;

namespace {

constexpr std::uint64_t seed = 811;
constexpr std::size_t n = 100, runs = 40, length = 100;

/// Files in a folder of its own, removed at the end whatever happens.
class Folder {
 public:
  Folder() {
    const char* given = std::getenv("TEST_TMPDIR");
    std::string pattern =
        ((given != nullptr ? fs::path(given) : fs::temp_directory_path()) / "XXXXXX").string();
    REQUIRE(mkdtemp(pattern.data()) != nullptr);
    path_ = pattern;
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder() { fs::remove_all(path_); }
  std::string file(std::size_t i) const { return (path_ / std::to_string(i)).string(); }

 private:
  fs::path path_;
};

/// Where a run of entries that are not zero begins: the first entry, the last ones, and places between.
std::array<std::size_t, runs> draw_places(random::Stream& stream, std::size_t size) {
  std::array<std::size_t, runs> places{};
  const std::size_t step = size / runs;
  for (std::size_t r = 1; r + 1 < runs; ++r) places[r] = r * step + stream.below(step - length);
  places[runs - 1] = size - length;
  return places;
}

using Values = std::vector<float>;  // of all runs, one after the other

void write_runs(std::fstream& file, std::size_t start, const std::array<std::size_t, runs>& places,
                const Values& values) {
  for (std::size_t r = 0; r < runs; ++r) {
    file.seekp(static_cast<std::streamoff>((start + places[r]) * sizeof(float)));
    file.write(reinterpret_cast<const char*>(&values[r * length]), length * sizeof(float));
  }
}

/// Small whole numbers, so that their products and sums are exact.
std::vector<Values> draw(random::Stream& stream) {
  std::vector<Values> vectors(n, Values(runs * length));
  for (Values& vector : vectors)
    for (float& value : vector) value = static_cast<float>(static_cast<int>(stream.below(17)) - 8);
  return vectors;
}

void check(const Gram& found, const std::vector<Values>& vectors) {
  REQUIRE(found.size() == n);
  std::size_t wrong = 0;
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = 0; j < n; ++j) {
      std::int64_t sum = 0;
      for (std::size_t k = 0; k < runs * length; ++k)
        sum += static_cast<std::int64_t>(vectors[i][k]) * static_cast<std::int64_t>(vectors[j][k]);
      wrong += found(i, j) != static_cast<double>(sum);
    }
  CHECK(wrong == 0);
  const double peak = tests::peak_memory();
  MESSAGE("peak memory " << peak << " MiB");
  if (peak > 0) CHECK(peak < 256);
}

}  // namespace

TEST_CASE("a file each") {
  CAPTURE(seed);
  random::Stream stream(seed);
  const Folder folder;
  const auto places = draw_places(stream, 10'000'000);
  const std::vector<Values> vectors = draw(stream);
  std::vector<RawFile> files;
  for (std::size_t i = 0; i < n; ++i) {
    files.push_back({folder.file(i)});
    std::fstream file(files[i].path, std::ios::binary | std::ios::out);
    write_runs(file, 0, places, vectors[i]);
    REQUIRE(file.good());
  }
  check(gram_of_files(files), vectors);
}

TEST_CASE("the rows of one file") {
  CAPTURE(seed);
  random::Stream stream(seed, 1);
  const Folder folder;
  constexpr std::size_t size = 2'000'001;  // rows do not start with a page
  const auto places = draw_places(stream, size);
  const std::vector<Values> vectors = draw(stream);
  {
    std::fstream file(folder.file(0), std::ios::binary | std::ios::out);
    for (std::size_t i = 0; i < n; ++i) write_runs(file, i * size, places, vectors[i]);
    REQUIRE(file.good());
  }
  check(gram_of_rows({folder.file(0)}, n), vectors);
}
