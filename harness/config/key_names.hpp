// The names of all settings, and what to say to someone who wrote a name that is not one of them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "harness/config/keys.hpp"

namespace fedval::harness {

/// The names in the table of settings.
class KeyNames {
 public:
  KeyNames();

  /// Whether the file may have a table of this name.
  bool has_table(std::string_view table) const;

  /// Whether the file may have this key.
  bool has(const KeyName& key) const;

  /// What follows "unknown key ..." or "unknown table ...": `; did you mean "rounds"?`, or the names there
  /// are.
  std::string hint(const KeyName& unknown, bool is_table) const;

 private:
  std::vector<std::string_view> tables() const;
  std::vector<std::string_view> names_in(std::string_view table) const;
  std::string elsewhere(std::string_view name) const;

  std::vector<KeyName> keys_;
};

}  // namespace fedval::harness
