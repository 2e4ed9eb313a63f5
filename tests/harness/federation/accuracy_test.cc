// Plain and balanced accuracy, against closed forms.
#include "harness/federation/accuracy.hpp"

#include <doctest/doctest.h>

#include "tests/support/complaint.hpp"

using namespace fedval::harness;
using fedval::tests::complaint_of;

namespace {

using Correct = std::vector<double>;
using Sizes = std::vector<std::size_t>;

}  // namespace

TEST_CASE("sizes of classes; a single class holds every label") {
  const std::vector<std::uint8_t> labels{2, 0, 2, 2, 5};
  CHECK(class_sizes(labels, 6) == Sizes{1, 0, 3, 0, 0, 1});
  CHECK(class_sizes(labels, 1) == Sizes{5});
  CHECK(complaint_of([&] { class_sizes(labels, 5); }) ==
        "the label of example 4 is 5, but there are 5 classes");
}

TEST_CASE("of a single class accuracy is the share that is right, to the last bit") {
  for (std::size_t n = 1; n < 200; ++n)
    for (std::size_t right = 0; right <= n; ++right)
      CHECK(accuracy_of(Correct{static_cast<double>(right)}, Sizes{n}) ==
            static_cast<double>(right) / static_cast<double>(n));
}

TEST_CASE("whoever always says one class has one in as many as there are, however large the class is") {
  const Sizes sizes{1333, 226, 212, 110, 42, 28, 28, 24};
  for (std::size_t said = 0; said < sizes.size(); ++said) {
    Correct correct(sizes.size());
    correct[said] = static_cast<double>(sizes[said]);
    CHECK(accuracy_of(correct, sizes) == 1.0 / 8);
  }
}

TEST_CASE("unequal classes by hand; those without examples do not count") {
  CHECK(accuracy_of(Correct{6, 1, 2}, Sizes{8, 2, 2}) == 0.75);  // (3/4 + 1/2 + 1) / 3
  CHECK(accuracy_of(Correct{6, 0, 1, 0, 2}, Sizes{8, 0, 2, 0, 2}) == 0.75);
  CHECK(accuracy_of(Correct{0, 0, 3}, Sizes{0, 0, 4}) == 0.75);
  CHECK(accuracy_of(Correct{0, 0}, Sizes{3, 4}) == 0);
  CHECK(accuracy_of(Correct{3, 4}, Sizes{3, 4}) == 1);
}
