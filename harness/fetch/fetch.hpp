// Puts a data set where the loaders look for it: downloads, verifies and unpacks it.
//
// All is made in DATA/FOLDER.part first and put into DATA/FOLDER when it is whole and verified. What breaks,
// or is broken off, leaves nothing but DATA/FOLDER.part, with which the next run goes on.
#pragma once

#include <filesystem>
#include <ostream>
#include <string>
#include <vector>

#include "harness/fetch/download.hpp"
#include "harness/fetch/sources.hpp"

namespace fedval::harness {

struct FetchOptions {
  std::filesystem::path data;     ///< the data folder; made where it is not there
  std::string mirror = {};        ///< replaces an address up to its last component: MIRROR/FILE; empty: none
  DownloadOptions download = {};  ///< its callbacks are replaced by lines on the progress stream
};

/// What fetch did.
struct Fetched {
  std::filesystem::path folder;         ///< where the files are
  bool was_there = false;               ///< all of them were, so nothing was done
  std::vector<std::string> notes = {};  ///< of each file that no published checksum vouches for, its sha256
};

/// Fetches a data set by name, see find_source. Everything that the result says is on `progress` too.
///
/// Files that are in the set's folder are never replaced, nor verified: to fetch one again, delete it.
/// Processes that fetch the same set at the same time wait for each other. Throws Error as find_source,
/// download and unpack do.
Fetched fetch(const std::string& set, const FetchOptions& options, std::ostream& progress);

/// Fetches a data set by its description.
Fetched fetch(const Source& source, const FetchOptions& options, std::ostream& progress);

}  // namespace fedval::harness
