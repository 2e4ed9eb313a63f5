#include "harness/data/name_owners.hpp"

#include <map>
#include <set>

namespace fedval::harness {

void name_owners(Dataset& data, const std::function<std::string(std::uint32_t)>& name) {
  std::map<std::uint32_t, std::uint32_t> number;
  for (Examples* part : {&data.train, &data.test}) {
    for (const std::uint32_t id : std::set(part->owners.begin(), part->owners.end()))
      if (number.emplace(id, number.size()).second) data.owner_names.push_back(name(id));
    for (std::uint32_t& owner : part->owners) owner = number.at(owner);
  }
}

}  // namespace fedval::harness
