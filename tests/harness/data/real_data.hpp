// Whether the real data sets are on this machine: tests that need them are skipped where they are not.
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

#include "fedval/error.hpp"
#include "harness/data/data_folder.hpp"
#include "harness/data/registry.hpp"

namespace fedval::harness {

/// Also false where no home folder is known, so that it can stand in doctest::skip(). Throws for a name that
/// is no data set's: a misspelt one must not skip a test.
inline bool real_data_at_hand(std::string_view set) {
  for (const DataSource& source : data_sources()) {
    if (source.name != set) continue;
    try {
      return source.present(default_data_folder());
    } catch (const Error&) {
      return false;
    }
  }
  throw std::logic_error("no data set is called " + std::string(set));
}

}  // namespace fedval::harness
