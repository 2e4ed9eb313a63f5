#include "harness/report/progress.hpp"

#include <algorithm>
#include <utility>

#include "harness/report/table.hpp"
#include "harness/report/wording.hpp"

namespace fedval::harness {

Progress::Progress(std::ostream& out, std::size_t columns, std::size_t total_steps, std::string accuracy)
    : out_(out),
      columns_(columns),
      total_(std::max<std::size_t>(1, total_steps)),
      accuracy_name_(std::move(accuracy)) {
  if (columns_ == 0) return;
  drawer_ = std::thread([this] {
    std::unique_lock lock(mutex_);
    while (!stop_) {
      if (!what_.empty()) out_ << '\r' << bar() << "\x1b[K" << std::flush;
      wake_.wait_for(lock, std::chrono::milliseconds(200));
    }
    out_ << "\r\x1b[K" << std::flush;
  });
}

Progress::~Progress() {
  if (columns_ == 0) return;
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_all();
  drawer_.join();
}

void Progress::begin(const std::string& what, std::size_t rounds, std::size_t done) {
  const std::lock_guard lock(mutex_);
  what_ = what;
  rounds_ = rounds;
  round_ = done;
  accuracy_.clear();
  if (columns_ == 0)
    out_ << what_ << ": " << rounds_ << " rounds"
         << (done > 0 ? ", " + std::to_string(done) + " of them done" : "") << std::endl;
}

void Progress::round(std::size_t number) {
  const std::lock_guard lock(mutex_);
  round_ = number;
}

void Progress::round(const RoundRecord& record) {
  const std::lock_guard lock(mutex_);
  round_ = record.round;
  if (record.server_accuracy) accuracy_ = accuracy_name_ + " " + fixed(*record.server_accuracy, 4);
  // What went wrong stays on the screen, above the line that is redrawn.
  for (const RoundRecord::Refused& refused : record.refused)
    out_ << (columns_ > 0 ? "\r\x1b[K" : "  ") << what_ << " round " << round_ << ": client " << refused.id
         << " was left out: " << refused.reason << '\n';
  if (columns_ == 0)
    out_ << "  round " << round_ << '/' << rounds_ << (accuracy_.empty() ? "" : "  " + accuracy_) << "  "
         << fixed(record.seconds, 2) << " s  (" << rate_and_rest() << ')' << std::endl;
}

std::string Progress::rate_and_rest() const {
  const double elapsed = std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  const auto done = static_cast<double>(steps_.load(std::memory_order_relaxed));
  if (done == 0) return "starting";
  const double rest = std::max(0.0, static_cast<double>(total_) - done) * elapsed / done;
  return fixed(100 * done / static_cast<double>(total_), 0) + " %, " + fixed(done / elapsed, 0) +
         " steps/s, " + duration(rest) + " left";
}

std::string Progress::bar() const {
  constexpr std::size_t width = 24;
  const std::size_t filled = std::min(width, width * steps_.load(std::memory_order_relaxed) / total_);
  std::string line = "[" + std::string(filled, '#') + std::string(width - filled, '.') + "] " + what_;
  line += " round " + std::to_string(std::min(rounds_, round_ + 1)) + "/" + std::to_string(rounds_);
  if (!accuracy_.empty()) line += "  " + accuracy_;
  line += "  " + rate_and_rest();
  // A line that wraps could not be redrawn in place.
  return line.substr(0, columns_ - 1);
}

}  // namespace fedval::harness
