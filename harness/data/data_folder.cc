#include "harness/data/data_folder.hpp"

#include <cstdlib>
#include <string>

#include "fedval/error.hpp"

namespace fedval::harness {
namespace {

std::filesystem::path variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

}  // namespace

std::filesystem::path default_data_folder() {
  if (auto data = variable("FEDVAL_DATA"); !data.empty()) return data;
  if (auto cache = variable("XDG_CACHE_HOME"); !cache.empty()) return cache / "fedval" / "data";
  if (auto home = variable("HOME"); !home.empty()) return home / ".cache" / "fedval" / "data";
  fail("data folder: none of FEDVAL_DATA, XDG_CACHE_HOME and HOME is set");
}

}  // namespace fedval::harness
