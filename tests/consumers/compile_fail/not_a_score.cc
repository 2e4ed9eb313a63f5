// mistake: -DMISTAKE
// says g++: does not satisfy return-type-requirement
// says clang++: does not satisfy 'ContributionScore'
// A score observes rounds.
#include "fedval/fedval.hpp"

struct Score {
  static constexpr std::string_view name = "Score";
#ifdef MISTAKE
  double observe(const fedval::Round& round) { return static_cast<double>(round.size()); }
#else
  fedval::Scores observe(const fedval::Round&) { return {}; }
#endif
};

static_assert(fedval::ContributionScore<Score>);
