#include "fedval/tensor/torch.hpp"

#include <ATen/ATen.h>

#include "fedval/contribution/cosine_gradient_shapley.hpp"
#include "fedval/spectral/entropy.hpp"
#include "tests/doctest_torch.hpp"
#include "tests/support/complaint.hpp"
#include "tests/tensor/suite.hpp"

namespace {

using namespace fedval;
using tests::columns;
using tests::complaint_of;
using tests::entries;
using tests::rows;
using tests::Values;

constexpr auto signed_rows = static_cast<std::int64_t>(rows),
               signed_columns = static_cast<std::int64_t>(columns);
constexpr double untouched = 77;  // stands between the entries

template <class S>
constexpr at::ScalarType type_of = std::same_as<S, double>  ? at::kDouble
                                   : std::same_as<S, float> ? at::kFloat
                                   : std::same_as<S, Half>  ? at::kHalf
                                                            : at::kBFloat16;

at::Tensor vector_of(Values values) {
  return at::from_blob(values.data(), {static_cast<std::int64_t>(values.size())}, at::kDouble).clone();
}

at::Tensor matrix_of(const Values& values) { return vector_of(values).view({signed_rows, signed_columns}); }

template <class S>
struct Contiguous {
  using scalar = S;
  explicit Contiguous(const Values& values) : data(matrix_of(values).to(type_of<S>)) {}
  at::Tensor& tensor() { return data; }
  at::Tensor data;
};

template <class S>
struct Transposed {
  using scalar = S;
  explicit Transposed(const Values& values) : data(matrix_of(values).to(type_of<S>).t().contiguous()) {}
  at::Tensor tensor() { return data.t(); }
  at::Tensor data;
};

template <class S>
struct Sliced {
  using scalar = S;
  explicit Sliced(const Values& values)
      : data(at::full({2 * signed_rows + 1, 3 * signed_columns}, untouched, type_of<S>)) {
    tensor().copy_(matrix_of(values));
  }
  at::Tensor tensor() {
    using at::indexing::Slice;
    return data.index({Slice(1, at::indexing::None, 2), Slice(2, at::indexing::None, 3)});
  }
  bool gaps_intact() const {
    return data.eq(untouched).sum().template item<std::int64_t>() ==
           data.numel() - signed_rows * signed_columns;
  }
  at::Tensor data;
};

/// What a model has: a list of parameters of different shapes.
template <class S>
struct Parameters {
  using scalar = S;
  explicit Parameters(const Values& values) {
    const at::Tensor flat = matrix_of(values).to(type_of<S>).flatten();
    data = {flat.narrow(0, 0, 24).clone().view({2, 3, 4}), flat.narrow(0, 24, 0).clone(), flat[24].clone(),
            flat.narrow(0, 25, flat.numel() - 25).clone()};
  }
  std::vector<at::Tensor>& tensor() { return data; }
  std::vector<at::Tensor> data;
};

/// The same memory, computed by LibTorch as a device's would be.
template <class Host>
struct Device : Host {
  static constexpr bool device = true;
  using Host::Host;
  MutableTensorView tensor() { return MutableTensorView(torch_device_view(Host::tensor())); }
};

template <class S>
struct DeviceParameters : Parameters<S> {
  static constexpr bool device = true;
  using Parameters<S>::Parameters;
  MutableTensorView tensor() {
    std::vector<TensorView> views;
    for (const at::Tensor& tensor : this->data) views.push_back(torch_device_view(tensor));
    return MutableTensorView(TensorView::concatenate(views));
  }
};

template <class S>
using DeviceContiguous = Device<Contiguous<S>>;
template <class S>
using DeviceTransposed = Device<Transposed<S>>;
template <class S>
using DeviceSliced = Device<Sliced<S>>;

}  // namespace

#define SCALARS(Backend) Backend<double>, Backend<float>, Backend<Half>, Backend<BFloat16>

