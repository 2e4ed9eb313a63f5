// An experiment's file. What is accepted is the same again when it was written down and read.
#include "harness/config/settings.hpp"

#include <algorithm>

#include "tests/fuzz/target.hpp"

using namespace fedval;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  std::vector<harness::Settings> experiments;
  if (!fuzz::reads([&] { experiments = harness::parse_experiments(text, "file.toml", {}); })) return 0;
  experiments.resize(std::min<std::size_t>(experiments.size(), 2));  // of a sweep the first ones
  for (const harness::Settings& settings : experiments)
    fuzz::demand(harness::parse_settings(harness::to_toml(settings), "written.toml") == settings,
                 "settings that were written down are read as they were");
  return 0;
}
