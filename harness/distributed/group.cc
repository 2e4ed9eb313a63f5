#include "harness/distributed/group.hpp"

#include <ATen/ops/empty_like.h>
#include <netdb.h>
#include <openssl/evp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <iostream>
#include <limits>
#include <map>
#include <thread>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <utility>

#include "fedval/error.hpp"
#include "harness/distributed/bundle.hpp"
#include "harness/distributed/messages.hpp"
#include "harness/distributed/store.hpp"

namespace fedval::harness {

namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

/// The prefix of every key: nobody who does not know the secret, or takes part in another run, finds the
/// others.
std::string prefix_of(const Rendezvous& r) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned length = 0;
  const std::string salted =
      "fedval, " + std::to_string(r.ranks) + " ranks, attempt " + std::to_string(r.attempt) + ": " + r.secret;
  if (EVP_Digest(salted.data(), salted.size(), digest.data(), &length, EVP_sha256(), nullptr) != 1)
    fail("SHA-256 is not available");
  constexpr std::string_view digits = "0123456789abcdef";
  std::string hex;
  for (unsigned i = 0; i < length; ++i) {
    hex += digits[digest[i] >> 4];
    hex += digits[digest[i] & 15];
  }
  return hex;
}

std::string host() {
  std::array<char, 256> name{};
  return ::gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "unknown host";
}

std::string where(const Rendezvous& r) { return r.address + ":" + std::to_string(r.port); }

c10::intrusive_ptr<c10d::TCPStore> connect(const Rendezvous& r, bool serves) {
  c10d::TCPStoreOptions options;
  options.port = r.port;
  options.isServer = serves;
  options.waitWorkers =
      false;  // it would count whoever connects; who belongs here is settled under the prefix
  options.timeout = r.patience;
  try {
    return c10::make_intrusive<c10d::TCPStore>(r.address, options);
  } catch (const std::exception&) {  // c10d's own words name neither rank nor reason
    if (serves)
      fail("rank 0 cannot listen at ", where(r), ": the port is taken, or the address not this machine's");
    fail(r.launcher_serves ? "the launcher's store" : "rank 0", " is not at ", where(r),
         ": no answer within ", r.patience.count(), " s");
  }
}

/// The address of this machine from which rank 0 is reached: the others can reach it there. No packet is
/// sent.
std::string own_address(const Rendezvous& r) {
  addrinfo hints{}, *found = nullptr;
  hints.ai_socktype = SOCK_DGRAM;
  std::string address;
  if (::getaddrinfo(r.address.c_str(), std::to_string(r.port).c_str(), &hints, &found) == 0) {
    const int probe = ::socket(found->ai_family, SOCK_DGRAM, 0);
    sockaddr_storage own{};
    socklen_t size = sizeof own;
    auto* const any = reinterpret_cast<sockaddr*>(&own);
    std::array<char, NI_MAXHOST> host{};
    if (probe >= 0 && ::connect(probe, found->ai_addr, found->ai_addrlen) == 0 &&
        ::getsockname(probe, any, &size) == 0 &&
        ::getnameinfo(any, size, host.data(), host.size(), nullptr, 0, NI_NUMERICHOST) == 0)
      address = host.data();
    if (probe >= 0) ::close(probe);
    ::freeaddrinfo(found);
  }
  if (address.empty()) fail("MASTER_ADDR is \"", r.address, "\", to which this machine has no way");
  return address;
}

std::shared_ptr<gloo::transport::Device> device_for(const Rendezvous& r) {
  const std::string address = r.interface.empty() ? own_address(r) : "";
  try {
    return address.empty() ? c10d::ProcessGroupGloo::createDeviceForInterface(r.interface)
                           : c10d::ProcessGroupGloo::createDeviceForHostname(address);
  } catch (const std::exception&) {
    if (!address.empty()) fail("Gloo cannot use this machine's address ", address);
    fail("FEDVAL_INTERFACE is \"", r.interface, "\": no such network interface with an address");
  }
}

/// part(begin, bytes) for each part of so many bytes that is not too much at once.
template <class Part>
void in_parts(std::size_t bytes, Part&& part) {
  for (std::size_t begin = 0; begin < bytes; begin += most_at_once)
    part(begin, std::min(most_at_once, bytes - begin));
}

}  // namespace

Ranks::Group::Group(const Rendezvous& r)
    : rendezvous_(r),
      device_(device_for(r)),  // before the others know of this rank: it may fail
      everyone_(connect(r, r.rank == 0 && !r.launcher_serves)),
      prefix_(prefix_of(r)),
      store_(of_generation(everyone_)),
      names_(meet_all()) {
  try {
    form();
  } catch (const Error& error) {
    abandon(error.what());
    part();
    throw;
  }
}

