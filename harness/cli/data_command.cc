#include "harness/cli/data_command.hpp"

#include "harness/data/data_folder.hpp"
#include "harness/data/registry.hpp"
#include "harness/fetch/fetch.hpp"
#include "harness/report/table.hpp"

namespace fedval::harness {

void list_data(std::ostream& out, const std::optional<std::filesystem::path>& folder) {
  const std::filesystem::path place = folder ? *folder : default_data_folder();
  Table table({"data set", "there", "what it is"});
  table.flush_left();
  for (const DataSource& source : data_sources()) {
    const bool built_in = source.folder.empty();
    const std::string there = built_in                ? "built in"
                              : source.present(place) ? "yes"
                              : source.fetched        ? "harness fetch " + std::string(source.name)
                                                      : "by hand, see docs/data";
    table.add({std::string(source.name), there, std::string(source.what)});
  }
  out << "In " << place.string() << ", a folder for each:\n" << table << std::flush;
}

void fetch_data(const std::vector<std::string>& sets, const std::optional<std::filesystem::path>& folder,
                const std::optional<std::string>& mirror, std::ostream& progress) {
  for (const std::string& set : sets)
    fetch(set, {.data = folder ? *folder : default_data_folder(), .mirror = mirror.value_or("")}, progress);
}

}  // namespace fedval::harness
