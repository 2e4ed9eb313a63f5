#include "fedval/reward/gradient_reward.hpp"

#include <doctest/doctest.h>

#include <limits>
#include <memory>

#include "fedval/tensor/std.hpp"
#include "tests/support/complaint.hpp"
#include "tests/support/oracle.hpp"

using namespace fedval;
using namespace fedval::reward;
using tests::bits;
using tests::complaint_of;
using tests::Values;

namespace {

constexpr std::uint64_t seed = 101;
using Tensors = std::vector<Values>;

Values shares(random::Stream& stream, std::size_t n) {
  Values r(n);
  double sum = 0;
  for (double& value : r) sum += value = stream.uniform();
  for (double& value : r) value /= sum;
  return r;
}

/// Tensors of several sizes, with ties and zeros.
Tensors draw(random::Stream& stream, std::size_t least) {
  Tensors tensors;
  for (std::size_t count = stream.below(5) + 1; count > 0; --count) {
    tensors.push_back(tests::normals(stream, stream.below(100) + least));
    for (double& value : tensors.back())
      if (stream.below(3) == 0) value = std::round(value);
  }
  return tensors;
}

Values flat(const Tensors& tensors) {
  Values all;
  for (const Values& tensor : tensors) all.insert(all.end(), tensor.begin(), tensor.end());
  return all;
}

/// One tensor's mask from the text of either mode.
Values naive_mask(const Values& tensor, double rho, Mode mode) {
  const auto size = static_cast<double>(tensor.size());
  Values masked(tensor.size(), 0.0);
  if (mode == Mode::paper) {
    for (const auto i : tests::naive_top_k(tensor, static_cast<std::size_t>(std::floor(size * rho))))
      masked[i] = tensor[i];
    return masked;
  }
  const auto k = static_cast<std::size_t>(std::ceil(size * rho));
  if (k == 0) return masked;
  Values magnitudes = tensor;
  for (double& value : magnitudes) value = std::abs(value);
  std::sort(magnitudes.begin(), magnitudes.end(), std::greater<>());
  const double threshold = magnitudes[std::min(k, tensor.size() - 1) - 1];
  for (std::size_t i = 0; i < tensor.size(); ++i)
    if (std::abs(tensor[i]) >= threshold) masked[i] = tensor[i];
  return masked;
}

Values naive_reward(const Tensors& tensors, double rho, const RewardOptions& options) {
  if (options.masking == Masking::whole_vector) return naive_mask(flat(tensors), rho, options.mode);
  Values all;
  for (const Values& tensor : tensors) {
    const Values masked = naive_mask(tensor, rho, options.mode);
    all.insert(all.end(), masked.begin(), masked.end());
  }
  return all;
}

Values dense(const SparseVector& sparse) {
  Values all(sparse.size, 0.0);
  for (std::size_t i = 0; i < sparse.indices.size(); ++i) all[sparse.indices[i]] = sparse.values[i];
  return all;
}

const std::vector<RewardOptions> all_options{{1, Mode::paper, Masking::whole_vector},
                                             {1, Mode::paper, Masking::each_tensor},
                                             {1, Mode::authors_code, Masking::whole_vector},
                                             {1, Mode::authors_code, Masking::each_tensor}};

}  // namespace

TEST_CASE("every agent's reward is its mode's, sparse and dense alike") {
  CAPTURE(seed);
  for (RewardOptions options : all_options)
    for (std::uint64_t game = 0; game < 40; ++game) {
      CAPTURE(game);
      CAPTURE(static_cast<int>(options.mode));
      CAPTURE(static_cast<int>(options.masking));
      random::Stream stream(seed, game);
      const Tensors tensors = draw(stream, 2);
      const TensorView aggregate = tensors;
      Values r = shares(stream, stream.below(12) + 2);
      r[0] = 0;
      options.beta = std::exp(2 * stream.normal());
      const Values rho = reward_ratios(r, options.beta);
      const std::vector<Reward> rewards = gradient_rewards(aggregate, r, options);
      REQUIRE(rewards.size() == r.size());
      SparseVector used;
      for (std::size_t i = 0; i < r.size(); ++i) {
        CAPTURE(i);
        const Values expected = naive_reward(tensors, rho[i], options);
        const SparseVector sparse = sparse_reward(aggregate, rewards[i]);
        CHECK(std::is_sorted(sparse.indices.begin(), sparse.indices.end()));
        CHECK(sparse.indices.size() == rewards[i].kept());
        CHECK(dense(sparse) == expected);
        sparse_reward(aggregate, rewards[i], used);
        CHECK(used.indices == sparse.indices);
        CHECK(bits(used.values) == bits(sparse.values));
        Tensors out = tensors;
        for (Values& tensor : out) tensor.assign(tensor.size(), std::nan(""));
        dense_reward(aggregate, rewards[i], out);
        CHECK(flat(out) == expected);
      }
    }
}

