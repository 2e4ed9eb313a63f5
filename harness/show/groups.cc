#include "harness/show/groups.hpp"

#include <algorithm>
#include <cmath>
#include <set>
#include <sstream>
#include <utility>

#include "fedval/statistics/quantile.hpp"
#include "fedval/statistics/running_moments.hpp"
#include "harness/report/table.hpp"

namespace fedval::harness {
namespace {

constexpr double confidence = 0.95;

Settings what_is_studied(Settings settings) {
  const Settings any;
  settings.name = any.name;
  settings.seed = any.seed;
  settings.threads = any.threads;
  settings.checkpoint = any.checkpoint;
  return settings;
}

// Every setting as key and value, in the one order that TOML texts of settings have.
std::vector<std::pair<std::string, std::string>> listed(const Settings& settings) {
  std::istringstream lines(to_toml(settings));
  std::vector<std::pair<std::string, std::string>> all;
  std::string table;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with('[')) table = line.substr(1, line.find(']') - 1) + ".";
    if (const std::size_t sign = line.find(" = "); sign != std::string::npos)
      all.emplace_back(table + line.substr(0, sign), line.substr(sign + 3));
  }
  return all;
}

}  // namespace

std::optional<Interval> student_interval(std::span<const double> draws) {
  if (draws.empty()) return std::nullopt;
  statistics::RunningMoments moments;
  for (const double x : draws) moments.add(x);
  Interval interval{.mean = moments.mean(), .half_width = {}, .count = draws.size()};
  const auto n = static_cast<double>(draws.size());
  if (draws.size() > 1)
    interval.half_width = statistics::student_quantile(confidence, n - 1) * moments.standard_error();
  return interval;
}

std::vector<Group> groups_of_same_setting(std::span<const RunData> runs) {
  std::vector<Group> groups;
  std::vector<Settings> settings;
  for (std::size_t i = 0; i < runs.size(); ++i) {
    const Settings mine = what_is_studied(runs[i].settings);
    const auto found = std::find(settings.begin(), settings.end(), mine);
    if (found == settings.end()) {
      settings.push_back(mine);
      groups.push_back({.runs = {i}});
    } else {
      groups[static_cast<std::size_t>(found - settings.begin())].runs.push_back(i);
    }
  }
  for (Group& group : groups) {
    std::set<std::uint64_t> seeds;
    for (const std::size_t i : group.runs) seeds.insert(runs[i].settings.seed);
    group.seeds_differ = seeds.size() == group.runs.size();
  }
  return groups;
}

std::optional<Interval> over_seeds(std::span<const RunData> runs, const Group& group,
                                   const std::function<std::optional<double>(const RunData&)>& number) {
  std::vector<double> draws;
  for (const std::size_t i : group.runs)
    if (const auto value = number(runs[i])) draws.push_back(*value);
  std::optional<Interval> interval = student_interval(draws);
  if (interval && !group.seeds_differ) interval->half_width.reset();
  return interval;
}

std::string fewer(std::size_t count, std::size_t expected) {
  return count < expected ? " (n = " + std::to_string(count) + ")" : "";
}

std::string written(const std::optional<Interval>& interval, int digits, const std::string& unit,
                    const std::string& plus_minus, std::size_t expected) {
  if (!interval) return "-";
  std::string text = fixed(interval->mean, digits);
  if (interval->half_width) text += " " + plus_minus + " " + fixed(*interval->half_width, digits);
  return text + unit + fewer(interval->count, expected);
}

std::string interval_definition(const std::string& plus_minus) {
  return "Runs are of the same setting when their settings are equal but for name, seed, threads and "
         "checkpoints. Mean " +
         plus_minus +
         " half-width over the runs of a setting: t s / sqrt(n), s the deviation over n runs and t Student's "
         "95 % quantile for n - 1 degrees of freedom; none for one run, or where a seed is there twice.";
}

std::vector<Difference> differences(std::span<const RunData> runs, std::span<const Group> groups) {
  std::vector<Difference> all;
  for (const Group& group : groups) {
    const auto settings = listed(what_is_studied(runs[group.runs.front()].settings));
    for (std::size_t i = 0; i < settings.size(); ++i) {
      if (i == all.size()) all.push_back({.key = settings[i].first, .values = {}});
      all[i].values.push_back(settings[i].second);
    }
  }
  std::erase_if(all, [](const Difference& d) {
    return std::all_of(d.values.begin(), d.values.end(),
                       [&](const auto& v) { return v == d.values.front(); });
  });
  return all;
}

}  // namespace fedval::harness
