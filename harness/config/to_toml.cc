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
template <class Element>
std::string literal(const std::vector<Element>& values) {
  std::string list;
  for (const Element& value : values) list += (list.empty() ? "" : ", ") + literal(value);
  return "[" + list + "]";
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

std::string settings_page() {
  std::string page = R"(# Settings of an experiment

Every key that a TOML file of the harness may have. A key that is left out has its default; a key that is
not here is an error. A list where one value is expected makes a sweep: every combination of such values is
an experiment of its own. A file of two sizes has `size`, and tables `[small]` and `[full]`, beside these:
[studies.md](studies.md). This page is printed by `harness settings --markdown`.
)";
  std::string_view table = "none";
  visit_keys(Settings{}, [&](const KeyName& key, const auto& value, const auto& rule, std::string_view help) {
    if (key.table != table) {
      table = key.table;
      page += "\n## " + (table.empty() ? "Above the tables" : "[" + std::string(table) + "]") +
              "\n\n| key | default | meaning | accepts |\n|---|---|---|---|\n";
    }
    page += "| `" + std::string(key.name) + "` | `" + literal(value) + "` | " + std::string(help) + " | " +
            rule.describe() + " |\n";
  });
  return page;
}

}  // namespace fedval::harness
