#include "harness/distributed/pulse.hpp"

#include <algorithm>
#include <utility>

#include "fedval/error.hpp"
#include "harness/distributed/store.hpp"

namespace fedval::harness {

namespace {

std::string in_seconds(std::chrono::milliseconds time) {
  return std::to_string(std::chrono::duration_cast<std::chrono::seconds>(time).count()) + " s";
}

}  // namespace

Pulse::Pulse(c10::intrusive_ptr<c10d::Store> store, std::size_t rank, std::vector<std::string> names,
             std::chrono::milliseconds patience, std::function<void(const std::string&)> dead)
    : store_(std::move(store)),
      rank_(rank),
      names_(std::move(names)),
      patience_(patience),
      interval_(std::clamp(patience / 10, std::chrono::milliseconds(50), std::chrono::milliseconds(1000))),
      dead_(std::move(dead)),
      heard_(names_.size()),
      when_(names_.size(), Clock::now()),
      looked_(Clock::now()),
      answered_(Clock::now()),
      beating_([this] { beat(); }),
      watching_([this] { watch(); }) {}

Pulse::~Pulse() {
  // The watch last: a beat that waits for a store which no longer answers can only be ended by it.
  end(beating_, stop_);
  end(watching_, over_);
}

void Pulse::check() const {
  const std::lock_guard lock(mutex_);
  if (trouble_) fail(trouble_->said);
}

bool Pulse::lost_one() const {
  const std::lock_guard lock(mutex_);
  return trouble_ && trouble_->lost;
}

void Pulse::leave(c10d::Store& store, const std::string& name, const std::string& why) {
  if (!store.check({"trouble"}))
    store.set("trouble", bytes_of(to_text(Trouble{false, name + " has left: " + why})));
}

void Pulse::end(std::thread& thread, bool& flag) {
  {
    const std::lock_guard lock(mutex_);
    flag = true;
  }
  wake_.notify_all();
  thread.join();
}

bool Pulse::wait(const bool& flag) {
  std::unique_lock lock(mutex_);
  return wake_.wait_for(lock, interval_, [&] { return flag; });
}

/// Rank 0's look at the others; whom it has lost, if anyone.
std::optional<Trouble> Pulse::stale() {
  const Clock::time_point now = Clock::now();
  if (now - looked_ > 3 * interval_) std::ranges::fill(when_, now);  // this process itself was stopped
  looked_ = now;
  for (std::size_t rank = 1; rank < names_.size(); ++rank) {
    const std::string pulse = "pulse/" + std::to_string(rank);
    std::string said = store_->check({pulse}) ? text_of(store_->get(pulse)) : "";
    if (said != heard_[rank]) {
      heard_[rank] = std::move(said);
      when_[rank] = now;
    } else if (now - when_[rank] > patience_) {
      return Trouble{true, names_[rank] + " has not been heard of for " + in_seconds(patience_)};
    }
  }
  return std::nullopt;
}

/// One beat; what is wrong, if anything.
std::optional<Trouble> Pulse::look() {
  if (store_->check({"trouble"})) return trouble_of(text_of(store_->get("trouble")));
  if (rank_ > 0) {
    store_->set("pulse/" + std::to_string(rank_),
                bytes_of(std::to_string(Clock::now().time_since_epoch().count())));
    return std::nullopt;
  }
  std::optional<Trouble> trouble = stale();
  if (trouble) store_->set("trouble", bytes_of(to_text(*trouble)));
  return trouble;
}

void Pulse::beat() {
  do {
    std::optional<Trouble> trouble;
    try {
      trouble = look();
    } catch (const std::exception&) {  // c10d's own words name neither rank nor reason
      trouble = Trouble{false, names_.front() + ", where the others meet, is gone"};
    }
    const std::lock_guard lock(mutex_);
    answered_ = Clock::now();
    trouble_ = std::move(trouble);
    if (trouble_) return;
  } while (!wait(stop_));
}

void Pulse::watch() {
  for (Clock::time_point before = Clock::now(); !wait(over_); before = Clock::now()) {
    {
      const std::lock_guard lock(mutex_);
      if (Clock::now() - before > 3 * interval_) answered_ = Clock::now();  // this process itself was stopped
      if (trouble_ || Clock::now() - answered_ <= patience_ + interval_) continue;
    }
    dead_(names_.front() + ", where the others meet, has not answered for " + in_seconds(patience_));
  }
}

}  // namespace fedval::harness