// The rows of the table in which the modes differ, one by one.
TEST_CASE("the mask is the whole vector's or each tensor's") {
  const Tensors tensors{{9, 8, 7, 6}, {1, 2, 3, 4}};
  const Values r{0.5, 1};
  for (const Mode mode : {Mode::paper, Mode::authors_code}) {
    const auto reward = [&](Masking masking) {
      return dense(sparse_reward(tensors, gradient_rewards(tensors, r, {0, mode, masking})[0]));
    };
    CHECK(reward(Masking::whole_vector) == Values{9, 8, 7, 6, 0, 0, 0, 0});
    CHECK(reward(Masking::each_tensor) == Values{9, 8, 0, 0, 0, 0, 3, 4});
  }
  CHECK(RewardOptions().masking == Masking::whole_vector);
  CHECK(RewardOptions().mode == Mode::paper);
  CHECK(RewardOptions::authors_code().masking == Masking::each_tensor);
  CHECK(RewardOptions::authors_code().mode == Mode::authors_code);
  CHECK(RewardOptions::authors_code(1.5).beta == 1.5);
}

TEST_CASE("k is rounded down, or up and kept below the length") {
  const Tensors tensors{{5, 4, 3, 2, 1}};
  const Values r{0.5, 1};
  const auto kept = [&](Mode mode, std::size_t agent) {
    return gradient_rewards(tensors, r, {0, mode, Masking::each_tensor})[agent].kept();
  };
  CHECK(kept(Mode::paper, 0) == 2);
  CHECK(kept(Mode::authors_code, 0) == 3);
  CHECK(kept(Mode::paper, 1) == 5);
  CHECK(kept(Mode::authors_code, 1) == 4);
}

TEST_CASE("of equal magnitudes the first stay, or all") {
  const Tensors tensors{{-1, 3, 1, -1, 1, 0}};
  const Values r{0.5, 1};
  const auto reward = [&](Mode mode) {
    return dense(sparse_reward(tensors, gradient_rewards(tensors, r, {0, mode, Masking::each_tensor})[0]));
  };
  CHECK(reward(Mode::paper) == Values{-1, 3, 1, 0, 0, 0});
  CHECK(reward(Mode::authors_code) == Values{-1, 3, 1, -1, 1, 0});
}

TEST_CASE("a tensor of one entry: kept or not in the paper, an error that names it in the authors' code") {
  const Tensors tensors{{3, 1}, {}, {7}};
  const Values r{0.5, 1};
  const std::vector<Reward> rewards = gradient_rewards(tensors, r, {0, Mode::paper, Masking::each_tensor});
  CHECK(dense(sparse_reward(tensors, rewards[0])) == Values{3, 0, 0});
  CHECK(dense(sparse_reward(tensors, rewards[1])) == Values{3, 1, 7});
  CHECK(complaint_of([&] { gradient_rewards(tensors, r, RewardOptions::authors_code()); }) ==
        "reward: tensor 2 has a single entry, of which the authors' code cannot keep any");
  const RewardOptions whole{1, Mode::authors_code, Masking::whole_vector};
  CHECK_NOTHROW(gradient_rewards(tensors, r, whole));
  CHECK(complaint_of([&] { gradient_rewards(Values{7}, r, whole); }) ==
        "reward: aggregate has a single entry, of which the authors' code cannot keep any");
}

TEST_CASE("nobody, nothing earned, and everything") {
  const Tensors tensors{{3, -1, 0}, {2, 2}};
  const Values all{3, -1, 0, 2, 2};
  for (const RewardOptions& options : all_options) {
    CHECK(gradient_rewards(tensors, Values{}, options).empty());
    const std::vector<Reward> rewards = gradient_rewards(tensors, Values{0, 1}, options);
    CHECK(rewards[0].kept() == 0);
    CHECK(sparse_reward(tensors, rewards[0]).size == 5);
    CHECK(sparse_reward(tensors, rewards[0]).indices.empty());
    Tensors out{{1, 1, 1}, {1, 1}};
    dense_reward(tensors, rewards[0], out);
    CHECK(flat(out) == Values(5, 0.0));
    if (options.mode == Mode::paper) CHECK(dense(sparse_reward(tensors, rewards[1])) == all);
  }
  CHECK(gradient_rewards(Values{}, Values{0.5, 0.5}).at(1).kept() == 0);
  CHECK(sparse_reward(Values{}, gradient_rewards(Values{}, Values{1})[0]).indices.empty());
}

