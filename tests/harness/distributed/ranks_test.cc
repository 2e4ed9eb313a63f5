#include "harness/distributed/ranks.hpp"

#include <ATen/ops/empty.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/randint.h>

#include <cmath>
#include <random>
#include <string>

#include "tests/doctest_torch.hpp"
#include "tests/harness/distributed/in_ranks.hpp"

using namespace fedval::harness;

namespace {

/// Bytes that only this owner, and that place in the list, has.
std::string text_of(std::size_t owner, std::size_t place, std::size_t length) {
  std::string text(length, ' ');
  std::minstd_rand letters(static_cast<unsigned>(1 + 1000 * owner + place));
  for (char& letter : text) letter = static_cast<char>('a' + letters() % 26);
  return text;
}

}  // namespace

TEST_CASE("data of every length, from some to all or from each to each, comes where it belongs") {
  const unsigned seed = std::random_device()();
  INFO("seed ", seed);
  for (const std::size_t count : {2, 3, 4})
    in_ranks(count, [&](Ranks& ranks) {
      std::mt19937 random(seed + static_cast<unsigned>(count));  // the same on all ranks
      const auto below = [&](std::size_t bound) { return random() % bound; };
      for (int repetition = 0; repetition < 12; ++repetition) {
        // Beyond a bundle, beyond a part, beyond all that is under way at once; from one rank alone, too.
        const double most = std::exp2(4.0 * static_cast<double>(below(6)) + 4);
        const bool from_one = below(3) == 0;
        std::vector<std::size_t> owners(1 + below(8));
        std::vector<std::string> expected, texts;
        for (std::size_t i = 0; i < owners.size(); ++i) {
          owners[i] = from_one && i > 0 ? owners[0] : below(count);
          const double size = std::pow(most, static_cast<double>(below(1001)) / 1000);
          expected.push_back(text_of(owners[i], i, below(5) == 0 ? 0 : static_cast<std::size_t>(size)));
          texts.push_back(owners[i] == ranks.rank() ? expected[i] : "");
        }
        ranks.share(texts, owners);
        demand(texts == expected, "the texts of repetition " + std::to_string(repetition));

        // Every rank's run of every vector, and back: pairs of ranks send much to each other at once.
        const auto length = static_cast<std::int64_t>(count) + static_cast<std::int64_t>(most / 4);
        std::vector<std::int64_t> bounds{0};
        for (std::size_t rank = 0; rank + 1 < count; ++rank)
          bounds.push_back(bounds.back() +
                           static_cast<std::int64_t>(below(static_cast<std::size_t>(length) / count)));
        bounds.push_back(length);
        std::vector<std::size_t> keepers(count + 2);
        std::vector<at::Tensor> whole, own;
        for (std::size_t i = 0; i < keepers.size(); ++i) {
          keepers[i] = below(count);
          whole.push_back(at::randint(1 << 20, {length}, at::Generator(), at::kFloat));
        }
        // randint's bits are each process's own: one rank's are told to all first.
        const std::vector<std::size_t> first(whole.size());
        ranks.share(whole, first, at::empty({length}, at::kFloat));
        for (std::size_t i = 0; i < keepers.size(); ++i)
          own.push_back(keepers[i] == ranks.rank() ? whole[i].clone() : at::Tensor());
        const std::vector<at::Tensor> cut = ranks.cut(own, keepers, bounds, at::empty({0}, at::kFloat));
        for (std::size_t i = 0; i < cut.size(); ++i)
          demand(at::equal(cut[i], whole[i].slice(0, bounds[ranks.rank()], bounds[ranks.rank() + 1])),
                 "a run of vector " + std::to_string(i));
        const std::vector<at::Tensor> joined = ranks.join(cut, bounds, keepers);
        for (std::size_t i = 0; i < joined.size(); ++i)
          demand(keepers[i] != ranks.rank() || at::equal(joined[i], whole[i]), "vector " + std::to_string(i));
      }
    });
}
