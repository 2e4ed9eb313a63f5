// A checkpoint on the disk: bytes that are there whole or not at all, whenever the program or the machine
// stops.
//
//   "fedval-checkpoint-1\n" | length, 8 bytes | bytes | their CRC-32, 4 bytes        (little-endian)
//
// It is written beside the old one and put in its place by one rename, after its bytes are on the disk. The
// one before can be kept for the day on which the disk gives back other bytes than it was given.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace fedval::harness {

/// Replaces the checkpoint at `path`. Error, which leaves the old one whole, when it cannot be written.
void write_checkpoint(const std::filesystem::path& path, std::string_view bytes);

/// What is at `path` now is kept as previous_of(path), in place of what was kept there; nothing there is no
/// error. Error when it cannot be kept.
void keep_checkpoint(const std::filesystem::path& path);
std::filesystem::path previous_of(const std::filesystem::path& path);

/// Deletes the checkpoint at `path`, the one kept before it, and what a killed program may have left of the
/// next one. Error when that cannot be done.
void discard_checkpoint(const std::filesystem::path& path);

/// The bytes of the checkpoint at `path`. Error when there is none, or it is damaged.
std::string read_checkpoint(const std::filesystem::path& path);

struct LastCheckpoint {
  std::string bytes;
  std::string note;  ///< why it is not the last that was written; empty: it is
};
/// The checkpoint at `path` or, where that cannot be read, the one kept before it. Error, that of the first,
/// when neither can.
LastCheckpoint read_last_checkpoint(const std::filesystem::path& path);

}  // namespace fedval::harness
