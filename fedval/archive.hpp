// The state of an object as a text, and back, exactly: every number by all its bits.
//
//   std::string text = save(object);      after a round, or after a run was stopped
//   restore(text, object);                into one made with the same options, here or elsewhere
//
// An object has a `name` and lists its options and its state once, in a member template `fields(archive)`,
// for both directions:
//   archive.option("momentum", options_.momentum);    // must agree when read
//   archive.state("states", states_);
// The text has one line a field: its name, then its words. Numbers are hexadecimal floating point, so no
// digit depends on a locale or on rounding.
#pragma once

#include <algorithm>
#include <array>
#include <charconv>
#include <concepts>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>
#include <vector>

#include "fedval/error.hpp"

namespace fedval {

namespace detail {

/// A type that is a name, such as a client's.
template <class T>
concept Named = requires(const T& name) {
  { name.text() } -> std::convertible_to<std::string>;
}
&&std::constructible_from<T, std::string>;

/// A text as a field: a law's or a rule's name.
class ArchivedText {
 public:
  explicit ArchivedText(std::string text = {}) : text_(std::move(text)) {}
  const std::string& text() const { return text_; }
  friend bool operator==(const ArchivedText&, const ArchivedText&) = default;

 private:
  std::string text_;
};

/// A type that lists its own fields, such as a filter's track.
template <class T, class Archive>
concept HasFields = requires(T& value, Archive& archive) {
  value.fields(archive);
};

class StateWriter {
 public:
  explicit StateWriter(std::string_view score) { line("fedval-state-1").word(score); }

  template <class T>
  void option(std::string_view name, const T& value) {
    state(name, value);
  }
  template <class T>
  void state(std::string_view name, const T& value) {
    line(name).put(value);
  }

  void check(bool, std::string_view) const {}  // what is written was checked when it came to be

  std::string text() const { return text_ + "\n"; }

 private:
  StateWriter& line(std::string_view name) {
    if (!text_.empty()) text_ += '\n';
    text_ += name;
    return *this;
  }
  void word(std::string_view word) { text_.append(" ").append(word); }

  void put(double value) {
    std::array<char, 32> digits;
    const auto end =
        std::to_chars(digits.data(), digits.data() + digits.size(), value, std::chars_format::hex);
    word({digits.data(), static_cast<std::size_t>(end.ptr - digits.data())});
  }
  template <class T>
  requires std::integral<T> || std::is_enum_v<T>
  void put(T value) { word(std::to_string(static_cast<std::int64_t>(value))); }
  /// Letters, digits, and what else reads well stay; everything else is %XX.
  void put(const Named auto& name) {
    constexpr std::string_view hex = "0123456789abcdef";
    std::string escaped = "'";
    for (const char c : name.text()) {
      const auto byte = static_cast<unsigned char>(c);
      if (byte > ' ' && byte < 127 && c != '%') {
        escaped += c;
      } else {
        escaped.append("%").append(1, hex[byte / 16]).append(1, hex[byte % 16]);
      }
    }
    word(escaped);
  }
  template <class T>
  void put(const std::vector<T>& values) {
    put(values.size());
    for (const T& value : values) put(value);
  }
  template <class T, std::size_t N>
  void put(const std::array<T, N>& values) {
    for (const T& value : values) put(value);
  }
  template <class K, class V>
  void put(const std::map<K, V>& values) {
    put(values.size());
    for (const auto& [key, value] : values) {
      put(key);
      put(value);
    }
  }
  /// Nested fields follow on lines of their own.
  template <HasFields<StateWriter> T>
  void put(T value) {  // a copy: fields() serves both directions
    value.fields(*this);
  }

  std::string text_;
};

class StateReader {
 public:
  StateReader(std::string_view text, std::string_view score) : rest_(text), score_(score) {
    expect("fedval-state-1");
    expect(score);
  }

  template <class T>
  void option(std::string_view name, const T& value) {
    T saved = value;
    state(name, saved);
    if (!(saved == value)) fail("state of ", score_, ": saved with another ", name);
  }
  template <class T>
  void state(std::string_view name, T& value) {
    field_ = name;
    expect(name);
    get(value);
  }
  /// Error unless what was read last can be a state.
  void check(bool good, std::string_view what) const {
    if (!good) bad(what);
  }
  void end() {
    field_ = "end";
    if (!next().empty()) bad("more than was expected");
  }

