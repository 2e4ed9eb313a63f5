// The methods that run in rounds of their own, by name.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "harness/federation/federation.hpp"
#include "harness/federation/method_run.hpp"

namespace fedval::harness {

/// "fedzge", "fedmd", "feddf", "dense", "fedgen".
std::vector<std::string> distillation_names();

/// Whether a method is one of them.
bool distils(const std::string& method);

/// A new run of one of them; the federation must outlive it. Error for other names, and for settings and data
/// that it cannot run with.
std::unique_ptr<MethodRun> make_distillation_run(const std::string& name, Federation& federation);

}  // namespace fedval::harness
