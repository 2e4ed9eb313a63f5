#include "harness/distributed/group.hpp"

#include <ATen/ops/empty_like.h>
#include <unistd.h>

#include <algorithm>
#include <deque>
#include <limits>
#include <thread>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <utility>

#include "fedval/error.hpp"
#include "harness/distributed/bundle.hpp"
#include "harness/distributed/joining.hpp"
#include "harness/distributed/messages.hpp"
#include "harness/distributed/store.hpp"

namespace fedval::harness {

namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr milliseconds never(std::numeric_limits<int>::max());  // 24 days

/// So few bytes that a message costs more than they do.
constexpr std::size_t a_little = std::size_t{64} << 10;

/// In parts that are not too much at once.
void add(const at::Tensor& tensor, std::vector<Bundle>& bundles) {
  for (std::size_t begin = 0, bytes = 0; begin < tensor.nbytes(); begin += bytes) {
    bytes = std::min(most_at_once, tensor.nbytes() - begin);
    if (bundles.empty() || !bundles.back().takes(bytes)) bundles.emplace_back();
    bundles.back().add(static_cast<char*>(tensor.data_ptr()) + begin, bytes);
  }
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

/// Steps of Gloo's. Everything that goes wrong is a rank's, and named.
template <class Steps>
void Ranks::Group::exchange(Steps&& steps) {
  try {
    steps();
  } catch (const Error&) {
    throw;
  } catch (const std::bad_alloc&) {
    throw;
  } catch (const std::exception& error) {
    explain(error, [&] { pulse_->check(); });
  }
}

/// For as long as it takes: who is late is waited for, and the pulse says who is lost. (Gloo closes all
/// connections when a wait for a message ends by its time.)
void Ranks::Group::wait(c10d::Work& work, int other) {
  pulse_->check();
  const Pulse::Wait waiting(*pulse_, [&] { work.abort(); });
  while (!work.wait(never)) {
    pulse_->check();
    // Of a connection that broke in the middle of a message Gloo tells those alone who begin another one.
    std::vector<at::Tensor> nothing{at::empty({1}, at::kByte)};
    gloo_->recv(nothing, other, std::numeric_limits<int>::max());
  }
}

void Ranks::Group::meet() { gather(at::zeros({1}, at::kByte)); }

std::vector<at::Tensor> Ranks::Group::gather(const at::Tensor& own) {
  std::vector<at::Tensor> all;
  std::vector<std::size_t> owners;
  for (std::size_t rank = 0; rank < names_.size(); ++rank) {
    all.push_back(rank == rendezvous_.rank ? own : at::empty_like(own));
    owners.push_back(rank);
  }
  broadcast(all, owners);
  return all;
}

void Ranks::Group::broadcast(const std::vector<at::Tensor>& tensors, std::span<const std::size_t> owners) {
  std::size_t bytes = 0;
  for (const at::Tensor& tensor : tensors) bytes += tensor.nbytes();
  const bool from_one = std::ranges::all_of(owners, [&](std::size_t owner) { return owner == owners[0]; });
  const bool many = names_.size() > 2;
  // Much from one goes from hand to hand.
  if (many && from_one && bytes > Bundle::most) return pass_on(tensors, owners[0]);
  // A little from each is told by rank 0: 2 R messages, not R^2. Of more, every way takes a part.
  const bool by_first = many && !from_one && bytes <= a_little;
  std::vector<Parcel> there, back;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const std::size_t owner = owners[i], teller = by_first ? 0 : owner;
    there.push_back({tensors[i], owner, teller});
    const auto tell = [&](std::size_t rank) {
      if (rank != owner) back.push_back({tensors[i], teller, rank});
    };
    if (teller != rendezvous_.rank) tell(rendezvous_.rank);
    for (std::size_t rank = 0; teller == rendezvous_.rank && rank < names_.size(); ++rank) tell(rank);
  }
  send(there);
  send(back);
}

void Ranks::Group::pass_on(const std::vector<at::Tensor>& tensors, std::size_t owner) {
  meet();  // Gloo's own steps wait no longer than the patience
  c10d::BroadcastOptions options;
  options.rootRank = static_cast<std::int64_t>(owner);
  const bool sends = owner == rendezvous_.rank;
  std::vector<Bundle> bundles;
  for (const at::Tensor& tensor : tensors) add(tensor, bundles);
  for (Bundle& bundle : bundles) {
    std::vector<at::Tensor> one{sends ? bundle.packed() : bundle.room()};
    exchange([&] { gloo_->broadcast(one, options)->wait(); });
    if (!sends) received_ += bundle.bytes();
    if (!sends) bundle.unpack();
    bundle = {};
  }
}

void Ranks::Group::send(const std::vector<Parcel>& parcels) {
  const std::size_t rank = rendezvous_.rank, count = names_.size();
  // From each and to each, in the same bundles on both sides.
  std::vector<std::vector<Bundle>> in(count), out(count);
  for (const auto& [tensor, from, to] : parcels) {
    if (from == to || (from != rank && to != rank)) continue;
    add(tensor, from == rank ? out[to] : in[from]);
  }
  struct Step {
    c10::intrusive_ptr<c10d::Work> work;
    int other;
    Bundle& bundle;
    bool receives;
  };
  std::deque<Step> under_way;
  std::size_t moving = 0;
  const auto end_oldest = [&] {
    auto& [work, other, bundle, receives] = under_way.front();
    wait(*work, other);
    moving -= bundle.bytes();
    if (receives) received_ += bundle.bytes();
    if (receives) bundle.unpack();
    bundle = {};
    under_way.pop_front();
  };
  const auto begin = [&](Bundle& bundle, bool receives, std::size_t other, std::size_t k) {
    std::vector<at::Tensor> one{receives ? bundle.room() : bundle.packed()};
    const int peer = static_cast<int>(other), tag = static_cast<int>(k);
    under_way.push_back(
        {receives ? gloo_->recv(one, peer, tag) : gloo_->send(one, peer, tag), peer, bundle, receives});
    for (moving += bundle.bytes(); moving > 2 * most_at_once;) end_oldest();
  };
  // At every moment each rank sends to one and receives from one. All take the bundles in one order, so that
  // the first of all that is not yet there is under way on both sides: nobody waits in a circle.
  exchange([&] {
    pulse_->check();
    for (std::size_t shift = 1; shift < count; ++shift) {
      const std::size_t to = (rank + shift) % count, from = (rank + count - shift) % count;
      for (std::size_t k = 0; k < std::max(out[to].size(), in[from].size()); ++k) {
        if (k < out[to].size()) begin(out[to][k], false, to, k);
        if (k < in[from].size()) begin(in[from][k], true, from, k);
      }
    }
    while (!under_way.empty()) end_oldest();
  });
}

/// Every rank that is still there says so to the next generation, once the training that it is at is done;
/// rank 0 waits for each that is heard of, and says who belongs to it. All watch one another as before
/// meanwhile.
void Ranks::Group::reform() {
  const std::unique_ptr<Pulse> before = std::move(pulse_);
  gloo_.reset();  // its thread would go round and round with messages that were broken off
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
  names.reserve(members.size());
  for (const std::size_t rank : members) names.push_back(names_[rank]);
  device_ = device_for(rendezvous_);  // a rank that comes back would find the old one listening
  names_ = std::move(names);
  rendezvous_.rank = static_cast<std::size_t>(place - members.begin());
  rendezvous_.ranks = members.size();
  store_ = next;
  form();
}

void Ranks::Group::finish() {
  meet();
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
  const c10::intrusive_ptr<c10d::TCPStore> beats = connect(r, false);
  beats->setTimeout(never);
  everyone_->setTimeout(never);
  pulse_ = std::make_unique<Pulse>(of_generation(beats), r.rank, names_,
                                   r.launcher_serves ? "the launcher's store" : names_.front(), r.patience,
                                   [name = names_[r.rank]](const std::string& why) { give_up(name, why); });
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

/// Names of all ranks, once all are there.
std::vector<std::string> Ranks::Group::meet_all() {
  const std::string mine = std::to_string(rendezvous_.rank);
  // All others wait shorter. Once all are there, each tells what takes some ways there and back.
  const std::jthread guard =
      deadline(rendezvous_, rendezvous_.patience + std::chrono::seconds(8 + rendezvous_.ranks / 4));
  try {
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
  const Pulse::Wait wait(before);
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
  const auto latest =
      Clock::now() + rendezvous_.patience + std::chrono::seconds(10);  // news takes some beats
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
