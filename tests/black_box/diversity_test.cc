// The diversity of samples and its gradient against naive definitions in long double, and where they are
// known.
#include <array>
#include <cmath>

#include "fedval/black_box/losses.hpp"
#include "fedval/tensor/eigen.hpp"
#include "tests/black_box/naive.hpp"
#include "tests/support/complaint.hpp"

using namespace fedval;
using namespace fedval::black_box;
using tests::check_near;
using tests::complaint_of;
using tests::Real;
using tests::Table;
using tests::table_of;
using tests::Values;

namespace {

constexpr std::uint64_t seed = 3019;

Values diversity_gradient(const TensorView& x, const TensorView& z) {
  Values gradient(x.size());
  Diversity(x, z).add_gradient(1, 0, gradient);
  return gradient;
}

}  // namespace

TEST_CASE("diversity: value, gradient and sums of noise") {
  CAPTURE(seed);
  random::Stream stream(seed);
  for (int trial = 0; trial < 24; ++trial) {
    const std::size_t batch = 1 + stream.below(6), d = 1 + stream.below(9), noise = 1 + stream.below(7);
    CAPTURE(batch);
    CAPTURE(d);
    CAPTURE(noise);
    const std::vector<Values> x = tests::random_rows(stream, batch, d);
    const std::vector<Values> z = tests::random_rows(stream, batch, noise);
    const Diversity diversity(x, z);
    CHECK(std::abs(diversity.value() - tests::naive_diversity(table_of(x), table_of(z))) <= 1e-14);
    const auto f = [&](const Table& at) { return tests::naive_diversity(at, table_of(z)); };
    if (batch > 1) check_near(diversity_gradient(x, z), tests::central_differences(f, table_of(x)), 1e-9);
    for (std::size_t i = 0; i < batch; ++i) {
      Real sum = 0;
      for (std::size_t j = 0; j < batch; ++j) sum += tests::naive_mean_square(table_of(z)[i], table_of(z)[j]);
      CHECK(std::abs(diversity.noise_sum(i) - sum) <= 1e-14 * (1 + sum));
    }
  }
}

TEST_CASE("diversity: its gradient is added, scaled, to what stands there") {
  random::Stream stream(seed, 5);
  const std::vector<Values> x = tests::random_rows(stream, 3, 4), z = tests::random_rows(stream, 3, 2);
  const Values gradient = diversity_gradient(x, z);
  std::vector<std::vector<float>> out(3, std::vector<float>(4, 2));
  Diversity(x, z).add_gradient(-3, 0.5, out);
  Values kept(12, std::nan(""));
  Diversity(x, z).add_gradient(2, 0, kept);  // what is not kept does not matter
  for (std::size_t k = 0; k < 12; ++k) {
    CHECK(std::abs(out[k / 4][k % 4] - (1 - 3 * gradient[k])) <=
          0x1p-24 * (1 + 3 * std::abs(gradient[k])) + 1e-15);
    CHECK(kept[k] == doctest::Approx(2 * gradient[k]).epsilon(1e-14));
  }
}

