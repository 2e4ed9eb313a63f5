// LEAF's JSON files of images by user, as its FEMNIST has them:
//
//   {"users": [name, ...], "num_samples": [count, ...],
//    "user_data": {name: {"x": [[grey, ...], ...], "y": [label, ...]}, ...}}
//
// with one list of grey values in 0 .. 1 for each image. Nothing else may be in them.
// Source: Caldas et al., "LEAF: a benchmark for federated settings", 2018, and its public code.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>

#include "harness/data/dataset.hpp"

namespace fedval::harness {

/// The images of one or more files in their order; owners are numbers of users.
struct LeafImages {
  Examples examples = {};
  std::map<std::string, std::uint32_t> users = {};  ///< from their names to their numbers, 0, 1, ...
};

/// Appends the images of a file to `to`: byte = round(255 grey). O(bytes); the JSON text is never held in
/// memory, only the images are. After an Error `to` is of no use.
/// Throws Error naming the file, and the user and image or label, when the file is missing, not readable or
/// empty; with the byte for what is not JSON or not UTF-8; for other keys or values than above; for an image
/// that has not `pixels` values or one outside 0 .. 1; for a label that is not 0 .. classes - 1; when a user
/// has no image, other numbers of images, labels and num_samples, is listed without data or the reverse, or
/// comes twice, in this file or one before.
void read_leaf(const std::filesystem::path& path, std::size_t pixels, std::size_t classes, LeafImages& to);

}  // namespace fedval::harness
