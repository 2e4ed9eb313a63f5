// The four files of a run's folder.
#include "harness/show/run_reader.hpp"
#include "tests/fuzz/target.hpp"

using namespace fedval;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::vector<std::string> files = fuzz::parts(data, size, 4);
  fuzz::write("run/config.toml", files[0]);
  fuzz::write("run/summary.json", files[1]);
  fuzz::write("run/metrics.jsonl", files[2]);
  fuzz::write("run/scores.csv", files[3]);
  fuzz::reads(
      [&] { fuzz::demand(!harness::read_run(fuzz::folder() / "run").agents.empty(), "a run has agents"); });
  return 0;
}
