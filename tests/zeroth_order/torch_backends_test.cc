// The same estimates from LibTorch's tensors: in host memory, and by LibTorch's operations as on a device.
#include <ATen/ops/ones.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>

#include <array>
#include <span>
#include <string>

#include "fedval/tensor/torch.hpp"
#include "fedval/zeroth_order/per_sample.hpp"
#include "fedval/zeroth_order/variance_reduced.hpp"
#include "tests/doctest_torch.hpp"
#include "tests/support/complaint.hpp"
#include "tests/zeroth_order/backends.hpp"

namespace {

/// A tensor that LibTorch computes with as if it lay on a device.
struct OnDevice {
  at::Tensor data;
};

}  // namespace

template <>
struct fedval::tensor_traits<OnDevice> {
  static TensorView view(const OnDevice& tensor) { return torch_device_view(tensor.data); }
  static TensorView mutable_view(const OnDevice& tensor) { return torch_device_view(tensor.data); }
  static OnDevice clone(const OnDevice& tensor) { return {tensor.data.detach().clone()}; }
};

using namespace fedval;
using namespace fedval::zeroth_order;
using tests::complaint_of;
using tests::Values;

namespace {

at::Tensor flat(const Values& values, at::ScalarType type = at::kDouble) {
  return at::tensor(at::ArrayRef<double>(values), at::kDouble).to(type);
}

at::Tensor matrix(at::ScalarType type) {
  return flat(tests::backend_point(), type).view({tests::backend_rows, tests::backend_columns});
}

}  // namespace

TEST_CASE("estimates from tensors in host memory, strided, and lists of them") {
  tests::check_backend<double>(matrix(at::kDouble));
  tests::check_backend<double>(matrix(at::kDouble).t().contiguous().t());
  tests::check_backend<float>(matrix(at::kFloat));
  tests::check_backend<Half>(matrix(at::kHalf));
  tests::check_backend<float>(matrix(at::kFloat).requires_grad_());
  const at::Tensor x = flat(tests::backend_point());
  tests::check_backend<double>(
      std::vector<at::Tensor>{x.narrow(0, 0, 4).view({2, 2}), x.narrow(0, 4, 1)[0], x.narrow(0, 5, 30)});
}

TEST_CASE("estimates from tensors on a device, and lists of them") {
  tests::check_backend<double>(OnDevice{matrix(at::kDouble)});
  tests::check_backend<double>(OnDevice{matrix(at::kDouble).t().contiguous().t()});
  tests::check_backend<float>(OnDevice{matrix(at::kFloat)});
  const at::Tensor x = flat(tests::backend_point());
  tests::check_backend<double>(
      std::vector<OnDevice>{{x.narrow(0, 0, 4).view({2, 2})}, {x.narrow(0, 4, 1)}, {x.narrow(0, 5, 30)}});
}

TEST_CASE("per-sample and variance-reduced estimates on a device are those of the host") {
  const Values point = tests::backend_point();
  const auto rows = [](const TensorView& x) {
    const Values entries = tests::entries_of(x);
    Values values;
    for (std::size_t b = 0; b < tests::backend_rows; ++b)
      values.push_back(tests::backend_function(
          Values(entries.begin() + static_cast<std::ptrdiff_t>(b * tests::backend_columns),
                 entries.begin() + static_cast<std::ptrdiff_t>((b + 1) * tests::backend_columns))));
    return values;
  };
  const GradientOptions options{.directions = sphere(3), .smoothing = 0.5, .seed = 3};
  const at::Tensor host = matrix(at::kDouble);
  const auto by_rows = [&](const auto& x) { return rows(x); };
  const auto as_tensor = [&](const auto& x) { return flat(rows(x)); };
  const Values expected = tests::entries_of(per_sample_gradient(by_rows, host, options).gradient);
  CHECK(tests::entries_of(per_sample_gradient(as_tensor, host, options).gradient) == expected);
  const Values found = tests::entries_of(per_sample_gradient(by_rows, OnDevice{host}, options).gradient);
  for (std::size_t i = 0; i < point.size(); ++i)
    CHECK(found[i] == doctest::Approx(expected[i]).epsilon(1e-11));

  VarianceReducedOptions reduced;
  reduced.estimate = options;
  VarianceReduced<Values> plain(reduced);
  VarianceReduced<OnDevice> device(reduced);
  Values x = point;
  OnDevice y{flat(point)};
  for (int step = 0; step < 3; ++step) {
    const Values g = plain([](const Values& at) { return tests::backend_function(at); }, x).gradient;
    const OnDevice h = device([](const OnDevice& at) { return tests::backend_function(at); }, y).gradient;
    const Values entries = tests::entries_of(h);
    for (std::size_t i = 0; i < point.size(); ++i) CHECK(entries[i] == doctest::Approx(g[i]).epsilon(1e-11));
    axpy(-0.1, g, x);
    axpy(-0.1, h, y);
  }
}

