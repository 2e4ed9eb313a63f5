// Ranks that are lost, one after the other, at once, and while the others number themselves anew: nobody who
// is still heard of is left behind, and nobody waits for ever.
#include <netinet/in.h>
#include <sched.h>
#include <sys/socket.h>
#include "tests/doctest_torch.hpp"

#include <chrono>
#include <optional>
#include <random>
#include <thread>

#include "harness/distributed/store.hpp"
#include "tests/harness/distributed/in_ranks.hpp"

using namespace fedval::harness;
using fedval::Error;
using test_files::contains;

namespace {

constexpr int killed = 128 + SIGKILL;

Rendezvous that_goes_on(std::size_t count) {
  Rendezvous common = on_this_machine(count, 2);
  common.goes_on = true;
  return common;
}

/// Exchanges one with the others until one of them is lost; what is said of it.
std::string work(Ranks& ranks) {
  try {
    while (true) {
      ranks.any(false);
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
  } catch (const Error& error) {
    return error.what();
  }
}

/// The same, and goes on with the others until so many are left.
void go_on_with(Ranks& ranks, std::size_t left) {
  work(ranks);
  while (true) {
    demand(ranks.lost_one(), "one is lost, and the others go on");
    try {
      ranks.reform();
      if (ranks.count() == left) break;
      work(ranks);
    } catch (const Error&) {  // another was lost meanwhile
    }
  }
  demand(ranks.any(true), "all have met again");
}

/// A child process, ended by the destructor.
class Child {
 public:
  explicit Child(const std::function<void()>& body) : pid_(::fork()) {
    if (pid_ > 0) return;
    body();
    ::_exit(0);
  }
  ~Child() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  pid_t pid() const { return pid_; }

 private:
  pid_t pid_;
};

/// A store that is no rank's, as torchrun keeps one.
void serve(std::uint16_t port) {
  const auto store = c10::make_intrusive<c10d::TCPStore>("127.0.0.1", store_at(port, true));
  ::pause();
}

/// Breaks this process's connections to any but that port, which is the store's.
void break_connections_but(std::uint16_t port) {
  for (int socket = 3; socket < 256; ++socket) {
    sockaddr_storage own{}, other{};
    socklen_t own_size = sizeof own, other_size = sizeof other;
    if (::getsockname(socket, reinterpret_cast<sockaddr*>(&own), &own_size) != 0 ||
        ::getpeername(socket, reinterpret_cast<sockaddr*>(&other), &other_size) != 0)
      continue;
    const auto port_of = [](const sockaddr_storage& address) {
      return ntohs(address.ss_family == AF_INET6 ? reinterpret_cast<const sockaddr_in6&>(address).sin6_port
                                                 : reinterpret_cast<const sockaddr_in&>(address).sin_port);
    };
    if (port_of(own) != port && port_of(other) != port) ::shutdown(socket, SHUT_RDWR);
  }
}

/// This process on a machine of another name; false where this user may not have that.
bool renamed(const std::string& name) {
  return ::unshare(CLONE_NEWUTS) == 0 && ::sethostname(name.data(), name.size()) == 0;
}

bool can_rename() {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(renamed("another") ? 0 : 1);
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

}  // namespace

TEST_CASE("a rank that comes long after the others is waited for, whatever they wait for") {
  CHECK(codes_of(on_this_machine(3, 1), [](const Rendezvous& r) {
          Ranks ranks(r);
          const auto late = [&](std::size_t rank) {
            if (r.rank == rank) std::this_thread::sleep_for(std::chrono::milliseconds(2500));
          };
          for (const std::size_t rank : {0, 2}) {
            late(rank);
            demand(!ranks.any(false), "nobody");
            late(rank);
            const std::string text(3 << 20, 'x');  // from hand to hand
            demand(ranks.leading(ranks.leads() ? text : "") == text, "the leading rank's");
            late(rank);
            std::vector<double> total(1 << 15, 1);  // and in turn
            ranks.in_turn(total, [&] { total.back() += 1; });
            demand(total.back() == 4 && total.front() == 1, "the sum");
          }
          ranks.finish();
        }) == std::vector<int>(3));
}

TEST_CASE("a rank that is busy for long after another's loss is waited for, the leading one too") {
  for (const std::size_t slow : {0, 2}) {
    CAPTURE(slow);
    const std::vector<int> codes = codes_of(that_goes_on(3), [&](const Rendezvous& r) {
      Ranks ranks(r);
      ranks.any(false);
      if (r.rank == 1) ::raise(SIGKILL);
      if (r.rank == slow) std::this_thread::sleep_for(std::chrono::seconds(8));  // of a patience of 2
      const std::string said = work(ranks);
      demand(said.starts_with("rank 1 ("), said);
      demand(ranks.lost_one(), "the others may go on");
      ranks.reform();
      demand(ranks.count() == 2 && ranks.rank() == (r.rank == 0 ? 0 : 1), "two are left, in their order");
      demand(ranks.any(ranks.rank() == 1), "both have met again");
      ranks.finish();
    });
    CHECK(codes == std::vector<int>{0, killed, 0});
  }
}

TEST_CASE("several that are lost at once are done without, down to the leading rank alone") {
  CHECK(codes_of(that_goes_on(4), [&](const Rendezvous& r) {
          Ranks ranks(r);
          ranks.any(false);
          if (r.rank % 2 == 1) ::raise(SIGKILL);
          go_on_with(ranks, 2);
          ranks.finish();
        }) == std::vector<int>{0, killed, 0, killed});
  CHECK(codes_of(that_goes_on(3), [&](const Rendezvous& r) {
          Ranks ranks(r);
          ranks.any(false);
          if (r.rank > 0) ::raise(SIGKILL);
          go_on_with(ranks, 1);
          ranks.finish();
        }) == std::vector<int>{0, killed, killed});
}

TEST_CASE("a second loss at any time while the others number themselves anew is done without, too") {
  const std::uint64_t seed = std::random_device()();
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  // The first is missed after 2 to 2.5 seconds; a few hundredths later all have met again.
  std::vector<std::chrono::milliseconds> delays;
  for (const auto& [from, to] : {std::pair{0, 1900}, {1900, 2500}, {2000, 2400}, {2000, 2400}, {2500, 4000}})
    delays.emplace_back(std::uniform_int_distribution<int>(from, to)(random));
  for (const std::chrono::milliseconds delay : delays) {
    CAPTURE(delay.count());
    const std::size_t second = 2 + random() % 2;
    CAPTURE(second);
    std::vector<int> expected{0, killed, 0, 0};
    expected[second] = killed;
    CHECK(codes_of(that_goes_on(4), [&](const Rendezvous& r) {
            Ranks ranks(r);
            ranks.any(false);
            if (r.rank == 1) ::raise(SIGKILL);
            std::thread end;
            if (r.rank == second)
              end = std::thread([&] {
                std::this_thread::sleep_for(delay);
                ::raise(SIGKILL);
              });
            go_on_with(ranks, r.rank == second ? 1 : 2);  // 1: never
            ranks.finish();
          }) == expected);
  }
}

TEST_CASE(
    "a rank that has come to go on, and is lost while the others wait for a busy one, is done without") {
  for (const int signal : {SIGKILL, SIGSTOP}) {
    CAPTURE(signal);
    CHECK(codes_of(that_goes_on(4), [&](const Rendezvous& r) {
            Ranks ranks(r);
            ranks.any(false);
            if (r.rank == 1) ::raise(SIGKILL);
            std::thread end;
            if (r.rank == 2)
              end = std::thread([&] {
                std::this_thread::sleep_for(std::chrono::seconds(5));
                ::raise(signal);
              });
            if (r.rank == 3) std::this_thread::sleep_for(std::chrono::seconds(10));
            go_on_with(ranks, r.rank == 2 ? 1 : 2);  // 1: never
            ranks.finish();
          }) == std::vector<int>{0, killed, killed, 0});
  }
}

TEST_CASE("a rank that was stopped and comes back finds that the others have gone on") {
  CHECK(codes_of(that_goes_on(3), [](const Rendezvous& r) {
          std::optional<Child> alarm;
          const pid_t self = ::getpid();
          if (r.rank == 1)
            alarm.emplace([self] {
              std::this_thread::sleep_for(std::chrono::seconds(7));
              ::kill(self, SIGCONT);
            });
          Ranks ranks(r);
          ranks.any(false);
          if (r.rank == 1) {
            ::raise(SIGSTOP);
            demand(contains(work(ranks), "rank 1 ("), "it hears of its own loss");
            try {
              ranks.reform();
            } catch (const Error& error) {
              demand(contains(error.what(), "the others have gone on without it"), error.what());
              demand(!ranks.lost_one(), "this is its end");
              return;
            }
            demand(false, "left behind");
          }
          go_on_with(ranks, 2);
          const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(8);
          while (!ranks.any(std::chrono::steady_clock::now() > end))
            std::this_thread::sleep_for(std::chrono::milliseconds(10));
          ranks.finish();
        }) == std::vector<int>(3));
}

TEST_CASE("the leading rank's loss after another's ends the run; nobody waits for ever") {
  for (const int signal : {SIGKILL, SIGSTOP})
    for (const bool goes_on : {true, false}) {
      CAPTURE(signal);
      CAPTURE(goes_on);
      Rendezvous common = on_this_machine(3, 2);
      common.goes_on = goes_on;
      const std::vector<int> codes = codes_of(common, [&](const Rendezvous& r) {
        Ranks ranks(r);
        ranks.any(false);
        if (r.rank == 1) ::raise(SIGKILL);
        const std::string said = work(ranks);
        demand(said.starts_with("rank 1 ("), said);
        if (r.rank == 0) {
          std::this_thread::sleep_for(std::chrono::seconds(1));  // the other hears of it, too
          ::raise(signal);
        }
        try {
          ranks.reform();
        } catch (const Error& error) {
          demand(contains(error.what(), "rank 0 ("), error.what());
          demand(!ranks.lost_one(), "nobody goes on");
          ::_exit(2);  // as the program does, and as a store that does not answer makes it do
        }
      });
      CHECK(codes == std::vector<int>{killed, killed, 2});
    }
}

TEST_CASE("where the launcher keeps the store, the leading rank's loss is noticed, and the store's") {
  for (const std::string lost : {"rank 0", "rank 0, after rank 1", "the launcher's store"}) {
    CAPTURE(lost);
    Rendezvous common = that_goes_on(3);
    common.port = static_cast<std::uint16_t>(std::stoi(free_port()));
    common.launcher_serves = true;
    const Child launcher([&] { serve(common.port); });
    const bool store = lost == "the launcher's store", after = lost == "rank 0, after rank 1";
    const std::vector<int> codes = codes_of(common, [&](const Rendezvous& r) {
      Ranks ranks(r);
      ranks.any(false);
      if (store && r.rank == 2) ::kill(launcher.pid(), SIGKILL);
      if (after && r.rank == 1) ::raise(SIGKILL);
      if (!after && !store && r.rank == 0) ::raise(SIGKILL);
      std::string said = work(ranks);
      if (after) {
        demand(contains(said, "rank 1 ("), said);
        if (r.rank == 0) ::raise(SIGKILL);
        try {
          ranks.reform();
        } catch (const Error& error) {
          said = error.what();
        }
      }
      demand(!ranks.lost_one(), "nobody goes on");
      demand(contains(said, store ? "the launcher's store, where the others meet, is gone"
                                  : ") has not been heard of for 2 s"),
             said);
      demand(store || said.starts_with("rank 0 ("), said);
    });
    CHECK(codes == (store   ? std::vector<int>{0, 0, 0}
                    : after ? std::vector<int>{killed, killed, 0}
                            : std::vector<int>{killed, 0, 0}));
  }
}

TEST_CASE("a connection that breaks in the middle of a message, between ranks that live, ends both") {
  Rendezvous common = on_this_machine(2, 2);
  common.port = static_cast<std::uint16_t>(std::stoi(free_port()));
  CHECK(codes_of(common, [&](const Rendezvous& r) {
          ::alarm(40);  // who waits for ever is ended
          Ranks ranks(r);
          std::vector<double> receiver{static_cast<double>(::getpid())};
          ranks.share(receiver, std::vector<std::size_t>{0});
          std::thread breaker;
          if (r.rank == 1)
            breaker = std::thread([&] {  // when the sockets are full
              const auto a_while = [] { std::this_thread::sleep_for(std::chrono::milliseconds(300)); };
              a_while();
              ::kill(static_cast<pid_t>(receiver[0]), SIGSTOP);
              a_while();
              break_connections_but(r.port);
              a_while();
              ::kill(static_cast<pid_t>(receiver[0]), SIGCONT);
            });
          std::string said;
          try {
            while (true) {
              std::vector<std::string> texts{std::string(r.rank == 1 ? 15 << 20 : 0, 'x')};
              ranks.share(texts, std::vector<std::size_t>{1});
            }
          } catch (const Error& error) {
            said = error.what();
          }
          if (breaker.joinable()) breaker.join();
          demand(contains(said, "lost contact") || contains(said, "has left: "), said);
        }) == std::vector<int>{0, 0});
}

TEST_CASE("a store that takes calls and does not answer while ranks join ends them") {
  Rendezvous common = on_this_machine(2, 2);
  common.port = static_cast<std::uint16_t>(std::stoi(free_port()));
  common.launcher_serves = true;
  const Child launcher([&] { serve(common.port); });
  const std::vector<int> codes = codes_of(common, [&](const Rendezvous& r) {
    if (r.rank == 0) std::this_thread::sleep_for(std::chrono::seconds(1));  // the other waits for it
    if (r.rank == 0) ::kill(launcher.pid(), SIGSTOP);
    const Ranks ranks(r);
  });
  CHECK(codes == std::vector<int>{2, 2});
}

TEST_CASE("a loopback address for ranks on several machines is refused by all, naming the variables" *
          doctest::skip(!can_rename())) {
  CHECK(codes_of(on_this_machine(3, 5), [](const Rendezvous& r) {
          if (r.rank == 2) demand(renamed("another"), "a machine of another name");
          try {
            Ranks ranks(r);
          } catch (const Error& error) {
            const std::string said = error.what();
            demand(said.starts_with("rank 0 (") && contains(said, "127.0.0.1") &&
                       contains(said, "MASTER_ADDR is \"127.0.0.1\"") && contains(said, "FEDVAL_INTERFACE"),
                   said);
            return;
          }
          demand(false, "refused");
        }) == std::vector<int>(3));
  // The interface that is named is taken.
  Rendezvous named = on_this_machine(2, 5);
  named.interface = "lo";
  CHECK(codes_of(named, [](const Rendezvous& r) {
          if (r.rank == 1) demand(renamed("another"), "a machine of another name");
          Ranks ranks(r);
          demand(ranks.any(r.rank == 1), "they meet");
          ranks.finish();
        }) == std::vector<int>(2));
}
