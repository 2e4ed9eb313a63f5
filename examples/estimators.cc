// Which estimator of Shapley values is worth its utilities: every one on the same games at the same cost.
//
//   ./bazelw run //examples:estimators
//
// 12 players, 4,096 coalitions; errors are root mean squares over players and 100 seeds, relative to those of
// plain permutation sampling at the same number of utilities.
#include <cstdio>
#include <exception>
#include <map>
#include <string>
#include <vector>

#include "examples/estimator_error.hpp"

int main() try {
  using namespace estimators;
  constexpr std::size_t players = 12;
  constexpr std::uint64_t runs = 100, seed = 1;
  const World worlds[] = {cosine_world(players, 0.3, 11), accuracy_world(players, 0, 12),
                          accuracy_world(players, 0.01, 13), noise_world(players, 14)};
  const char* names[] = {"cosine game", "accuracy", "accuracy, noisy", "no order"};

  std::printf("error of permutation sampling (standard deviation of one player's value)\n%-16s", "utilities");
  for (const char* name : names) std::printf("  %16s", name);
  std::map<std::pair<std::uint64_t, std::size_t>, double> plain;
  for (const std::uint64_t budget : {500, 2000}) {
    std::printf("\n%-16lu", static_cast<unsigned long>(budget));
    for (std::size_t w = 0; w < std::size(worlds); ++w) {
      plain[{budget, w}] = measure(Permutation{}, worlds[w], budget, runs, seed).error;
      std::printf("  %16.5f", plain[{budget, w}]);
    }
  }

  std::printf("\n\nerror relative to it, at 500 | 2,000 utilities\n%-24s", "estimator");
  for (const char* name : names) std::printf("  %16s", name);
  std::printf("  %16s\n", "stated error");
  for_each_design([&](const char* name, const auto& design) {
    std::printf("%-24s", name);
    double honesty = 0;
    for (std::size_t w = 0; w < std::size(worlds); ++w) {
      for (const std::uint64_t budget : {500, 2000}) {
        const Result result = measure(design, worlds[w], budget, runs, seed + 1000);
        std::printf(budget == 500 ? "  %7.2f" : " | %6.2f", result.error / plain[{budget, w}]);
        if (budget == 2000) honesty += result.honesty / std::size(worlds);
      }
    }
    std::printf("  %16.2f\n", honesty);
  });
  std::printf(
      "\nstated error: root mean square of error / standard error at 2,000 utilities; 1 is honest, above it "
      "too sure.\n");
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 2;
}