TEST_CASE_TEMPLATE("the operations on LibTorch's tensors, read in place", Backend, SCALARS(Contiguous),
                   SCALARS(Transposed), SCALARS(Sliced), SCALARS(Parameters)) {
  tests::run_suite<Backend>();
}

TEST_CASE_TEMPLATE("the operations on LibTorch's tensors, by LibTorch itself", Backend,
                   SCALARS(DeviceContiguous), SCALARS(DeviceTransposed), SCALARS(DeviceSliced),
                   SCALARS(DeviceParameters)) {
  tests::run_suite<Backend>();
}

TEST_CASE("LibTorch's shapes and strides; the memory is shared and kept alive") {
  at::Tensor data = at::zeros({3, 5});
  const TensorView view = data.t();
  CHECK(view.shape() == Shape{5, 3});
  CHECK(view.pieces()[0].strides == Shape{1, 5});
  CHECK(view.pieces()[0].data == data.data_ptr());
  CHECK(TensorView(at::zeros({})).rank() == 0);
  const TensorView kept = at::full({1000}, 2.0);  // the tensor itself is gone
  CHECK(fedval::dot(kept, kept) == 4000);
}

TEST_CASE("a parameter that requires gradients can be written") {
  at::Tensor parameter = at::ones({4}).requires_grad_();
  fedval::axpy(2.0, at::ones({4}), parameter);
  CHECK(parameter.sum().item<double>() == 12);
  fedval::scale(0.5, MutableTensorView(torch_device_view(parameter)));
  CHECK(parameter.sum().item<double>() == 6);
}

TEST_CASE("tensors that hold no floating-point block are refused") {
  CHECK(complaint_of([] { fedval::norm(at::ones({2}, at::kInt)); }) ==
        "a LibTorch tensor of type Int is not a floating tensor");
  CHECK(complaint_of([] { fedval::norm(at::ones({2}, at::kComplexFloat)); }) ==
        "a LibTorch tensor of type ComplexFloat is not a floating tensor");
  CHECK(complaint_of([] { fedval::norm(at::Tensor()); }) == "a LibTorch tensor is undefined");
  CHECK(complaint_of([] { fedval::norm(at::eye(3).to_sparse()); }) ==
        "a LibTorch tensor is not a plain strided one");
  CHECK(complaint_of([] {
          fedval::norm(at::ones({1, 1, 1, 1, 1, 1, 1, 1, 1}));
        }) == "a tensor has more than 8 dimensions");
  CHECK(complaint_of([] { torch_device_view(at::ones({2}, at::kLong)); }) ==
        "a LibTorch tensor of type Long is not a floating tensor");
}

TEST_CASE("the host and a device do not mix") {
  const at::Tensor data = at::ones({4});
  CHECK(complaint_of([&] { fedval::dot(data, torch_device_view(data)); }) ==
        "tensor 1 and tensor 0 do not lie on the same kind of device");
  const std::vector<TensorView> list{data, torch_device_view(data)};
  CHECK(complaint_of([&] { fedval::norm(list); }) ==
        "a tensor list lies partly on a device, partly elsewhere");
}

TEST_CASE("a device's entries that are not finite are named") {
  at::Tensor data = at::zeros({3, 4});
  data[2][1] = std::nan("");
  const std::vector<TensorView> views{torch_device_view(at::ones({3, 4})), torch_device_view(data)};
  const std::vector<std::string> names{"client 2: update", "client 3: update"};
  CHECK(complaint_of([&] { gram(views, names); }) == "client 3: update[2, 1] is NaN");
  CHECK(complaint_of([&] { norms(views, names); }) == "client 3: update[2, 1] is NaN");
  // Whatever k is: one NaN among the k largest must not go unseen because the k-th is a number.
  for (const std::size_t k : std::initializer_list<std::size_t>{0, 1, 3, 12}) {
    CAPTURE(k);
    CHECK(complaint_of([&] { top_k_threshold(views[1], k); }) == "top-k: tensor[2, 1] is NaN");
  }
}

