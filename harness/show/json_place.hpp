// A value in a JSON text that knows where it stands, so that a wrong one is refused by name:
// `runs/a/summary.json: agents[3].samples is "many", expected a whole number`.
#pragma once

#include <cstddef>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace fedval::harness {

using OrderedJson = nlohmann::ordered_json;

/// The JSON in a text, which messages call `source`. Error when it is none.
OrderedJson parse_json(const std::string& text, const std::string& source);

class JsonPlace {
 public:
  /// `source` names the text in messages; `value` must outlive this.
  JsonPlace(const OrderedJson& value, std::string source) : value_(&value), source_(std::move(source)) {}

  /// A member of this object. Error when this is none or has no such member.
  JsonPlace operator[](const std::string& key) const;
  /// The same; nothing when there is no such member.
  std::optional<JsonPlace> find(const std::string& key) const;
  /// The members of this object in the order of the text, the elements of this array. Error when it is
  /// neither.
  std::vector<std::pair<std::string, JsonPlace>> members() const;
  std::vector<JsonPlace> elements() const;

  /// Error when the value is of another kind.
  std::string text() const;
  double number() const;
  std::optional<double> number_or_null() const;
  std::size_t count() const;

  /// An array of values, each read by a member above: list(&JsonPlace::number).
  template <class Value>
  std::vector<Value> list(Value (JsonPlace::*read)() const) const {
    std::vector<Value> values;
    for (const JsonPlace& element : elements()) values.push_back((element.*read)());
    return values;
  }

  /// Throws Error: the place, followed by `complaint`.
  [[noreturn]] void refuse(const std::string& complaint) const;

 private:
  JsonPlace(const OrderedJson& value, std::string source, std::string path)
      : value_(&value), source_(std::move(source)), path_(std::move(path)) {}
  [[noreturn]] void expected(std::string_view kind) const;

  const OrderedJson* value_;
  std::string source_, path_;
};

}  // namespace fedval::harness
