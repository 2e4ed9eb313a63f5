#include "harness/show/plots.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>
#include <string_view>
#include <vector>

#include "harness/config/wording.hpp"
#include "harness/show/gnuplot.hpp"
#include "harness/show/markup.hpp"
#include "harness/show/measures.hpp"

namespace fedval::harness {
namespace {

constexpr std::array<std::string_view, 7> colours{"#0072B2", "#D55E00", "#009E73", "#CC79A7",
                                                  "#E69F00", "#56B4E9", "#000000"};
constexpr std::array<int, most_lines> markers{7, 5, 9, 13, 11, 6, 4, 8, 12, 10};
constexpr std::array<std::string_view, 4> dashes{"solid", "(9,4)", "(3,3)", "(9,4,3,4)"};
constexpr std::size_t longest_name = 28;

std::string colour(std::size_t i) { return " lc rgb '" + std::string(colours[i % colours.size()]) + "'"; }
std::string marker(std::size_t i) { return " pt " + std::to_string(markers[i % markers.size()]); }
std::string dash(std::size_t i) { return " dt " + std::string(dashes[i % dashes.size()]); }

const std::string axes =
    "set border 3 lc rgb '#555555' lw 0.8\nset tics nomirror out scale 0.5 textcolor rgb '#333333'\n"
    "set grid y lt 1 lc rgb '#dddddd' lw 0.6\nset format '%g'\nset errorbars 0\nunset key\n";

// A data block: rows of numbers that a plot command names "$name".
class Data {
 public:
  explicit Data(std::string name) : name_(std::move(name)) {}
  void add(std::initializer_list<double> row) {
    for (const double value : row) rows_ += number(value) + " ";
    rows_ += "\n";
  }
  bool empty() const { return rows_.empty(); }
  std::string definition() const { return "$" + name_ + " <<END\n" + rows_ + "END\n"; }
  std::string plotted(const std::string& how) const { return "$" + name_ + " " + how; }

 private:
  std::string name_, rows_;
};

// What is drawn, one thing over the other, in one pair of axes.
class Script {
 public:
  explicit Script(std::string settings) : text_(std::move(settings)) {}
  void add(const Data& data, std::initializer_list<std::string> ways) {
    if (data.empty()) return;
    text_ += data.definition();
    for (const std::string& how : ways) add(data.plotted(how));
  }
  void add(const std::string& what) { plots_ += (plots_.empty() ? "plot " : ", \\\n  ") + what; }
  std::string text() const { return text_ + plots_ + "\n"; }

 private:
  std::string text_, plots_;
};

// The values along an axis, and where ticks go: gnuplot's own stand too close in a small plot.
class Axis {
 public:
  Axis(std::string name, std::string label) : name_(std::move(name)), label_(std::move(label)) {}
  void add(double value) {
    low_ = std::min(low_, value);
    high_ = std::max(high_, value);
  }
  /// Round ticks, `count` of them or a few less, at distances of at least `least`.
  std::string settings(double count, double least = 0) const {
    std::string text = "set " + name_ + "label " + gnuplot_text(label_) + "\n";
    const double rough = std::max((high_ - low_) / count, least);
    if (!(rough > 0 && std::isfinite(rough))) return text;
    const double power = std::pow(10, std::floor(std::log10(rough)));
    double step = 10 * power;
    for (const double multiple : {5.0, 2.0, 1.0})
      if (multiple * power >= rough) step = multiple * power;
    return text + "set " + name_ + "tics " + number(step) + "\n";
  }
  double low() const { return low_; }
  double high() const { return high_; }

