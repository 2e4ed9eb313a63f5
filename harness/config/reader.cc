#include "harness/config/reader.hpp"

#include <algorithm>
#include <concepts>
#include <limits>
#include <optional>
#include <utility>

#include "fedval/error.hpp"
#include "harness/config/key_names.hpp"
#include "harness/config/keys.hpp"
#include "harness/config/toml_kinds.hpp"
#include "harness/config/wording.hpp"

namespace fedval::harness {
namespace {

static_assert(sizeof(std::size_t) >= sizeof(std::int64_t),
              "a count in a file must fit the member that keeps it");

template <class Member>
constexpr bool is_list = false;
template <class Element>
constexpr bool is_list<std::vector<Element>> = true;

/// A key with a list of values where it takes one.
struct Axis {
  std::string path;
  std::vector<std::string> words;  // each value as a part of a folder's name
};

// What the experiment's name says of a value: "0.5", "pow", "fedavg-cgsv".
std::string word(const std::string& value) { return value; }
std::string word(std::unsigned_integral auto value) { return std::to_string(value); }
std::string word(double value) { return number(value); }
template <class Element>
std::string word(const std::vector<Element>& values) {
  std::string words;
  for (const Element& value : values) words += (words.empty() ? "" : "-") + word(value);
  return words;
}

class Reader {
 public:
  /// `place` says which value of each axis is taken; axes beyond it take their first.
  Reader(const toml::table& document, const std::string& source, std::vector<std::size_t> place = {})
      : document_(document), source_(source), place_(std::move(place)) {}

  const std::vector<Axis>& axes() const { return axes_; }

  Settings read() {
    visit_keys(settings_, [this](const KeyName& key, auto& member, const auto& rule, std::string_view) {
      if (const toml::node* node = find(key)) assign_or_sweep(member, rule, key.path(), *node);
    });
    for (const auto& [key, node] : document_) check_top(key, node);
    if (complaints_.empty()) return settings_;
    std::ranges::stable_sort(complaints_, {}, &Complaint::order);
    std::string message;
    for (const Complaint& complaint : complaints_) message += (message.empty() ? "" : "\n") + complaint.text;
    throw Error(message);
  }

 private:
  struct Complaint {
    toml::source_index order;
    std::string text;
  };

  void complain(const toml::source_region& place, const std::string& text) {
    const bool in_file = !place.path;  // only overrides have a name of their own
    const std::string where = in_file ? source_ + ":" + std::to_string(place.begin.line) : *place.path;
    complaints_.push_back(
        {in_file ? place.begin.line : std::numeric_limits<toml::source_index>::max(), where + ": " + text});
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

  // A list where one value is expected, or a list of lists where one list is, asks for a sweep.
  template <class Member, class Rule>
  void assign_or_sweep(Member& member, const Rule& rule, const std::string& path, const toml::node& node) {
    const toml::array* values = node.as_array();
    if (!values || (is_list<Member> && (values->empty() || !values->get(0)->is_array())))
      return assign(member, rule, path, node);
    if (values->empty()) return complain(node.source(), path + " is an empty array, a sweep needs values");
    Axis axis{path, {}};
    const std::size_t chosen = axes_.size() < place_.size() ? place_[axes_.size()] : 0;
    const Member before = member;
    for (const toml::node& element : *values) {
      const std::string name = path + "[" + std::to_string(axis.words.size()) + "]";
      const std::size_t complaints = complaints_.size();
      Member value = before;
      assign(value, rule, name, element);
      const std::string text = word(value);
      if (complaints == complaints_.size() && std::ranges::find(axis.words, text) != axis.words.end())
        complain(element.source(), name + " is a value of the sweep again");
      if (axis.words.size() == chosen) member = value;
      axis.words.push_back(text);
    }
    axes_.push_back(std::move(axis));
  }

  template <class Kept, class Rule>
  void assign(Kept& member, const Rule& rule, const std::string& path, const toml::node& node) {
    const auto value = converted<Kept>(path, node);
    if (!value) return;
    if (const auto objection = rule.check(*value)) return complain(node.source(), path + objection->text);
    member = static_cast<Kept>(*value);
  }

  template <class Element, class Rule>
  void assign(std::vector<Element>& member, const Rule& rule, const std::string& path,
              const toml::node& node) {
    const toml::array* array = node.as_array();
    if (!array) return complain_kind(path, node, Kind<Element>::list);
    std::vector<Element> values;
    for (const toml::node& element : *array) {
      const std::string name = path + "[" + std::to_string(values.size()) + "]";
      const auto value = converted<Element>(name, element);
      if (!value) return;
      if constexpr (std::integral<Element>)  // a list keeps what fits it; rules see no negative numbers
        if (*value < 0)
          return complain(element.source(), name + " is " + std::to_string(*value) + ", must be at least 0");
      values.push_back(static_cast<Element>(*value));
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
  std::vector<std::size_t> place_;
  std::vector<Axis> axes_;
  Settings settings_;
  KeyNames names_;
  std::vector<Complaint> complaints_;
};

constexpr std::size_t most_experiments = 10'000;  // more is a slip of the keyboard

}  // namespace

std::vector<Settings> read_all(const toml::table& document, const std::string& source) {
  Reader first(document, source);
  const Settings single = first.read();
  const std::vector<Axis>& axes = first.axes();
  if (axes.empty()) return {single};
  std::size_t count = 1;
  for (const Axis& axis : axes) {
    count *= axis.words.size();
    if (count > most_experiments)
      fail(source, ": the lists make a sweep of more than ", most_experiments, " experiments");
  }
  std::vector<Settings> all;
  for (std::vector<std::size_t> place(axes.size(), 0); all.size() < count;) {
    all.push_back(Reader(document, source, place).read());
    for (std::size_t a = 0; a < axes.size(); ++a)
      if (axes[a].path != "name") all.back().name += "_" + axes[a].path + "-" + axes[a].words[place[a]];
    std::erase(all.back().name, '+');  // 1e+07 is not 1e-07
    for (char& c : all.back().name)
      if (!is_folder_name(std::string("x") + c)) c = '-';
    for (std::size_t a = axes.size(); a-- > 0;) {  // as an odometer
      if (++place[a] < axes[a].words.size()) break;
      place[a] = 0;
    }
  }
  return all;
}

}  // namespace fedval::harness
