// How far the error bars of a fused contribution can be trusted: worlds where the truth is known.
//
//   ./bazelw run //examples:error_bars
//
// Each line is 200 worlds of 60 rounds; the first 10 rounds of each are not counted.
#include <cstdio>
#include <exception>

#include "examples/simulated_sensors.hpp"

int main() try {
  using namespace simulated;
  const Study walking;  // 8 clients whose shares move by .01 a round, two sensors of error .03
  const auto with = [&](auto&& change) {
    Study study = walking;
    change(study);
    return study;
  };
  const std::pair<const char*, Study> studies[] = {
      {"shares walk by .01 a round", walking},
      {"shares walk by .003 a round, 20 clients, errors .01", with([](Study& s) {
         s.clients = 20;
         s.step = .003;
         s.sensors[0].deviation = s.sensors[1].deviation = .01;
       })},
      {"shares stand still", with([](Study& s) { s.step = 0; })},
      {"unequal sensors: errors .03 and .06", with([](Study& s) { s.sensors[1].deviation = .06; })},
      {"40 % of the clients away each round", with([](Study& s) { s.absent = .4; })},
      {"half of the sensors' errors in common", with([](Study& s) { s.common = .5; })},
      {"one sensor is noise of .06", with([](Study& s) {
         s.sensors[1] = {.06, 0, 0};
       })},
      {"one sensor is noise of .06, shares stand still", with([](Study& s) {
         s.sensors[1] = {.06, 0, 0};
         s.step = 0;
       })},
      {"one sensor says the opposite", with([](Study& s) {
         s.sensors[1] = {.03, -1, 0};
       })},
      {"errors that persist: .8 of the last round's",
       with([](Study& s) { s.sensors[0].persistence = s.sensors[1].persistence = .8; })},
      {"sensors smoothed by .9 before they are fused", with([](Study& s) { s.smoothing = .9; })},
  };
  std::printf("%-52s | %-31s | %s\n", "", "default", "reference");
  std::printf("%-52s | %8s %8s %6s %6s | %8s %8s %6s %6s\n", "truth and sensors", "coverage", "+/- 90 %",
              "error", "rank r", "coverage", "+/- 90 %", "error", "rank r");
  for (const auto& [name, study] : studies) {
    const Outcome ours = follow(study, {}, 1, 200), theirs = follow(study, reference(), 1, 200);
    std::printf("%-52s | %8.3f %8.4f %6.4f %6.3f | %8.3f %8.4f %6.4f %6.3f\n", name, ours.coverage,
                ours.width, ours.error, ours.spearman, theirs.coverage, theirs.width, theirs.error,
                theirs.spearman);
  }
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 2;
}
