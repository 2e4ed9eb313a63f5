#include "harness/data/rendered_digits.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "fedval/error.hpp"
#include "fedval/random/philox.hpp"
#include "harness/data/digit_strokes.hpp"

namespace fedval::harness {
namespace {

using random::Stream;

constexpr std::size_t side = 28;
constexpr std::size_t classes = 10;
constexpr std::size_t most_images = std::size_t{1} << 30;

// Streams of this room begin with "digi", so that no other user of the seed shares them.
constexpr std::uint64_t first_stream = 0x6469676900000000;
constexpr std::uint64_t test_part = std::uint64_t{1} << 31;
constexpr std::uint64_t label_block = std::uint64_t{1} << 30;

struct Affine {
  double xx, xy, yx, yy;
  Point shift;

  Point operator()(Point p) const { return {xx * p.x + xy * p.y + shift.x, yx * p.x + yy * p.y + shift.y}; }
};

// From the unit square, centred, to pixels: scale, then shear, then rotate, then shift.
Affine draw_affine(Stream& draw) {
  const double width = draw.uniform(11.0, 21.0);
  const double height = draw.uniform(16.0, 21.0);
  const double shear = draw.uniform(-0.15, 0.45);  // writing leans to the right
  const double angle = draw.uniform(-0.3, 0.3);
  const double c = std::cos(angle);
  const double s = std::sin(angle);
  const double centre = 0.5 * static_cast<double>(side);
  const Point shift{centre + draw.uniform(-2.4, 2.4), centre + draw.uniform(-2.4, 2.4)};
  return {c * width, -(c * shear + s) * height, s * width, (c - s * shear) * height, shift};
}

// Catmull-Rom through the points; the end points serve as their own neighbours.
std::vector<Point> smoothed(const std::vector<Point>& points) {
  constexpr int steps = 4;
  std::vector<Point> path{points.front()};
  for (std::size_t i = 0; i + 1 < points.size(); ++i) {
    const Point a = points[i == 0 ? 0 : i - 1];
    const Point b = points[i];
    const Point c = points[i + 1];
    const Point d = points[std::min(i + 2, points.size() - 1)];
    for (int step = 1; step <= steps; ++step) {
      const double t = static_cast<double>(step) / steps;
      const auto at = [t](double p, double q, double r, double s) {
        return q + 0.5 * t * (r - p + t * (2 * p - 5 * q + 4 * r - s + t * (3 * (q - r) + s - p)));
      };
      path.push_back({at(a.x, b.x, c.x, d.x), at(a.y, b.y, c.y, d.y)});
    }
  }
  return path;
}

// Squared distance of each pixel's centre to the strokes; pixels farther than `reach` may stay at infinity.
class DistanceField {
 public:
  explicit DistanceField(double reach) : reach_(reach) {
    squares_.fill(std::numeric_limits<double>::infinity());
  }

  void add_segment(Point a, Point b) {
    const auto [left, right] = pixels(std::min(a.x, b.x), std::max(a.x, b.x));
    const auto [top, bottom] = pixels(std::min(a.y, b.y), std::max(a.y, b.y));
    const Point along{b.x - a.x, b.y - a.y};
    const double length = along.x * along.x + along.y * along.y;
    for (std::size_t row = top; row < bottom; ++row)
      for (std::size_t column = left; column < right; ++column) {
        const Point to{static_cast<double>(column) + 0.5 - a.x, static_cast<double>(row) + 0.5 - a.y};
        const double dot = to.x * along.x + to.y * along.y;
        const double t = length > 0 ? std::clamp(dot / length, 0.0, 1.0) : 0.0;
        const double x = to.x - t * along.x;
        const double y = to.y - t * along.y;
        double& square = squares_[row * side + column];
        square = std::min(square, x * x + y * y);
      }
  }

  double at(std::size_t pixel) const { return std::sqrt(squares_[pixel]); }

 private:
  // The pixels [first, last) of one axis that lie within reach of the interval.
  std::pair<std::size_t, std::size_t> pixels(double low, double high) const {
    const auto inside = [](double x) {
      return static_cast<std::size_t>(std::clamp(x, 0.0, static_cast<double>(side)));
    };
    return {inside(std::floor(low - reach_)), inside(std::ceil(high + reach_))};
  }

  double reach_;
  std::array<double, side * side> squares_;
};

void render(std::size_t digit, Stream draw, std::span<std::uint8_t> pixels) {
  const auto& glyphs = digit_glyphs(digit);
  const Glyph& glyph = glyphs[draw.below(glyphs.size())];
  const Affine to_pixels = draw_affine(draw);
  const double pen_radius = draw.uniform(0.7, 1.6);
  const double intensity = draw.uniform(0.65, 1.0);
  const double jitter = 0.04;
  const double noise = 0.04;

  DistanceField distance(pen_radius + 0.5);
  for (const Stroke& stroke : glyph) {
    std::vector<Point> points = stroke.points;
    for (Point& p : points) {
      p.x += jitter * draw.normal() - 0.5;
      p.y += jitter * draw.normal() - 0.5;
      p = to_pixels(p);
    }
    if (stroke.curved) points = smoothed(points);
    for (std::size_t i = 0; i + 1 < points.size(); ++i) distance.add_segment(points[i], points[i + 1]);
  }
  for (std::size_t i = 0; i < pixels.size(); ++i) {
    const double ink = intensity * std::clamp(pen_radius + 0.5 - distance.at(i), 0.0, 1.0);
    const double grey = std::clamp(ink + noise * draw.normal(), 0.0, 1.0);
    pixels[i] = static_cast<std::uint8_t>(std::lround(255.0 * grey));
  }
}

Examples render_part(std::uint64_t seed, std::uint64_t part, std::size_t count) {
  if (count > most_images) fail("rendered digits: ", count, " images asked for, at most ", most_images);
  Examples set;
  set.pixels.resize(count * side * side);
  set.labels.resize(count);
  std::array<std::uint8_t, classes> block{};
  for (std::size_t i = 0; i < count; ++i) {
    if (i % classes == 0) {
      std::iota(block.begin(), block.end(), std::uint8_t{0});
      Stream(seed, first_stream + part + label_block + i / classes).shuffle(std::span<std::uint8_t>(block));
    }
    set.labels[i] = block[i % classes];
    render(set.labels[i], Stream(seed, first_stream + part + i),
           std::span(set.pixels).subspan(i * side * side, side * side));
  }
  return set;
}

}  // namespace

Dataset rendered_digits(std::uint64_t seed, std::size_t train, std::size_t test) {
  const std::string description = "rendered digits (built in, seed " + std::to_string(seed) + "), " +
                                  std::to_string(train) + " train and " + std::to_string(test) +
                                  " test images: NOT MNIST";
  Dataset data{.name = "digits", .description = description, .classes = classes, .shape = {1, side, side}};
  data.train = render_part(seed, 0, train);
  data.test = render_part(seed, test_part, test);
  return data;
}

}  // namespace fedval::harness
