// Text files read whole, and places in them for error messages.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace fedval::harness {

/// The bytes of a file. Throws Error naming the file when it is missing, no regular file,
/// not readable, or empty. O(bytes).
std::string read_text(const std::filesystem::path& path);

/// The lines of a text, without the '\n' that ends each but perhaps the last; views into `text`. O(bytes).
std::vector<std::string_view> split_lines(std::string_view text);

/// "FILE: line 3, byte 12" for the byte at `offset` of the file's text; lines, and bytes within a line, count
/// from 1. O(offset).
std::string place_in(const std::filesystem::path& path, std::string_view text, std::size_t offset);

/// A byte as "0xe9".
std::string byte_name(char byte);

}  // namespace fedval::harness