TEST_CASE("clone on LibTorch: memory of its own, also of lists, expanded tensors and parameters") {
  const at::Tensor x = flat(tests::backend_point()), expanded = at::ones({1, 3}).expand({4, 3});
  const auto check = [](const auto& tensor) {
    auto copy = fedval::clone(tensor);
    const Values before = tests::entries_of(tensor);
    CHECK(tests::entries_of(copy) == before);
    MutableTensorView(copy).write(0, Values{123});
    CHECK(tests::entries_of(tensor) == before);
    CHECK(tests::entries_of(copy) != before);
  };
  check(x);
  check(expanded);
  check(at::ones({4}).requires_grad_());
  check(OnDevice{x});
  check(std::vector<OnDevice>{{x}, {x}});
  std::vector<at::Tensor> list{x, x};
  std::vector<at::Tensor> copy = fedval::clone(list);
  copy[0].zero_();
  CHECK(x.ne(0).any().item<bool>());
  std::vector<std::vector<at::Tensor>> lists{list};
  auto copies = fedval::clone(lists);
  copies[0][1].zero_();
  CHECK(x.ne(0).any().item<bool>());
}

TEST_CASE("a view of a device's tensor is no copy of it, and is refused like a view of the host's") {
  at::Tensor x = flat(tests::backend_point());
  const Values before = tests::entries_of(x);
  for (const MutableTensorView& view : {MutableTensorView(torch_device_view(x)), MutableTensorView(x)}) {
    const std::string complaint =
        view.device() != nullptr
            ? "a tensor of LibTorch is copied by clone() of its tensor_traits, which has none"
            : "a copy of this tensor shares its memory; pass one that owns its entries";
    CHECK(complaint_of([&] { fedval::clone(view); }) == complaint);
    CHECK(complaint_of([&] {
            gradient([](const MutableTensorView& at) { return tests::backend_function(at); }, view,
                     {.directions = sphere(2), .smoothing = 0.5, .seed = 1});
          }) == complaint);
    CHECK(tests::entries_of(x) == before);
  }
}

TEST_CASE("zeros on a device: doubles that live as long as a view of them") {
  const MutableTensorView zeros = zeros_like(torch_device_view(at::ones({3, 5}, at::kHalf)));
  CHECK(zeros.device() == &fedval::detail::torch::operations);
  CHECK(zeros.shape() == Shape{15});
  CHECK(zeros.pieces()[0].type == ScalarType::float64);
  CHECK(tests::entries_of(zeros) == Values(15, 0.0));
  const MutableTensorView copy = zeros;
  copy.write(14, Values{0.1});
  CHECK(tests::entries_of(zeros).back() == 0.1);
  CHECK(zeros_like(torch_device_view(at::ones({0, 2}))).size() == 0);
}

TEST_CASE("updates on a device are the host's") {
  const tests::UpdateOperands operands;
  for (const Update rule : tests::every_update)
    for (const at::ScalarType type : {at::kDouble, at::kFloat}) {
      CAPTURE(static_cast<int>(rule));
      const Values expected = tests::naive_update(rule, operands);
      const at::Tensor a = flat(operands.a), b = flat(operands.b), x = flat(operands.x).to(type);
      const std::array<TensorView, 2> both{torch_device_view(a), torch_device_view(b)};
      const std::span inputs(both.data(), rule == Update::root_step ? 2 : 1);
      update(rule, tests::update_p, tests::update_q, inputs, MutableTensorView(torch_device_view(x)));
      const Values found = tests::entries_of(x);
      const double rounding = type == at::kDouble ? 0x1p-51 : 0x1p-22;
      for (std::size_t i = 0; i < found.size(); ++i) {
        CAPTURE(operands.a[i]);
        CAPTURE(operands.b[i]);
        CHECK(tests::near_update(found[i], expected[i], rounding));
      }
    }
}