Ranks::Group::~Group() {
  if (!finished_) part();
}

/// Goes, and says why, without which the others would soon miss this rank.
void Ranks::Group::part() {
  try {
    Pulse::leave(*store_, names_[rendezvous_.rank], why_.empty() ? "it was stopped" : why_);
    linger();
  } catch (const std::exception&) {  // the others have gone, or the store has
  }
}

/// One step of Gloo's, for which all meet. Everything that goes wrong is a rank's, and named.
template <class Step>
void Ranks::Group::exchange(Step&& step) {
  try {
    meet();
    step(*gloo_);
  } catch (const Error&) {
    throw;
  } catch (const std::bad_alloc&) {
    throw;
  } catch (const std::exception& error) {
    explain(error, [&] { pulse_->check(); });
  }
}

std::vector<at::Tensor> Ranks::Group::gather(const at::Tensor& own) {
  std::vector<std::vector<at::Tensor>> all(1);
  for (std::size_t rank = 0; rank < names_.size(); ++rank) all[0].push_back(at::empty_like(own));
  std::vector<at::Tensor> mine{own};
  exchange([&](c10d::ProcessGroupGloo& gloo) { gloo.allgather(all, mine)->wait(); });
  received_ += own.nbytes() * (names_.size() - 1);
  return all[0];
}

void Ranks::Group::broadcast(const std::vector<at::Tensor>& tensors, std::span<const std::size_t> owners) {
  exchange([&](c10d::ProcessGroupGloo& gloo) {
    Bundle bundle;
    c10d::BroadcastOptions options;
    const auto move = [&] {
      if (bundle.empty()) return;
      const bool sends = static_cast<std::size_t>(options.rootRank) == rendezvous_.rank;
      std::vector<at::Tensor> one{sends ? bundle.packed() : bundle.room()};
      gloo.broadcast(one, options)->wait();
      if (!sends) {
        bundle.unpack();
        received_ += one.front().nbytes();
      }
      bundle = {};
    };
    for (std::size_t owner = 0; owner < names_.size(); ++owner) {
      options.rootRank = static_cast<std::int64_t>(owner);
      for (std::size_t i = 0; i < tensors.size(); ++i) {
        if (owners[i] != owner) continue;
        in_parts(tensors[i].nbytes(), [&](std::size_t begin, std::size_t bytes) {
          if (!bundle.takes(bytes)) move();
          bundle.add(static_cast<char*>(tensors[i].data_ptr()) + begin, bytes);
        });
      }
      move();
    }
  });
}

void Ranks::Group::send(const std::vector<Parcel>& parcels) {
  const std::size_t rank = rendezvous_.rank;
  struct Way {
    std::size_t from, to;
    Bundle bundle;
  };
  std::vector<Way> ways;  // the bundles of one exchange
  std::map<std::pair<std::size_t, std::size_t>, std::size_t> latest;
  std::vector<std::size_t> moved(names_.size());
  const auto move = [&] {
    if (ways.empty()) return;
    exchange([&](c10d::ProcessGroupGloo& gloo) {
      using Work = decltype(gloo.send(std::declval<std::vector<at::Tensor>&>(), 0, 0));
      std::vector<Work> under_way;
      int number = 0;
      for (auto& [from, to, bundle] : ways) {
        ++number;
        if (from != rank && to != rank) continue;
        std::vector<at::Tensor> part{from == rank ? bundle.packed() : bundle.room()};
        under_way.push_back(from == rank ? gloo.send(part, static_cast<int>(to), number)
                                         : gloo.recv(part, static_cast<int>(from), number));
        if (to == rank) received_ += part.front().nbytes();
      }
      for (const Work& work : under_way) work->wait();
    });
    for (auto& [from, to, bundle] : ways)
      if (to == rank) bundle.unpack();
    ways.clear();
    latest.clear();
    std::ranges::fill(moved, 0);
  };
  // All know all sizes, so all make the same exchanges and bundles of them.
  for (const auto& [tensor, from, to, size] : parcels) {
    if (from == to) continue;
    in_parts(size, [&](std::size_t begin, std::size_t bytes) {
      if (std::max(moved[from], moved[to]) + bytes > most_at_once) move();
      const auto [place, first] = latest.try_emplace({from, to}, ways.size());
      if (!first && !ways[place->second].bundle.takes(bytes)) place->second = ways.size();
      if (place->second == ways.size()) ways.push_back({from, to, {}});
      const bool here = from == rank || to == rank;
      ways[place->second].bundle.add(here ? static_cast<char*>(tensor.data_ptr()) + begin : nullptr, bytes);
      moved[from] += bytes;
      moved[to] += bytes;
    });
  }
  move();
}

