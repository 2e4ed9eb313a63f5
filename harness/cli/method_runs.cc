#include "harness/cli/method_runs.hpp"

#include "fedval/error.hpp"
#include "harness/blackbox/runs.hpp"
#include "harness/federation/run.hpp"
#include "harness/method/methods.hpp"
#include "harness/method/readers.hpp"

namespace fedval::harness {

std::unique_ptr<MethodRun> make_run(const std::string& method, Laboratory& laboratory) {
  if (distils(method)) return make_distillation_run(method, laboratory.federation);
  return std::make_unique<Run>(laboratory.federation, make_method(method, laboratory.settings),
                               [&] { return make_readers(laboratory.settings); });
}

void check_runs(Laboratory& laboratory) {
  for (const std::string& method : laboratory.settings.methods.run) {
    try {
      make_run(method, laboratory);
    } catch (const Error& error) {
      fail(method, ": ", error.what());
    }
  }
}

}  // namespace fedval::harness
