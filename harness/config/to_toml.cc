// Settings as text: the resolved settings of a run, and the documentation of all keys.
#include <concepts>

#include "fedval/error.hpp"
#include "harness/config/keys.hpp"
#include "harness/config/settings.hpp"
#include "harness/config/wording.hpp"

namespace fedval::harness {
namespace {

// Texts that pass their rule hold nothing that TOML needs escaped.
std::string literal(const std::string& value) { return '"' + value + '"'; }
std::string literal(std::unsigned_integral auto value) { return std::to_string(value); }
std::string literal(double value) { return toml_float(value); }
std::string literal(const std::vector<std::string>& values) {
  return "[" + joined_quoted({values.begin(), values.end()}) + "]";
}

template <class Remark>
std::string written(const Settings& settings, Remark remark) {
  std::string text;
  std::string_view table;
  visit_keys(settings, [&](const KeyName& key, const auto& value, const auto& rule, std::string_view help) {
    if (const auto objection = rule.check(value)) fail("settings: ", key.path(), objection->text);
    if (key.table != table) {
      table = key.table;
      text += "\n[" + std::string(table) + "]\n";
    }
    text += remark(rule.describe(), help) + std::string(key.name) + " = " + literal(value) + "\n";
  });
  return text;
}

}  // namespace

std::string to_toml(const Settings& settings) {
  return written(settings, [](const std::string&, std::string_view) { return std::string(); });
}

std::string describe_settings() {
  return written(Settings{}, [](const std::string& accepted, std::string_view help) {
    return "# " + std::string(help) + "\n# Accepts: " + accepted + ".\n";
  });
}

}  // namespace fedval::harness
