#include "harness/config/settings.hpp"

// toml++ 3.3 asserts that a table header begins like a key before it checks that it does, so that "[= 1"
// would end the program (and with clang and NDEBUG be assumed away). Its checks give the right error when
// left to themselves.
#undef NDEBUG
#define TOML_ASSERT(condition) static_assert(true)
#include <toml++/toml.h>

#include <algorithm>
#include <cerrno>
#include <concepts>
#include <cstdio>
#include <memory>
#include <optional>
#include <system_error>
#include <utility>

#include "fedval/error.hpp"
#include "harness/config/key_names.hpp"
#include "harness/config/keys.hpp"
#include "harness/config/wording.hpp"

namespace fedval::harness {
namespace {

static_assert(sizeof(std::size_t) >= sizeof(std::int64_t),
              "a count in a file must fit the member that keeps it");

std::string described(const toml::node& node) {
  if (const auto* text = node.as_string()) return "a string (" + in_quotes(text->get()) + ")";
  if (const auto* integer = node.as_integer()) return "an integer (" + std::to_string(integer->get()) + ")";
  if (const auto* real = node.as_floating_point()) return "a float (" + toml_float(real->get()) + ")";
  if (const auto* boolean = node.as_boolean())
    return boolean->get() ? "a boolean (true)" : "a boolean (false)";
  if (node.is_array()) return "an array";
  if (node.is_table()) return "a table";
  return "a date or time";
}

// What a member of each type is in a file: its name there, and the value of a node if it is one.
template <class Member>
struct Kind;

template <>
struct Kind<std::string> {
  static constexpr std::string_view name = "a string";
  static std::optional<std::string> value(const toml::node& node) { return node.value_exact<std::string>(); }
};

template <std::unsigned_integral Integer>
struct Kind<Integer> {
  static constexpr std::string_view name = "an integer";
  static std::optional<std::int64_t> value(const toml::node& node) {
    return node.value_exact<std::int64_t>();
  }
};

template <>
struct Kind<double> {
  static constexpr std::string_view name = "a number";
  static std::optional<double> value(const toml::node& node) {
    if (const auto* integer = node.as_integer()) return static_cast<double>(integer->get());
    return node.value_exact<double>();
  }
};

class Reader {
 public:
  Reader(const toml::table& document, const std::string& source) : document_(document), source_(source) {}

  Settings read() {
    visit_keys(settings_, [this](const KeyName& key, auto& member, const auto& rule, std::string_view) {
      if (const toml::node* node = find(key)) assign(member, rule, key.path(), *node);
    });
    for (const auto& [key, node] : document_) check_top(key, node);
    if (complaints_.empty()) return settings_;
    std::ranges::stable_sort(complaints_, {}, &Complaint::line);
    std::string message;
    for (const auto& [line, text] : complaints_) {
      message += message.empty() ? "" : "\n";
      message += source_ + ":" + std::to_string(line) + ": " + text;
    }
    throw Error(message);
  }

 private:
  struct Complaint {
    toml::source_index line;
    std::string text;
  };

  void complain(const toml::source_region& place, std::string text) {
    complaints_.push_back({place.begin.line, std::move(text)});
  }

  const toml::node* find(const KeyName& key) const {
    if (key.table.empty()) return document_.get(key.name);
    const toml::node* table = document_.get(key.table);
    return table && table->is_table() ? table->as_table()->get(key.name) : nullptr;
  }

  template <class Kept>
  auto converted(const std::string& path, const toml::node& node) {
    auto value = Kind<Kept>::value(node);
    if (!value) complain_kind(path, node, Kind<Kept>::name);
    return value;
  }

  template <class Kept, class Rule>
  void assign(Kept& member, const Rule& rule, const std::string& path, const toml::node& node) {
    const auto value = converted<Kept>(path, node);
    if (!value) return;
    if (const auto objection = rule.check(*value)) return complain(node.source(), path + objection->text);
    member = static_cast<Kept>(*value);
  }

  template <class Rule>
  void assign(std::vector<std::string>& member, const Rule& rule, const std::string& path,
              const toml::node& node) {
    const toml::array* array = node.as_array();
    if (!array) return complain_kind(path, node, "an array of strings");
    std::vector<std::string> values;
    for (const toml::node& element : *array) {
      const auto value = converted<std::string>(path + "[" + std::to_string(values.size()) + "]", element);
      if (!value) return;
      values.push_back(*value);
    }
    if (const auto objection = rule.check(values)) {
      const toml::node& place = values.empty() ? node : (*array)[objection->element];
      return complain(place.source(), path + objection->text);
    }
    member = std::move(values);
  }

  void complain_kind(const std::string& path, const toml::node& node, std::string_view expected) {
    complain(node.source(), path + " is " + described(node) + ", expected " + std::string(expected));
  }

  void check_top(const toml::key& key, const toml::node& node) {
    if (!names_.has_table(key)) return check_known({"", key}, key.source(), node);
    if (!node.is_table()) return complain_kind(std::string(key), node, "a table");
    for (const auto& [inner, value] : *node.as_table()) check_known({key, inner}, inner.source(), value);
  }

  void check_known(const KeyName& key, const toml::source_region& place, const toml::node& node) {
    if (names_.has(key)) return;
    const bool is_table = node.is_table() || node.is_array_of_tables();
    complain(place, (is_table ? "unknown table " : "unknown key ") + in_quotes(key.path()) +
                        names_.hint(key, is_table));
  }

  const toml::table& document_;
  const std::string& source_;
  Settings settings_;
  KeyNames names_;
  std::vector<Complaint> complaints_;
};

[[noreturn]] void fail_to_read(const std::filesystem::path& path, int error) {
  if (error == ENOENT) fail("experiment file ", path.string(), ": no such file");
  fail("experiment file ", path.string(), ": cannot be read: ", std::generic_category().message(error));
}

std::string contents(const std::filesystem::path& path) {
  std::error_code ignored;  // opening the file says what is wrong with it
  if (std::filesystem::is_directory(path, ignored))
    fail("experiment file ", path.string(), ": is a directory");
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.string().c_str(), "rb"),
                                                             &std::fclose);
  if (!file) fail_to_read(path, errno);
  std::string text;
  char block[4096];
  while (const std::size_t length = std::fread(block, 1, sizeof block, file.get()))
    text.append(block, length);
  if (std::ferror(file.get())) fail_to_read(path, errno);
  return text;
}

}  // namespace

Settings read_settings(const std::filesystem::path& path) {
  return parse_settings(contents(path), path.string());
}

Settings parse_settings(std::string_view text, const std::string& source) {
  try {
    const toml::table document = toml::parse(text);
    return Reader(document, source).read();
  } catch (const toml::parse_error& error) {
    const auto& [line, column] = error.source().begin;
    fail(source, ":", line, ":", column, ": ", error.description());
  }
}

}  // namespace fedval::harness