void Ranks::Group::pass_on(const at::Tensor& sum, const std::function<void()>& add) {
  const auto rank = static_cast<int>(rendezvous_.rank), last = static_cast<int>(rendezvous_.ranks) - 1;
  std::vector<at::Tensor> one{sum};
  exchange([&](c10d::ProcessGroupGloo& gloo) {
    if (rank > 0) gloo.recv(one, rank - 1, 0)->wait();
    add();
    if (rank < last) gloo.send(one, rank + 1, 0)->wait();
    c10d::BroadcastOptions options;
    options.rootRank = last;
    gloo.broadcast(one, options)->wait();
  });
  received_ += ((rank > 0 ? 1 : 0) + (rank < last ? 1 : 0)) * sum.nbytes();
}

/// Every rank that is still there says so to the next generation, once the training that it is at is done;
/// rank 0 waits for each that is heard of, and says who belongs to it. All watch one another as before
/// meanwhile.
void Ranks::Group::reform() {
  const std::unique_ptr<Pulse> before = std::move(pulse_);
  ++generation_;
  const c10::intrusive_ptr<c10d::Store> next = of_generation(everyone_);
  std::vector<std::size_t> members;
  try {
    members = members_of(*next, *before);
  } catch (const Error&) {
    throw;
  } catch (const std::exception& error) {
    explain(error, [&] { before->check_end(); });
  }
  const auto place = std::ranges::find(members, rendezvous_.rank);
  if (place == members.end()) fail("this rank was taken for lost, and the others have gone on without it");
  std::vector<std::string> names;
  for (const std::size_t rank : members) names.push_back(names_[rank]);
  gloo_.reset();
  device_ = device_for(rendezvous_);  // a rank that comes back would find the old one listening
  names_ = std::move(names);
  rendezvous_.rank = static_cast<std::size_t>(place - members.begin());
  rendezvous_.ranks = members.size();
  store_ = next;
  meetings_ = 0;
  form();
}

void Ranks::Group::finish() {
  exchange([](c10d::ProcessGroupGloo&) {});
  finished_ = true;
  try {
    linger();
  } catch (const std::exception&) {  // rank 0 had no more time
  }
}

/// The keys of this secret, and of this generation of ranks.
c10::intrusive_ptr<c10d::Store> Ranks::Group::of_generation(c10::intrusive_ptr<c10d::Store> store) const {
  return c10::make_intrusive<c10d::PrefixStore>(prefix_ + "/" + std::to_string(generation_),
                                                std::move(store));
}

/// The ranks as they are numbered now begin to watch one another and to exchange data.
void Ranks::Group::form() {
  const Rendezvous& r = rendezvous_;
  // From now on the pulse says who does not answer. A wait that ended of itself would confuse c10d: an answer
  // that comes later is taken for another one's. Gloo's do end so, each on a connection that is its own.
  constexpr milliseconds never(std::numeric_limits<int>::max());  // 24 days
  const c10::intrusive_ptr<c10d::TCPStore> beats = connect(r, false);
  beats->setTimeout(never);
  everyone_->setTimeout(never);
  pulse_ = std::make_unique<Pulse>(of_generation(beats), r.rank, names_,
                                   r.launcher_serves ? "the launcher's store" : names_.front(), r.patience,
                                   [name = names_[r.rank]](const std::string& why) {
                                     std::cerr << "harness: " << name << ": " << why << std::endl;
                                     ::_exit(2);
                                   });
  auto options = c10d::ProcessGroupGloo::Options::create(r.patience);
  options->devices.push_back(device_);
  try {
    gloo_ = c10::make_intrusive<c10d::ProcessGroupGloo>(
        c10::make_intrusive<c10d::PrefixStore>("gloo", of_generation(connect(r, false))),
        static_cast<int>(r.rank), static_cast<int>(r.ranks), options);
  } catch (const std::exception& error) {
    explain(error, [&] { pulse_->check(); });
  }
}

/// All are here, and all are still there. Nobody can run ahead: the next meeting counts on. The last to come
/// sets the key that the others wait for, or the pulse does.
void Ranks::Group::meet() {
  const auto met = [](std::size_t meeting) { return "met/" + std::to_string(meeting); };
  const std::string all = "all", key = met(++meetings_);
  const Pulse::Wait wait(*pulse_, key);
  pulse_->check();
  if (store_->add("meetings", 1) == static_cast<std::int64_t>(rendezvous_.ranks * meetings_)) {
    store_->set(key, bytes_of(all));
    store_->deleteKey(met(meetings_ - 1));  // all have read it, for they are here
  } else if (text_of(store_->get(key)) != all) {
    while (true) {
      pulse_->check();
      std::this_thread::sleep_for(milliseconds(20));
    }
  }
}