TEST_CASE("diversity of samples and noise in tensors of any kind") {
  random::Stream stream(seed, 6);
  std::vector<std::vector<float>> x, z;
  for (int i = 0; i < 4; ++i) {
    const Values row = tests::normals(stream, 6), noise = tests::normals(stream, 3);
    x.emplace_back(row.begin(), row.end());
    z.emplace_back(noise.begin(), noise.end());
  }
  std::vector<Values> same, same_z;
  std::vector<std::array<std::array<float, 3>, 2>> images;
  Eigen::MatrixXd columns(4, 6);
  Eigen::Matrix<float, 4, 3, Eigen::RowMajor> rows;
  for (std::size_t i = 0; i < 4; ++i) {
    same.emplace_back(x[i].begin(), x[i].end());
    same_z.emplace_back(z[i].begin(), z[i].end());
    images.push_back({{{x[i][0], x[i][1], x[i][2]}, {x[i][3], x[i][4], x[i][5]}}});
    for (std::size_t k = 0; k < 6; ++k)
      columns(static_cast<Eigen::Index>(i), static_cast<Eigen::Index>(k)) = x[i][k];
    for (std::size_t k = 0; k < 3; ++k)
      rows(static_cast<Eigen::Index>(i), static_cast<Eigen::Index>(k)) = z[i][k];
  }
  const double expected = Diversity(same, same_z).value();
  const Values gradient = diversity_gradient(same, same_z);
  CHECK(Diversity(x, z).value() == expected);
  CHECK(Diversity(columns, rows).value() == expected);
  CHECK(Diversity(images, z).value() == expected);
  CHECK(diversity_gradient(x, rows) == gradient);
  CHECK(diversity_gradient(columns, z) == gradient);
  CHECK(diversity_gradient(images, z) == gradient);
  Eigen::MatrixXd out(4, 6);
  Diversity(x, z).add_gradient(1, 0, out);
  for (std::size_t k = 0; k < 24; ++k)
    CHECK(out(static_cast<Eigen::Index>(k / 6), static_cast<Eigen::Index>(k % 6)) == gradient[k]);
}

TEST_CASE("diversity in closed form") {
  // dx = (9 + 0 + 36) / 3 = 15, dz = 1/50: exp(-(2/4) 15/50).
  const std::vector<Values> x{{1, 2, 3}, {4, 2, -3}}, z{{0, 0.2}, {0, 0}};
  CHECK(Diversity(x, z).value() == doctest::Approx(std::exp(-0.15)).epsilon(1e-15));
  const Values gradient = diversity_gradient(x, z);  // -L 4/(4 3) (1/50) (x_0 - x_1), and back
  for (std::size_t k = 0; k < 3; ++k) {
    const double expected = -std::exp(-0.15) / 150 * (x[0][k] - x[1][k]);
    CHECK(gradient[k] == doctest::Approx(expected).epsilon(1e-14));
    CHECK(gradient[3 + k] == doctest::Approx(-expected).epsilon(1e-14));
  }
  const std::vector<Values> alone{{0.3, -7}};
  CHECK(Diversity(alone, alone).value() == 1);
  CHECK(diversity_gradient(alone, alone) == Values{0, 0});
  // Neither the same sample from other noise nor other samples from the same noise are diverse.
  const std::vector<Values> repeated(5, Values{0.1, 0.2, 0.3});
  random::Stream stream(seed, 8);
  const std::vector<Values> others = tests::random_rows(stream, 5, 3);
  CHECK(Diversity(repeated, others).value() == doctest::Approx(1).epsilon(1e-15));
  CHECK(Diversity(others, repeated).value() == doctest::Approx(1).epsilon(1e-15));
  for (const double entry : diversity_gradient(repeated, others)) CHECK(std::abs(entry) < 1e-15);
}

TEST_CASE("errors of diversity") {
  const std::vector<Values> three{{1, 2}, {3, 4}, {5, 6}}, two{{1}, {2}};
  CHECK(complaint_of([&] { Diversity(three, two); }) == "diversity: 3 samples and 2 noises");
  CHECK(complaint_of([&] { Diversity(Values{}, two); }) == "diversity: x has no samples");
  CHECK(complaint_of([&] { Diversity(two, Values{}); }) == "diversity: z has no samples");
  std::vector<Values> bad = three;
  bad[2][1] = std::nan("");
  CHECK(complaint_of([&] { Diversity(bad, three); }) == "diversity: x[2, 1] is NaN");
  CHECK(complaint_of([&] { Diversity(three, bad); }) == "diversity: z[2, 1] is NaN");
  Values out(5, 1.0);
  CHECK(complaint_of([&] { Diversity(three, three).add_gradient(1, 0, out); }) ==
        "diversity: a gradient of 5 entries for 6");
  CHECK(out == Values(5, 1.0));
}
