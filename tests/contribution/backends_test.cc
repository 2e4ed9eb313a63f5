// One federation, its tensors held by every library: every score gives the same.
#include <ATen/ATen.h>

#include <Eigen/Core>
#include <functional>

#include "fedval/contribution/class_alignment.hpp"
#include "fedval/contribution/confirmed_entropy.hpp"
#include "fedval/contribution/consensus_entropy.hpp"
#include "fedval/contribution/cosine_gradient_shapley.hpp"
#include "fedval/contribution/gated_entropy.hpp"
#include "fedval/contribution/shapfed.hpp"
#include "fedval/contribution/spectral_fed.hpp"
#include "fedval/contribution/spectral_fuse.hpp"
#include "fedval/tensor/eigen.hpp"
#include "fedval/tensor/std.hpp"
#include "fedval/tensor/torch.hpp"
#include "fedval/tensor/xtensor.hpp"
#include "tests/doctest_torch.hpp"
#include "tests/support/oracle.hpp"

#if __has_include(<xtensor/containers/xarray.hpp>)
#include <xtensor/containers/xarray.hpp>
#else
#include <xtensor/xarray.hpp>
#endif

namespace {

using namespace fedval;
using tests::Values;

constexpr std::size_t classes = 3, features = 5, clients = 4, rounds = 3;

/// Classes x features, or a vector as one column; stores hold it until the round is over.
struct Std {
  std::vector<std::vector<std::vector<float>>> store;
  TensorView hold(const Values& values, std::size_t rows) {
    std::vector<std::vector<float>> matrix(rows);
    for (std::size_t k = 0; k < values.size(); ++k)
      matrix[k / (values.size() / rows)].push_back(static_cast<float>(values[k]));
    store.push_back(std::move(matrix));
    return store.back();
  }
};

template <int Order>
struct EigenMatrix {
  using Matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Order>;
  std::vector<Matrix> store;
  TensorView hold(const Values& values, std::size_t rows) {
    const auto r = static_cast<Eigen::Index>(rows), c = static_cast<Eigen::Index>(values.size() / rows);
    Matrix matrix(r, c);
    for (Eigen::Index i = 0; i < r; ++i)
      for (Eigen::Index j = 0; j < c; ++j)
        matrix(i, j) = static_cast<float>(values[static_cast<std::size_t>(i * c + j)]);
    store.push_back(std::move(matrix));
    return store.back();
  }
};

struct Xtensor {
  std::vector<xt::xarray<float>> store;
  TensorView hold(const Values& values, std::size_t rows) {
    xt::xarray<float> matrix = xt::zeros<float>({rows, values.size() / rows});
    for (std::size_t k = 0; k < values.size(); ++k) matrix.flat(k) = static_cast<float>(values[k]);
    store.push_back(std::move(matrix));
    return store.back();
  }
};

at::Tensor tensor_of(Values values, std::size_t rows) {
  return at::from_blob(values.data(),
                       {static_cast<std::int64_t>(rows), static_cast<std::int64_t>(values.size() / rows)},
                       at::kDouble)
      .to(at::kFloat)
      .clone();
}

struct Torch {
  TensorView hold(const Values& values, std::size_t rows) { return tensor_of(values, rows); }
};

struct TorchTransposed {
  TensorView hold(const Values& values, std::size_t rows) {
    return tensor_of(values, rows).t().contiguous().t();
  }
};

/// LibTorch computes, as it would on another device.
struct TorchDevice {
  TensorView hold(const Values& values, std::size_t rows) {
    return torch_device_view(tensor_of(values, rows));
  }
};

/// Every score over the same rounds; client 2 is away in the second one.
template <class Score, class Backend>
Values run(Score score) {
  random::Stream stream(307);
  Values all;
  Values global, global_final;
  for (std::size_t t = 0; t < rounds; ++t) {
    Backend backend;
    if constexpr (requires { backend.store; }) backend.store.reserve(100);  // views point into it
    Round round;
    const Values common = tests::normals(stream, classes * features);
    Values sum(classes * features + classes + 6, 0.0);
    for (std::size_t i = 0; i < clients; ++i) {
      Values weight = tests::normals(stream, classes * features), bias = tests::normals(stream, classes),
             body = tests::normals(stream, 6);
      for (std::size_t k = 0; k < weight.size(); ++k) weight[k] = common[k] + .5 * weight[k];
      if (t == 1 && i == 2) continue;
      const TensorView w = backend.hold(weight, classes), b = backend.hold(bias, classes),
                       rest = backend.hold(body, 2);
      round.add(i, {.update = {w, b, rest}, .final_weight = w, .final_bias = b});
      Values flat = weight;
      flat.insert(flat.end(), bias.begin(), bias.end());
      flat.insert(flat.end(), body.begin(), body.end());
      for (std::size_t k = 0; k < flat.size(); ++k) sum[k] += flat[k];
    }
    if (t > 0) {
      round.global_update = backend.hold(global, 1);
      round.global_final_weight = backend.hold(global_final, classes);
    }
    for (const auto& [id, s] : score.observe(round)) {
      all.push_back(s.value);
      if (!std::isnan(s.variance)) all.push_back(s.variance);
    }
    global = sum;
    global_final.assign(sum.begin(), sum.begin() + classes * features);
  }
  return all;
}

template <class Score>
void compare() {
  CAPTURE(Score::name);
  const Values expected = run<Score, Std>(Score());
  CHECK(expected.size() >= 11);
  const auto same = [&](const char* backend, const Values& values) {
    CAPTURE(backend);
    REQUIRE(values.size() == expected.size());
    // The host reads every layout into the same sums. A device sums in another order: rounding, times what
    // cosines, entropies and the filter make of it.
    for (std::size_t k = 0; k < values.size(); ++k) CHECK(std::abs(values[k] - expected[k]) < 1e-12);
  };
  same("Eigen, column-major", run<Score, EigenMatrix<Eigen::ColMajor>>(Score()));
  same("Eigen, row-major", run<Score, EigenMatrix<Eigen::RowMajor>>(Score()));
  same("xtensor", run<Score, Xtensor>(Score()));
  same("LibTorch", run<Score, Torch>(Score()));
  same("LibTorch, transposed", run<Score, TorchTransposed>(Score()));
  same("LibTorch, computing itself", run<Score, TorchDevice>(Score()));
}

}  // namespace

TEST_CASE_TEMPLATE("every tensor library gives the same scores", Score, SpectralFed, SpectralFuse,
                   ClassAlignment, ShapFed, GatedEntropy, ConsensusEntropy, ConfirmedEntropy,
                   CosineGradientShapley) {
  compare<Score>();
}
