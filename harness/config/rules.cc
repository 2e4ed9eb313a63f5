#include "harness/config/rules.hpp"

#include <algorithm>
#include <cmath>

#include "harness/config/suggest.hpp"
#include "harness/config/wording.hpp"

namespace fedval::harness {

std::string Real::describe() const {
  if (std::isinf(high)) return (includes_low ? "at least " : "above ") + number(low);
  return "in " + std::string(includes_low ? "[" : "(") + number(low) + ", " + number(high) +
         (includes_high ? "]" : ")");
}

std::optional<Objection> Real::check(double value) const {
  if (!std::isfinite(value)) return Objection{" is " + number(value) + ", must be finite and " + describe()};
  const bool high_enough = includes_low ? value >= low : value > low;
  const bool low_enough = includes_high ? value <= high : value < high;
  if (high_enough && low_enough) return std::nullopt;
  return Objection{" is " + number(value) + ", must be " + describe()};
}

std::string Counts::describe() const {
  return "a list" + (fewest > 0 ? " of " + std::to_string(fewest) + " or more" : std::string()) + ", each " +
         each.describe() + (repeats ? "" : ", each at most once");
}

std::optional<Objection> Counts::check(const std::vector<std::size_t>& values) const {
  if (values.size() < fewest) return Objection{" is empty, must be " + describe()};
  for (auto value = values.begin(); value != values.end(); ++value) {
    const auto element = static_cast<std::size_t>(value - values.begin());
    const std::string index = "[" + std::to_string(element) + "]";
    if (const auto objection = each.check(*value)) return Objection{index + objection->text, element};
    if (!repeats && std::find(values.begin(), value, *value) != value)
      return Objection{index + " is " + std::to_string(*value) + " again, each may be listed once", element};
  }
  return std::nullopt;
}

std::string Choice::describe() const {
  return choices.size() == 1 ? in_quotes(choices.front()) : "one of " + joined_quoted(choices);
}

std::optional<Objection> Choice::check(std::string_view value) const {
  if (std::ranges::find(choices, value) != choices.end()) return std::nullopt;
  const std::string hint = choices.size() == 1 ? "" : suggestion(value, choices);  // one choice needs no hint
  return Objection{" is " + in_quotes(value) + ", must be " + describe() + hint};
}

std::string Choices::describe() const {
  return (fewest > 0 ? "one or more of " : "none or more of ") + joined_quoted(choices) +
         (repeats ? "" : ", each at most once");
}

std::optional<Objection> Choices::check(const std::vector<std::string>& values) const {
  if (values.size() < fewest) return Objection{" is empty, must be " + describe()};
  for (auto value = values.begin(); value != values.end(); ++value) {
    const auto element = static_cast<std::size_t>(value - values.begin());
    const std::string index = "[" + std::to_string(element) + "]";
    if (const auto objection = Choice{choices}.check(*value))
      return Objection{index + objection->text, element};
    if (!repeats && std::find(values.begin(), value, *value) != value)
      return Objection{index + " is " + in_quotes(*value) + " again, each may be listed once", element};
  }
  return std::nullopt;
}

std::optional<Objection> Text::check(std::string_view value) const {
  if (matches(value)) return std::nullopt;
  return Objection{" is " + in_quotes(value) + ", must be " + describe()};
}

}  // namespace fedval::harness
