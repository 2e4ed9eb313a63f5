// What is a tensor and what is not, settled when this file is compiled.
#include <doctest/doctest.h>

#include <list>
#include <string>

#include "fedval/tensor/eigen.hpp"
#include "fedval/tensor/operations.hpp"
#include "fedval/tensor/xtensor.hpp"

namespace {

using namespace fedval;

template <class T>
concept Accepted = std::is_convertible_v<T, TensorView>;
template <class T>
concept Writable = std::is_convertible_v<T, MutableTensorView>;
template <class T>
concept ReadOnly = Accepted<T> && !Writable<T>;

// The standard library.
static_assert(FloatingTensor<std::vector<float>> && MutableTensor<std::vector<float>>);
static_assert(FloatingTensor<std::vector<Half>> && FloatingTensor<std::array<BFloat16, 3>>);
static_assert(Tensor<std::vector<std::vector<double>>> && Tensor<double[3]>);
static_assert(!FloatingTensor<std::vector<std::vector<double>>>);  // a list may mix scalar types
static_assert(Matrix<std::vector<std::vector<double>>> && !Matrix<std::vector<double>>);
static_assert(Writable<std::vector<float>&> && Writable<std::span<float>> && Writable<std::span<float, 3>>);
static_assert(Writable<std::vector<std::vector<float>>&> && Writable<std::array<double, 2>&>);
static_assert(ReadOnly<const std::vector<float>&> && ReadOnly<std::span<const float>>);
static_assert(ReadOnly<const std::vector<std::vector<float>>&> && ReadOnly<const std::array<double, 2>&>);
static_assert(ReadOnly<std::vector<std::span<const float>>&> && ReadOnly<const double (&)[3]>);
static_assert(!Tensor<std::vector<int>> && !Tensor<std::vector<bool>> && !Tensor<std::vector<long double>>);
static_assert(!Tensor<std::vector<std::string>> && !Tensor<std::list<float>> && !Tensor<std::string>);
static_assert(!Tensor<float> && !Tensor<float*> && !Tensor<std::array<std::vector<int>, 2>>);
static_assert(!Accepted<std::vector<int>> && !Accepted<float> && !Accepted<std::vector<std::vector<int>>>);

// A view is read-only unless it is made from something writable.
static_assert(Tensor<TensorView> && !MutableTensor<TensorView> && MutableTensor<MutableTensorView>);
static_assert(ReadOnly<TensorView> && ReadOnly<std::vector<TensorView>&>);
static_assert(Writable<std::vector<MutableTensorView>&>);
static_assert(!std::is_constructible_v<MutableTensorView, const std::vector<float>&>);

// Eigen.
static_assert(Matrix<Eigen::MatrixXf> && FloatingTensor<Eigen::MatrixXf> && !Matrix<Eigen::VectorXf>);
static_assert(Writable<Eigen::MatrixXd&> && Writable<Eigen::Block<Eigen::MatrixXd>>);
static_assert(Writable<Eigen::Map<Eigen::VectorXf>> && Writable<Eigen::Ref<Eigen::MatrixXd>>);
static_assert(ReadOnly<const Eigen::MatrixXd&> && ReadOnly<Eigen::Map<const Eigen::VectorXf>>);
static_assert(ReadOnly<Eigen::Block<const Eigen::MatrixXd>>);
static_assert(ReadOnly<Eigen::Ref<const Eigen::MatrixXd>>);
static_assert(Tensor<Eigen::Matrix<Eigen::half, 2, 2>> && Tensor<Eigen::Matrix<Eigen::bfloat16, 2, 2>>);
static_assert(!Tensor<Eigen::MatrixXi> && !Tensor<Eigen::MatrixXcd> && !Tensor<std::vector<Eigen::MatrixXi>>);
using Sum = decltype(std::declval<Eigen::MatrixXd&>() + std::declval<Eigen::MatrixXd&>());
static_assert(!Tensor<Sum> && !Tensor<Eigen::MatrixXd::ConstantReturnType>);

// xtensor.
static_assert(FloatingTensor<xt::xarray<float>> && Writable<xt::xtensor<double, 2>&>);
static_assert(ReadOnly<const xt::xtensor<double, 2>&>);
static_assert(!Tensor<xt::xarray<int>>);
using LazySum = decltype(std::declval<xt::xarray<double>&>() + std::declval<xt::xarray<double>&>());
static_assert(!Tensor<LazySum>);

}  // namespace

TEST_CASE("a function over tensors takes any of them") {
  const std::vector<float> a{1, 2};
  const Eigen::Vector2d b(3, 4);
  const xt::xtensor<double, 1> c{5, 6};
  CHECK(fedval::dot(a, b) == 11);
  CHECK(fedval::dot(b, c) == 39);
}