TEST_CASE("what stays of a tensor of one type is written and added to one of another") {
  random::Stream stream(7);
  const at::Tensor values = vector_of(tests::rounded<Half>(tests::normals(stream, 1001)));
  const at::Tensor start = vector_of(tests::rounded<float>(tests::normals(stream, 1001, 1e-3)));
  const TopK top = top_k_threshold(values, 400);
  for (const at::ScalarType from : {at::kHalf, at::kFloat, at::kDouble})
    for (const at::ScalarType to : {at::kFloat, at::kDouble})
      for (const bool add : {false, true}) {
        const at::Tensor source = values.to(from), there = start.to(to), here = there.clone();
        const auto write = [&](const TensorView& tensor, const MutableTensorView& out) {
          if (add) {
            reward::add_sparsified(tensor, top, out);
          } else {
            reward::sparsify(tensor, top, out);
          }
        };
        write(torch_device_view(source), MutableTensorView(torch_device_view(there)));
        write(source, MutableTensorView(here));
        CHECK(there.equal(here));
      }
}

TEST_CASE("a threshold that the type cannot hold is another tensor's") {
  const auto refused = [](const at::Tensor& tensor, double threshold) {
    return complaint_of([&] {
      at::Tensor out = at::zeros({4});
      reward::sparsify(torch_device_view(tensor), TopK{threshold, 0, 1},
                       MutableTensorView(torch_device_view(out)));
    });
  };
  const at::Tensor ones = at::ones({4});
  CHECK(refused(ones.to(at::kHalf), 1.0) == "no error");
  for (const double threshold : {70000.0, 1e39, 1e300, 1 + 1e-12}) {
    CAPTURE(threshold);
    CHECK(refused(ones.to(at::kHalf), threshold) == "sparsify: the threshold is another tensor's");
    if (threshold != 70000) CHECK(refused(ones, threshold) == "sparsify: the threshold is another tensor's");
  }
}

TEST_CASE("a device's norms are those of its Gram matrix, at every scale that can be squared") {
  random::Stream stream(6);
  std::vector<at::Tensor> data{at::zeros({41})};
  for (const double scale : {1e-120, 1e-3, 1.0, 1e120})
    data.push_back(vector_of(tests::normals(stream, 41, scale)));
  std::vector<TensorView> views;
  for (const at::Tensor& tensor : data) views.push_back(torch_device_view(tensor));
  const VectorNorms found = norms(views), products = VectorNorms(gram(views));
  for (std::size_t i = 0; i < views.size(); ++i) {
    CAPTURE(i);
    Values entries(41);
    views[i].read(0, entries);
    const long double length = tests::naive_norm(entries);
    CHECK(std::abs(found.norm(i) - length) <= tests::sum_bound(41) * length);
    CHECK(std::abs(products.norm(i) - length) <= tests::sum_bound(41) * length);
  }
  data[1].fill_(1e-200);
  const std::string too_small =
      "client 3: its largest magnitude is 1e-200; on a device the sum of squares must be within 2^-900 and "
      "2^1000";
  const std::vector<std::string> names{"client 2", "client 3", "client 4", "client 5", "client 6"};
  CHECK(complaint_of([&] { norms(views, names); }) == too_small);
  CHECK(complaint_of([&] { gram(views, names); }) == too_small);
}

TEST_CASE("the host and a device take infinities alike in top-k") {
  at::Tensor data = at::ones({5});
  data[3] = -std::numeric_limits<float>::infinity();
  const auto outcome = [](const TensorView& view) {
    return complaint_of([&] { reward::sparsify(view, 2); });
  };
  CHECK(outcome(data) == outcome(torch_device_view(data)));
}

