// Settings from a document: every key by its rule, all complaints at once, and lists that ask for a sweep.
#pragma once

#include <string>
#include <vector>

#include "harness/config/settings.hpp"
#include "harness/config/toml.hpp"

namespace fedval::harness {

/// One experiment for each combination of the document's lists, named after their values. Error with every
/// key that is unknown or has no value that it can have, by line.
std::vector<Settings> read_all(const toml::table& document, const std::string& source);

}  // namespace fedval::harness
