// The commands about data: what is there, and how to get what is not.
#pragma once

#include <filesystem>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

namespace fedval::harness {

/// A table of all data sets: name, whether it is there, what it is, where it lies. `folder` as for a run.
void list_data(std::ostream& out, const std::optional<std::filesystem::path>& folder);

/// Downloads, verifies and unpacks data sets by name. Error as fetch().
void fetch_data(const std::vector<std::string>& sets, const std::optional<std::filesystem::path>& folder,
                const std::optional<std::string>& mirror, std::ostream& progress);

}  // namespace fedval::harness
