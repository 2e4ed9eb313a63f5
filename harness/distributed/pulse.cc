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

/// The first trouble of all is everyone's.
void tell(c10d::Store& store, const Trouble& trouble) {
  store.compareSet("trouble", {}, bytes_of(to_text(trouble)));
}

}  // namespace

Pulse::Pulse(c10::intrusive_ptr<c10d::Store> store, std::size_t rank, std::vector<std::string> names,
             const std::string& holds, std::chrono::milliseconds patience,
             std::function<void(const std::string&)> dead)
    : store_(std::move(store)),
      rank_(rank),
      names_(std::move(names)),
      place_(holds + ", where the others meet,"),
      patience_(patience),
      interval_(std::clamp(patience / 10, std::chrono::milliseconds(50), std::chrono::milliseconds(1000))),
      dead_(std::move(dead)),
      heard_(names_.size()),
      when_(names_.size(), Clock::now()),
      looked_(Clock::now()),
      lost_(names_.size()),
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
  if (first_) fail(first_->said);
}

bool Pulse::lost_one() const {
  const std::lock_guard lock(mutex_);
  return first_ && !end_;
}

void Pulse::check_end() const {
  const std::lock_guard lock(mutex_);
  if (end_) fail(end_->said);
}

bool Pulse::lost(std::size_t rank) const {
  const std::lock_guard lock(mutex_);
  return lost_[rank];
}

void Pulse::waits(bool for_store, std::function<void()> wake) {
  const std::lock_guard lock(mutex_);
  waits_for_store_ = for_store;
  wake_waiting_ = std::move(wake);
  woken_ = Clock::now();
}

void Pulse::leave(c10d::Store& store, const std::string& name, const std::string& why) {
  tell(store, {false, name + " has left: " + why});
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

void Pulse::keep(const Trouble& trouble) {
  const std::lock_guard lock(mutex_);
  if (!first_) first_ = trouble;
  if (!trouble.lost && !end_) end_ = trouble;
  if (wake_waiting_) wake_waiting_();
}

/// Rank 0 looks at the others, and they at rank 0, without whom they cannot go on. Rank 0's own store tells
/// them of its end; a launcher's would not.
void Pulse::listen() {
  const Clock::time_point now = Clock::now();
  if (now - looked_ > 3 * interval_) std::ranges::fill(when_, now);  // this process itself was stopped
  looked_ = now;
  const std::size_t begin = rank_ == 0 ? 1 : 0, end = rank_ == 0 ? names_.size() : 1;
  for (std::size_t rank = begin; rank < end; ++rank) {
    const std::string pulse = "pulse/" + std::to_string(rank);
    std::string said = store_->check({pulse}) ? text_of(store_->get(pulse)) : "";
    if (said != heard_[rank]) {
      heard_[rank] = std::move(said);
      when_[rank] = now;
    }
    const bool lost = now - when_[rank] > patience_;
    {
      const std::lock_guard lock(mutex_);
      lost_[rank] = lost;
    }
    if (!lost) continue;
    const Trouble trouble{rank > 0, names_[rank] + " has not been heard of for " + in_seconds(patience_)};
    tell(*store_, trouble);
    keep(trouble);
  }
}

/// One beat.
void Pulse::look() {
  store_->set("pulse/" + std::to_string(rank_),
              bytes_of(std::to_string(Clock::now().time_since_epoch().count())));
  if (store_->check({"trouble"})) keep(trouble_of(text_of(store_->get("trouble"))));
  listen();
}

void Pulse::beat() {
  do {
    try {
      look();
    } catch (const std::exception&) {  // c10d's own words name neither rank nor reason
      keep({false, place_ + " is gone"});
      const std::lock_guard lock(mutex_);
      gone_ = true;
      return;
    }
    const std::lock_guard lock(mutex_);
    answered_ = Clock::now();
  } while (!wait(stop_));
}

void Pulse::watch() {
  for (Clock::time_point before = Clock::now(); !wait(over_); before = Clock::now()) {
    {
      const std::lock_guard lock(mutex_);
      if (Clock::now() - before > 3 * interval_) answered_ = Clock::now();  // this process itself was stopped
      // Who has begun to wait just after looking is woken here.
      if (wake_waiting_ && (first_ || Clock::now() - woken_ > patience_)) {
        wake_waiting_();
        woken_ = Clock::now();
      }
      if (gone_ && !waits_for_store_) continue;  // who does not wait finds out
      if (Clock::now() - answered_ <= patience_ + interval_) continue;
    }
    dead_(place_ + " has not answered for " + in_seconds(patience_));
  }
}

}  // namespace fedval::harness
