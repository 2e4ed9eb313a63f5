#include "harness/config/document.hpp"

#include <utility>

#include "fedval/error.hpp"
#include "harness/config/rules.hpp"
#include "harness/config/toml_kinds.hpp"

namespace fedval::harness {

toml::table parse_toml(std::string_view text, const std::string& source) {
  try {
    return toml::parse(text);
  } catch (const toml::parse_error& error) {
    const auto& [line, column] = error.source().begin;
    fail(source, ":", line, ":", column, ": ", error.description());
  }
}

toml::table parse_toml(const Override& change) {
  const std::size_t equals = change.text.find('=');
  if (equals == std::string::npos) fail(change.source, ": is not KEY=VALUE");
  try {
    return toml::parse(change.text, change.source);
  } catch (const toml::parse_error&) {
  }
  try {
    return toml::parse(change.text.substr(0, equals) + "='''" + change.text.substr(equals + 1) + "'''",
                       change.source);
  } catch (const toml::parse_error& error) {
    fail(change.source, ": ", error.description());
  }
}

void merge(toml::table& document, toml::table&& changes) {
  for (auto&& [key, node] : changes) {
    toml::node* there = document.get(key);
    if (!there || !there->is_table() || !node.is_table()) {
      document.insert_or_assign(key, std::move(node));  // a copy would forget its source
      continue;
    }
    for (auto&& [inner, value] : *node.as_table())
      there->as_table()->insert_or_assign(inner, std::move(value));
  }
}

std::optional<std::string> take_size(toml::table& document, const std::string& source) {
  const toml::node* size = document.get("size");
  if (!size) return std::nullopt;
  auto name = Kind<std::string>::value(*size);
  const toml::source_region& place = size->source();  // only overrides have a name of their own
  const std::string where =
      (place.path ? *place.path : source + ":" + std::to_string(place.begin.line)) + ": size";
  if (!name) fail(where, " is ", described(*size), ", expected a string");
  if (const auto objection = Choice{{sizes.begin(), sizes.end()}}.check(*name)) fail(where, objection->text);
  document.erase("size");
  return name;
}

toml::table in_size(toml::table document, const std::string& size, const std::string& source) {
  toml::table own;
  for (const std::string_view name : sizes) {
    toml::node* table = document.get(name);
    if (!table) continue;
    if (!table->is_table())
      fail(source, ":", table->source().begin.line, ": ", name, " is ", described(*table),
           ", expected a table");
    if (name == size) own = std::move(*table->as_table());
    document.erase(name);
  }
  merge(document, std::move(own));
  return document;
}

}  // namespace fedval::harness
