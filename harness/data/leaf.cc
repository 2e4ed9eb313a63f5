#include "harness/data/leaf.hpp"

#include <array>
#include <cmath>
#include <ios>
#include <nlohmann/json.hpp>
#include <set>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "fedval/error.hpp"
#include "harness/data/input_file.hpp"

namespace fedval::harness {
namespace {

namespace fs = std::filesystem;

using Json = nlohmann::json;

/// Where in the file the parser is: inside which list or object.
enum class Place { file, top, users, counts, user_data, user, images, image, labels };

struct Kind {
  Place parent;
  bool is_list;
};

Kind kind(Place place) {
  switch (place) {
    case Place::users:
    case Place::counts:
      return {Place::top, true};
    case Place::user_data:
      return {Place::top, false};
    case Place::user:
      return {Place::user_data, false};
    case Place::images:
    case Place::labels:
      return {Place::user, true};
    case Place::image:
      return {Place::images, true};
    case Place::file:
    case Place::top:
      break;
  }
  return {Place::file, false};
}

/// A key, and what its value is.
struct Key {
  std::string_view name;
  Place place;
};

constexpr std::array top_keys{Key{"users", Place::users}, Key{"num_samples", Place::counts},
                              Key{"user_data", Place::user_data}};
constexpr std::array user_keys{Key{"x", Place::images}, Key{"y", Place::labels}};

// What the parser says, without the text that it stumbled over: that may be long, and no UTF-8.
std::string reason(std::string_view what) {
  const std::size_t from = what.find("syntax error");
  if (from == std::string_view::npos) return "a number is out of range";
  return std::string(what.substr(from, what.find("; last read") - from));
}

class Reader final : public nlohmann::json_sax<Json> {
 public:
  Reader(const fs::path& path, std::size_t pixels, std::size_t classes, LeafImages& to)
      : path_(path), pixels_(pixels), classes_(classes), to_(to) {}

  bool null() override { unexpected("null"); }
  bool boolean(bool) override { unexpected("a truth value"); }
  bool binary(binary_t&) override { unexpected("bytes"); }
  bool number_integer(number_integer_t value) override { return number(value); }
  bool number_unsigned(number_unsigned_t value) override { return number(value); }
  bool number_float(number_float_t value, const string_t&) override {
    if (place_ != Place::image) unexpected("a fraction");
    return add_grey(value);
  }
  bool string(string_t& value) override {
    if (place_ != Place::users) unexpected("a text");
    if (!listed_once_.insert(value).second) fail(where(), ": user \"", value, "\" is listed twice");
    listed_.push_back(value);
    return true;
  }
  bool start_object(std::size_t) override { return enter(false); }
  bool start_array(std::size_t) override { return enter(true); }
  bool end_object() override { return leave(); }
  bool end_array() override { return leave(); }

  bool key(string_t& name) override {
    if (place_ == Place::user_data) {
      begin_user(name);
    } else {
      next_ = place_ == Place::top ? choose(name, top_keys) : choose(name, user_keys);
      if (!seen_.insert(next_).second) fail(where(), ": key \"", name, "\" is there twice");
    }
    return true;
  }

  bool parse_error(std::size_t byte, const std::string&, const Json::exception& error) override {
    fail(path_.string(), ": byte ", byte, ": not valid JSON: ", reason(error.what()));
  }

 private:
  Place choose(const std::string& name, std::span<const Key> keys) const {
    std::string known;
    for (const Key& key : keys) {
      if (key.name == name) return key.place;
      known += (known.empty() ? "\"" : ", \"") + std::string(key.name) + '"';
    }
    fail(where(), ": key \"", name, "\", expected ", known);
  }

  // The file, and the user and image when inside one.
  std::string where() const {
    std::string text = path_.string();
    if (place_ >= Place::user) text += ": user \"" + user_ + '"';
    if (place_ == Place::image)
      text += ": image " + std::to_string((to_.examples.pixels.size() - greys_) / pixels_ - first_);
    return text;
  }

  [[noreturn]] void unexpected(const char* what) const {
    fail(where(), ": unexpected ", what, "; the format is {\"users\": [names], \"num_samples\": [counts], ",
         "\"user_data\": {name: {\"x\": [[greys]], \"y\": [labels]}}}");
  }

