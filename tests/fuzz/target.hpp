// What every fuzz target does with hostile bytes: they are read, or a fedval::Error says why not. Anything
// else, another exception, a crash, a leak, an endless loop, memory out of proportion, is a fault.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "fedval/error.hpp"
#include "tests/harness/data/files.hpp"

/// libFuzzer's entry point, which each target defines.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace fedval::fuzz {

/// A folder for the files of this process.
inline const harness::test_files::Folder& folder() {
  static const harness::test_files::Folder made;
  return made;
}

/// read(); true when it was not refused.
template <class Read>
bool reads(Read&& read) {
  try {
    read();
  } catch (const Error& error) {
    if (std::string_view(error.what()).empty()) std::abort();  // it says why
    return false;
  }
  return true;
}

/// Ends the program where something that must hold does not.
inline void demand(bool holds, std::string_view what) {
  if (holds) return;
  std::cerr << "not so: " << what << std::endl;
  std::abort();
}

/// An input that stands for `count` files: they are divided by the byte 0x1e, the last one is the rest.
inline std::vector<std::string> parts(const std::uint8_t* data, std::size_t size, std::size_t count) {
  const std::string all(reinterpret_cast<const char*>(data), size);
  std::vector<std::string> result;
  std::size_t begin = 0;
  while (result.size() + 1 < count) {
    const std::size_t end = all.find('\x1e', begin);
    if (end == std::string::npos) break;
    result.push_back(all.substr(begin, end - begin));
    begin = end + 1;
  }
  result.push_back(all.substr(begin));
  result.resize(count);
  return result;
}

/// Replaces the file of that name in the folder.
inline std::filesystem::path write(const std::string& name, std::string_view bytes) {
  const std::filesystem::path path = folder() / name;
  std::filesystem::create_directories(path.parent_path());
  std::ofstream file(path, std::ios::binary);
  file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  if (!file.flush()) std::abort();
  return path;
}

}  // namespace fedval::fuzz