 private:
  [[noreturn]] void bad(std::string_view what) const { fail("state of ", score_, ": ", field_, ": ", what); }

  std::string_view next() {
    const auto blank = [](char c) { return c == ' ' || c == '\n' || c == '\r'; };
    while (!rest_.empty() && blank(rest_.front())) rest_.remove_prefix(1);
    std::size_t length = 0;
    while (length < rest_.size() && !blank(rest_[length])) ++length;
    const std::string_view word = rest_.substr(0, length);
    rest_.remove_prefix(length);
    return word;
  }
  /// Words of the format itself: a name may have several.
  void expect(std::string_view words) {
    while (!words.empty()) {
      const std::string_view word = words.substr(0, words.find(' ')), found = next();
      if (found != word) fail("state of ", score_, ": expected '", word, "', found '", found, "'");
      words.remove_prefix(std::min(words.size(), word.size() + 1));
    }
  }
  template <class T, class... Format>
  void parse(T& value, Format... format) {
    const std::string_view word = next();
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value, format...);
    if (error != std::errc{} || end != word.data() + word.size() || word.empty())
      bad("'" + std::string(word) + "' is no number");
  }

  void get(double& value) {
    parse(value, std::chars_format::hex);
    if (!(value - value == 0)) bad("a number that is not finite");
  }
  template <class T>
  requires std::integral<T> || std::is_enum_v<T>
  void get(T& value) {
    std::int64_t number = 0;
    parse(number);
    value = static_cast<T>(number);
    if (static_cast<std::int64_t>(value) != number) bad("a number out of range");
  }
  std::size_t count() {
    std::size_t n = 0;
    get(n);
    if (n > rest_.size()) bad("fewer entries than announced");  // each takes a character at least
    return n;
  }
  template <Named K>
  K name() {
    std::string_view word = next();
    if (word.empty() || word.front() != '\'') bad("'" + std::string(word) + "' is no name");
    word.remove_prefix(1);
    std::string text;
    while (!word.empty()) {
      if (word.front() != '%') {
        text += word.front();
        word.remove_prefix(1);
        continue;
      }
      unsigned byte = 0;
      const std::string_view digits = word.substr(1, 2);
      const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), byte, 16);
      if (error != std::errc{} || digits.size() != 2 || end != digits.data() + 2) bad("a broken name");
      text += static_cast<char>(byte);
      word.remove_prefix(3);
    }
    return K(text);
  }
  template <Named T>
  void get(T& value) {
    value = name<T>();
  }
  template <class T>
  void get(std::vector<T>& values) {
    values.assign(count(), T{});
    for (T& value : values) get(value);
  }
  template <class T, std::size_t N>
  void get(std::array<T, N>& values) {
    for (T& value : values) get(value);
  }
  template <Named K, class V>
  void get(std::map<K, V>& values) {
    values.clear();
    for (std::size_t n = count(); n > 0; --n) {
      K key = name<K>();
      V value{};
      get(value);
      if (!values.emplace(key, std::move(value)).second) bad(key.text() + " twice");
    }
  }
  template <HasFields<StateReader> T>
  void get(T& value) {
    value.fields(*this);
  }

  std::string_view rest_, score_, field_ = "start";
};

}  // namespace detail

/// What can be saved: scores, samplers, memos.
template <class T>
concept Savable = std::copyable<T> && detail::HasFields<T, detail::StateWriter> &&
    detail::HasFields<T, detail::StateReader> && requires {
  { T::name } -> std::convertible_to<std::string_view>;
};

/// The options and the state of an object as a text. O(its state).
template <Savable T>
std::string save(const T& object) {
  detail::StateWriter writer(T::name);
  T copy = object;  // fields() serves both directions
  copy.fields(writer);
  return writer.text();
}

/// Sets the state of `object` to the saved one: it goes on with the same bits. Error, which leaves
/// `object` as it was, when the text is another type's, was saved with other options, or is damaged.
template <Savable T>
void restore(std::string_view text, T& object) {
  T read = object;
  detail::StateReader reader(text, T::name);
  read.fields(reader);
  reader.end();
  object = std::move(read);
}

}  // namespace fedval
