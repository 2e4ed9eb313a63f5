#include "harness/show/study_plots.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

#include "harness/config/wording.hpp"
#include "harness/report/table.hpp"
#include "harness/show/gnuplot.hpp"
#include "harness/show/markup.hpp"
#include "harness/show/measures.hpp"

namespace fedval::harness {
namespace {

constexpr std::size_t longest_name = 64, width = 900;

// Of gnuplot's sequence "podo", the colours of Okabe and Ito; the yellow one is too light for points.
constexpr std::array<int, 7> colours{6, 7, 4, 8, 2, 3, 1};
constexpr std::array<int, 8> markers{7, 5, 9, 13, 11, 6, 4, 8};

// The name of a tick is a format to gnuplot, in which %% is drawn as %.
std::string as_format(const std::string& text) {
  std::string result;
  for (const char byte : text) result.append(byte == '%' ? 2 : 1, byte);
  return result;
}

// "'a' 0, 'b' 1": names as ticks of an axis.
std::string ticks(const std::vector<std::string>& names) {
  std::string text;
  for (std::size_t i = 0; i < names.size(); ++i)
    text += (i > 0 ? ", " : "") + gnuplot_text(as_format(shortened(plain(names[i]), longest_name))) + " " +
            std::to_string(i);
  return text;
}

// Rows from the top, with room for their names.
std::string rows(const std::vector<std::string>& names) {
  std::size_t longest = 0;
  for (const std::string& name : names) longest = std::max(longest, std::min(name.size(), longest_name + 3));
  return "set lmargin " + std::to_string(longest + 3) + "\nset yrange [" +
         number(static_cast<double>(names.size()) - 0.5) + ":-0.5]\nset ytics (" + ticks(names) +
         ") scale 0\n";
}

// A file of its own, which no page around it lends a name space, a font or a ground.
std::string svg_file(const Canvas& canvas, const std::string& script) {
  std::string svg = gnuplot_svg(canvas, script);
  svg.insert(std::string("<svg").size(),
             " xmlns='http://www.w3.org/2000/svg' style='background: #fff; font-family: sans-serif'");
  return svg + "\n";
}

// White at 1; the blue of 0 and the orange of 4 and more are light enough for black figures.
long shade(double ratio) {
  constexpr std::array<double, 3> white{255, 255, 255}, blue{126, 182, 217}, orange{240, 150, 75};
  const double strength = ratio < 1 ? 1 - ratio : std::min(1.0, std::log2(ratio) / 2);
  long colour = 0;
  for (std::size_t c = 0; c < 3; ++c)
    colour = 256 * colour + std::lround(std::lerp(white[c], ratio < 1 ? blue[c] : orange[c], strength));
  return colour;
}

/// Means with intervals: a row for each of some things, a colour for each of others.
struct Forest {
  std::string id, title, description, axis;
  double least = 0;  ///< that there can be; the axis begins at the least interval's end
  std::vector<std::string> rows, series;
};

template <class Cell>
std::string forest_plot(const Forest& forest, const Cell& cell) {
  const std::size_t count = forest.series.size();
  const double apart = 0.8 / static_cast<double>(count);
  double least = 1;
  std::string data, plots;
  for (std::size_t g = 0; g < count; ++g) {
    std::string points;
    for (std::size_t s = 0; s < forest.rows.size(); ++s) {
      const std::optional<Interval> interval = cell(s, g);
      if (!interval) continue;
      const double half = interval->half_width.value_or(0);
      least = std::min(least, interval->mean - half);
      const double y = static_cast<double>(s) + apart * (static_cast<double>(g) + 0.5) - 0.4;
      points += number(interval->mean) + " " + number(y) + " " + number(half) + "\n";
    }
    if (points.empty()) continue;
    const std::string name = "$setting" + std::to_string(g),
                      colour = std::to_string(colours[g % colours.size()]);
    data += name + " <<END\n" + points + "END\n";
    plots += (plots.empty() ? "plot " : ", ") + name + " using 1:2:3 with xerrorbars lw 1.3 ps 0.6 lt " +
             colour + " pt " + std::to_string(markers[g % markers.size()]) + " title " +
             gnuplot_text(shortened(forest.series[g], 60));
  }
  if (plots.empty()) plots = "plot NaN notitle";  // axes without points
  std::string lines;
  for (std::size_t s = 1; s < forest.rows.size(); ++s) {
    const std::string y = number(static_cast<double>(s) - 0.5);
    lines += "set arrow from graph 0, first " + y + " to graph 1, first " + y +
             " nohead lc rgb '#cccccc' lw 0.6\n";
  }
  const std::string script =
      "set colorsequence podo\nset border 1 lc rgb '#555555' lw 0.8\nset tics nomirror textcolor rgb "
      "'#333333'\n"
      "set grid x lt 1 lc rgb '#e3e3e3' lw 0.6\nset errorbars 0\nset format x '%g'\n"
      "set xlabel " +
      gnuplot_text(forest.axis) + "\nset xrange [" +
      number(std::max(forest.least, std::floor(10 * least - 0.2) / 10)) + ":1.01]\n" + rows(forest.rows) +
      "set key outside top center horizontal Left reverse samplen 1.5 spacing 1.3\n" + lines + data + plots +
      "\n";
  const std::size_t row = std::max<std::size_t>(24, 8 * count + 6);
  return svg_file({.id = forest.id,
                   .width = width,
                   .height = 100 + 18 * ((count + 2) / 3) + row * forest.rows.size(),
                   .title = forest.title,
                   .description = forest.description},
                  script);
}

}  // namespace

std::string pearson_plot(const Study& study, const ScoreAgreements& found) {
  const std::string accuracy = accuracy_name(study.runs);
  return forest_plot({.id = "pearson",
                      .title = "Scores against standalone " + accuracy,
                      .description = "Mean Pearson correlation of each score with standalone " + accuracy +
                                     " in each setting, with 95 % intervals over seeds.",
                      .axis = "Pearson correlation with standalone " + accuracy,
                      .least = -1,
                      .rows = found.scores,
                      .series = study.names},
                     [&](std::size_t s, std::size_t g) { return found.pearson[s][g].interval; });
}

std::string accuracy_plot(const Study& study) {
  const std::vector<std::string> methods = study_methods(study);
  const std::string accuracy = accuracy_name(study.runs);
  return forest_plot({.id = "accuracy",
                      .title = "Accuracy of the server's model",
                      .description = "Mean test " + accuracy +
                                     " of the server's model after the last round of each method in each "
                                     "setting, with 95 % intervals over seeds.",
                      .axis = "test " + accuracy + " of the server's model after the last round",
                      .least = 0,
                      .rows = study.names,
                      .series = methods},
                     [&](std::size_t g, std::size_t m) {
                       return over_setting(study, study.settings[g],
                                           [&](const RunData& run) -> std::optional<double> {
                                             const RunMethod* method = find_method(run, methods[m]);
                                             return method ? std::optional(method->server_accuracy)
                                                           : std::nullopt;
                                           })
                           .interval;
                     });
}

std::string attack_plot(const AttackResults& found) {
  std::string cells, texts;
  for (std::size_t s = 0; s < found.scores.size(); ++s)
    for (std::size_t k = 0; k < found.kinds.size(); ++k) {
      const std::optional<double> ratio = mean_defined(found.effects[s][k].ratio);
      const auto x = static_cast<double>(k), y = static_cast<double>(s);
      for (const double value : {x, y, x - 0.48, x + 0.48, y - 0.46, y + 0.46}) cells += number(value) + " ";
      cells += std::to_string(ratio ? shade(*ratio) : 0xdddddd) + "\n";
      texts +=
          number(x) + " " + number(y) + " \"" + (ratio ? fixed(*ratio, *ratio < 100 ? 2 : 0) : "-") + "\"\n";
    }
  const std::string script =
      "unset border\nset tics textcolor rgb '#333333'\nset tmargin 7\nset bmargin 1\nset rmargin 6\n"
      "unset xtics\nset x2tics (" +
      ticks(found.kinds) + ") scale 0 rotate by 30 left offset 0,0.2\nset xrange [-0.5:" +
      number(static_cast<double>(found.kinds.size()) - 0.5) +
      "]\nset x2range [-0.5:" + number(static_cast<double>(found.kinds.size()) - 0.5) + "]\n" +
      rows(found.scores) + "set style fill solid 1 noborder\nunset key\n$cells <<END\n" + cells +
      "END\n$texts <<END\n" + texts +
      "END\nplot $cells using 1:2:3:4:5:6:7 with boxxyerror lc rgb variable, $texts using 1:2:3 with "
      "labels\n";
  return svg_file(
      {.id = "attacks",
       .width = width,
       .height = 120 + 24 * found.scores.size(),
       .title = "What an attacker earns, relative to its honest twin",
       .description = "Mean ratio of the attacker's share of the positive scores to its honest "
                      "twin's: a row a score, a column a kind of attack. Blue is below 1, white is "
                      "1, orange above, the same from 4 on; grey where undefined."},
      script);
}

}  // namespace fedval::harness
