#include "harness/config/key_names.hpp"

#include <algorithm>

#include "harness/config/suggest.hpp"
#include "harness/config/wording.hpp"

namespace fedval::harness {

KeyNames::KeyNames() {
  visit_keys(Settings{}, [this](const KeyName& key, const auto&, const auto&, std::string_view) {
    keys_.push_back(key);
  });
}

bool KeyNames::has_table(std::string_view table) const {
  return !table.empty() && std::ranges::find(keys_, table, &KeyName::table) != keys_.end();
}

bool KeyNames::has(const KeyName& key) const { return std::ranges::find(keys_, key) != keys_.end(); }

std::string KeyNames::hint(const KeyName& unknown, bool is_table) const {
  const bool among_tables = is_table && unknown.table.empty();
  const auto candidates = among_tables ? tables() : names_in(unknown.table);
  if (std::string near = suggestion(unknown.name, candidates); !near.empty()) return near;
  if (std::string far = elsewhere(unknown.name); !far.empty() && !is_table) return far;
  if (among_tables) return "; the tables are " + joined(candidates);
  return (unknown.table.empty() ? "; the keys outside tables are "
                                : "; the keys of [" + std::string(unknown.table) + "] are ") +
         joined(candidates);
}

std::vector<std::string_view> KeyNames::tables() const {
  std::vector<std::string_view> tables;
  for (const KeyName& key : keys_)
    if (!key.table.empty() && (tables.empty() || tables.back() != key.table)) tables.push_back(key.table);
  return tables;
}

std::vector<std::string_view> KeyNames::names_in(std::string_view table) const {
  std::vector<std::string_view> names;
  for (const KeyName& key : keys_)
    if (key.table == table) names.push_back(key.name);
  return names;
}

// A right name in the wrong table is as common as a wrong name: a key written above or below its header.
std::string KeyNames::elsewhere(std::string_view name) const {
  std::string hint;
  for (const KeyName& key : keys_)
    if (key.name == name) hint += (hint.empty() ? "; did you mean " : " or ") + in_quotes(key.path());
  return hint.empty() ? hint : hint + "?";
}

}  // namespace fedval::harness
