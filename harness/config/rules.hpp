// What values a setting accepts. A rule checks a value and describes itself, so that the words of an error
// message and of the documentation come from the same place as the check.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace fedval::harness {

/// Why a value is refused. The text follows the name of the key: "training.rounds" + " is 0, must be at least
/// 1".
struct Objection {
  std::string text;
  std::size_t element = 0;  ///< which element of a list is meant; 0 for other values
};

/// A whole number, from at_least to the largest that TOML can write.
struct Count {
  std::uint64_t at_least = 0;
  std::int64_t at_most = std::numeric_limits<std::int64_t>::max();  // what TOML can hold

  std::string describe() const {
    const bool bounded = at_most != std::numeric_limits<std::int64_t>::max();
    return "at least " + std::to_string(at_least) + (bounded ? ", at most " + std::to_string(at_most) : "");
  }
  template <std::integral Integer>
  std::optional<Objection> check(Integer value) const {
    const auto refuse = [&](const std::string& rule) {
      return Objection{" is " + std::to_string(value) + ", must be " + rule};
    };
    if (std::cmp_less(value, at_least)) return refuse("at least " + std::to_string(at_least));
    if (std::cmp_greater(value, at_most)) return refuse("at most " + std::to_string(at_most));
    return std::nullopt;
  }
};

/// A list of whole numbers.
struct Counts {
  Count each = {};
  std::size_t fewest = 0;  ///< entries
  bool repeats = false;    ///< whether a number may be listed again

  std::string describe() const;
  std::optional<Objection> check(const std::vector<std::size_t>& values) const;
};

/// A finite number between two bounds.
struct Real {
  double low = 0;
  double high = std::numeric_limits<double>::infinity();
  bool includes_low = false;
  bool includes_high = false;

  std::string describe() const;
  std::optional<Objection> check(double value) const;
};

/// One of a few words.
struct Choice {
  std::vector<std::string_view> choices;

  std::string describe() const;
  std::optional<Objection> check(std::string_view value) const;
};

/// A list of words out of a few.
struct Choices {
  std::vector<std::string_view> choices;
  std::size_t fewest = 1;  ///< entries
  bool repeats = false;    ///< whether a word may be listed again

  std::string describe() const;
  std::optional<Objection> check(const std::vector<std::string>& values) const;
};

/// A text of a certain form.
struct Text {
  std::string_view form;  ///< completes "must be ..."
  bool (*matches)(std::string_view);

  std::string describe() const { return std::string(form); }
  std::optional<Objection> check(std::string_view value) const;
};

}  // namespace fedval::harness