  bool enter(bool list) {
    const Place to = place_ == Place::file ? Place::top : place_ == Place::images ? Place::image : next_;
    next_ = Place::file;
    if (to == Place::file || kind(to).is_list != list) unexpected(list ? "a list" : "an object");
    place_ = to;
    greys_ = 0;
    return true;
  }

  bool leave() {
    if (place_ == Place::image && greys_ != pixels_)
      fail(where(), ": ", greys_, " values, expected ", pixels_);
    if (place_ == Place::user) end_user();
    if (place_ == Place::top) end_file();
    place_ = kind(place_).parent;
    return true;
  }

  void begin_user(const std::string& name) {
    user_ = name;
    first_ = to_.examples.labels.size();
    if (!to_.users.emplace(name, to_.users.size()).second)
      fail(path_.string(), ": user \"", name, "\" has data twice, in this file or one before");
    for (const Key& key : user_keys) seen_.erase(key.place);
    next_ = Place::user;
  }

  void end_user() {
    const std::size_t images = to_.examples.pixels.size() / pixels_ - first_;
    const std::size_t labels = to_.examples.labels.size() - first_;
    if (images != labels) fail(where(), ": ", images, " images, but ", labels, " labels");
    if (images == 0) fail(where(), ": no image");
    to_.examples.owners.resize(to_.examples.labels.size(), to_.users.at(user_));
    sizes_.emplace(user_, images);
  }

  void end_file() const {
    for (const Key& key : top_keys)
      if (!seen_.contains(key.place)) fail(path_.string(), ": key \"", key.name, "\" is missing");
    if (listed_.empty()) fail(path_.string(), ": no user");
    if (counts_.size() != listed_.size())
      fail(path_.string(), ": ", listed_.size(), " users, but ", counts_.size(), " num_samples");
    for (std::size_t i = 0; i < listed_.size(); ++i) {
      const auto size = sizes_.find(listed_[i]);
      if (size == sizes_.end()) fail(path_.string(), ": user \"", listed_[i], "\" has no data");
      if (size->second != counts_[i])
        fail(path_.string(), ": user \"", listed_[i], "\": ", size->second, " images, but num_samples says ",
             counts_[i]);
    }
    for (const auto& [name, size] : sizes_)
      if (!listed_once_.contains(name)) fail(path_.string(), ": user \"", name, "\" is not in \"users\"");
  }

  template <class Integer>
  bool number(Integer value) {
    if (place_ == Place::image) return add_grey(static_cast<double>(value));
    if (place_ == Place::labels) {
      if (std::cmp_less(value, 0) || std::cmp_greater_equal(value, classes_))
        fail(where(), ": label ", to_.examples.labels.size() - first_, " is ", value, ", expected 0 to ",
             classes_ - 1);
      to_.examples.labels.push_back(static_cast<std::uint8_t>(value));
      return true;
    }
    if (place_ != Place::counts || std::cmp_less(value, 0)) unexpected("a number");
    counts_.push_back(static_cast<std::uint64_t>(value));
    return true;
  }

  bool add_grey(double value) {
    if (greys_ == pixels_) fail(where(), ": more than ", pixels_, " values");
    if (!(value >= 0 && value <= 1)) fail(where(), ": value ", greys_, " is ", value, ", expected 0 to 1");
    to_.examples.pixels.push_back(static_cast<std::uint8_t>(std::lround(255 * value)));
    ++greys_;
    return true;
  }

  const fs::path& path_;
  std::size_t pixels_, classes_;
  LeafImages& to_;

  Place place_ = Place::file;
  Place next_ = Place::file;  // what the next list or object is, as the key before it says
  std::set<Place> seen_;
  std::string user_;
  std::size_t first_ = 0;  // images before those of the user
  std::size_t greys_ = 0;  // of the image

  std::vector<std::string> listed_;
  std::set<std::string> listed_once_;
  std::vector<std::uint64_t> counts_;
  std::map<std::string, std::size_t> sizes_;  // images of the users in this file
};

}  // namespace

void read_leaf(const fs::path& path, std::size_t pixels, std::size_t classes, LeafImages& to) {
  std::ifstream file = open_input(path);
  Reader reader(path, pixels, classes, to);
  try {
    Json::sax_parse(file, &reader);
  } catch (const std::ios_base::failure& failure) {
    fail(path.string(), ": cannot read: ", failure.what());
  }
}

}  // namespace fedval::harness
