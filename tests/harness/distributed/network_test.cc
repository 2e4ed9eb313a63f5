// Ranks in network namespaces of their own, as machines have: over the interface that is named, and with the
// link cut in the middle of a run.
#include <doctest/doctest.h>

#include <cstdlib>

#include "tests/harness/distributed/team.hpp"

using namespace fedval::harness;
using test_files::contains;
using test_files::Folder;

namespace {

bool done(const std::string& commands) {
  return std::system(("(" + commands + ") >/dev/null 2>&1").c_str()) == 0;
}

/// Two machines with a cable between them; nothing where this user may not make them.
class Machines {
 public:
  Machines() {
    made_ = done("ip netns add " + a_ + " && ip netns add " + b_ + " && ip link add fva netns " + a_ +
                 " type veth peer name fvb netns " + b_ + " && ip -n " + a_ +
                 " addr add 10.213.7.1/24 dev fva && ip -n " + b_ +
                 " addr add 10.213.7.2/24 dev fvb && ip -n " + a_ + " link set fva up && ip -n " + b_ +
                 " link set fvb up && ip -n " + a_ + " link set lo up && ip -n " + b_ + " link set lo up");
  }
  Machines(const Machines&) = delete;
  Machines& operator=(const Machines&) = delete;
  ~Machines() { done("ip netns del " + a_ + "; ip netns del " + b_); }

  bool made() const { return made_; }
  void cut() const { REQUIRE(done("ip -n " + b_ + " link set fvb down")); }
  const std::string& name(std::size_t rank) const { return rank == 0 ? a_ : b_; }

 private:
  std::string a_ = "fedval-a-" + std::to_string(::getpid()), b_ = "fedval-b-" + std::to_string(::getpid());
  bool made_ = false;
};

bool can_make_machines() { return Machines().made(); }

}  // namespace

TEST_CASE("two machines: a run over the named interface, and a cut link" *
          doctest::skip(!can_make_machines())) {
  const Machines machines;
  REQUIRE(machines.made());
  const Folder folder;
  write_text(folder / "endless.toml", endless);
  Team team(2, "4");
  const std::vector<std::string> words{
      "run", (folder / "endless.toml").string(), "--out", (folder / "runs").string(), "--threads", "1"};
  const auto start = [&](std::size_t rank, const std::string& interface) {
    team.start(rank, words,
               {{"MASTER_ADDR", "10.213.7.1"}, {"MASTER_PORT", "29500"}, {"FEDVAL_INTERFACE", interface}},
               {"ip", "netns", "exec", machines.name(rank)});
  };
  start(0, "fva");
  start(1, "fvb");
  team[0].until([&] { return std::filesystem::exists(folder / "runs/.endless.partial/checkpoint"); });
  CAPTURE(team.err_of(0));
  CAPTURE(team.err_of(1));
  REQUIRE(team[0].running());
  machines.cut();
  for (const std::size_t rank : {0, 1}) {
    const Finished ended = team[rank].wait();
    CAPTURE(ended.err);
    CHECK(ended.code == 2);
    CHECK(contains(ended.err, rank == 0 ? "rank 1 (" : "rank 0 ("));
  }
}
