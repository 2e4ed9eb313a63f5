#include "harness/data/fedisic2019.hpp"

#include <algorithm>
#include <string>
#include <vector>

#include "fedval/error.hpp"
#include "harness/data/describe.hpp"
#include "harness/data/input_file.hpp"
#include "harness/data/name_owners.hpp"
#include "harness/data/records.hpp"

namespace fedval::harness {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t centres = 6;
constexpr std::size_t folds = 2;
constexpr std::size_t classes = 8;
constexpr std::size_t side = 64;

fs::path place(const fs::path& folder) { return folder / "fedisic2019" / "fedisic_64x64.bin"; }

// Both folds, with the centres as owners.
void read_folds(const fs::path& path, Dataset& data) {
  read_records(path, 3 + 3 * side * side, [&](std::size_t i, std::span<const std::uint8_t> record) {
    const auto check = [&](const char* what, std::uint8_t value, std::size_t bound) {
      if (value >= bound)
        fail(path.string(), ": record ", i, ": ", what, " is ", int{value}, ", expected 0 to ", bound - 1);
    };
    check("centre", record[0], centres);
    check("fold", record[1], folds);
    check("diagnosis", record[2], classes);
    Examples& part = record[1] == 0 ? data.train : data.test;
    part.owners.push_back(record[0]);
    part.labels.push_back(record[2]);
    part.pixels.insert(part.pixels.end(), record.begin() + 3, record.end());
  });
  if (data.train.size() == 0) fail(path.string(), ": no image of fold 0 (train)");
  if (data.test.size() == 0) fail(path.string(), ": no image of fold 1 (test)");
}

}  // namespace

bool fedisic2019_present(const fs::path& folder) { return is_there(place(folder)); }

Dataset load_fedisic2019(const fs::path& folder) {
  const fs::path path = place(folder);
  Dataset data{.name = "fedisic2019", .description = "", .classes = classes, .shape = {3, side, side}};
  read_folds(path, data);
  name_owners(data, [](std::uint32_t id) { return "centre " + std::to_string(id); });

  std::vector<std::string> present = data.owner_names;
  std::sort(present.begin(), present.end());
  const bool ham10000 = present == std::vector<std::string>{"centre 1", "centre 2", "centre 3", "centre 5"};
  data.description = std::string("FedISIC-2019, ") + (ham10000 ? "HAM10000 part: " : "") +
                     std::to_string(present.size()) + " of 6 centres, 64 x 64, " +
                     image_counts(data.train.size(), data.test.size()) + ", from " + path.string();
  return data;
}

}  // namespace fedval::harness
