// When a sampler has done enough. Criteria combine:
//
//   standard_error_below(0.01) | evaluations(5000)          the first that is met
//   relative_change_below(0.05, 10) & units(100)            both
//   units(100) & ~time_limit(60s)                           units that took less than a minute, or no end
//
// A criterion says which share of the way is done, in [0, 1]; it is met at 1. `&` is the smaller share, `|`
// the larger one, `~` is 1 while its criterion is not met and 0 while it is. The share is what a progress
// callback sees.
#pragma once

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "fedval/error.hpp"
#include "fedval/statistics/correlation.hpp"

namespace fedval::shapley {

/// A sampler as a criterion sees it, after a batch of units.
struct Snapshot {
  /// Folded so far, over all runs.
  std::uint64_t units = 0, evaluations = 0;  ///< utilities really asked for, v({}) and v(N) included
  std::uint64_t idle = 0;  ///< units in a row, up to now and in this run(), that asked for no utility anew
  std::function<std::chrono::duration<double>()> elapsed;  ///< in this run() and the ones before it
  std::function<std::vector<double>()> values;             ///< of the players, now
  std::function<std::vector<double>()> errors;             ///< their standard errors; infinite where unknown
  std::function<double()> half_width;                      ///< of the widest certified interval
  const std::deque<std::vector<double>>* past = nullptr;  ///< values after earlier batches, the last one last
};

/// One condition for stopping, or several combined by |, & and ~.
class Criterion {
 public:
  /// How far a sampler is; met at 1 or above.
  using Share = std::function<double(const Snapshot&)>;

  /// `share` of the way; at least 1 when met. `past`: how many earlier batches' values it looks at.
  Criterion(std::string text, Share share, std::size_t past = 0)
      : text_(std::move(text)), share_(std::move(share)), past_(past) {}

  /// Share of the way that is done, in [0, 1].
  double share(const Snapshot& now) const {
    const double share = share_(now);
    return share >= 1 ? 1.0 : share > 0 ? share : 0.0;  // NaN is no progress
  }
  /// Whether the share is 1.
  bool met(const Snapshot& now) const { return share(now) >= 1; }
  /// In words, as "(standard error below 0.01 or 5000 evaluations)".
  const std::string& text() const { return text_; }
  /// How many earlier batches' values it looks at.
  std::size_t past() const { return past_; }
  /// Which parts of a met criterion were met.
  std::string reason(const Snapshot& now) const { return reason_ ? reason_(now) : text_; }

  /// The first that is met: the larger share.
  friend Criterion operator|(const Criterion& a, const Criterion& b) {
    Criterion either(
        "(" + a.text_ + " or " + b.text_ + ")",
        [a, b](const Snapshot& now) { return std::max(a.share(now), b.share(now)); },
        std::max(a.past_, b.past_));
    either.reason_ = [a, b](const Snapshot& now) {
      std::string reason;
      for (const Criterion* part : {&a, &b})
        if (part->met(now)) reason += (reason.empty() ? "" : " and ") + part->reason(now);
      return reason;
    };
    return either;
  }
  /// Both at once: the smaller share.
  friend Criterion operator&(const Criterion& a, const Criterion& b) {
    Criterion both(
        "(" + a.text_ + " and " + b.text_ + ")",
        [a, b](const Snapshot& now) { return std::min(a.share(now), b.share(now)); },
        std::max(a.past_, b.past_));
    both.reason_ = [a, b](const Snapshot& now) {
      return "(" + a.reason(now) + " and " + b.reason(now) + ")";
    };
    return both;
  }
  /// While it is not met: share 1, else 0.
  friend Criterion operator~(const Criterion& a) {
    return {"not " + a.text_, [a](const Snapshot& now) { return a.met(now) ? 0.0 : 1.0; }, a.past_};
  }

  friend Criterion evaluations(std::uint64_t count);

