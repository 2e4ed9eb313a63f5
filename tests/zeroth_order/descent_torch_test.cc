// Steps, in place and out of place, on tensors that LibTorch computes with: those of the host, up to the
// rounding of LibTorch's own operations.
#include "fedval/tensor/torch.hpp"

#include <ATen/ops/allclose.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>
#include <c10/core/Allocator.h>
#include <c10/util/ThreadLocalDebugInfo.h>

#include <algorithm>
#include <memory>
#include <string>

#include "fedval/archive.hpp"
#include "fedval/zeroth_order/in_place.hpp"
#include "fedval/zeroth_order/step.hpp"
#include "tests/doctest_torch.hpp"
#include "tests/support/complaint.hpp"
#include "tests/support/oracle.hpp"

using namespace fedval;
using namespace fedval::zeroth_order;

namespace {

constexpr std::uint64_t seed = 3079;
constexpr std::array types{at::kDouble, at::kFloat, at::kHalf, at::kBFloat16};

/// A module's parameters: a matrix, its transposed neighbour, an empty tensor, and a bias.
std::vector<at::Tensor> parameters(at::ScalarType type) {
  const auto drawn = [type](at::IntArrayRef sizes, std::uint64_t stream) {
    const at::Tensor tensor = at::zeros(sizes, type);
    random::fill({random::Law::gaussian, {seed, stream}}, tensor);
    return tensor;
  };
  return {drawn({30, 40}, 1), drawn({20, 50}, 2).t(), at::zeros({0}, type), drawn({300}, 3)};
}

std::vector<at::Tensor> copies(const std::vector<at::Tensor>& tensors) {
  std::vector<at::Tensor> result;
  for (const at::Tensor& tensor : tensors) result.push_back(tensor.clone());
  return result;
}

MutableTensorView device(const std::vector<at::Tensor>& tensors) {
  std::vector<TensorView> views;
  for (const at::Tensor& tensor : tensors) views.push_back(torch_device_view(tensor));
  return MutableTensorView(TensorView::concatenate(views));
}

MutableTensorView host(std::vector<at::Tensor>& tensors) { return MutableTensorView(tensors); }

bool same_bits(const std::vector<at::Tensor>& a, const std::vector<at::Tensor>& b) {
  bool same = a.size() == b.size();
  for (std::size_t i = 0; same && i < a.size(); ++i) {
    const auto as = a[i].element_size() == 8 ? at::kLong : a[i].element_size() == 4 ? at::kInt : at::kShort;
    same = at::equal(a[i].contiguous().view(as), b[i].contiguous().view(as));
  }
  return same;
}

/// A unit in the last place of the type, relative: two results that round numbers which differ by a few
/// 2^-53 are this far apart at most.
double unit(at::ScalarType type) {
  return type == at::kDouble  ? 8 * 0x1p-52
         : type == at::kFloat ? 0x1p-23
         : type == at::kHalf  ? 0x1p-10
                              : 0x1p-7;
}

/// Within `count` units of entries that are at most `size` beside their own.
bool near(const std::vector<at::Tensor>& a, const std::vector<at::Tensor>& b, double count, double size) {
  bool all = true;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double tolerance = count * unit(a[i].scalar_type());
    all = all && at::allclose(a[i].to(at::kDouble), b[i].to(at::kDouble), tolerance, tolerance * size);
  }
  return all;
}

/// The type that LibTorch reports totals in, which its versions differ by.
template <class Report>
struct Total;
template <class Of, class T>
struct Total<void (Of::*)(void*, std::int64_t, T, T, c10::Device)> {
  using type = T;
};

/// What LibTorch allocates for this thread while it is looked at, in bytes.
struct Held final : c10::MemoryReportingInfoBase {
  using Sum = Total<decltype(&MemoryReportingInfoBase::reportMemoryUsage)>::type;
  std::int64_t now = 0, most = 0;
  void reportMemoryUsage(void*, std::int64_t size, Sum, Sum, c10::Device) override {
    most = std::max(most, now += size);
  }
  bool memoryProfilingEnabled() const override { return true; }
};

struct ByCall {
  int calls = 0;
  double operator()() { return std::sin(static_cast<double>(++calls)); }
};

}  // namespace

