// A downloaded archive; the first byte says what it claims to be. Whatever is in it, all that is written are
// plain files in the folder that it is unpacked to, and after an error nothing is there.
#include "harness/fetch/unpack.hpp"

#include <array>

#include "tests/fuzz/target.hpp"

using namespace fedval;
namespace fs = std::filesystem;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  constexpr std::array names{"archive.tar", "archive.tar.gz", "archive.zip", "archive.gz"};
  const auto path = fuzz::write(names[data[0] % 4], {reinterpret_cast<const char*>(data) + 1, size - 1});
  const fs::path out = fuzz::folder() / "out";
  const bool unpacked = fuzz::reads([&] { harness::unpack(path, out, {.most_bytes = 1 << 20}); });
  fuzz::demand(fs::exists(out) == unpacked, "a folder where it was unpacked, else none");
  std::uintmax_t bytes = 0;
  if (unpacked)
    for (const fs::directory_entry& entry : fs::recursive_directory_iterator(out)) {
      fuzz::demand(!entry.is_symlink() && entry.is_regular_file(), "plain files alone");
      bytes += entry.file_size();
    }
  fuzz::demand(bytes <= 1 << 20, "no more bytes than are allowed");
  fs::remove_all(out);
  fs::remove(path);
  fuzz::demand(fs::is_empty(fuzz::folder().path()), "nothing beside it");
  return 0;
}
