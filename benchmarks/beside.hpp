// Benchmarks beside their peers: cases are named KERNEL/CASE/WHO, repeated in random interleaved order, and
// the report ends with the medians and their ratio to ours. Times on a shared machine move; ratios within a
// run hold.
#pragma once

#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdio>
#include <map>
#include <string>
#include <vector>

namespace fedval::benchmarks {

/// Prints every case's median time and how many times longer than fedval's it is; "aim" is the time a case
/// should take on the reference machine, in milliseconds, where one is set; a ratio to it on another machine
/// says little.
class BesideReporter : public benchmark::ConsoleReporter {
 public:
  void ReportRuns(const std::vector<Run>& runs) override {
    for (const Run& run : runs) {
      if (run.run_type != Run::RT_Iteration) continue;
      const std::string name = run.run_name.function_name;
      times_[name].push_back(run.real_accumulated_time / static_cast<double>(run.iterations) * 1e3);
      if (const auto aim = run.counters.find("aim_ms"); aim != run.counters.end()) aims_[name] = aim->second;
    }
  }

  void Finalize() override {
    std::printf("%-44s %12s %8s %8s\n", "case (one thread)", "median ms", "x ours", "x aim");
    for (const auto& [name, times] : times_) {
      const auto ours = times_.find(name.substr(0, name.rfind('/')) + "/fedval");
      const auto aim = aims_.find(name);
      std::printf("%-44s %12.5f", name.c_str(), median(times));
      if (ours != times_.end()) std::printf(" %8.2f", median(times) / median(ours->second));
      if (aim != aims_.end()) std::printf(" %8.2f", median(times) / aim->second);
      std::printf("\n");
    }
  }

 private:
  static double median(std::vector<double> values) {
    std::sort(values.begin(), values.end());
    return values[values.size() / 2];
  }

  std::map<std::string, std::vector<double>> times_;
  std::map<std::string, double> aims_;
};

/// A benchmark of `body()`, whose result is kept from the optimiser.
template <class Body>
void add(const std::string& name, Body body, double aim_ms = 0) {
  benchmark::RegisterBenchmark(name.c_str(),
                               [body, aim_ms](benchmark::State& state) {
                                 for (auto _ : state) {
                                   auto result = body();
                                   benchmark::DoNotOptimize(result);
                                 }
                                 if (aim_ms > 0) state.counters["aim_ms"] = aim_ms;
                               })
      ->Repetitions(9)
      ->MinTime(0.05)
      ->Unit(benchmark::kMillisecond)
      ->UseRealTime();
}

/// main() of a benchmark program, after its cases were added.
inline int run(int argc, char** argv) {
  std::vector<char*> arguments(argv, argv + argc);
  std::string interleave = "--benchmark_enable_random_interleaving=true";
  arguments.push_back(interleave.data());
  int count = static_cast<int>(arguments.size());
  benchmark::Initialize(&count, arguments.data());
  if (benchmark::ReportUnrecognizedArguments(count, arguments.data())) return 2;
  BesideReporter reporter;
  benchmark::RunSpecifiedBenchmarks(&reporter);
  return 0;
}

}  // namespace fedval::benchmarks
