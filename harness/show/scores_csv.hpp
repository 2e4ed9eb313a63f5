// The scores of a run: one line for each score of each agent in each round.
//
//   method,round,score,agent,value,variance        the variance is empty where the score gives none
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "harness/show/run_data.hpp"

namespace fedval::harness {

/// Adds every line of the text to its method's score; `source` names the file in messages, `agents` gives
/// the place of an id. O(lines log agents). Throws Error naming the line that does not have six fields, names
/// what is not in `agents` and `methods`, is out of order or twice there, or has a value that is no finite
/// number or a variance that is no number or negative; and when the last line has no end.
void read_scores(std::string_view text, const std::string& source,
                 const std::map<std::string, std::size_t>& agents, std::vector<RunMethod>& methods);

}  // namespace fedval::harness
