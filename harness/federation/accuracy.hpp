// How much a model labels right: of all examples alike, or of all classes alike.
//
//   plain     r / n                           of n examples r are labelled right
//   balanced  1 / |H| sum_{c in H} r_c / n_c  of the n_c examples of class c r_c are; H: where n_c > 0
//
// Plain accuracy is the balanced one of a single class that holds every example. All that is added up over
// batches, workers and ranks are whole numbers, r_c, so that no split of the examples changes a bit.
//
// Source: Brodersen, Ong, Stephan, Buhmann, "The balanced accuracy and its posterior distribution", 2010.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace fedval::harness {

/// How many of the labels are of each of `classes` classes; a single class holds them all. O(labels). Error
/// for a label that is no class.
std::vector<std::size_t> class_sizes(std::span<const std::uint8_t> labels, std::size_t classes);

/// `correct`: how many of each class are labelled right, whole numbers; `sizes`: of how many. Classes without
/// examples do not count; one at least has some.
double accuracy_of(std::span<const double> correct, std::span<const std::size_t> sizes);

}  // namespace fedval::harness
