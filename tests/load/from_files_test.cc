// A round of 100 clients of ten million floats each, four gigabytes, whose updates lie in files: scores are
// exact, and less than 256 MiB is resident at the worst moment, pages of files included. The files are
// sparse, and every page of them is read.
#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "fedval/contribution/cosine_gradient_shapley.hpp"
#include "fedval/contribution/leave_one_out_cosine.hpp"
#include "fedval/random/philox.hpp"
#include "fedval/tensor/mapped_file.hpp"
#include "fedval/tensor/std.hpp"
#include "tests/support/memory.hpp"
#include "tests/support/threads.hpp"

using namespace fedval;
namespace fs = std::filesystem;

namespace {

constexpr std::uint64_t seed = 2341;
constexpr int threads = 2;  // each holds some 200 KiB of every file
constexpr std::size_t runs = 40, length = 100;

/// Clients' updates: zeros but for runs at common places, the first and the last entries among them.
class Files {
 public:
  Files(std::size_t clients, std::size_t entries) {
    const char* given = std::getenv("TEST_TMPDIR");
    std::string pattern =
        ((given != nullptr ? fs::path(given) : fs::temp_directory_path()) / "XXXXXX").string();
    REQUIRE(mkdtemp(pattern.data()) != nullptr);
    path_ = pattern;
    random::Stream stream(seed);
    std::array<std::size_t, runs> places{};
    const std::size_t step = entries / runs;
    for (std::size_t r = 1; r + 1 < runs; ++r) places[r] = r * step + stream.below(step - length);
    places[runs - 1] = entries - length;
    for (std::size_t i = 0; i < clients; ++i) {
      values_.emplace_back();
      for (std::size_t k = 0; k < runs * length; ++k)
        values_[i].push_back(static_cast<float>(0.2 + stream.normal()));
      std::ofstream file(name(i), std::ios::binary);
      for (std::size_t r = 0; r < runs; ++r) {
        file.seekp(static_cast<std::streamoff>(places[r] * sizeof(float)));
        file.write(reinterpret_cast<const char*>(&values_[i][r * length]), length * sizeof(float));
      }
      REQUIRE(file.good());
    }
  }
  Files(const Files&) = delete;
  Files& operator=(const Files&) = delete;
  ~Files() { fs::remove_all(path_); }

  std::string name(std::size_t i) const { return (path_ / std::to_string(i)).string(); }
  Round round() const {
    Round result;
    for (std::size_t i = 0; i < values_.size(); ++i) result.add(i, {.update = MappedFile({name(i)})});
    return result;
  }

  /// cos(u_i, sum_j u_j), the sum with i or without.
  std::vector<long double> cosines(bool with_own) const {
    std::vector<long double> sum(runs * length, 0), lengths, result;
    for (const std::vector<float>& update : values_) {
      long double square = 0;
      for (const float value : update) square += static_cast<long double>(value) * value;
      lengths.push_back(std::sqrt(square));
      for (std::size_t k = 0; k < sum.size(); ++k) sum[k] += update[k] / lengths.back();
    }
    for (std::size_t i = 0; i < values_.size(); ++i) {
      long double along = 0, square = 0;
      for (std::size_t k = 0; k < sum.size(); ++k) {
        const long double own = values_[i][k] / lengths[i], other = with_own ? sum[k] : sum[k] - own;
        along += own * other;
        square += other * other;
      }
      result.push_back(along / std::sqrt(square));
    }
    return result;
  }

 private:
  fs::path path_;
  std::vector<std::vector<float>> values_;
};

/// Sums of 4,000 products, and of a few hundred of these: some hundreds of roundings at most.
constexpr double tolerance = 1e-12;

void check(const Scores& found, const std::vector<long double>& expected) {
  REQUIRE(found.size() == expected.size());
  double worst = 0;
  for (std::size_t i = 0; i < found.size(); ++i)
    worst = std::max(worst, static_cast<double>(std::abs(found[i].second.value - expected[i])));
  CHECK(worst < tolerance);
}

void check_peak() {
  const double peak = tests::peak_memory();
  MESSAGE("peak memory " << peak << " MiB");
  CHECK(peak < 256);
}

}  // namespace

TEST_CASE("100 clients of ten million parameters from files: psi is exact, in less than 256 MiB") {
  CAPTURE(seed);
  constexpr std::size_t entries = 10'000'000;
  const tests::Threads scope(threads);
  const Files files(100, entries);
  tests::restart_peak();
  const Round round = files.round();
  CosineGradientShapley scorer;
  check(scorer.observe(round), files.cosines(true));
  check_peak();
  std::vector<float> aggregate(entries);
  scorer.aggregate(round, aggregate);
  check_peak();
}

TEST_CASE("as many clients as are compared in pairs, and one more: no page of their files stays either") {
  CAPTURE(seed);
  const tests::Threads scope(threads);
  for (const std::size_t clients : {most_in_pairs, most_in_pairs + 1}) {
    CAPTURE(clients);
    const Files files(clients, 4'000'000);
    tests::restart_peak();
    const Round round = files.round();
    CosineGradientShapley psi;
    check(psi.observe(round), files.cosines(true));
    check_peak();
    LeaveOneOutCosine others;
    check(others.observe(round), files.cosines(false));
    check_peak();
  }
}
