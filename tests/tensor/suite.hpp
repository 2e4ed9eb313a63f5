// One body of tests, run over every kind of tensor. A backend is a class that holds `values` in a tensor:
//
//   using scalar = float;
//   Backend(const Values& values);          rows x columns of them, row-major
//   tensor()                                anything that converts to TensorView and MutableTensorView
//   bool gaps_intact()                      optional: memory between the entries is as it was
//   static constexpr bool device = true;    optional: computed by the tensor's own library
//
// Host backends must give the bits that std::vector gives; a device sums in its own order.
#pragma once

#include <doctest/doctest.h>

#include <array>
#include <functional>
#include <memory>

#include "fedval/reward/sparsify.hpp"
#include "fedval/tensor/operations.hpp"
#include "fedval/tensor/std.hpp"
#include "fedval/tensor/top_k.hpp"
#include "tests/support/complaint.hpp"
#include "tests/support/oracle.hpp"

namespace fedval::tests {

inline constexpr std::size_t rows = 37, columns = 41, entries = rows * columns;  // ends inside a panel

/// A tensor whose type is forgotten: every operation goes through views. It keeps the compile time of many
/// backends that of one.
struct Subject {
  explicit Subject(auto backend)
      : view(backend->tensor()), intact([backend] {
          if constexpr (requires { backend->gaps_intact(); }) return backend->gaps_intact();
          return true;
        }) {}
  const MutableTensorView& tensor() const { return view; }

  MutableTensorView view;
  std::function<bool()> intact;  // keeps the backend alive
};

template <class S, bool device>
class Suite {
  static constexpr std::uint64_t seed = 41;

 public:
  explicit Suite(std::function<Subject(const Values&)> make) : make_(std::move(make)) {}

  void run() {
    CAPTURE(seed);
    reads();
    writes();
    reductions();
    sums();
    top_k();
    sparse();
    masked();
  }

 private:
  std::function<Subject(const Values&)> make_;
  random::Stream stream_{seed};

  /// Many ties in magnitude, some zeros, some entries far apart.
  Values draw() {
    Values values = normals(stream_, entries);
    for (double& value : values) {
      if (stream_.below(4) == 0) value = std::round(4 * value) / 4;
      if (stream_.below(50) == 0) value *= 100;
    }
    return rounded<S>(values);
  }

  static Values all(const TensorView& view) {
    Values values(view.size());
    view.read(0, values);
    return values;
  }

  /// `result` is `exact`, whose error before rounding is at most `error`, rounded to the scalar type.
  static void check_rounded(const Values& result, const std::vector<long double>& exact,
                            const Values& error) {
    // A device may round twice, through float: 2^-10 of a unit more.
    const double relative = Rounding<S>::relative * (device ? 1 + 0x1p-10 : 1);
    std::size_t bad = 0;
    for (std::size_t i = 0; i < result.size(); ++i) {
      const double allowed = error[i] * 1.001 + std::max(relative * static_cast<double>(std::abs(exact[i])),
                                                         Rounding<S>::subnormal);
      if (!(std::abs(static_cast<double>(result[i] - exact[i])) <= allowed)) ++bad;
    }
    CHECK(bad == 0);
  }

  void reads() {
    const Values values = draw();
    const Subject backend = make_(values);
    const TensorView view = backend.tensor();
    CHECK(view.given());
    REQUIRE(view.size() == entries);
    CHECK(view.shape().count() == entries);
    CHECK(bits(all(view)) == bits(values));
    for (int i = 0; i < 40; ++i) {
      const std::size_t begin = stream_.below(entries), count = stream_.below(entries - begin + 1);
      CAPTURE(begin);
      CAPTURE(count);
      Values part(count);
      view.read(begin, part);
      CHECK(std::equal(part.begin(), part.end(), values.begin() + static_cast<std::ptrdiff_t>(begin)));
    }
  }

  void writes() {
    Values expected = draw();
    const Subject backend = make_(expected);
    const MutableTensorView view = backend.tensor();
    for (int i = 0; i < 20; ++i) {
      const std::size_t begin = stream_.below(entries), count = stream_.below(entries - begin + 1);
      const Values fresh = normals(stream_, count, 3);
      view.write(begin, fresh);
      for (std::size_t k = 0; k < count; ++k) expected[begin + k] = rounded<S>(fresh[k]);
    }
    const Values found = all(view);
    if constexpr (device) {
      check_rounded(found, {expected.begin(), expected.end()}, magnitudes(expected, Rounding<S>::relative));
    } else {
      CHECK(bits(found) == bits(expected));
    }
    CHECK(backend.intact());
  }

  static Values magnitudes(Values values, double factor) {
    for (double& value : values) value = factor * std::abs(value);
    return values;
  }

  static std::vector<S> plain(const Values& values) {
    std::vector<S> result;
    for (const double value : values) result.push_back(static_cast<S>(value));
    return result;
  }

