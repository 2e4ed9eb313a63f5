// Runs of the same setting: their settings are equal but for name, seed, threads and checkpoints, none of
// which says what is studied. Over the seeds of a group, with n draws x of a number, mean xbar and deviation
// s,
//
//   xbar +/- t s / sqrt(n),  t the 95 % quantile of |T|, T Student's with n - 1 degrees of freedom
//
// which holds the number's mean over all seeds with 95 % confidence if the number is normal over seeds.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "harness/show/run_data.hpp"

namespace fedval::harness {

/// A mean and, from two draws, the half-width of its interval.
struct Interval {
  double mean = 0;
  std::optional<double> half_width;
  std::size_t count = 0;
};

/// Nothing of no draws. O(n).
std::optional<Interval> student_interval(std::span<const double> draws);

struct Group {
  std::vector<std::size_t> runs;  ///< places in the list of runs, ascending
  bool seeds_differ = true;       ///< whether no two have the same seed
};

/// In the order of their first runs. O(runs x groups).
std::vector<Group> groups_of_same_setting(std::span<const RunData> runs);

/// The interval of a number over the runs of a group that have it: no half-width where two have the same
/// seed, which are not two draws.
std::optional<Interval> over_seeds(std::span<const RunData> runs, const Group& group,
                                   const std::function<std::optional<double>(const RunData&)>& number);

/// " (n = 3)" where a number is over fewer than the expected runs, else nothing.
std::string fewer(std::size_t count, std::size_t expected);

/// "0.929 +/- 0.004", with the sign that is given between the two and fewer() behind them.
std::string written(const std::optional<Interval>& interval, int digits, const std::string& unit,
                    const std::string& plus_minus, std::size_t expected);

/// A sentence that says what these intervals are.
std::string interval_definition(const std::string& plus_minus);

/// A setting in which groups differ: "cgsv.beta" and its value in each group.
struct Difference {
  std::string key;
  std::vector<std::string> values;
};

std::vector<Difference> differences(std::span<const RunData> runs, std::span<const Group> groups);

}  // namespace fedval::harness
