#include "harness/distributed/sliced.hpp"

#include <ATen/Parallel.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/zeros.h>

#include <functional>
#include <limits>
#include <string>

#include "fedval/contribution/residual_weights.hpp"
#include "fedval/random/fill.hpp"
#include "fedval/tensor/direction_sum.hpp"
#include "fedval/tensor/operations.hpp"
#include "fedval/tensor/top_k.hpp"
#include "fedval/tensor/torch.hpp"
#include "tests/doctest_torch.hpp"
#include "tests/harness/distributed/in_ranks.hpp"

using namespace fedval;
using namespace fedval::harness;

namespace {

at::Tensor drawn(std::uint64_t seed, std::size_t number, std::int64_t size) {
  at::Tensor vector = at::zeros({size}, at::kFloat);
  random::fill({random::Law::gaussian, {seed, number}}, vector);
  return vector;
}

constexpr std::uint64_t seed = 20261122;

/// n vectors as every rank would have them alone, and cut, each from one of the ranks.
struct Vectors {
  std::vector<at::Tensor> whole;
  std::vector<Sliced> cut;
  std::vector<TensorView> host, views;
  std::vector<std::size_t> owners;

  Vectors(Ranks& ranks, std::size_t n, std::int64_t size) {
    std::vector<at::Tensor> own;
    for (std::size_t i = 0; i < n; ++i) {
      whole.push_back(i == 5 ? at::zeros({size}, at::kFloat) : drawn(seed, i, size));
      owners.push_back((i + 1) % ranks.count());
      own.push_back(owners[i] == ranks.rank() ? whole[i] : at::Tensor());
    }
    cut = Sliced::cut(ranks, own, owners, at::zeros({size}, at::kFloat));
    host.assign(whole.begin(), whole.end());
    views.assign(cut.begin(), cut.end());
  }
};

std::string error_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("what is computed of vectors that lie cut over the ranks has the bits of whole ones") {
  MESSAGE("seed ", seed);
  for (const std::size_t count : {2, 3, 4})
    in_ranks(count, [](Ranks& ranks) {
      for (const std::int64_t size : {1, 700, 1025, 40'000, 70'001, 300'003})
        for (const std::size_t n : {1, 2, 7, 40}) {
          const std::string where = std::to_string(n) + " vectors of " + std::to_string(size) + ": ";
          Vectors v(ranks, n, size);
          const Gram expected = gram(v.host), found = gram(v.views);
          for (std::size_t i = 0; i < n; ++i)
            for (std::size_t j = 0; j < n; ++j)
              demand(found(i, j) == expected(i, j), where + "an inner product");

          std::vector<double> weights;
          for (std::size_t i = 0; i < n; ++i) weights.push_back(1.0 / static_cast<double>(i + 1));
          const VectorNorms lengths = norms(v.host), theirs = norms(v.views);
          for (std::size_t i = 0; i < n; ++i)
            demand(theirs.norm(i) == lengths.norm(i), where + "one of many norms");
          const DirectionSum along = direction_sum(v.host, lengths, weights),
                             cut = direction_sum(v.views, theirs, weights);
          demand(cut.along == along.along && cut.square == along.square, where + "along a sum of directions");
          for (const double keep : {0.0, 0.5}) {
            const at::Tensor alone = drawn(seed, 99, size), all = alone.clone();
            combine(weights, v.host, keep, alone);
            combine(weights, v.views, keep, everywhere(all, v.views));
            demand(all.equal(alone), where + "a sum");
          }
          const at::Tensor alone = at::zeros({size}), all = at::zeros({size});
          combine_normalised(weights, v.host, expected, alone);
          combine_normalised(weights, v.views, found, everywhere(all, v.views));
          demand(all.equal(alone), where + "a sum of directions");

          demand(norm(v.views[n - 1]) == norm(v.host[n - 1]), where + "a norm");
          demand(v.cut[0].joined().equal(v.whole[0]), where + "a vector put together");
          std::vector<std::size_t> to;
          for (std::size_t i = 0; i < n; ++i) to.push_back((i + 1) % ranks.count());
          const std::vector<TensorView> there = joined(v.views, to);
          for (std::size_t i = 0; i < n; ++i) {
            demand(there[i].given() == (to[i] == ranks.rank()), where + "where a vector is put together");
            if (there[i].given())
              demand(dot(there[i], v.host[i]) == dot(v.host[i], v.host[i]), where + "what is there");
          }
          const std::vector<std::size_t> ks{0, 1, static_cast<std::size_t>((size + 1) / 2)};
          const std::vector<TopK> mine = top_k_thresholds(v.views[0], ks),
                                  expected_k = top_k_thresholds(v.host[0], ks);
          for (std::size_t i = 0; i < ks.size(); ++i)
            demand(mine[i].threshold == expected_k[i].threshold && mine[i].above == expected_k[i].above,
                   where + "top k");
          const auto begin = static_cast<std::size_t>(size / 3);
          std::vector<double> part(static_cast<std::size_t>(size) - begin), whole(part.size());
          v.views[0].read(begin, part);
          v.host[0].read(begin, whole);
          demand(part == whole, where + "entries");
        }
      Vectors many(ranks, most_in_pairs + 1, 1500);  // no Gram matrix is made of so many
      demand(!compared_in_pairs(many.views), "many vectors are not compared in pairs");
      demand(norms(many.views).norm(3) == norms(many.host).norm(3), "a norm of many");
      Vectors v(ranks, 6, 3000);
      demand(residual_weights(v.views) == residual_weights(v.host), "residual weights");
    });
}

TEST_CASE("an entry that is not finite is named as in a whole vector") {
  in_ranks(3, [](Ranks& ranks) {
    std::vector<at::Tensor> whole;
    std::vector<std::size_t> owners;
    for (std::size_t i = 0; i < 4; ++i) {
      whole.push_back(drawn(seed, i, 50'000));
      owners.push_back(i % ranks.count());
    }
    whole[2].data_ptr<float>()[43'210] = std::numeric_limits<float>::quiet_NaN();
    const std::vector<Sliced> cut = Sliced::cut(ranks, whole, owners, whole[0]);
    const std::vector<TensorView> host(whole.begin(), whole.end()), views(cut.begin(), cut.end());
    const std::vector<std::string> names{"a", "b", "c", "d"};
    const std::string expected = error_of([&] { gram(host, names); });
    demand(expected == "c[43210] is NaN", expected);
    demand(error_of([&] { gram(views, names); }) == expected, "the same message");
  });
}

TEST_CASE("a rank receives its run of what others send, and the other runs of an aggregate") {
  in_ranks(4, [](Ranks& ranks) {
    constexpr std::int64_t size = 1 << 16;  // 64 slices: every rank's run is a quarter
    constexpr std::size_t n = 8, run = size / 4 * sizeof(float);
    Vectors v(ranks, n, size);
    demand(ranks.received() == 6 * run, "two of eight updates are its own");
    const at::Tensor sum = at::zeros({size});
    combine(std::vector<double>(n, 1.0), v.views, 0.0, everywhere(sum, v.views));
    demand(ranks.received() == 6 * run + 3 * run, "three runs of the sum");
    const std::size_t before = ranks.received();
    gram(v.views);
    const std::size_t matrix = n * n * sizeof(double);
    constexpr std::size_t words = 1000;  // that a vector is zero, and other numbers
    demand(ranks.received() - before <= 2 * matrix + words,
           "a partial sum from the rank before, and the sum");
  });
}