 private:
  std::string text_;
  Share share_;
  std::size_t past_;
  std::function<std::string(const Snapshot&)> reason_;  // where it is not the text
};

namespace detail {

template <class... Parts>
std::string described(const Parts&... parts) {
  std::ostringstream text;
  (text << ... << parts);
  return text.str();
}

inline void check_positive(double value, const char* criterion) {
  if (!(value > 0)) fail(criterion, ": ", value, " must be above 0");
}

}  // namespace detail

/// After so many units of the sampler.
inline Criterion units(std::uint64_t count) {
  detail::check_positive(static_cast<double>(count), "units");
  return {detail::described(count, " units"), [count](const Snapshot& now) {
            return static_cast<double>(now.units) / static_cast<double>(count);
          }};
}

/// After so many utilities were asked for; a batch that is under way is finished. Met, too, when 10,000 units
/// in a row asked for none, as where a memo knows every coalition that is drawn: no unit would ever end it.
inline Criterion evaluations(std::uint64_t count) {
  detail::check_positive(static_cast<double>(count), "evaluations");
  static constexpr std::uint64_t patience = 10000;
  const std::string text = detail::described(count, " evaluations");
  Criterion criterion(text, [count](const Snapshot& now) {
    return now.idle >= patience ? 1.0 : static_cast<double>(now.evaluations) / static_cast<double>(count);
  });
  criterion.reason_ = [count, text](const Snapshot& now) {
    return now.evaluations >= count ? text : detail::described("no evaluation in ", patience, " units");
  };
  return criterion;
}

/// After so long, summed over all runs; a batch that is under way is finished.
inline Criterion time_limit(std::chrono::duration<double> limit) {
  detail::check_positive(limit.count(), "time_limit");
  return {detail::described(limit.count(), " seconds"),
          [limit](const Snapshot& now) { return now.elapsed() / limit; }};
}

/// When every player's standard error is at most `limit`, but not before `least` units: a standard error of
/// a few draws, all equal by chance, is zero and says nothing.
inline Criterion standard_error_below(double limit, std::uint64_t least = 30) {
  detail::check_positive(limit, "standard_error_below");
  return {detail::described("standard error below ", limit), [limit, least](const Snapshot& now) {
            const double enough =
                static_cast<double>(now.units) / static_cast<double>(std::max<std::uint64_t>(1, least));
            if (enough < 1) return std::min(enough, 0.99);
            double largest = 0;
            bool all = true;
            for (const double error : now.errors()) {
              largest = std::max(largest, error);
              all &= error <= limit;  // false of what is no number
            }
            return all ? 1.0 : std::min(0.99, limit / largest * (limit / largest));
          }};
}

/// When no player's value moved by more than `share` of itself since `batches` batches ago (values below
/// `floor` in magnitude by `share` of `floor`). What GTG-Shapley stops by, with 5 % of 10.
inline Criterion relative_change_below(double share, std::size_t batches = 10, double floor = 1e-9) {
  detail::check_positive(share, "relative_change_below");
  detail::check_positive(static_cast<double>(batches), "relative_change_below");
  return {detail::described("relative change below ", share, " over ", batches, " batches"),
          [share, batches, floor](const Snapshot& now) {
            if (now.past->size() < batches) return 0.0;
            const std::vector<double> values = now.values(),
                                      &before = (*now.past)[now.past->size() - batches];
            double largest = 0;
            bool all = true;
            for (std::size_t i = 0; i < values.size(); ++i) {
              const double change = std::abs(values[i] - before[i]) / std::max(std::abs(values[i]), floor);
              largest = std::max(largest, change);
              all &= change <= share;  // false of what is no number
            }
            return all ? 1.0 : std::min(0.99, share / largest);
          },
          batches};
}

/// When the players' ranks have agreed (Spearman at least `least`) with those of each of the last `batches`
/// batches.
inline Criterion ranks_stable(std::size_t batches = 20, double least = 1) {
  detail::check_positive(static_cast<double>(batches), "ranks_stable");
  return {detail::described("ranks stable over ", batches, " batches"),
          [batches, least](const Snapshot& now) {
            if (now.past->size() < batches) return 0.0;
            const std::vector<double> values = now.values();
            std::size_t agreeing = 0;  // the latest batches in a row
            for (; agreeing < batches; ++agreeing) {
              const std::vector<double>& before = (*now.past)[now.past->size() - 1 - agreeing];
              const auto spearman = statistics::spearman(values, before);
              // Without a spread there are no ranks to disagree about.
              if (spearman && *spearman < least - 1e-12) break;
            }
            return static_cast<double>(agreeing) / static_cast<double>(batches);
          },
          batches};
}

/// When every player's certified interval is at most epsilon to either side; for a sampler made with a
/// `certificate`.
inline Criterion certified_within(double epsilon) {
  detail::check_positive(epsilon, "certified_within");
  return {detail::described("certified within ", epsilon), [epsilon](const Snapshot& now) {
            const double widest = now.half_width();
            constexpr double rounding =
                1 + 1e-9;  // the ends of an interval of epsilon to either side have some
            return widest <= epsilon * rounding ? 1.0 : std::min(0.99, epsilon / widest);
          }};
}

}  // namespace fedval::shapley