TEST_CASE("in place on a device: the host's records, points and parameters") {
  for (const auto type : types)
    for (const bool exact : {true, false})
      for (const Difference& difference : {forward, central, five_point, leave_one_out})
        for (const Directions& law : {gaussian(2), rademacher(2), sphere(2), l1_sphere(2), hadamard(2)}) {
          CAPTURE(std::string(at::toString(type)));
          CAPTURE(law.name);
          CAPTURE(difference.name);
          CAPTURE(exact);
          const InPlaceOptions options{law, difference, Combination::plain, 0.1, 1e-3, seed, exact};
          const std::vector<at::Tensor> start = parameters(type);
          std::vector<at::Tensor> here = copies(start), there = copies(start), again = copies(start);
          InPlace on_host(options), on_device(options);
          std::vector<std::vector<at::Tensor>> points;
          ByCall f, g;
          std::size_t calls = 0;
          std::vector<SeedStep> records;
          for (int t = 0; t < 2; ++t) {
            const InPlaceStep expected =
                on_host([&] { return points.push_back(copies(here)), f(); }, host(here));
            const InPlaceStep found = on_device(
                [&] {
                  // Sums of terms of at most 1 in double, rounded; a walk without restoring rounds each time.
                  const double passes = exact ? 2 : static_cast<double>(calls) + 2;
                  CHECK(near(there, points[calls], passes, 2));
                  ++calls;
                  return g();
                },
                device(there));
            // The factor of a unit vector comes from a norm that both take on the host.
            CHECK(found.record == expected.record);
            CHECK(found.slopes == expected.slopes);
            CHECK(found.value == expected.value);
            CHECK(found.queries == expected.queries);
            records.push_back(found.record);
          }
          CHECK(near(there, here, static_cast<double>(calls) + 4, 2));
          CHECK(!same_bits(there, start));
          on_device.replay(records, device(again));
          CHECK(same_bits(again, there));
        }
}

TEST_CASE(
    "in place on a device: one tensor's sum and numbers are held, however many tensors and directions") {
  const auto most_of_a_step = [](std::size_t tensors, std::size_t directions) {
    std::vector<at::Tensor> x;
    while (x.size() < tensors) x.push_back(at::zeros({10000}, at::kFloat));
    InPlace descent({.directions = gaussian(directions), .difference = central, .seed = seed});
    const auto held = std::make_shared<Held>();
    const c10::DebugInfoGuard looking(c10::DebugInfoKind::PROFILER_STATE, held);
    ByCall f;
    descent(f, device(x));
    return held->most;
  };
  const std::int64_t least = most_of_a_step(1, 1);
  CHECK(least >= 2 * 10000 * 8);  // the counting counts
  CHECK(most_of_a_step(8, 1) <= least + 4096);
  CHECK(most_of_a_step(1, 8) <= least + 4096);
  CHECK(most_of_a_step(8, 8) <= least + 4096);
}

TEST_CASE("exact restoring on a device: every bit, whenever f fails, and zeros of both signs") {
  for (const auto type : types)
    for (const Difference& difference : {forward, central, five_point}) {
      std::vector<at::Tensor> x = parameters(type);
      x.back().narrow(0, 0, 10).fill_(-0.0);
      x.back().narrow(0, 10, 10).fill_(0.0);
      x.back().narrow(0, 20, 10).fill_(type == at::kHalf ? 60000.0 : 1e30);
      const std::vector<at::Tensor> start = copies(x);
      CAPTURE(std::string(at::toString(type)));
      CAPTURE(difference.name);
      for (int bad = 0; bad < 9; ++bad) {  // the last ones are never reached: a flat f, a step of zero
        CAPTURE(bad);
        InPlace descent({.directions = gaussian(2),
                         .difference = difference,
                         .smoothing = 0.1,
                         .seed = seed,
                         .exact_restore = true});
        int calls = 0;
        try {
          descent([&] { return calls++ == bad ? std::nan("") : 1.0; }, device(x));
        } catch (const Error&) {
          CHECK(calls == bad + 1);
        }
        CHECK(same_bits(x, start));
      }
    }
}

TEST_CASE("every step on a device: the host's") {
  const auto check = [&](auto step) {
    for (const auto type : {at::kDouble, at::kFloat}) {
      CAPTURE(decltype(step)::name);
      CAPTURE(std::string(at::toString(type)));
      const std::vector<at::Tensor> start = parameters(type);
      std::vector<at::Tensor> here = copies(start), there = copies(start), g = copies(start), resumed;
      auto on_host = step, on_device = step;
      for (int t = 0; t < 10; ++t) {
        for (std::size_t i = 0; i < g.size(); ++i) {
          random::fill({random::Law::gaussian, {seed, 10 + static_cast<std::uint64_t>(t)}}, g[i]);
          if (i == 3) g[i].narrow(0, 0, 50).fill_(t % 2 == 0 ? 0.0 : -0.0);
        }
        on_host.apply(host(here), TensorView(g), t == 5 ? 0.5 : 1);
        on_device.apply(device(there), device(g), t == 5 ? 0.5 : 1);
        if (t == 4) {  // memory goes to the host and comes back
          auto fresh = step;
          restore(save(on_device), fresh);
          on_device = fresh;
        }
      }
      // Two roundings of x a step at most, and sums of a few terms in double: 20 units of x's type.
      CHECK(near(there, here, 20, 2));
      CHECK(!near(there, start, 20, 2));
      CHECK(at::equal(there[3].narrow(0, 0, 50), start[3].narrow(0, 0, 50)));
    }
  };
  check(Sgd({.rate = 0.01}));
  check(Sgd({.rate = 0.01, .momentum = 0.9}));
  check(Sgd({.rate = 0.01, .momentum = 0.9, .nesterov = true}));
  check(Sign(0.01));
  check(Adam({.rate = 0.01}));
  check(AdaMm({.rate = 0.01}));
}
