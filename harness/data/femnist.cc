#include "harness/data/femnist.hpp"

#include <algorithm>
#include <map>
#include <span>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "fedval/error.hpp"
#include "fedval/random/philox.hpp"
#include "harness/data/describe.hpp"
#include "harness/data/input_file.hpp"
#include "harness/data/leaf.hpp"
#include "harness/data/name_owners.hpp"

namespace fedval::harness {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t side = 28;
constexpr std::size_t area = side * side;
constexpr std::size_t classes = 62;
constexpr std::size_t test_share = 10;  // one image in so many

// Streams of this room begin with "femn", so that no other user of the seed shares them.
constexpr std::uint64_t first_stream = 0x66656d6e00000000;

// The JSON files of a folder, in order; none where there is no such folder.
std::vector<fs::path> json_files(const fs::path& where) {
  std::vector<fs::path> files;
  if (!is_there(where)) return files;
  std::error_code error;
  for (fs::directory_iterator at(where, error), end; !error && at != end; at.increment(error))
    if (at->path().extension() == ".json") files.push_back(at->path());
  if (error) fail(where.string(), ": cannot read: ", error.message());
  std::sort(files.begin(), files.end());
  return files;
}

LeafImages read_all(const std::vector<fs::path>& files) {
  LeafImages images;
  for (const fs::path& file : files) read_leaf(file, area, classes, images);
  return images;
}

LeafImages read_part(const fs::path& where) {
  const std::vector<fs::path> files = json_files(where);
  if (files.empty()) fail("femnist: no .json file in ", where.string());
  return read_all(files);
}

// Makes the owners of the images the places of their writers' names in the order of `writers`.
Examples by_rank(LeafImages images, const std::map<std::string, std::uint32_t>& writers) {
  std::vector<std::uint32_t> rank(images.users.size());
  for (const auto& [name, user] : images.users) rank[user] = writers.at(name);
  for (std::uint32_t& owner : images.examples.owners) owner = rank[owner];
  return std::move(images.examples);
}

// Takes a tenth of each owner's images out of `examples`, drawn at random; both keep their order.
Examples draw_test(Examples& examples, std::size_t owners, std::uint64_t seed) {
  std::vector<std::vector<std::size_t>> by_owner(owners);
  for (std::size_t i = 0; i < examples.size(); ++i) by_owner[examples.owners[i]].push_back(i);
  std::vector<bool> drawn(examples.size());
  for (std::size_t owner = 0; owner < owners; ++owner) {
    std::vector<std::size_t>& own = by_owner[owner];
    random::Stream(seed, first_stream + owner).shuffle(std::span(own));
    for (std::size_t i = 0; i < own.size() / test_share; ++i) drawn[own[i]] = true;
  }
  // The images that stay move down in place: a second copy of all would double the memory.
  Examples test;
  std::size_t kept = 0;
  for (std::size_t i = 0; i < drawn.size(); ++i) {
    const auto image = examples.pixels.begin() + static_cast<std::ptrdiff_t>(i * area);
    if (drawn[i]) {
      test.pixels.insert(test.pixels.end(), image, image + area);
      test.labels.push_back(examples.labels[i]);
      test.owners.push_back(examples.owners[i]);
    } else {
      const auto place = examples.pixels.begin() + static_cast<std::ptrdiff_t>(kept * area);
      if (place != image) std::copy_n(image, area, place);
      examples.labels[kept] = examples.labels[i];
      examples.owners[kept] = examples.owners[i];
      ++kept;
    }
  }
  examples.pixels.resize(kept * area);
  examples.labels.resize(kept);
  examples.owners.resize(kept);
  return test;
}

}  // namespace

bool femnist_present(const fs::path& folder) { return is_there(folder / "femnist"); }

Dataset load_femnist(const fs::path& folder, std::uint64_t seed) {
  const fs::path where = folder / "femnist";
  const bool cut = is_there(where / "train") || is_there(where / "test");
  LeafImages train, test;
  if (cut) {
    train = read_part(where / "train");
    test = read_part(where / "test");
  } else {
    std::vector<fs::path> files = json_files(where);
    for (fs::path& file : json_files(where / "all_data")) files.push_back(std::move(file));
    if (files.empty())
      fail("femnist: no .json file in ", where.string(), " or its folders train, test and all_data");
    train = read_all(files);
  }

  std::map<std::string, std::uint32_t> writers = train.users;
  writers.insert(test.users.begin(), test.users.end());
  std::vector<std::string> names;
  for (auto& [name, rank] : writers) {
    rank = static_cast<std::uint32_t>(names.size());
    names.push_back(name);
  }

  Dataset data{.name = "femnist", .description = "", .classes = classes, .shape = {1, side, side}};
  data.train = by_rank(std::move(train), writers);
  data.test = cut ? by_rank(std::move(test), writers) : draw_test(data.train, writers.size(), seed);
  if (data.test.size() == 0)
    fail("femnist: no writer in ", where.string(), " has the ", test_share, " images that a test part needs");
  name_owners(data, [&](std::uint32_t rank) { return "writer " + names[rank]; });
  data.description = "FEMNIST, " + image_counts(data.train.size(), data.test.size()) + ", " +
                     grouped(writers.size()) + " writers, " +
                     (cut ? "" : "a tenth of each writer's images drawn for test, ") + "from " +
                     where.string();
  return data;
}

}  // namespace fedval::harness
