// Finding and opening the files of a data set.
#pragma once

#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <vector>

namespace fedval::harness {

/// True when something is at the path. What may not be looked at counts as there: opening it then says why it
/// cannot be read.
bool is_there(const std::filesystem::path& path);

/// True when any of the files is in the folder.
bool any_there(const std::filesystem::path& folder, const std::vector<std::string>& names);

/// Where a set lies: the first of its possible folders that has any of the files, else the first.
std::filesystem::path first_with(const std::vector<std::filesystem::path>& folders,
                                 const std::vector<std::string>& names);

/// `where`/name or `where`/name.gz, whichever is there; nothing when neither is.
std::optional<std::filesystem::path> find_plain_or_gzip(const std::filesystem::path& where,
                                                        const std::string& name);

/// The same, but throws Error, which names the set and the place, when neither is there.
std::filesystem::path require_plain_or_gzip(const std::string& set, const std::filesystem::path& where,
                                            const std::string& name);

/// Opens a file to read bytes from. Throws Error naming it when it is missing, no regular file (a folder, for
/// example), not readable, or empty.
std::ifstream open_input(const std::filesystem::path& path);

}  // namespace fedval::harness
