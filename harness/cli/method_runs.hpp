// The runs of an experiment's methods.
#pragma once

#include <memory>
#include <string>

#include "harness/cli/laboratory.hpp"
#include "harness/federation/method_run.hpp"

namespace fedval::harness {

/// Of one method, from the beginning. Error, which names neither, for settings or data that the method or a
/// score cannot do with. The laboratory must outlive it.
std::unique_ptr<MethodRun> make_run(const std::string& method, Laboratory& laboratory);

/// Makes every method's run once and drops it: what one of them refuses is refused before anything is
/// trained. Error names the method.
void check_runs(Laboratory& laboratory);

}  // namespace fedval::harness
