#include "harness/data/records.hpp"

#include <vector>

#include "fedval/error.hpp"
#include "harness/data/input_file.hpp"

namespace fedval::harness {

std::size_t read_records(const std::filesystem::path& path, std::size_t bytes,
                         const std::function<void(std::size_t, std::span<const std::uint8_t>)>& take) {
  std::ifstream file = open_input(path);
  std::vector<std::uint8_t> record(bytes);
  std::size_t count = 0;
  while (file.read(reinterpret_cast<char*>(record.data()), static_cast<std::streamsize>(bytes)))
    take(count++, record);
  if (file.bad()) fail(path.string(), ": cannot read beyond record ", count);
  if (file.gcount() != 0)
    fail(path.string(), ": ends inside record ", count, ": ", file.gcount(), " of ", bytes, " bytes");
  return count;
}

}  // namespace fedval::harness
