// Archives from the web, unpacked whole or not at all: .tar.gz and .tgz, .zip, and .gz of a single file.
//
// The members lie in one folder in the end, under their file names alone: "trees/train.txt" becomes
// "train.txt". They are unpacked into a folder of another name beside it, which is renamed in one step once
// all are there.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace fedval::harness {

/// Which members of an archive are wanted and how much they may be.
struct Unpacking {
  /// Endings of "/" + the member's path, such as ".bin" or "/train.txt"; empty: all files.
  std::vector<std::string> endings = {};
  std::uint64_t most_bytes = std::uint64_t{4} << 30;  ///< of all the archive's files together
};

/// Unpacks an archive into `folder`, which must not be there yet; its parent must. What kind of archive it
/// is, is told by its name. O(bytes), memory does not grow with them.
///
/// Throws Error naming the archive and the member, and leaves nothing, when the archive is damaged or cut
/// short, has a member that is a link or device, has an absolute path or "..", when two wanted members have
/// the same name, an ending matches no member, or the members are larger than most_bytes.
void unpack(const std::filesystem::path& archive, const std::filesystem::path& folder,
            const Unpacking& unpacking = {});

}  // namespace fedval::harness