/// Names of all ranks, once all are there.
std::vector<std::string> Ranks::Group::meet_all() {
  try {
    const std::string mine = std::to_string(rendezvous_.rank);
    if (store_->add("claim/" + mine, 1) > 1)
      fail("rank ", mine, " is there already: two processes have that number");
    store_->set("host/" + mine, bytes_of(host()));
    store_->set("address/" + mine, bytes_of(rendezvous_.interface.empty() ? own_address(rendezvous_) : ""));
    store_->set("master/" + mine, bytes_of(rendezvous_.address));
    store_->set("process/" + mine, bytes_of(std::to_string(::getpid())));
    // Rank 0 takes the store with it: the others find out who is missing before that.
    const auto latest =
        Clock::now() + rendezvous_.patience + std::chrono::seconds(rendezvous_.rank == 0 ? 2 : 0);
    std::string missing = missing_ranks();
    for (; !missing.empty() && Clock::now() < latest; missing = missing_ranks())
      std::this_thread::sleep_for(milliseconds(20));
    if (!missing.empty())
      fail(missing, " did not join at ", where(rendezvous_), " within ", rendezvous_.patience.count(),
           " s: not started, with another FEDVAL_SECRET or number of ranks, or cut off");
    std::vector<std::string> names;
    std::string unreachable;
    for (std::size_t rank = 0; rank < rendezvous_.ranks; ++rank) {
      const std::string number = std::to_string(rank), theirs = text_of(store_->get("host/" + number));
      names.push_back(name_of(rank, theirs, text_of(store_->get("process/" + number))));
      if (theirs == host() && rank != rendezvous_.rank) ++beside_;
      const std::string address = text_of(store_->get("address/" + number));
      if (unreachable.empty() && (address.starts_with("127.") || address == "::1"))
        unreachable = names.back() + " takes its own address for " + address +
                      ", at which no other machine finds it: its MASTER_ADDR is \"" +
                      text_of(store_->get("master/" + number)) + "\"";
    }
    // A host's name often stands for a loopback address on its own machine.
    if (beside_ < rendezvous_.ranks && !unreachable.empty()) {
      linger();
      fail(unreachable,
           ", must be an address of the network that all share, or FEDVAL_INTERFACE name its interface");
    }
    return names;
  } catch (const Error&) {
    throw;
  } catch (const std::exception&) {  // c10d's own words name neither rank nor reason
    fail("rank 0 at ", where(rendezvous_), " has gone while the ranks met; it says why");
  }
}

std::string Ranks::Group::missing_ranks() {
  std::string missing;
  for (std::size_t rank = 0; rank < rendezvous_.ranks; ++rank)
    if (!store_->check({"process/" + std::to_string(rank)}))
      missing += (missing.empty() ? "rank " : ", rank ") + std::to_string(rank);
  return missing;
}

std::vector<std::size_t> Ranks::Group::members_of(c10d::Store& next, Pulse& before) {
  const auto here = [](std::size_t rank) { return "here/" + std::to_string(rank); };
  const auto wait_for = [&](const auto& done) {
    for (; !done(); std::this_thread::sleep_for(milliseconds(20))) before.check_end();
  };
  const Pulse::Wait wait(before, "members");
  next.set(here(rendezvous_.rank), bytes_of(""));
  if (rendezvous_.rank > 0) {
    wait_for([&] { return next.check({"members"}); });
    return harness::members_of(text_of(next.get("members")), names_.size(), names_.front());
  }
  std::vector<std::size_t> members;
  wait_for([&] {
    members.clear();
    for (std::size_t rank = 0; rank < names_.size(); ++rank) {
      if (before.lost(rank)) continue;
      if (!next.check({here(rank)})) return false;
      members.push_back(rank);
    }
    return true;
  });
  next.set("members", bytes_of(to_text(members)));
  return members;
}

/// The reason behind an error of c10d's, whose own words name no rank: somebody has left, or soon will be
/// found to have, which `check` says.
void Ranks::Group::explain(const std::exception& error, const std::function<void()>& check) {
  const auto latest = Clock::now() + rendezvous_.patience + std::chrono::seconds(3);
  while (Clock::now() < latest) {
    check();
    std::this_thread::sleep_for(milliseconds(20));
  }
  const std::string said = error.what();
  fail("the ranks lost contact: ", said.substr(0, said.find('\n')));
}

/// Rank 0 holds the store: it goes last, or the others would not learn why.
void Ranks::Group::linger() {
  if (rendezvous_.rank != 0) {
    store_->add("gone", 1);
    return;
  }
  const auto latest = Clock::now() + std::chrono::seconds(3);
  while (store_->add("gone", 0) + 1 < static_cast<std::int64_t>(rendezvous_.ranks) && Clock::now() < latest)
    std::this_thread::sleep_for(milliseconds(10));
}

}  // namespace fedval::harness