namespace {

/// Leaves NaNs where the next calls keep their local variables.
[[gnu::noinline]] double dirty_stack() {
  volatile double junk[4096];
  for (volatile double& value : junk) value = std::nan("");
  return junk[4095];
}

}  // namespace

TEST_CASE_TEMPLATE("a tensor of no entries", Host, std::true_type, std::false_type) {
  CAPTURE(Host::value);
  at::Tensor data = at::zeros({0, 4});
  const TensorView view = Host::value ? TensorView(data) : torch_device_view(data);
  const MutableTensorView out(view);
  CHECK(view.given());
  CHECK(view.size() == 0);
  dirty_stack();
  CHECK(fedval::dot(view, view) == 0);
  CHECK(fedval::norm(view) == 0);
  fedval::axpy(2.0, view, out);
  fedval::scale(2.0, out);
  CHECK_NOTHROW(top_k_threshold(view, 0));
  CHECK_NOTHROW(reward::sparsify(view, 0));
}

TEST_CASE("a large device tensor is summed and written chunk by chunk") {
  // 2^20 entries a chunk: one chunk, a bit more, and a piece boundary inside a chunk. Small integers, so that
  // every sum is exact.
  random::Stream stream(3);
  for (const std::int64_t size : {std::int64_t{1} << 20, (std::int64_t{1} << 20) + 3}) {
    Values a(static_cast<std::size_t>(size)), b(a.size());
    for (std::size_t i = 0; i < a.size(); ++i) {
      a[i] = static_cast<double>(stream.below(9)) - 4;
      b[i] = static_cast<double>(stream.below(9)) - 4;
    }
    const at::Tensor left = vector_of(a).to(at::kFloat);
    at::Tensor right = vector_of(b).to(at::kFloat);
    const TensorView pieces{torch_device_view(right.narrow(0, 0, 1001)),
                            torch_device_view(right.narrow(0, 1001, size - 1001))};
    CHECK(fedval::dot(torch_device_view(left), pieces) == static_cast<double>(tests::naive_dot(a, b)));
    fedval::axpy(3.0, torch_device_view(left), MutableTensorView(pieces));
    for (std::size_t i = 0; i < a.size(); ++i) b[i] += 3 * a[i];
    CHECK(right.equal(vector_of(b).to(at::kFloat)));
  }
}

namespace {

/// Two units of p_j's rounding by either side, times |dS/dp| of 40 at most.
constexpr double equal_entropy = 2e-14;

int batches = 0, reads = 0;  // calls that reached the counting device

std::vector<std::vector<double>> count_batch(std::span<const TensorView> matrices, bool accurate) {
  ++batches;
  return fedval::detail::torch::squared_singular_values(matrices, accurate);
}

void count_read(const Piece& piece, std::size_t begin, std::span<double> out) {
  ++reads;
  fedval::detail::torch::read(piece, begin, out);
}

/// A device view whose batches and transfers to the host are counted.
TensorView counted(const at::Tensor& tensor) {
  static const DeviceOperations counting = [] {
    DeviceOperations operations = fedval::detail::torch::operations;
    operations.squared_singular_values = count_batch;
    operations.read = count_read;
    return operations;
  }();
  const TensorView view = torch_device_view(tensor);
  std::vector<Piece> pieces(view.pieces().begin(), view.pieces().end());
  for (Piece& piece : pieces) piece.device = &counting;
  return {view.shape(), std::move(pieces)};
}

at::Tensor gaussian(random::Stream& stream, std::int64_t height, std::int64_t width) {
  return vector_of(tests::normals(stream, static_cast<std::size_t>(height * width)))
      .view({height, width})
      .to(at::kFloat);
}

}  // namespace

