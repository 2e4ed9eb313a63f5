// Whether the real data sets are on this machine: tests that need them are skipped where they are not.
#pragma once

#include "fedval/error.hpp"
#include "harness/data/data_folder.hpp"
#include "harness/data/mnist.hpp"

namespace fedval::harness {

/// Also false where no home folder is known, so that it can stand in doctest::skip().
inline bool real_mnist_at_hand() {
  try {
    return mnist_present(default_data_folder());
  } catch (const Error&) {
    return false;
  }
}

}  // namespace fedval::harness
