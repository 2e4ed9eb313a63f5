// What a setting of a study is called and where it stands: by as few of the settings in which the groups
// differ as tell them apart, the data first.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "harness/show/groups.hpp"

namespace fedval::harness {

/// One for each of `count` groups, no two equal where the differences tell them apart: "pow, N = 5". A single
/// group is "all runs". O(differences x count log count).
std::vector<std::string> setting_names(std::size_t count, std::span<const Difference> differences);

/// In what order `count` groups are shown: by the differences that name them, numbers ascending and
/// everything else as it first appears. Whoever hands over the runs, a shell say, sorts 10 before 5.
/// O(differences x count^2).
std::vector<std::size_t> order_of_settings(std::size_t count, std::span<const Difference> differences);

/// A TOML value without its quotes.
std::string unquoted(std::string value);

/// "1 run", "3 runs"
std::string counted(std::size_t count, const std::string& what);

}  // namespace fedval::harness
