#include "harness/show/json_place.hpp"

#include "fedval/error.hpp"
#include "harness/config/wording.hpp"

namespace fedval::harness {

OrderedJson parse_json(const std::string& text, const std::string& source) {
  try {
    return OrderedJson::parse(text);
  } catch (const OrderedJson::exception& error) {
    const std::string message = error.what();  // opens with "[json.exception...] "
    const std::size_t end = message.find("] ");
    fail(source, ": ", end == std::string::npos ? message : message.substr(end + 2));
  }
}

JsonPlace JsonPlace::operator[](const std::string& key) const {
  const auto member = find(key);
  if (!member) refuse(path_.empty() ? in_quotes(key) + " is missing" : " has no " + in_quotes(key));
  return *member;
}

std::optional<JsonPlace> JsonPlace::find(const std::string& key) const {
  if (!value_->is_object()) expected("an object");
  const auto member = value_->find(key);
  if (member == value_->end()) return std::nullopt;
  return JsonPlace(*member, source_, path_.empty() ? key : path_ + "." + key);
}

std::vector<std::pair<std::string, JsonPlace>> JsonPlace::members() const {
  if (!value_->is_object()) expected("an object");
  std::vector<std::pair<std::string, JsonPlace>> all;
  for (const auto& [key, value] : value_->items())
    all.emplace_back(key, JsonPlace(value, source_, path_ + "." + key));
  return all;
}

std::vector<JsonPlace> JsonPlace::elements() const {
  if (!value_->is_array()) expected("an array");
  std::vector<JsonPlace> all;
  for (std::size_t i = 0; i < value_->size(); ++i)
    all.push_back(JsonPlace((*value_)[i], source_, path_ + "[" + std::to_string(i) + "]"));
  return all;
}

std::string JsonPlace::text() const {
  if (!value_->is_string()) expected("a text");
  return value_->get<std::string>();
}

double JsonPlace::number() const {
  if (!value_->is_number()) expected("a number");
  return value_->get<double>();
}

std::optional<double> JsonPlace::number_or_null() const {
  if (value_->is_null()) return std::nullopt;
  return number();
}

std::size_t JsonPlace::count() const {
  if (!value_->is_number_unsigned()) expected("a whole number");
  return value_->get<std::size_t>();
}

void JsonPlace::refuse(const std::string& complaint) const { fail(source_, ": ", path_, complaint); }

void JsonPlace::expected(std::string_view kind) const {
  const std::string found = value_->is_structured() ? "an " + std::string(value_->type_name())
                            : value_->is_string()   ? in_quotes(value_->get<std::string>())
                                                    : value_->dump();
  refuse((path_.empty() ? "is " : " is ") + found + ", expected " + std::string(kind));
}

}  // namespace fedval::harness