 private:
  std::string name_, label_;
  double low_ = std::numeric_limits<double>::infinity(), high_ = -low_;
};

std::string round_axis(const RunMethod& method) {
  Axis axis("x", "round");
  for (const RunRound& round : method.rounds) axis.add(static_cast<double>(round.round));
  const double pad = std::max(0.5, 0.03 * (axis.high() - axis.low()));
  return axis.settings(6, 1) + "set xrange [" + number(axis.low() - pad) + ":" + number(axis.high() + pad) +
         "]\n";
}

// Markers on every round would hide the lines of long runs.
std::string marker_interval(const RunMethod& method) {
  return " pi " + std::to_string(std::max<std::size_t>(1, method.rounds.size() / 12));
}

// The quantile of sorted values, between two of them linearly in the rank.
double quantile(const std::vector<double>& sorted, double level) {
  const double rank = level * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(rank);
  const std::size_t above = std::min(below + 1, sorted.size() - 1);
  return std::lerp(sorted[below], sorted[above], rank - static_cast<double>(below));
}

void draw_lines(Script& script, const RunMethod& method, const ScoreTrack& track) {
  for (std::size_t i = 0; i < track.of_agent.size(); ++i) {
    Data line("line" + std::to_string(i)), bars("bars" + std::to_string(i));
    for (const ScorePoint& point : track.of_agent[i]) {
      const auto round = static_cast<double>(point.round);
      line.add({round, point.value});
      if (point.variance && std::isfinite(*point.variance))
        bars.add({round, point.value, std::sqrt(*point.variance)});
    }
    script.add(bars, {"using 1:2:3 with yerrorbars pt 0 lw 0.7" + colour(i)});
    script.add(
        line, {"using 1:2 with linespoints lw 1.4 ps 0.5" + colour(i) + marker(i) + marker_interval(method)});
  }
}

void draw_quantiles(Script& script, const ScoreTrack& track) {
  std::map<std::size_t, std::vector<double>> of_round;
  for (const auto& points : track.of_agent)
    for (const ScorePoint& point : points) of_round[point.round].push_back(point.value);
  Data data("quantiles");
  for (auto& [round, values] : of_round) {
    std::sort(values.begin(), values.end());
    data.add({static_cast<double>(round), quantile(values, .1), quantile(values, .25), quantile(values, .5),
              quantile(values, .75), quantile(values, .9)});
  }
  if (of_round.size() == 1)  // a band would have no width
    script.add(data, {"using 1:3:2:6:5 with candlesticks lw 1.2" + colour(0),
                      "using 1:4 with points pt 7 ps 0.7" + colour(0)});
  else
    script.add(data, {"using 1:2:6 with filledcurves fs solid noborder lc rgb '#d6e6f2'",
                      "using 1:3:5 with filledcurves fs solid noborder lc rgb '#9cc4e0'",
                      "using 1:4 with lines lw 1.6" + colour(0)});
}

}  // namespace

std::string label_of(const RunAgent& agent) {
  return agent.name.empty() ? agent.id : agent.id + " (" + agent.name + ")";
}

std::string full_label_of(const RunAgent& agent) {
  return agent.name.empty() ? "agent " + agent.id : label_of(agent);
}

std::string accuracy_plot(const RunData& run, const std::string& id) {
  Script script(axes + round_axis(run.methods.front()) + "set ylabel 'test " + accuracy_name(run) +
                "'\nset key outside right center Left reverse samplen 3 spacing 1.4\n");
  std::vector<double> alone;
  for (const RunAgent& agent : run.agents) alone.push_back(agent.standalone_accuracy);
  const double mean = std::accumulate(alone.begin(), alone.end(), 0.0) / static_cast<double>(alone.size());
  script.add(number(*std::max_element(alone.begin(), alone.end())) +
             " with lines lw 1 dt (9,4) lc rgb '#555555' title 'best agent alone'");
  script.add(number(mean) + " with lines lw 1 dt (2,4) lc rgb '#555555' title 'mean of agents alone'");
  for (std::size_t i = 0; i < run.methods.size(); ++i) {
    const RunMethod& method = run.methods[i];
    Data data("method" + std::to_string(i));
    for (const RunRound& round : method.rounds)
      if (round.server_accuracy) data.add({static_cast<double>(round.round), *round.server_accuracy});
    script.add(data,
               {"using 1:2 with linespoints lw 1.8 ps 0.7" + colour(i) + marker(i) + dash(i) +
                marker_interval(method) + " title " + gnuplot_text(shortened(method.name, longest_name))});
  }
  return gnuplot_svg({.id = id,
                      .width = 860,
                      .height = 340,
                      .title = "Accuracy by round",
                      .description = "Test " + accuracy_name(run) +
                                     " of the server's model after each round, one line a method."},
                     script.text());
}

std::string agent_key(const RunData& run, const std::string& id) {
  Script script(
      "unset border\nunset tics\nset margins 0,0,0,0\nset xrange [0:1]\nset yrange [0:1]\n"
      "set key at graph 0,0.5 left center horizontal Left reverse samplen 2.5 width 1\n");
  for (std::size_t i = 0; i < run.agents.size(); ++i)
    script.add("NaN with linespoints lw 1.4 ps 0.6" + colour(i) + marker(i) + " title " +
               gnuplot_text(shortened(full_label_of(run.agents[i]), longest_name)));
  return gnuplot_svg({.id = id,
                      .width = 860,
                      .height = run.agents.size() > 5 ? 44U : 24U,
                      .title = "Agents",
                      .description = "Colour and marker of each agent."},
                     script.text());
}

std::string score_plot(const RunData& run, const RunMethod& method, const ScoreTrack& track,
                       const std::string& id) {
  Axis y_axis("y", shortened(track.name, longest_name));
  for (const auto& points : track.of_agent)
    for (const ScorePoint& point : points) y_axis.add(point.value);
  Script script(axes + round_axis(method) + y_axis.settings(4) + "set boxwidth 0.3\n");
  if (run.agents.size() > most_lines)
    draw_quantiles(script, track);
  else
    draw_lines(script, method, track);
  return gnuplot_svg({.id = id,
                      .width = 280,
                      .height = 190,
                      .title = track.name + " by round",
                      .description = "The agents' " + track.name + " in the rounds of " + method.name + "."},
                     script.text());
}

std::string scatter_plot(const RunData& run, std::span<const std::optional<double>> values,
                         const std::string& name, const std::string& id) {
  const std::size_t agents = run.agents.size();
  const std::string accuracy = accuracy_name(run);
  Axis x_axis("x", accuracy + " alone"), y_axis("y", shortened(name, longest_name));
  std::string labels;
  std::vector<Data> series;
  for (std::size_t i = 0; i < agents; ++i) {
    if (!values[i]) continue;
    if (series.empty() || agents <= most_lines) series.emplace_back("points" + std::to_string(i));
    const double x = run.agents[i].standalone_accuracy;
    series.back().add({x, *values[i]});
    x_axis.add(x);
    y_axis.add(*values[i]);
    if (agents <= most_labels)
      labels += "set label " + gnuplot_text(shortened(run.agents[i].id, 12)) + " at " + number(x) + "," +
                number(*values[i]) + " offset char 0.6,0.4 font ',9' textcolor rgb '#333333'\n";
  }
  Script script(axes + x_axis.settings(4) + y_axis.settings(4) +
                "set offsets graph .08, graph .12, graph .12, graph .08\n" + labels);
  for (std::size_t i = 0, agent = 0; i < series.size(); ++i, ++agent) {
    while (!values[agent]) ++agent;
    const std::string look =
        agents <= most_lines ? " ps 0.8" + colour(agent) + marker(agent) : " pt 6 ps 0.5 lw 1" + colour(0);
    script.add(series[i], {"using 1:2 with points" + look});
  }
  return gnuplot_svg(
      {.id = id,
       .width = 280,
       .height = 200,
       .title = name + " against " + accuracy + " alone",
       .description = "One point an agent: " + name + " against the " + accuracy + " it reaches alone."},
      script.text());
}

std::string time_plot(const RunData& run, const std::string& id) {
  const auto count = run.methods.size();
  std::string settings =
      axes +
      "unset grid\nset grid x lt 1 lc rgb '#dddddd' lw 0.6\nunset ytics\nset xlabel 'seconds'\n"
      "set lmargin 26\nset rmargin 4\nset style fill solid 1 noborder\nset xrange [0:*]\n"
      "set key outside top center horizontal Left reverse samplen 1.5\nset yrange [" +
      number(static_cast<double>(count) - 0.4) + ":-0.6]\n";
  std::array<Data, 3> parts{Data("training"), Data("valuation"), Data("rest")};
  for (std::size_t i = 0; i < count; ++i) {
    const RunMethod& method = run.methods[i];
    const auto y = static_cast<double>(i);
    settings += "set label " + gnuplot_text(shortened(method.name, longest_name)) + " at graph 0, first " +
                number(y) + " right offset char -1,0\n";
    const double trained = method.training_seconds, valued = trained + method.valuation_seconds;
    parts[0].add({0, y, 0, trained, y - 0.32, y + 0.32});
    parts[1].add({trained, y, trained, valued, y - 0.32, y + 0.32});
    if (method.seconds > valued) parts[2].add({valued, y, valued, method.seconds, y - 0.32, y + 0.32});
  }
  Script script(settings);
  constexpr std::array<std::string_view, 3> looks{"'#0072B2' title 'training'", "'#D55E00' title 'valuation'",
                                                  "'#BBBBBB' title 'the rest'"};
  for (std::size_t i = 0; i < parts.size(); ++i)
    script.add(parts[i], {"using 1:2:3:4:5:6 with boxxyerror lc rgb " + std::string(looks[i])});
  return gnuplot_svg({.id = id,
                      .width = 860,
                      .height = 90 + 28 * count,
                      .title = "Time by method",
                      .description = "Seconds of training, of valuation and of the rest, one bar a method."},
                     script.text());
}

}  // namespace fedval::harness
