#include "harness/blackbox/runs.hpp"

#include <algorithm>
#include <array>

#include "fedval/error.hpp"
#include "harness/blackbox/dense.hpp"
#include "harness/blackbox/feddf.hpp"
#include "harness/blackbox/fedgen.hpp"
#include "harness/blackbox/fedmd.hpp"
#include "harness/blackbox/fedzge.hpp"

namespace fedval::harness {

namespace {

template <class Run>
std::unique_ptr<MethodRun> make(Federation& federation) {
  return std::make_unique<Run>(federation);
}

struct Entry {
  const char* name;
  std::unique_ptr<MethodRun> (*make)(Federation&);
};

constexpr std::array entries{Entry{"fedzge", make<FedZge>}, Entry{"fedmd", make<FedMd>},
                             Entry{"feddf", make<FedDf>}, Entry{"dense", make<Dense>},
                             Entry{"fedgen", make<FedGen>}};

}  // namespace

std::vector<std::string> distillation_names() {
  std::vector<std::string> names;
  names.reserve(entries.size());
  for (const Entry& entry : entries) names.emplace_back(entry.name);
  return names;
}

bool distils(const std::string& method) {
  return std::ranges::find(entries, method, &Entry::name) != entries.end();
}

std::unique_ptr<MethodRun> make_distillation_run(const std::string& name, Federation& federation) {
  const auto* entry = std::ranges::find(entries, name, &Entry::name);
  if (entry == entries.end()) fail("there is no method named \"", name, "\" that distils");
  return entry->make(federation);
}

}  // namespace fedval::harness
