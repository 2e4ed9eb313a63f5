// Spectral entropy of a float matrix: fedval beside LibTorch's svdvals and Eigen's solvers, and the two
// limits of its Gram matrix: one read, and the multiply-adds in double alone. numpy's times:
// entropy_numpy.py.
#include <ATen/core/Tensor.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/linalg_svdvals.h>

#include <Eigen/Dense>
#include <cstdio>
#include <exception>
#include <memory>
#include <vector>

#include "benchmarks/beside.hpp"
#include "benchmarks/limits.hpp"
#include "benchmarks/one_thread.hpp"
#include "fedval/random/philox.hpp"
#include "fedval/spectral/entropy.hpp"
#include "fedval/tensor/eigen.hpp"

namespace {

using RowMajor = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

double entropy_of(const Eigen::VectorXd& squares) {
  std::vector<double> p(squares.data(), squares.data() + squares.size());
  double sum = 0;
  for (const double value : p) sum += value;
  for (double& value : p) value /= sum;
  return fedval::spectral::von_neumann_entropy(p);
}

void add_case(Eigen::Index rows, Eigen::Index columns, const std::string& size, double aim_ms) {
  const auto matrix = std::make_shared<RowMajor>(rows, columns);
  fedval::random::Stream stream(1);
  for (Eigen::Index i = 0; i < matrix->size(); ++i) matrix->data()[i] = static_cast<float>(stream.normal());
  const std::string name = "entropy/" + size + "/";
  fedval::benchmarks::add(
      name + "fedval", [=] { return fedval::spectral::entropy(*matrix); }, aim_ms);
  fedval::benchmarks::add(name + "LibTorch svdvals", [=] {
    const at::Tensor sigma = at::linalg_svdvals(at::from_blob(matrix->data(), {rows, columns}, at::kFloat));
    const Eigen::Map<const Eigen::VectorXf> values(sigma.data_ptr<float>(), sigma.numel());
    return entropy_of(values.cast<double>().array().square());
  });
  fedval::benchmarks::add(name + "Eigen Gram + eigenvalues", [=] {
    const Eigen::MatrixXd wide = matrix->cast<double>();
    const Eigen::MatrixXd gram = wide * wide.transpose();
    const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> solver(gram, Eigen::EigenvaluesOnly);
    return entropy_of(solver.eigenvalues().cwiseMax(0.0));
  });
  fedval::benchmarks::add(name + "one read", [=] {
    return fedval::benchmarks::read_once({matrix->data(), static_cast<std::size_t>(matrix->size())});
  });
  fedval::benchmarks::add(name + "multiply-adds alone", [=] {
    return fedval::benchmarks::multiply_add(static_cast<std::size_t>(rows * (rows + 1) / 2 * columns));
  });
  if (rows * columns < 1000000)  // beyond that it takes minutes
    fedval::benchmarks::add(name + "Eigen BDCSVD", [=] {
      const Eigen::BDCSVD<Eigen::MatrixXd> svd(matrix->cast<double>());
      return entropy_of(svd.singularValues().array().square());
    });
}

}  // namespace

int main(int argc, char** argv) try {
  fedval::benchmarks::one_thread();
  add_case(10, 512, "10 x 512", 0.005);
  add_case(100, 2048, "100 x 2048", 0);
  add_case(100, 65536, "100 x 65k", 10);
  return fedval::benchmarks::run(argc, argv);
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 2;
}
