#include "harness/show/study_names.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <numeric>
#include <optional>
#include <set>
#include <string_view>
#include <system_error>
#include <utility>

namespace fedval::harness {
namespace {

// Those that say most come first; lists come last, they are long.
std::size_t rank(const Difference& difference) {
  constexpr std::array<std::string_view, 4> first{"data.set", "partition.kind", "partition.agents",
                                                  "model.name"};
  const auto found = std::find(first.begin(), first.end(), difference.key);
  const bool list = std::any_of(difference.values.begin(), difference.values.end(),
                                [](const std::string& value) { return value.starts_with('['); });
  return static_cast<std::size_t>(found - first.begin()) + (list ? 1 : 0);
}

std::vector<Difference> by_rank(std::span<const Difference> differences) {
  std::vector<Difference> ordered(differences.begin(), differences.end());
  std::stable_sort(ordered.begin(), ordered.end(),
                   [](const Difference& a, const Difference& b) { return rank(a) < rank(b); });
  return ordered;
}

std::optional<double> number_in(const std::string& text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// One number for each group, by which it is sorted: its value's, or where that first appears.
std::vector<double> places(const std::vector<std::string>& values) {
  std::vector<double> numbers, first;
  for (const std::string& value : values) {
    if (const auto number = number_in(value)) numbers.push_back(*number);
    first.push_back(static_cast<double>(std::find(values.begin(), values.end(), value) - values.begin()));
  }
  return numbers.size() == values.size() ? numbers : first;
}

std::string last_part(const std::string& key) { return key.substr(key.rfind('.') + 1); }

std::string spoken(const std::string& key, const std::string& value, std::span<const Difference> all) {
  for (const char* bare : {"data.set", "partition.kind", "model.name"})
    if (key == bare) return unquoted(value);
  const auto same_end = [&](const Difference& other) { return last_part(other.key) == last_part(key); };
  const std::string name = key == "partition.agents"                             ? "N"
                           : key == "training.rounds"                            ? "T"
                           : std::count_if(all.begin(), all.end(), same_end) > 1 ? key
                                                                                 : last_part(key);
  return name + " = " + unquoted(value);
}

}  // namespace

std::string unquoted(std::string value) {
  std::erase(value, '"');
  return value;
}

std::string counted(std::size_t count, const std::string& what) {
  return std::to_string(count) + " " + what + (count == 1 ? "" : "s");
}

std::vector<std::string> setting_names(std::size_t count, std::span<const Difference> differences) {
  std::vector<std::string> names(count);
  std::size_t told_apart = 1;
  for (const Difference& difference : by_rank(differences)) {
    std::set<std::pair<std::string, std::string>> distinct;
    for (std::size_t g = 0; g < count; ++g) distinct.emplace(names[g], difference.values[g]);
    if (distinct.size() == told_apart) continue;
    told_apart = distinct.size();
    for (std::size_t g = 0; g < count; ++g)
      names[g] += (names[g].empty() ? "" : ", ") + spoken(difference.key, difference.values[g], differences);
  }
  if (count == 1) names.front() = "all runs";
  return names;
}

std::vector<std::size_t> order_of_settings(std::size_t count, std::span<const Difference> differences) {
  std::vector<std::vector<double>> keys(count);
  for (const Difference& difference : by_rank(differences)) {
    const std::vector<double> place = places(difference.values);
    for (std::size_t g = 0; g < count; ++g) keys[g].push_back(place[g]);
  }
  std::vector<std::size_t> order(count);
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return keys[a] < keys[b]; });
  return order;
}

}  // namespace fedval::harness
