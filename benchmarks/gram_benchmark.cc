// Gram matrix of n float updates: fedval (double sums) beside Eigen's and LibTorch's matrix product (float
// sums), and the two limits: one read of the updates, and the n (n + 1) / 2 D multiply-adds in double alone.
#include <ATen/core/Tensor.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/matmul.h>

#include <Eigen/Core>
#include <cstdio>
#include <exception>
#include <memory>
#include <vector>

#include "benchmarks/beside.hpp"
#include "benchmarks/limits.hpp"
#include "benchmarks/one_thread.hpp"
#include "fedval/random/philox.hpp"
#include "fedval/tensor/gram.hpp"
#include "fedval/tensor/std.hpp"

namespace {

using RowMajor = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

void add_case(std::size_t n, std::size_t dimension, const std::string& size, double aim_ms) {
  const auto data = std::make_shared<std::vector<float>>(n * dimension);
  fedval::random::Stream stream(n);
  for (float& value : *data) value = static_cast<float>(stream.uniform(-1, 1));
  const std::string name = "gram/" + size + "/";
  fedval::benchmarks::add(
      name + "fedval",
      [=] {
        std::vector<fedval::TensorView> updates;
        for (std::size_t i = 0; i < n; ++i)
          updates.emplace_back(std::span<const float>(data->data() + i * dimension, dimension));
        return fedval::gram(updates)(0, 0);
      },
      aim_ms);
  fedval::benchmarks::add(name + "Eigen", [=] {
    const Eigen::Map<const RowMajor> updates(data->data(), static_cast<Eigen::Index>(n),
                                             static_cast<Eigen::Index>(dimension));
    RowMajor gram = updates * updates.transpose();
    return gram(0, 0);
  });
  fedval::benchmarks::add(name + "LibTorch", [=] {
    const at::Tensor updates = at::from_blob(
        data->data(), {static_cast<std::int64_t>(n), static_cast<std::int64_t>(dimension)}, at::kFloat);
    return *at::matmul(updates, updates.t()).data_ptr<float>();
  });
  fedval::benchmarks::add(name + "one read", [=] { return fedval::benchmarks::read_once(*data); });
  fedval::benchmarks::add(name + "multiply-adds alone",
                          [=] { return fedval::benchmarks::multiply_add(n * (n + 1) / 2 * dimension); });
}

}  // namespace

int main(int argc, char** argv) try {
  fedval::benchmarks::one_thread();
  add_case(10, 65536, "10 x 65k", 0.10);
  add_case(10, 11200000, "10 x 11.2M", 18);
  add_case(100, 1000000, "100 x 1M", 100);
  return fedval::benchmarks::run(argc, argv);
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 2;
}
