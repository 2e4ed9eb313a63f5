// Small federations that between them use every part of the harness that is spread over ranks, and what their
// runs must have: the bits of a single process.
#pragma once

#include <doctest/doctest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "tests/harness/distributed/team.hpp"

namespace fedval::harness {

/// Four agents of unequal sizes who are sometimes away.
inline std::string small_federation(const std::string& accuracy) {
  return R"(
[data]
set = "digits"
held_out = 60
[partition]
kind = "pow"
agents = 4
samples_per_agent = 40
[model]
name = "small_cnn"
[training]
rounds = 3
local_epochs = 1
batch_size = 16
learning_rate = 0.1
[evaluation]
test_samples = 70
accuracy = ")" +
         accuracy + R"("
[validation]
samples = 55
[participation]
fraction = 0.75
)";
}

/// Every parallel part of the harness: own models, several methods, validated coalitions, own losses,
/// retrained coalitions, attackers, agents that are away.
inline const std::string everything = "name = \"everything\"\nseed = 5\n" + small_federation("plain") + R"(
stragglers = 0.5
[methods]
run = ["fedavg", "cgsv", "qffl"]
[scores]
read = ["cgsv", "spectral_fed", "fedsv", "gtg_shapley"]
[attack]
kinds = ["sybil", "few_samples"]
agents = [2]
[truth]
coalitions = "retrained"
)";

/// Every way in which methods hand out models of the agents' own, and read updates that lie cut over the
/// ranks.
inline const std::string personal = "name = \"personal\"\nseed = 6\n" + small_federation("balanced") + R"(
[methods]
run = ["rffl", "cffl", "shapfed", "fedopt", "afl", "residual", "cgsv_exact", "verified_entropy"]
[scores]
read = ["residual", "shapfed", "verified_entropy", "leave_one_out_cosine", "eci_or", "comfedsv", "data_size"]
[attack]
role = "inside"
kinds = ["copy"]
agents = [3]
)";

/// A model with running statistics.
inline const std::string statistics = R"(name = "statistics"
[data]
set = "digits"
[partition]
kind = "uni"
agents = 3
samples_per_agent = 8
[model]
name = "resnet18"
[training]
rounds = 2
local_epochs = 1
batch_size = 4
[evaluation]
test_samples = 20
[methods]
run = ["cgsv", "fedavg"]
[scores]
read = ["spectral_fuse"]
)";

/// Clients of different networks that only answer, who fall silent once they have answered 200 images.
inline const std::string black_boxes =
    "name = \"black_boxes\"\nseed = 7\n" + small_federation("balanced") + R"(
stragglers = 0.5
[methods]
run = ["fedzge", "fedmd", "feddf"]
[scores]
read = []
[black_box]
client_widths = [4, 6, 8]
samples = 16
noise = 10
queries = 2
generator_steps = 2
server_steps = 3
client_steps = 2
answer_noise = 0.01
query_budget = 200
)";

inline std::vector<std::string> run_in(const test_files::Folder& folder, const std::string& runs,
                                       const std::string& name = "everything") {
  return {"run", (folder / (name + ".toml")).string(), "--out", (folder / runs).string()};
}

inline Found of_one_process(const std::string& name, const std::string& settings) {
  const test_files::Folder folder;
  write_text(folder / (name + ".toml"), settings);
  const Finished run = Process(folder, run_in(folder, "runs", name)).wait();
  CAPTURE(run.err);
  REQUIRE(run.code == 0);
  return found_in(folder / "runs" / name);
}

inline void check_same(Found found, Found expected) {
  for (Found* each : {&found, &expected})
    for (nlohmann::json& method : each->summary["methods"]) method.erase("split");  // seconds of its phases
  CHECK(found.scores == expected.scores);
  CHECK(found.metrics == expected.metrics);
  CHECK(found.summary == expected.summary);
}

inline const Found& alone() {
  static const Found found = of_one_process("everything", everything);
  return found;
}

inline void check_same(const std::filesystem::path& run) { check_same(found_in(run), alone()); }

}  // namespace fedval::harness
