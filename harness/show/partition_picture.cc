#include "harness/show/partition_picture.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>
#include <vector>

#include "harness/report/table.hpp"
#include "harness/show/gnuplot.hpp"
#include "harness/show/markup.hpp"
#include "harness/show/plots.hpp"

namespace fedval::harness {
namespace {

constexpr std::size_t most_rows_with_numbers = 20, most_columns_with_numbers = 30;

// White to the blue of Okabe and Ito, then to a darker one; the first is for no example at all.
constexpr std::array<std::string_view, 10> shades{"#ffffff", "#e3eff7", "#cbe1f0", "#a9cfe6", "#80b8da",
                                                  "#559fcc", "#2d87be", "#0072b2", "#005a8e", "#003f66"};

std::size_t shade(std::size_t count, std::size_t largest) {
  if (count == 0) return 0;
  const double share = std::sqrt(static_cast<double>(count) / static_cast<double>(largest));
  return 1 + std::min(shades.size() - 2,
                      static_cast<std::size_t>(share * static_cast<double>(shades.size() - 1)));
}

struct Layout {
  std::size_t rows, columns;
  double width, height;         // of a cell
  double left = 150, top = 34;  // of the first cell

  Layout(std::size_t agents, std::size_t classes)
      : rows(agents),
        columns(classes),
        width(std::clamp(840.0 / static_cast<double>(std::max<std::size_t>(1, classes)), 2.0, 48.0)),
        height(agents <= most_rows_with_numbers
                   ? 22.0
                   : std::clamp(700.0 / static_cast<double>(agents), 2.0, 16.0)) {}

  bool numbers() const { return rows <= most_rows_with_numbers && columns <= most_columns_with_numbers; }
  double x(std::size_t column) const { return left + width * static_cast<double>(column); }
  double y(std::size_t row) const { return top + height * static_cast<double>(row); }
};

// Labels stand at least so far apart.
std::size_t label_step(double cell, double apart) {
  for (std::size_t power = 1;; power *= 10)
    for (const std::size_t step : {power, 2 * power, 5 * power})
      if (static_cast<double>(step) * cell >= apart) return step;
}

std::string text(double x, double y, std::string_view attributes, std::string_view content) {
  return element("text x='" + fixed(x, 1) + "' y='" + fixed(y, 1) + "' " + std::string(attributes), content);
}

std::string rectangle(double x, double y, double width, double height, std::string_view fill) {
  return "<rect x='" + fixed(x, 1) + "' y='" + fixed(y, 1) + "' width='" + fixed(width, 1) + "' height='" +
         fixed(height, 1) + "' fill='" + std::string(fill) + "' stroke='#999999' stroke-width='0.5'/>";
}

std::string axis_labels(const RunData& run, const Layout& layout) {
  std::string svg = text(layout.left, 11, "class='axis'", "class");
  const std::size_t column_step = label_step(layout.width, 22), row_step = label_step(layout.height, 12);
  for (std::size_t c = 0; c < layout.columns; c += column_step)
    svg += text(layout.x(c) + layout.width / 2, layout.top - 6, "text-anchor='middle'", std::to_string(c));
  for (std::size_t r = 0; r < layout.rows; r += row_step) {
    svg += text(layout.left - 8, layout.y(r) + layout.height / 2 + 3.5, "text-anchor='end'",
                escaped(shortened(full_label_of(run.agents[r]), 22)));
  }
  return svg;
}

std::string scale(double y, double left, std::size_t largest) {
  std::string svg = text(left - 8, y + 11, "text-anchor='end'", "examples");
  for (std::size_t s = 0; s < shades.size(); ++s)
    svg += rectangle(left + 24 * static_cast<double>(s), y, 24, 14, shades[s]);
  const double steps = static_cast<double>(shades.size() - 1);
  svg += text(left + 12, y + 27, "text-anchor='middle'", "0");
  for (const std::size_t s : {std::size_t{5}, shades.size() - 1}) {  // the count at which a shade ends
    const double share = static_cast<double>(s) / steps;
    svg += text(left + 24 * static_cast<double>(s + 1), y + 27, "text-anchor='middle'",
                fixed(share * share * static_cast<double>(largest), 0));
  }
  return svg;
}

}  // namespace

std::string partition_picture(const RunData& run, const RunPartition& partition, const std::string& id) {
  const std::vector<std::vector<std::size_t>>& counts = partition.class_counts;
  const Layout layout(counts.size(), counts.front().size());
  std::size_t largest = 1;
  for (const auto& row : counts)
    for (const std::size_t count : row) largest = std::max(largest, count);

  // All cells of one shade are one path, which keeps the document small.
  std::array<std::string, shades.size()> paths;
  std::string numbers;
  const std::string cell =
      "h" + fixed(layout.width, 2) + "v" + fixed(layout.height, 2) + "h-" + fixed(layout.width, 2) + "z";
  for (std::size_t r = 0; r < layout.rows; ++r)
    for (std::size_t c = 0; c < layout.columns; ++c) {
      const std::size_t s = shade(counts[r][c], largest);
      if (s > 0) paths[s] += "M" + fixed(layout.x(c), 1) + " " + fixed(layout.y(r), 1) + cell;
      if (layout.numbers() && counts[r][c] > 0)
        numbers += text(layout.x(c) + layout.width / 2, layout.y(r) + layout.height / 2 + 3.5,
                        s > 5 ? "text-anchor='middle' fill='#ffffff'" : "text-anchor='middle'",
                        std::to_string(counts[r][c]));
    }
  const double width = layout.width * static_cast<double>(layout.columns);
  const double height = layout.height * static_cast<double>(layout.rows);
  std::string svg = axis_labels(run, layout);
  for (std::size_t s = 1; s < shades.size(); ++s)
    if (!paths[s].empty())
      svg += "<path fill='" + std::string(shades[s]) + "' stroke='#ffffff' stroke-width='" +
             (layout.numbers() ? "1" : "0.3") + "' d='" + paths[s] + "'/>";
  svg += "<rect x='" + fixed(layout.left, 1) + "' y='" + fixed(layout.top, 1) + "' width='" +
         fixed(width, 1) + "' height='" + fixed(height, 1) +
         "' fill='none' stroke='#999999' stroke-width='0.6'/>";
  svg += numbers + scale(layout.top + height + 14, layout.left, largest);
  const double right = layout.left + std::max(width, 24.0 * static_cast<double>(shades.size())) + 30;
  return svg_element({.id = id,
                      .width = static_cast<std::size_t>(right),
                      .height = static_cast<std::size_t>(layout.top + height + 50),
                      .title = "Examples by agent and class",
                      .description = "A row an agent, a column a class; the darker, the more examples."},
                     element("g font-size='11' fill='#222222'", svg));
}

}  // namespace fedval::harness
