#include "harness/show/scores_csv.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <optional>

#include "fedval/error.hpp"
#include "harness/config/wording.hpp"

namespace fedval::harness {
namespace {

constexpr std::string_view header = "method,round,score,agent,value,variance";

using Fields = std::array<std::string_view, 6>;

std::optional<Fields> split(std::string_view line) {
  Fields fields;
  for (std::size_t i = 0; i < fields.size(); ++i) {
    const std::size_t comma = line.find(',');
    const bool last = i + 1 == fields.size();
    if ((comma == std::string_view::npos) != last) return std::nullopt;
    fields[i] = line.substr(0, comma);
    if (!last) line.remove_prefix(comma + 1);
  }
  return fields;
}

template <class Number>
std::optional<Number> parsed(std::string_view text) {
  Number number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return number;
}

template <class Named>
Named* find(std::vector<Named>& all, std::string_view name) {
  const auto found = std::find_if(all.begin(), all.end(), [&](const Named& one) { return one.name == name; });
  return found == all.end() ? nullptr : &*found;
}

struct Line {
  std::string where;

  [[noreturn]] void refuse(std::string_view column, std::string_view value, std::string_view expected) const {
    fail(where, ": ", column, " is ", in_quotes(value), ", expected ", expected);
  }

  void read(const Fields& fields, const std::map<std::string, std::size_t>& agents,
            std::vector<RunMethod>& methods) const {
    RunMethod* method = find(methods, fields[0]);
    if (method == nullptr) refuse("method", fields[0], "one of summary.json");
    const auto round = parsed<std::size_t>(fields[1]);
    const auto has_number = [&](const RunRound& r) { return r.round == *round; };
    if (!round) refuse("round", fields[1], "a whole number");
    if (std::none_of(method->rounds.begin(), method->rounds.end(), has_number))
      refuse("round", fields[1], "one of metrics.jsonl");
    ScoreTrack* score = find(method->scores, fields[2]);
    if (score == nullptr) refuse("score", fields[2], "one of this method's in summary.json");
    const auto agent = agents.find(std::string(fields[3]));
    if (agent == agents.end()) refuse("agent", fields[3], "one of summary.json");
    const auto value = parsed<double>(fields[4]);
    if (!value || !std::isfinite(*value)) refuse("value", fields[4], "a number");
    const auto variance = parsed<double>(fields[5]);
    if (!fields[5].empty() && !(variance && *variance >= 0))
      refuse("variance", fields[5], "a number that is not negative, or nothing");
    std::vector<ScorePoint>& points = score->of_agent[agent->second];
    if (!points.empty() && points.back().round >= *round)
      fail(where, ": round ", *round, " of agent ", in_quotes(fields[3]), " comes after its round ",
           points.back().round);
    points.push_back({.round = *round, .value = *value, .variance = variance});
  }
};

}  // namespace

void read_scores(std::string_view text, const std::string& source,
                 const std::map<std::string, std::size_t>& agents, std::vector<RunMethod>& methods) {
  std::size_t number = 0;
  while (!text.empty() || number == 0) {
    const Line line{source + ":" + std::to_string(++number)};
    const std::size_t end = text.find('\n');
    if (end == std::string_view::npos) fail(line.where, ": the file ends inside this line");
    const std::string_view content = text.substr(0, end);
    text.remove_prefix(end + 1);
    if (number == 1) {
      if (content != header)
        fail(line.where, ": the columns are ", in_quotes(content), ", expected ", header);
      continue;
    }
    const auto fields = split(content);
    if (!fields) fail(line.where, ": ", in_quotes(content), " does not have six fields");
    line.read(*fields, agents, methods);
  }
}

}  // namespace fedval::harness