  void reductions() {
    constexpr std::size_t n = 6;
    std::vector<Values> values;
    std::vector<Subject> backends;
    std::vector<std::vector<S>> plains;
    for (std::size_t i = 0; i < n; ++i) {
      values.push_back(i == 4 ? Values(entries, 0.0) : draw());
      backends.push_back(make_(values[i]));
      plains.push_back(plain(values[i]));
    }
    std::vector<TensorView> views, plain_views(plains.begin(), plains.end());
    for (const Subject& backend : backends) views.push_back(backend.tensor());
    const Gram found = gram(views), reference = gram(plain_views);
    REQUIRE(found.size() == n);
    for (std::size_t i = 0; i < n; ++i) {
      CAPTURE(i);
      const double length = static_cast<double>(naive_norm(values[i]));
      CHECK(std::abs(norm(views[i]) - length) <= sum_bound(entries) * length);
      CHECK(std::abs(found.norm(i) - length) <= sum_bound(entries) * length);
      for (std::size_t j = 0; j < n; ++j) {
        CAPTURE(j);
        const double exact = static_cast<double>(naive_dot(values[i], values[j]));
        const double bound = dot_bound(values[i], values[j]);
        CHECK(std::abs(dot(views[i], views[j]) - exact) <= bound);
        CHECK(std::abs(found(i, j) - exact) <= bound);
        // Each of the three sums is within n u of its own, relative to the product of the norms.
        CHECK(std::abs(found.cosine(i, j) - static_cast<double>(naive_cosine(values[i], values[j]))) <=
              2 * sum_bound(entries));
        if constexpr (!device) {
          CHECK(bits(found(i, j)) == bits(reference(i, j)));
          CHECK(bits(dot(views[i], views[j])) == bits(dot(plain_views[i], plain_views[j])));
        }
      }
    }
  }

  /// combine, axpy and scale against sum_i w_i t_i + keep * out.
  void sums() {
    const std::vector<Values> values{draw(), draw(), draw()};
    std::vector<Subject> backends;
    for (const Values& v : values) backends.push_back(make_(v));
    for (const double keep : {0.0, 1.0, -0.3}) {
      CAPTURE(keep);
      const Values weights{0.7, -1.3, 1e-3};
      check_sum(weights, values, backends, keep);
      check_sum({weights[1]}, {values[1]}, backends, keep);
      check_sum({}, {}, backends, keep);
    }
    // What keep = 0 overwrites does not matter.
    const Subject broken = make_(Values(entries, std::nan("")));
    const double one = 1;
    const TensorView first = backends[0].tensor();
    combine({&one, 1}, {&first, 1}, 0.0, broken.tensor());
    CHECK(all(broken.tensor()) == values[0]);

    // An operand may be the output.
    const Subject twice = make_(values[2]);
    axpy(1.0, twice.tensor(), twice.tensor());
    Values doubled = values[2];
    for (double& value : doubled) value *= 2;
    CHECK(all(twice.tensor()) == rounded<S>(doubled));
  }

  void check_sum(const Values& weights, const std::vector<Values>& terms,
                 const std::vector<Subject>& backends, double keep) {
    const Values start = draw();
    const Subject target = make_(start);
    std::vector<S> plain_target = plain(start);
    std::vector<std::vector<S>> plains;
    std::vector<TensorView> views;
    for (std::size_t i = 0; i < terms.size(); ++i) {
      plains.push_back(plain(terms[i]));
      views.push_back(backends[terms.size() == 1 ? 1 : i].tensor());
    }
    const std::vector<TensorView> plain_views(plains.begin(), plains.end());
    if (weights.size() == 1 && keep == 1) {
      axpy(weights[0], views[0], target.tensor());
    } else if (weights.empty()) {
      scale(keep, target.tensor());
    } else {
      combine(weights, views, keep, target.tensor());
    }
    combine(weights, plain_views, keep, plain_target);

    std::vector<long double> exact(entries);
    Values error(entries);
    for (std::size_t k = 0; k < entries; ++k) {
      exact[k] = static_cast<long double>(keep) * start[k];
      error[k] = std::abs(keep * start[k]);
      for (std::size_t i = 0; i < terms.size(); ++i) {
        exact[k] += static_cast<long double>(weights[i]) * terms[i][k];
        error[k] += std::abs(weights[i] * terms[i][k]);
      }
      error[k] *= sum_bound(terms.size() + 1);
    }
    const Values found = all(target.tensor());
    check_rounded(found, exact, error);
    if constexpr (!device) CHECK(bits(found) == bits(all(plain_target)));
    CHECK(target.intact());
  }

