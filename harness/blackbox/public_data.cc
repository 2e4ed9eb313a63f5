#include "harness/blackbox/public_data.hpp"

#include "fedval/error.hpp"
#include "fedval/random/draws.hpp"

namespace fedval::harness {

std::vector<std::uint32_t> public_batch(const Federation& federation, std::size_t count, std::size_t round) {
  constexpr std::uint64_t tag = 0x7064;  // "pd"
  const std::size_t there = federation.data().held_out.size(),
                    asked = federation.settings().black_box.public_samples, all = asked == 0 ? there : asked;
  if (asked > there)
    fail("black_box.public_samples is ", asked, ", but the held-out part of the data has ", there,
         "; data.held_out sets training examples aside");
  if (count > all)
    fail("black_box.samples asks for ", count, " public examples of ", all,
         "; data.held_out sets training examples aside");
  random::Draws draws(federation.settings().seed, (tag << 48) | round);
  const std::vector<std::uint64_t> chosen = draws.without_replacement(count, all);
  return {chosen.begin(), chosen.end()};
}

}  // namespace fedval::harness
