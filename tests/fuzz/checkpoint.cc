// The bytes as a checkpoint's file, as the content of one, and as an archive of what a run keeps.
#include "harness/checkpoint/checkpoint.hpp"

#include <map>
#include <optional>

#include "fedval/contribution/round.hpp"
#include "harness/checkpoint/archive.hpp"
#include "tests/fuzz/target.hpp"

using namespace fedval;

namespace {

struct Kept {
  std::size_t rounds = 0;
  at::Tensor server;
  std::map<ClientId, at::Tensor> agents;
  std::vector<double> values;
  std::optional<std::string> note;
  bool running = false;
};

void read(harness::Archive& archive, Kept& kept) {
  archive.field("rounds", kept.rounds);
  archive.field("server", kept.server);
  archive.field("agents", kept.agents);
  archive.field("values", kept.values);
  archive.field("note", kept.note);
  archive.field("running", kept.running);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string bytes(reinterpret_cast<const char*>(data), size);
  const auto path = fuzz::write("checkpoint", bytes);
  fuzz::reads([&] { harness::read_checkpoint(path); });
  if (size % 64 == 0) {  // it waits for the disk
    harness::write_checkpoint(path, bytes);
    fuzz::demand(harness::read_checkpoint(path) == bytes, "a checkpoint is read as it was written");
  }
  fuzz::reads([&] {
    harness::Archive archive(bytes, "archive");
    Kept kept;
    read(archive, kept);
    archive.end();
    harness::Archive once;
    read(once, kept);
    harness::Archive second(once.bytes(), "archive"), twice;
    Kept same;
    read(second, same);
    second.end();
    read(twice, same);
    fuzz::demand(twice.bytes() == once.bytes(), "what was saved is saved again as it was");
  });
  return 0;
}