  void top_k() {
    const Values values = draw();
    const Subject backend = make_(values);
    const std::vector<std::size_t> ks{0, 1, 2, 7, 500, 500, entries / 2, entries - 1, entries};
    const std::vector<TopK> found = top_k_thresholds(backend.tensor(), ks);
    REQUIRE(found.size() == ks.size());
    for (std::size_t i = 0; i < ks.size(); ++i) {
      CAPTURE(ks[i]);
      CHECK(found[i].above + found[i].ties == ks[i]);
      const TopK alone = top_k_threshold(backend.tensor(), ks[i]);
      CHECK(alone.threshold == found[i].threshold);
      CHECK(alone.above == found[i].above);
      const auto expected = naive_top_k(values, ks[i]);
      if (ks[i] > 0) {
        double smallest = std::numeric_limits<double>::infinity();
        for (const auto index : expected) smallest = std::min(smallest, std::abs(values[index]));
        CHECK(found[i].threshold == smallest);
      } else {
        CHECK(found[i].threshold == std::numeric_limits<double>::infinity());
      }
      const reward::SparseVector kept = reward::sparsify(backend.tensor(), ks[i]);
      CHECK(kept.size == entries);
      CHECK(kept.indices == expected);
      REQUIRE(kept.values.size() == expected.size());
      std::size_t wrong = 0;
      for (std::size_t j = 0; j < expected.size(); ++j) wrong += kept.values[j] != values[expected[j]];
      CHECK(wrong == 0);
    }
    CHECK(bits(all(backend.tensor())) == bits(values));
  }

  void sparse() {
    const Values values = draw(), start = draw();
    const Subject source = make_(values), target = make_(start);
    const reward::SparseVector kept = reward::sparsify(source.tensor(), entries / 10);
    reward::axpy(-0.7, kept, target.tensor());
    std::vector<long double> exact(start.begin(), start.end());
    Values error(entries, 0.0);
    for (const auto index : kept.indices) {
      exact[index] += static_cast<long double>(-0.7) * values[index];
      error[index] = sum_bound(2) * (std::abs(start[index]) + std::abs(values[index]));
    }
    check_rounded(all(target.tensor()), exact, error);
    const Values found = all(target.tensor());
    std::size_t touched = 0;
    for (std::size_t k = 0; k < entries; ++k) touched += error[k] == 0 && bits(found[k]) != bits(start[k]);
    CHECK(touched == 0);
    CHECK(target.intact());
  }

  /// Parts with and without ties at the threshold, and entries in no part, as zeros elsewhere, in the
  /// tensor's own place, and added.
  void masked() {
    const Values values = draw(), start = draw();
    std::vector<MaskedPart> parts;
    Values alone(entries, 0.0), sum = start;
    for (const auto& [begin, end, k] : {std::array<std::size_t, 3>{0, 400, 399},
                                        {400, 401, 0},
                                        {401, 1000, 123},
                                        {1100, entries - 1, 250}}) {
      const auto part = std::span(values).subspan(begin, end - begin);
      parts.push_back({begin, end, top_k_threshold(part, k)});
      for (const auto index : naive_top_k(part, k)) {
        alone[begin + index] = part[index];
        sum[begin + index] = rounded<S>(part[index] + start[begin + index]);
      }
    }
    const Subject source = make_(values), target = make_(start), replaced = make_(start);
    reward::add_sparsified(source.tensor(), parts, target.tensor());
    CHECK(bits(all(target.tensor())) == bits(sum));
    reward::sparsify(source.tensor(), parts, replaced.tensor());
    CHECK(bits(all(replaced.tensor())) == bits(alone));
    reward::sparsify(source.tensor(), parts, source.tensor());
    CHECK(bits(all(source.tensor())) == bits(alone));
    for (const Subject* subject : {&source, &target, &replaced}) CHECK(subject->intact());

    parts[2].top.threshold *= 2;
    const auto refused = [&](auto&& call) {
      return complaint_of([&] { call(make_(values).tensor(), parts, replaced.tensor()); }) ==
             "sparsify: the threshold is another tensor's";
    };
    CHECK(refused([](auto&&... all) { reward::sparsify(all...); }));
    CHECK(refused([](auto&&... all) { reward::add_sparsified(all...); }));
  }
};

/// The suite, and each operation once with the backend's own type in the call.
template <class Backend>
void run_suite() {
  using S = typename Backend::scalar;
  constexpr bool device = requires { Backend::device; };
  Suite<S, device>([](const Values& values) { return Subject(std::make_shared<Backend>(values)); }).run();

  // Qualified, because LibTorch has a norm and a dot of its own, which an unqualified call would find.
  Values values(entries, 0.0);
  values[1] = 3;
  values[entries - 1] = -4;
  Backend a(values), b(values);
  CHECK(fedval::norm(a.tensor()) == 5);
  CHECK(fedval::dot(a.tensor(), b.tensor()) == 25);
  fedval::axpy(2.0, a.tensor(), b.tensor());
  fedval::scale(-1.0, b.tensor());
  CHECK(fedval::dot(a.tensor(), b.tensor()) == -75);
  CHECK(fedval::top_k_threshold(a.tensor(), 2).threshold == 3);
  CHECK(reward::sparsify(a.tensor(), 1).indices == std::vector<std::uint64_t>{entries - 1});
}

}  // namespace fedval::tests
