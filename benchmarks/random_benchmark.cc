// Random numbers and the steps made of them: fedval beside LibTorch's generators and the standard library's,
// and the limit, one write of the memory. Then a zeroth-order step in place beside the same step with a
// tensor of random numbers made for each pass, as MeZO's released code does.
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/randn.h>

#include <algorithm>
#include <cstdio>
#include <exception>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "benchmarks/beside.hpp"
#include "benchmarks/one_thread.hpp"
#include "fedval/random/fill.hpp"
#include "fedval/tensor/std.hpp"
#include "fedval/zeroth_order/in_place.hpp"

namespace {

using fedval::benchmarks::add;
using fedval::random::Law;
constexpr std::size_t count = 10000000;
using Numbers = std::shared_ptr<std::vector<float>>;

void add_law(const Numbers& numbers, const std::string& name, Law law, double aim_ms) {
  add(
      name + "/1e7/fedval",
      [=] {
        fedval::random::fill({law, {1, 2}}, *numbers);
        return (*numbers)[0];
      },
      aim_ms);
}

void add_limit(const Numbers& numbers, const std::string& name) {
  add(name + "/1e7/one write", [=] {
    std::fill(numbers->begin(), numbers->end(), (*numbers)[1] + 1);
    return (*numbers)[0];
  });
}

template <class Distribution>
void add_standard(const Numbers& numbers, const std::string& name) {
  const auto generator = std::make_shared<std::mt19937>(7);
  const auto distribution = std::make_shared<Distribution>();
  add(name, [=] {
    for (float& x : *numbers) x = (*distribution)(*generator);
    return (*numbers)[0];
  });
}

void add_step(const Numbers& x, const std::string& name, fedval::zeroth_order::Directions directions,
              bool exact, double aim_ms) {
  const auto optimiser = std::make_shared<fedval::zeroth_order::InPlace>(fedval::zeroth_order::InPlaceOptions{
      .directions = std::move(directions), .rate = 1e-9, .exact_restore = exact});
  add(
      "step in place, D = 1e7/" + name + "/fedval",
      [=] { return (*optimiser)([&] { return static_cast<double>((*x)[0]); }, *x).slopes[0]; }, aim_ms);
}

}  // namespace

int main(int argc, char** argv) try {
  fedval::benchmarks::one_thread();
  const auto numbers = std::make_shared<std::vector<float>>(count);
  const at::Tensor tensor = at::from_blob(numbers->data(), {static_cast<std::int64_t>(count)}, at::kFloat);

  add_law(numbers, "gaussian", Law::gaussian, 10);
  add_standard<std::normal_distribution<float>>(numbers, "gaussian/1e7/std::normal_distribution");
  add("gaussian/1e7/LibTorch", [=] {
    tensor.normal_();
    return (*numbers)[0];
  });
  add_limit(numbers, "gaussian");
  add_law(numbers, "rademacher", Law::rademacher, 1.5);
  add("rademacher/1e7/LibTorch", [=] {
    tensor.bernoulli_(0.5).mul_(2).sub_(1);
    return (*numbers)[0];
  });
  add_limit(numbers, "rademacher");
  add_law(numbers, "uniform", Law::uniform, 0);
  add("uniform/1e7/LibTorch", [=] {
    tensor.uniform_();
    return (*numbers)[0];
  });
  add_standard<std::uniform_real_distribution<float>>(numbers, "uniform/1e7/std::uniform_real_distribution");
  add_law(numbers, "laplace", Law::laplace, 0);

  const auto x = std::make_shared<std::vector<float>>(count, 0.5F);
  const at::Tensor parameters = at::from_blob(x->data(), {static_cast<std::int64_t>(count)}, at::kFloat);
  add_step(x, "gaussian", fedval::zeroth_order::gaussian(1), false, 35);
  add_step(x, "gaussian, exact", fedval::zeroth_order::gaussian(1), true, 0);
  add_step(x, "rademacher", fedval::zeroth_order::rademacher(1), false, 0);
  add_step(x, "sphere", fedval::zeroth_order::sphere(1), false, 0);
  add("step in place, D = 1e7/gaussian/LibTorch, four tensors", [=] {
    const auto move = [&](double amount) {
      const at::Tensor z = at::randn(parameters.sizes(), parameters.options());
      parameters.add_(z, amount);
    };
    move(1e-3);
    const float above = (*x)[0];
    move(-2e-3);
    const float below = (*x)[0];
    move(1e-3);
    move(-1e-9 * static_cast<double>(above - below) / 2e-3);
    return (*x)[0];
  });
  return fedval::benchmarks::run(argc, argv);
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 2;
}