TEST_CASE("entropies of device tensors: one batch a shape, nothing copied to the host") {
  random::Stream stream(4);
  std::vector<at::Tensor> tensors;
  for (int i = 0; i < 4; ++i) tensors.push_back(gaussian(stream, 10, 300));
  tensors.push_back(gaussian(stream, 300, 10));
  tensors.push_back(gaussian(stream, 12, 2000).t());
  tensors.push_back(at::zeros({10, 300}));
  std::vector<TensorView> host, device;
  for (const at::Tensor& tensor : tensors) {
    host.emplace_back(tensor);
    device.push_back(counted(tensor));
  }
  for (const spectral::Normaliser normaliser :
       {spectral::Normaliser::log_min_dim, spectral::Normaliser::log_rank}) {
    const spectral::EntropyOptions options{.normaliser = normaliser};
    batches = reads = 0;
    const std::vector<double> left = spectral::entropies(host, options);
    const std::vector<double> right =
        spectral::entropies(std::span<const TensorView>(device).first(6), options);
    CHECK(batches == 3);
    CHECK(reads == 0);
    for (std::size_t i = 0; i < right.size(); ++i) CHECK(std::abs(left[i] - right[i]) < equal_entropy);
    CHECK(spectral::entropies(device, options)[6] == 0);  // a zero matrix beside others
  }
}

TEST_CASE("norms and products of a device's zeros: nothing copied to the host") {
  random::Stream stream(8);
  const at::Tensor zero = at::zeros({10, 300}), other = gaussian(stream, 10, 300);
  const std::vector<TensorView> views{counted(zero), counted(other)};
  reads = 0;
  CHECK(norms(views).norm(0) == 0);
  CHECK(gram(views)(0, 1) == 0);
  CHECK(reads == 0);
}

TEST_CASE("device tensors that a batch cannot hold: another scale, and bad entries beside good ones") {
  random::Stream stream(6);
  const at::Tensor good = gaussian(stream, 4, 20).to(at::kDouble);
  for (const double scale : {1e-200, 1e30, 1e200}) {
    CAPTURE(scale);
    const at::Tensor scaled = good * scale;
    const std::vector<TensorView> views{torch_device_view(good), torch_device_view(scaled)};
    const std::vector<double> values = spectral::entropies(views);
    CHECK(std::abs(values[0] - values[1]) < equal_entropy);
  }
  at::Tensor bad = good.clone();
  bad[2][17] = std::nan("");
  const std::vector<TensorView> views{torch_device_view(good), torch_device_view(bad)};
  const std::vector<std::string> names{"client 1: W", "client 2: W"};
  CHECK(complaint_of([&] { spectral::entropies(views, {}, names); }) == "client 2: W[2, 17] is NaN");
  CHECK(complaint_of([&] {
          spectral::entropies(views, {.normaliser = spectral::Normaliser::log_rank}, names);
        }) == "client 2: W[2, 17] is NaN");
}

TEST_CASE("CGSV on a device gives what it gives on the host") {
  random::Stream stream(5);
  CosineGradientShapley host, device;
  for (int i = 0; i < 3; ++i) {
    std::vector<at::Tensor> updates;
    for (int id = 0; id < 4; ++id) updates.push_back(vector_of(tests::normals(stream, 1000)).to(at::kFloat));
    Round on_host, on_device;
    for (std::size_t id = 0; id < 4; ++id) {
      on_host.add(id, {.update = updates[id]});
      on_device.add(id, {.update = torch_device_view(updates[id])});
    }
    const Scores left = host.observe(on_host), right = device.observe(on_device);
    // The sums run in another order: 1000 u in each of a few of them.
    for (std::size_t id = 0; id < 4; ++id)
      CHECK(std::abs(left[id].second.value - right[id].second.value) < 10 * tests::sum_bound(1000));
    at::Tensor a = at::zeros({1000}, at::kDouble), b = at::zeros({1000}, at::kDouble);
    host.aggregate(on_host, a);
    device.aggregate(on_device, MutableTensorView(torch_device_view(b)));
    CHECK((a - b).abs().max().item<double>() < 10 * tests::sum_bound(1000));
  }
}
