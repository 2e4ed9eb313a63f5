// What the thread sanitizer must tell apart: with an argument two threads write one number, without one each
// writes its own.
#include <unistd.h>

#include <iostream>
#include <vector>

int main(int argc, char**) {
  constexpr int count = 32, pause = 500;  // microseconds, so that both threads have work
  std::vector<int> own(count);
  int shared = 0;
#pragma omp parallel for num_threads(2) schedule(dynamic, 1)
  for (int i = 0; i < count; ++i) {
    ::usleep(pause);
    own[static_cast<std::size_t>(i)] = i;
    if (argc > 1) shared += i;
  }
  for (const int value : own) shared += value;
  std::cout << shared << std::endl;
}