namespace {

int reads = 0, writes = 0;  // transfers from and to the pretended device

Values& memory_of(const Piece& piece) {
  return const_cast<Values&>(*static_cast<const Values*>(piece.owner.get()));
}

std::vector<TopK> device_top_k(const TensorView& tensor, std::span<const std::size_t> ks) {
  Values all;
  for (const Piece& piece : tensor.pieces())
    all.insert(all.end(), memory_of(piece).begin(), memory_of(piece).end());
  std::vector<TopK> result;
  for (const std::size_t k : ks) {
    const auto indices = tests::naive_top_k(all, k);
    TopK top{std::numeric_limits<double>::infinity(), 0, k};
    for (const auto index : indices) top.threshold = std::min(top.threshold, std::abs(all[index]));
    for (const double value : all) top.above += std::abs(value) > top.threshold;
    top.ties -= top.above;
    result.push_back(top);
  }
  return result;
}

void device_read(const Piece& piece, std::size_t begin, std::span<double> out) {
  ++reads;
  std::copy_n(memory_of(piece).begin() + static_cast<std::ptrdiff_t>(begin), out.size(), out.begin());
}

void device_write(const Piece& piece, std::size_t begin, std::span<const double> values) {
  ++writes;
  std::copy(values.begin(), values.end(), memory_of(piece).begin() + static_cast<std::ptrdiff_t>(begin));
}

/// The tensors on a device that the host cannot see into.
MutableTensorView on_device(const Tensors& tensors) {
  static const DeviceOperations operations{"test",  nullptr,     nullptr,     device_top_k,
                                           nullptr, device_read, device_write};
  std::vector<TensorView> views;
  for (const Values& tensor : tensors) {
    const Shape shape{static_cast<std::int64_t>(tensor.size())};
    Piece piece = Piece::host(nullptr, ScalarType::float64, shape, Shape{1});
    piece.owner = std::make_shared<const Values>(tensor);
    piece.device = &operations;
    views.push_back(TensorView(shape, {piece}));
  }
  return MutableTensorView(TensorView::concatenate(views));
}

}  // namespace

TEST_CASE("an aggregate on a device gives the same rewards, in one transfer a tensor") {
  CAPTURE(seed);
  random::Stream stream(seed, 50);
  for (const RewardOptions& options : all_options) {
    const Tensors tensors = draw(stream, 2);
    const auto count = static_cast<int>(tensors.size());
    const Values r = shares(stream, 4);
    const MutableTensorView device = on_device(tensors), out = on_device(tensors);
    const std::vector<Reward> expected = gradient_rewards(tensors, r, options);
    const std::vector<Reward> rewards = gradient_rewards(device, r, options);
    for (std::size_t i = 0; i < r.size(); ++i) {
      reads = writes = 0;
      const SparseVector sparse = sparse_reward(device, rewards[i]);
      CHECK(reads == count);
      CHECK(dense(sparse) == dense(sparse_reward(tensors, expected[i])));
      dense_reward(device, rewards[i], out);
      CHECK(writes == count);
      Values found(out.size());
      out.read(0, found);
      CHECK(found == dense(sparse));
      add_reward(device, rewards[i], out);
      Values doubled(out.size());
      out.read(0, doubled);
      for (double& value : found) value *= 2;
      CHECK(doubled == found);
    }
  }
}

TEST_CASE("the more important agent's download is the closer one to the aggregate") {
  CAPTURE(seed);
  for (RewardOptions options : all_options)
    for (std::uint64_t game = 0; game < 60; ++game) {
      CAPTURE(game);
      CAPTURE(static_cast<int>(options.mode));
      CAPTURE(static_cast<int>(options.masking));
      random::Stream stream(seed, 100 + game);
      const Tensors tensors = draw(stream, 2);
      const Values aggregate = flat(tensors);
      Values r = shares(stream, stream.below(8) + 2);
      r.push_back(std::nextafter(r[0], 1.0));
      options.beta = game == 0 ? 0 : std::exp(2 * stream.normal());
      std::vector<long double> gap;
      for (const Reward& reward : gradient_rewards(tensors, r, options)) {
        Values rest = aggregate;
        axpy(-1.0, sparse_reward(tensors, reward), rest);
        gap.push_back(tests::naive_norm(rest));
      }
      for (std::size_t i = 0; i < r.size(); ++i)
        for (std::size_t j = 0; j < r.size(); ++j)
          // Equal sets give equal sums in the same order; a longer one leaves out more, term by term.
          if (r[i] >= r[j]) CHECK(gap[i] <= gap[j]);
    }
}

TEST_CASE("misuse is an error that names what is wrong") {
  Tensors tensors{{1, 2}, {3, 4, 5}};
  CHECK_THROWS_AS(gradient_rewards(tensors, Values{1}, {-1}), Error);
  CHECK_THROWS_AS(gradient_rewards(tensors, Values{std::nan("")}), Error);
  const std::vector<Reward> rewards = gradient_rewards(tensors, Values{0.3, 0.7});
  Values shorter(4, 9.0);
  CHECK(complaint_of([&] { dense_reward(tensors, rewards[0], shorter); }) ==
        "sparsify: a tensor of 5 entries into one of 4");
  CHECK(shorter == Values(4, 9.0));
  const Tensors others{{7, 7}, {7, 7, 7}};
  CHECK(complaint_of([&] { sparse_reward(others, rewards[0]); }) ==
        "sparsify: the threshold is another tensor's");
  tensors[1][2] = std::nan("");
  CHECK(complaint_of([&] { gradient_rewards(tensors, Values{1}); }) ==
        "reward: aggregate[4] (tensor 1, entry [2]) is NaN");
  CHECK(complaint_of([&] {
          gradient_rewards(tensors, Values{1}, {1, Mode::paper, Masking::each_tensor});
        }) == "reward: tensor 1[2] is NaN");
}
