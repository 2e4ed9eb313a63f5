// FedISIC-2019: made files, broken ones, and the real one where it is at hand.
#include "harness/data/fedisic2019.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "harness/data/data_folder.hpp"
#include "tests/harness/data/files.hpp"
#include "tests/harness/data/real_data.hpp"

namespace fedval::harness {
namespace {

using namespace test_files;

constexpr std::size_t image_bytes = 3 * 64 * 64;

struct Entry {
  std::uint8_t centre, fold, diagnosis, pixel;
};

// The pixel is the first red and the last blue value of an image that is black otherwise.
Bytes file_of(const std::vector<Entry>& entries) {
  Bytes file;
  for (const Entry& entry : entries) {
    file.insert(file.end(), {entry.centre, entry.fold, entry.diagnosis, entry.pixel});
    file.resize(file.size() + image_bytes - 2);
    file.push_back(entry.pixel);
  }
  return file;
}

/// The file in its folder, in a fresh data folder.
class Place {
 public:
  Place() { std::filesystem::create_directory(path().parent_path()); }
  std::filesystem::path path() const { return folder_ / "fedisic2019" / "fedisic_64x64.bin"; }
  const std::filesystem::path& data() const { return folder_.path(); }

 private:
  Folder folder_;
};

TEST_CASE("fedisic2019: folds are parts, centres that are there are owners") {
  const Place place;
  CHECK_FALSE(fedisic2019_present(place.data()));
  write(place.path(), file_of({{5, 0, 7, 1}, {0, 1, 0, 2}, {2, 0, 3, 3}, {5, 1, 1, 4}, {5, 0, 2, 5}}));
  CHECK(fedisic2019_present(place.data()));
  const Dataset data = load_fedisic2019(place.data());
  CHECK(data.name == "fedisic2019");
  CHECK(data.classes == 8);
  CHECK(data.shape == ExampleShape{3, 64, 64});
  CHECK(data.description ==
        "FedISIC-2019, 3 of 6 centres, 64 x 64, 3 train and 2 test images, from " + place.path().string());
  CHECK(data.owner_names == std::vector<std::string>{"centre 2", "centre 5", "centre 0"});
  CHECK(data.train.labels == Bytes{7, 3, 2});
  CHECK(data.test.labels == Bytes{0, 1});
  CHECK(data.train.owners == std::vector<std::uint32_t>{1, 0, 1});
  CHECK(data.test.owners == std::vector<std::uint32_t>{2, 1});
  REQUIRE(data.train.pixels.size() == 3 * image_bytes);
  REQUIRE(data.test.pixels.size() == 2 * image_bytes);
  CHECK(data.train.pixels[image_bytes] == 3);
  CHECK(data.train.pixels[2 * image_bytes - 1] == 3);
  CHECK(data.test.pixels[image_bytes] == 4);
  CHECK(data.held_out.size() == 0);
}

TEST_CASE("fedisic2019: HAM10000 is the centres 1, 2, 3 and 5, no more and no fewer") {
  const Place place;
  const auto description = [&](const std::vector<Entry>& entries) {
    write(place.path(), file_of(entries));
    const std::string text = load_fedisic2019(place.data()).description;
    return text.substr(0, text.find(", 64 x 64"));
  };
  std::vector<Entry> entries{{1, 0, 0, 0}, {3, 0, 0, 0}, {2, 1, 0, 0}};
  CHECK(description(entries) == "FedISIC-2019, 3 of 6 centres");
  entries.push_back({5, 0, 0, 0});
  CHECK(description(entries) == "FedISIC-2019, HAM10000 part: 4 of 6 centres");
  entries.push_back({4, 1, 0, 0});
  CHECK(description(entries) == "FedISIC-2019, 5 of 6 centres");
  entries.push_back({0, 0, 0, 0});
  CHECK(description(entries) == "FedISIC-2019, 6 of 6 centres");
}

TEST_CASE("fedisic2019: broken files are named, with the record") {
  const Place place;
  const auto complaint = [&](const Bytes& bytes) {
    write(place.path(), bytes);
    const std::string text = complaint_of([&] { load_fedisic2019(place.data()); });
    return text.rfind(place.path().string(), 0) == 0 ? text.substr(place.path().string().size()) : text;
  };
  const Entry train{1, 0, 0, 0};
  const Entry test{1, 1, 0, 0};
  CHECK(complaint(file_of({train, test})) == "no error");
  CHECK(complaint(file_of({train, test, {6, 0, 0, 0}})) == ": record 2: centre is 6, expected 0 to 5");
  CHECK(complaint(file_of({train, {0, 2, 0, 0}})) == ": record 1: fold is 2, expected 0 to 1");
  CHECK(complaint(file_of({{0, 0, 8, 0}})) == ": record 0: diagnosis is 8, expected 0 to 7");
  CHECK(complaint(file_of({train})) == ": no image of fold 1 (test)");
  CHECK(complaint(file_of({test})) == ": no image of fold 0 (train)");
  Bytes cut = file_of({train, test});
  cut.pop_back();
  CHECK(complaint(cut) == ": ends inside record 1: 12290 of 12291 bytes");
  CHECK(complaint({}) == ": is empty");
  std::filesystem::remove(place.path());
  CHECK(contains(complaint_of([&] { load_fedisic2019(place.data()); }), "cannot open: No such file"));
  std::filesystem::create_directory(place.path());
  CHECK(contains(complaint_of([&] { load_fedisic2019(place.data()); }), "not a regular file"));
}

TEST_CASE("fedisic2019: the real set" * doctest::skip(!real_data_at_hand("fedisic2019"))) {
  const Dataset data = load_fedisic2019(default_data_folder());
  // FLamby's sizes of the six centres' folds; each centre is there as a whole or not at all.
  const std::vector<std::size_t> whole_train{9930, 3163, 2691, 1807, 655, 351};
  const std::vector<std::size_t> whole_test{2483, 791, 672, 452, 164, 88};
  std::vector<std::size_t> train(data.owner_names.size()), test(data.owner_names.size());
  for (const auto owner : data.train.owners) ++train.at(owner);
  for (const auto owner : data.test.owners) ++test.at(owner);
  for (std::size_t owner = 0; owner < train.size(); ++owner) {
    const auto centre = static_cast<std::size_t>(data.owner_names[owner].back() - '0');
    CAPTURE(centre);
    CHECK(train[owner] == whole_train.at(centre));
    CHECK(test[owner] == whole_test.at(centre));
  }
  if (data.owner_names == std::vector<std::string>{"centre 1", "centre 2", "centre 3", "centre 5"}) {
    CHECK(contains(data.description,
                   "FedISIC-2019, HAM10000 part: 4 of 6 centres, 64 x 64, 8,012 train and "
                   "2,003 test images"));
    std::vector<std::size_t> classes(8);
    for (const Examples* part : {&data.train, &data.test})
      for (const auto label : part->labels) ++classes.at(label);
    CHECK(classes == std::vector<std::size_t>{1113, 6705, 514, 130, 1099, 115, 142, 197});
  }
}

}  // namespace
}  // namespace fedval::harness
