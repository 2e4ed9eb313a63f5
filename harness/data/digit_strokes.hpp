// The digits as pen strokes in the unit square, x to the right and y down; several ways of writing for most.
#pragma once

#include <cstddef>
#include <vector>

namespace fedval::harness {

struct Point {
  double x = 0;
  double y = 0;
};

/// A pen stroke through its points: straight between them, or a smooth curve.
struct Stroke {
  bool curved = false;
  std::vector<Point> points;  // two or more
};

/// One way of writing a digit.
using Glyph = std::vector<Stroke>;

/// The ways of writing `digit`, one or more. Throws Error when digit is above 9.
const std::vector<Glyph>& digit_glyphs(std::size_t digit);

}  // namespace fedval::harness
