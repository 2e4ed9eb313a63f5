// What a generator learns from clients that only answer: four estimators at the same questions.
//
//   ./bazelw run //examples:black_boxes
//
// Five clients and a server with networks of their own; 32 samples of 48 entries, 5 classes. Means over 40
// rounds of questions.
#include <cstdio>
#include <exception>

#include "examples/black_boxes.hpp"

int main() try {
  using namespace black_boxes;
  const Scene scene{{7, 0}};
  const auto bytes = [](bb::Sending sending, std::size_t q) {
    return static_cast<unsigned long long>(
        bb::communication(sending, Scene::batch, Scene::entries, Scene::classes, q).total());
  };
  for (const std::size_t q : {5, 24, 48}) {
    std::printf("%zu points a sample: %llu bytes a client (%llu where the points travel)\n%-12s %14s %8s\n",
                q, bytes(bb::Sending::seed, q), bytes(bb::Sending::points, q), "estimator", "squared error",
                "cosine");
    const std::vector<Errors> errors = measure(scene, q, 40);
    for (std::size_t e = 0; e < errors.size(); ++e)
      std::printf("%-12s %14.3f %8.3f\n", estimators[e].name, errors[e].squared, errors[e].cosine);
    std::printf("\n");
  }
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 2;
}
