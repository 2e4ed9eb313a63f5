// The largest magnitudes of a float vector: fedval beside LibTorch's topk and std::nth_element, both of which
// need a copy of the magnitudes, and the limit, one read. Then what is made of the threshold: a sparse vector
// and a dense one, beside LibTorch's.
#include <ATen/core/Tensor.h>
#include <ATen/ops/abs.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/nonzero.h>
#include <ATen/ops/topk.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <exception>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "benchmarks/beside.hpp"
#include "benchmarks/limits.hpp"
#include "benchmarks/one_thread.hpp"
#include "fedval/random/philox.hpp"
#include "fedval/reward/sparsify.hpp"
#include "fedval/tensor/std.hpp"
#include "fedval/tensor/top_k.hpp"

namespace {

using Vector = std::shared_ptr<std::vector<float>>;

Vector normals(std::size_t dimension) {
  auto vector = std::make_shared<std::vector<float>>(dimension);
  fedval::random::Stream stream(dimension);
  for (float& value : *vector) value = static_cast<float>(stream.normal());
  return vector;
}

at::Tensor tensor_of(const Vector& vector) {
  return at::from_blob(vector->data(), {static_cast<std::int64_t>(vector->size())}, at::kFloat);
}

void add_thresholds(const Vector& vector, const std::vector<std::size_t>& ks, const std::string& size,
                    double aim_ms) {
  const std::string name = "top-k/" + size + "/";
  fedval::benchmarks::add(
      name + "fedval", [=] { return fedval::top_k_thresholds(*vector, ks)[0].threshold; }, aim_ms);
  fedval::benchmarks::add(name + "nth_element", [=] {
    std::vector<float> magnitudes(vector->size());
    std::transform(vector->begin(), vector->end(), magnitudes.begin(), [](float x) { return std::abs(x); });
    float sum = 0;
    auto last = magnitudes.end();  // the largest k first: each further one is among what is left
    for (auto k = ks.rbegin(); k != ks.rend(); ++k) {
      const auto nth = magnitudes.begin() + static_cast<std::ptrdiff_t>(*k - 1);
      std::nth_element(magnitudes.begin(), nth, last, std::greater<>());
      sum += *nth;
      last = nth;
    }
    return sum;
  });
  fedval::benchmarks::add(name + "LibTorch topk", [=] {
    const at::Tensor magnitudes = at::abs(tensor_of(vector));
    float sum = 0;
    for (const std::size_t k : ks)
      sum +=
          std::get<0>(at::topk(magnitudes, static_cast<std::int64_t>(k), 0, true, false)).min().item<float>();
    return sum;
  });
  fedval::benchmarks::add(name + "one read", [=] { return fedval::benchmarks::read_once(*vector); });
}

void add_results(const Vector& vector, std::size_t k, const std::string& size) {
  const fedval::TopK top = fedval::top_k_threshold(*vector, k);
  const auto threshold = static_cast<float>(top.threshold);
  const auto out = std::make_shared<std::vector<float>>(vector->size());
  const auto sparse = std::make_shared<fedval::reward::SparseVector>();
  fedval::benchmarks::add("sparse vector/" + size + "/fedval", [=] {
    const fedval::MaskedPart whole{0, vector->size(), top};
    fedval::reward::sparsify(*vector, {&whole, 1}, *sparse);
    return sparse->values[0];
  });
  fedval::benchmarks::add("sparse vector/" + size + "/fedval, new memory",
                          [=] { return fedval::reward::sparsify(*vector, top).values[0]; });
  fedval::benchmarks::add("sparse vector/" + size + "/LibTorch nonzero", [=] {
    const at::Tensor all = tensor_of(vector), indices = at::nonzero(at::abs(all).ge(threshold)).flatten();
    return all.index_select(0, indices).data_ptr<float>()[0];
  });
  fedval::benchmarks::add("dense vector/" + size + "/fedval", [=] {
    fedval::reward::sparsify(*vector, top, *out);
    return (*out)[0];
  });
  fedval::benchmarks::add("dense vector/" + size + "/LibTorch where", [=] {
    const at::Tensor all = tensor_of(vector);
    return at::where(at::abs(all).ge(threshold), all, at::zeros_like(all)).data_ptr<float>()[0];
  });
}

}  // namespace

int main(int argc, char** argv) try {
  fedval::benchmarks::one_thread();
  const Vector large = normals(10000000), mnist = normals(104242);
  const std::size_t d = large->size();
  add_thresholds(large, {d / 10}, "1e7, 10 %", 5);
  add_thresholds(large, {d / 100}, "1e7, 1 %", 0);
  add_thresholds(large, {d / 10, d / 5, d / 2, d / 5 * 4, d}, "1e7, 5 quotas", 0);
  std::vector<std::size_t> many;
  for (std::size_t i = 1; i <= 20; ++i) many.push_back(d / 20 * i);
  add_thresholds(large, many, "1e7, 20 quotas", 0);
  add_thresholds(mnist, {10424, 20848, 52121, 83393, 104242}, "104k, 5 quotas", 0);
  add_results(large, d / 10, "1e7, 10 %");
  return fedval::benchmarks::run(argc, argv);
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 2;
}
