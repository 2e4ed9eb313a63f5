// FEMNIST: made files of LEAF's form, in all its folders, and files that are not of that form.
#include "harness/data/femnist.hpp"

#include <doctest/doctest.h>
#include <unistd.h>

#include <map>
#include <set>
#include <string>
#include <vector>

#include "fedval/random/philox.hpp"
#include "harness/data/data_folder.hpp"
#include "tests/harness/data/files.hpp"
#include "tests/harness/data/real_data.hpp"

namespace fedval::harness {
namespace {

using namespace test_files;
namespace fs = std::filesystem;

/// The JSON text of an image: `first`, then 783 times `rest`.
std::string image(const std::string& first, const std::string& rest = "1.0") {
  std::string text = "[" + first;
  for (int i = 1; i < 784; ++i) text += ", " + rest;
  return text + "]";
}

/// One user's entry in "user_data".
std::string user(const std::string& name, const std::vector<std::string>& images, const std::string& labels) {
  std::string text = "\"" + name + "\": {\"x\": [";
  for (std::size_t i = 0; i < images.size(); ++i) text += (i == 0 ? "" : ", ") + images[i];
  return text + "], \"y\": [" + labels + "]}";
}

std::string leaf(const std::string& users, const std::string& counts, const std::string& data) {
  return "{\"users\": [" + users + "], \"num_samples\": [" + counts + "], \"user_data\": {" + data + "}}";
}

void write_text(const fs::path& path, const std::string& text) {
  fs::create_directories(path.parent_path());
  write(path, Bytes(text.begin(), text.end()));
}

// A file whose user k is names[k] with sizes[k] images; the first two pixels number the image.
std::string numbered(const std::vector<std::string>& names, const std::vector<int>& sizes) {
  std::string users, counts, data;
  for (std::size_t k = 0; k < names.size(); ++k) {
    std::vector<std::string> images;
    std::string labels;
    for (int i = 0; i < sizes[k]; ++i) {
      std::string text = image(std::to_string(static_cast<double>(i) / 255), "0");
      images.push_back(text);
      labels += (i == 0 ? "" : ", ") + std::to_string(i % 62);
    }
    const std::string comma = k == 0 ? "" : ", ";
    users += comma + "\"" + names[k] + "\"";
    counts += comma + std::to_string(sizes[k]);
    data += comma + user(names[k], images, labels);
  }
  return leaf(users, counts, data);
}

TEST_CASE("femnist: the cut of LEAF, owners by name, grey values rounded to bytes") {
  const Folder folder;
  const fs::path where = folder / "femnist";
  CHECK_FALSE(femnist_present(folder.path()));
  write_text(where / "train" / "b.json",
             leaf("\"f10\", \"f02\"", "2, 1",
                  user("f02", {image("0.5")}, "61") + ", " + user("f10", {image("0"), image("1")}, "0, 10")));
  write_text(where / "train" / "a.json", leaf("\"f05\"", "1", user("f05", {image("0.0039")}, "35")));
  write_text(where / "train" / "notes.txt", "no JSON");
  write_text(where / "test" / "a.json",
             leaf("\"f01\", \"f10\"", "1, 1",
                  user("f10", {image("0.001")}, "3") + "," + user("f01", {image("0.002", "2.5e-1")}, "4")));
  write_text(where / "all_data" / "all.json", "not looked at");
  CHECK(femnist_present(folder.path()));
  const Dataset data = load_femnist(folder.path(), 1);
  CHECK(data.name == "femnist");
  CHECK(data.classes == 62);
  CHECK(data.shape == ExampleShape{1, 28, 28});
  CHECK(data.description == "FEMNIST, 4 train and 2 test images, 4 writers, from " + where.string());
  CHECK(data.owner_names == std::vector<std::string>{"writer f02", "writer f05", "writer f10", "writer f01"});
  CHECK(data.train.labels == Bytes{35, 61, 0, 10});
  CHECK(data.train.owners == std::vector<std::uint32_t>{1, 0, 2, 2});
  CHECK(data.test.labels == Bytes{3, 4});
  CHECK(data.test.owners == std::vector<std::uint32_t>{2, 3});
  REQUIRE(data.train.pixels.size() == 4 * 784);
  CHECK(data.train.pixels[0] == 1);      // 0.9945
  CHECK(data.train.pixels[784] == 128);  // 127.5
  CHECK(data.train.pixels[2 * 784] == 0);
  CHECK(data.train.pixels[3 * 784] == 255);
  CHECK(data.train.pixels[1] == 255);
  REQUIRE(data.test.pixels.size() == 2 * 784);
  CHECK(data.test.pixels[0] == 0);     // 0.255
  CHECK(data.test.pixels[784] == 1);   // 0.51
  CHECK(data.test.pixels[785] == 64);  // 63.75
  CHECK(data.held_out.size() == 0);
}

TEST_CASE("femnist: labels may come before images, and the lists of users after them") {
  const Folder folder;
  const std::string data = "{\"user_data\": {\"u\": {\"y\": [7], \"x\": [" + image("1") + "]}}, " +
                           "\"num_samples\": [1], \"users\": [\"u\"]}";
  write_text(folder / "femnist" / "train" / "a.json", data);
  write_text(folder / "femnist" / "test" / "a.json", data);
  CHECK(load_femnist(folder.path(), 1).train.labels == Bytes{7});
}

TEST_CASE("femnist: without a cut a tenth of each writer's images is drawn by the seed") {
  const Folder folder;
  const std::vector<std::string> names{"w3", "w1", "w2", "w0"};
  const std::vector<int> sizes{40, 9, 29, 10};
  const fs::path where = folder / "femnist";
  write_text(where / "all_data" / "all_0.json", numbered({"w3", "w1"}, {40, 9}));
  write_text(where / "all_data" / "all_1.json", numbered({"w2", "w0"}, {29, 10}));
  const Dataset data = load_femnist(folder.path(), 5);
  CHECK(data.description ==
        "FEMNIST, 81 train and 7 test images, 4 writers, a tenth of each writer's images "
        "drawn for test, from " +
            where.string());
  CHECK(data.owner_names == std::vector<std::string>{"writer w0", "writer w1", "writer w2", "writer w3"});
  // Every image of every writer is in one part, with its label; both parts keep the order of the files.
  std::map<std::string, std::set<int>> seen;
  std::map<std::string, int> tested;
  for (const Examples* part : {&data.train, &data.test}) {
    REQUIRE(part->pixels.size() == part->size() * 784);
    REQUIRE(part->owners.size() == part->size());
    std::size_t last_owner = 4;
    int last = -1;
    for (std::size_t i = 0; i < part->size(); ++i) {
      const int number = part->pixels[i * 784];
      const std::string& name = data.owner_names[part->owners[i]];
      CHECK(part->labels[i] == number % 62);
      CHECK(part->pixels[i * 784 + 783] == 0);
      CHECK(seen[name].insert(number).second);
      if (part->owners[i] == last_owner) CHECK(number > last);
      last_owner = part->owners[i];
      last = number;
      if (part == &data.test) ++tested[name];
    }
  }
  for (std::size_t k = 0; k < names.size(); ++k) {
    CHECK(seen["writer " + names[k]].size() == static_cast<std::size_t>(sizes[k]));
    CHECK(tested["writer " + names[k]] == sizes[k] / 10);
  }
  CHECK(data.train.owners.front() == 3);
  const Dataset again = load_femnist(folder.path(), 5);
  CHECK(again.test.pixels == data.test.pixels);
  CHECK(again.train.pixels == data.train.pixels);
  CHECK(load_femnist(folder.path(), 6).test.pixels != data.test.pixels);

  // Files in the set's own folder count as well as those in all_data.
  fs::rename(where / "all_data" / "all_0.json", where / "all_0.json");
  CHECK(load_femnist(folder.path(), 5).test.pixels == data.test.pixels);
}

TEST_CASE("femnist: every image is drawn for test by some seed") {
  const Folder folder;
  write_text(folder / "femnist" / "a.json", numbered({"u"}, {10}));
  std::set<int> drawn;
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    const Dataset data = load_femnist(folder.path(), seed);
    REQUIRE(data.test.size() == 1);
    drawn.insert(data.test.pixels[0]);
  }
  CHECK(drawn.size() == 10);
}

TEST_CASE("femnist: files that are not there, and parts that are empty") {
  const Folder folder;
  const fs::path where = folder / "femnist";
  const auto message = [&] { return complaint_of([&] { load_femnist(folder.path(), 1); }); };
  fs::create_directory(where);
  CHECK(message() ==
        "femnist: no .json file in " + where.string() + " or its folders train, test and all_data");
  write_text(where / "a.json", numbered({"u", "v"}, {9, 3}));
  CHECK(message() == "femnist: no writer in " + where.string() + " has the 10 images that a test part needs");
  fs::create_directory(where / "test");
  CHECK(message() == "femnist: no .json file in " + (where / "train").string());
  fs::rename(where / "a.json", where / "test" / "a.json");
  fs::create_directory(where / "train");
  fs::create_directory(where / "train" / "a.json");
  CHECK(message() == (where / "train" / "a.json").string() + ": not a regular file");
  fs::remove_all(where / "train");
  write_text(where / "train", "a file");
  CHECK(contains(message(), (where / "train").string() + ": cannot read: "));
}

TEST_CASE("femnist: a folder that may not be read" * doctest::skip(geteuid() == 0)) {
  const Folder folder;
  const fs::path closed = folder / "femnist" / "train";
  write_text(closed / "a.json", numbered({"u"}, {1}));
  fs::permissions(closed, fs::perms::none);
  CHECK(complaint_of([&] { load_femnist(folder.path(), 1); }) ==
        closed.string() + ": cannot read: Permission denied");
  fs::permissions(closed, fs::perms::owner_all);
}

/// What the loader says of a text as the only file; without the file's name, which must come first.
std::string complaint(const std::string& text) {
  const Folder folder;
  const fs::path path = folder / "femnist" / "a.json";
  write_text(path, text);
  const std::string message = complaint_of([&] { load_femnist(folder.path(), 1); });
  return message.rfind(path.string() + ": ", 0) == 0 ? message.substr(path.string().size() + 2) : message;
}

const std::string good_data = user("u", {image("0"), image("1")}, "1, 2");

TEST_CASE("femnist: what is not JSON is named with its byte") {
  CHECK(complaint("") == "is empty");
  CHECK(complaint("{\"users\": [\"u\"") ==
        "byte 15: not valid JSON: syntax error while parsing array - unexpected end of input; "
        "expected ']'");
  CHECK(complaint("{\"users\": [nan]}") ==
        "byte 13: not valid JSON: syntax error while parsing value - invalid literal");
  CHECK(complaint("{\"users\": [\"u\xff\"]}") ==
        "byte 14: not valid JSON: syntax error while parsing value - invalid string: ill-formed UTF-8 byte");
  CHECK(complaint("{\"users\": [\"u\xc3\"]}") ==
        "byte 15: not valid JSON: syntax error while parsing value - invalid string: ill-formed UTF-8 byte");
  CHECK(complaint(leaf("\"u\"", "1", user("u", {"[1e999]"}, "1"))) ==
        "byte 69: not valid JSON: a number is out of range");
  CHECK(contains(complaint(leaf("\"u\"", "2", good_data) + "x"), "not valid JSON"));
  CHECK(contains(complaint("PK\x03\x04"), "byte 1: not valid JSON"));
}

TEST_CASE("femnist: no cut of a file is accepted") {
  const Folder folder;
  const fs::path path = folder / "femnist" / "train" / "a.json";
  const std::string text = leaf("\"u\"", "1", user("u", {image("0", "1")}, "1"));
  write_text(folder / "femnist" / "test" / "a.json", text);
  for (std::size_t length = 0; length < text.size();
       length += length < 90 || length + 90 > text.size() ? 1 : 37) {
    CAPTURE(length);
    write_text(path, text.substr(0, length));
    CHECK(complaint_of([&] { load_femnist(folder.path(), 1); }).rfind(path.string() + ": ", 0) == 0);
  }
  write_text(path, text);
  CHECK(load_femnist(folder.path(), 1).train.size() == 1);
}

TEST_CASE("femnist: images and labels out of range or of the wrong number name user and index") {
  const auto with = [](const std::string& second, const std::string& labels) {
    return complaint(leaf("\"u\"", "2", user("u", {image("0"), second}, labels)));
  };
  CHECK(with("[0.5, 0.5]", "1, 2") == "user \"u\": image 1: 2 values, expected 784");
  CHECK(with("[]", "1, 2") == "user \"u\": image 1: 0 values, expected 784");
  CHECK(with(image("0", "1, 1"), "1, 2") == "user \"u\": image 1: more than 784 values");
  CHECK(with(image("1.5"), "1, 2") == "user \"u\": image 1: value 0 is 1.5, expected 0 to 1");
  CHECK(with(image("0.5", "2"), "1, 2") == "user \"u\": image 1: value 1 is 2, expected 0 to 1");
  CHECK(with(image("-1"), "1, 2") == "user \"u\": image 1: value 0 is -1, expected 0 to 1");
  CHECK(with(image("-0.001"), "1, 2") == "user \"u\": image 1: value 0 is -0.001, expected 0 to 1");
  CHECK(with(image("1"), "1, 62") == "user \"u\": label 1 is 62, expected 0 to 61");
  CHECK(with(image("1"), "-1, 2") == "user \"u\": label 0 is -1, expected 0 to 61");
  CHECK(with(image("1"), "1, 300") == "user \"u\": label 1 is 300, expected 0 to 61");
  CHECK(with(image("1"), "1, 18446744073709551615") ==
        "user \"u\": label 1 is 18446744073709551615, expected 0 to 61");
  CHECK(contains(with(image("1"), "1, 2.0"), "user \"u\": unexpected a fraction"));
  CHECK(with(image("1"), "1") == "user \"u\": 2 images, but 1 labels");
  CHECK(with(image("1"), "1, 2, 3") == "user \"u\": 2 images, but 3 labels");
}

TEST_CASE("femnist: users, num_samples and user_data must agree") {
  CHECK(complaint(leaf("\"u\"", "3", good_data)) == "user \"u\": 2 images, but num_samples says 3");
  CHECK(complaint(leaf("\"u\"", "1", good_data)) == "user \"u\": 2 images, but num_samples says 1");
  CHECK(complaint(leaf("\"u\"", "2, 2", good_data)) == "1 users, but 2 num_samples");
  CHECK(complaint(leaf("\"u\", \"v\"", "2, 2", good_data)) == "user \"v\" has no data");
  CHECK(complaint(leaf("\"u\", \"u\"", "2, 2", good_data)) == "user \"u\" is listed twice");
  CHECK(complaint(leaf("\"u\"", "2", good_data + ", " + good_data)) ==
        "user \"u\" has data twice, in this file or one before");
  CHECK(complaint(leaf("\"u\"", "2", good_data + ", " + user("v", {image("0")}, "1"))) ==
        "user \"v\" is not in \"users\"");
  CHECK(complaint(leaf("\"u\"", "0", user("u", {}, ""))) == "user \"u\": no image");
  CHECK(complaint(leaf("", "", "")) == "no user");

  const Folder folder;
  for (const char* name : {"a.json", "b.json"})
    write_text(folder / "femnist" / name, leaf("\"u\"", "2", good_data));
  CHECK(complaint_of([&] { load_femnist(folder.path(), 1); }) ==
        (folder / "femnist" / "b.json").string() + ": user \"u\" has data twice, in this file or one before");
}

TEST_CASE("femnist: JSON of another form") {
  CHECK(complaint("{\"num_samples\": [], \"user_data\": {}}") == "key \"users\" is missing");
  CHECK(complaint("{\"users\": [\"u\"], \"num_samples\": [1]}") == "key \"user_data\" is missing");
  CHECK(complaint("{\"hierarchies\": []}") ==
        "key \"hierarchies\", expected \"users\", \"num_samples\", \"user_data\"");
  CHECK(complaint("{\"users\": [], \"users\": []}") == "key \"users\" is there twice");
  CHECK(complaint(leaf("\"u\"", "1", "\"u\": {\"x\": [], \"z\": []}")) ==
        "user \"u\": key \"z\", expected \"x\", \"y\"");
  CHECK(complaint(leaf("\"u\"", "1", "\"u\": {\"y\": [1], \"y\": [1]}")) ==
        "user \"u\": key \"y\" is there twice");
  for (const std::string& text : {std::string("[]"),
                                  std::string("3"),
                                  std::string("null"),
                                  std::string("\"u\""),
                                  std::string("true"),
                                  std::string("{\"users\": {}}"),
                                  std::string("{\"users\": \"u\"}"),
                                  std::string("{\"users\": [1]}"),
                                  std::string("{\"users\": [[]]}"),
                                  std::string("{\"num_samples\": [1.5]}"),
                                  std::string("{\"num_samples\": [-1]}"),
                                  std::string("{\"num_samples\": 1}"),
                                  std::string("{\"user_data\": []}"),
                                  leaf("\"u\"", "1", "\"u\": []"),
                                  leaf("\"u\"", "1", "\"u\": {\"x\": [1]}"),
                                  leaf("\"u\"", "1", "\"u\": {\"x\": [[[]]]}"),
                                  leaf("\"u\"", "1", "\"u\": {\"x\": [[null]]}"),
                                  leaf("\"u\"", "1", "\"u\": {\"x\": {}}"),
                                  leaf("\"u\"", "1", "\"u\": {\"y\": [\"1\"]}"),
                                  leaf("\"u\"", "1", "\"u\": {\"y\": [[]]}")}) {
    CAPTURE(text);
    CHECK(contains(complaint(text), "unexpected "));
  }
  CHECK(contains(complaint(std::string(1000000, '[')), "unexpected a list"));
}

TEST_CASE("femnist: the real set" * doctest::skip(!real_data_at_hand("femnist"))) {
  const Dataset data = load_femnist(default_data_folder(), 1);
  CHECK(data.train.size() > data.test.size());
  std::set<int> labels(data.train.labels.begin(), data.train.labels.end());
  CHECK(labels.size() == 62);
}

}  // namespace
}  // namespace fedval::harness
