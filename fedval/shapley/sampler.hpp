// Runs a sampling design: asks for coalitions, hands their values back, and stops when a criterion is met.
//
//   Sampler sampler(Antithetic{}, players, {.seed = 7});
//   sampler.run(game, standard_error_below(0.01) | evaluations(5000));
//   for (const Estimate& player : sampler.estimates().players) ...
//
// A design cuts its work into units (a permutation, a pair, a sweep); unit t draws from (seed, t) alone. So a
// run goes on where it stopped, after an error, a cancellation, or in another process (save, restore), and
// ends with the same bits as one that was never interrupted; neither the batch size nor a memo changes them,
// if the game gives a coalition the same bits whenever it is asked. Games that several threads may ask
// (BlockGame) are sampled on all cores, with the same bits for any number of them.
//
// A design has a name, fields(archive) where it has options, and plan(setting), or is the plan itself. A plan
// has
//   check(setting)                             Error where it cannot estimate the semivalue
//   tally(setting)                             what its draws are kept in (tally.hpp), empty
//   ask(unit, setting, tally)                  appends what the unit needs evaluated to unit.coalitions
//   fold(unit, setting, tally)                 adds the unit's values to the tally
// and may have
//   ready(unit, tally)                         false while earlier units must be folded first
//   more(unit, setting)                        appends further coalitions, now that the first have values
//   bounds(setting, low, high)                 of a draw, for marginals in [low, high]: it can be certified
#pragma once

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "fedval/archive.hpp"
#include "fedval/shapley/draws.hpp"
#include "fedval/shapley/estimate.hpp"
#include "fedval/shapley/game.hpp"
#include "fedval/shapley/stopping.hpp"
#include "fedval/shapley/tally.hpp"
#include "fedval/statistics/quantile.hpp"

namespace fedval::shapley {

/// What a design knows of the problem.
struct Setting {
  std::size_t n = 0;                           ///< players
  std::uint64_t seed = 0;                      ///< unit t draws from (seed, t)
  Semivalue semivalue = Semivalue::shapley();  ///< what to estimate
  std::vector<double> sizes;                   ///< C(n-1, k) w_k, how much the coalitions of size k weigh
  /// v({}).
  double nobody = 0, all = 0;  ///< v(N); both are 0 before the first run()
};

/// One unit's coalitions and, once evaluated, their values.
struct Unit {
  std::uint64_t index = 0;     ///< 0, 1, 2, ... in the order of folding
  CoalitionList coalitions;    ///< as ask(), and more(), appended them
  std::vector<double> values;  ///< of the first coalitions, of all when folded

  /// Keyed by (seed, index): every call starts anew with the same numbers.
  Draws draws(const Setting& setting) const { return {setting.seed, index}; }
};

namespace detail {

template <class Design>
auto plan_of(const Design& design, const Setting& setting) {
  if constexpr (requires { design.plan(setting); }) {
    return design.plan(setting);
  } else {
    return design;
  }
}

}  // namespace detail

template <class Design>
class Sampler {
  using Plan = decltype(detail::plan_of(std::declval<const Design&>(), std::declval<const Setting&>()));
  using Tally = decltype(std::declval<const Plan&>().tally(std::declval<const Setting&>()));

 public:
  static constexpr std::string_view name = Design::name;

  struct Options {
    std::uint64_t seed = 0;                      ///< the same seed, the same draws
    Semivalue semivalue = Semivalue::shapley();  ///< what to estimate
    std::size_t batch = 1;     ///< units that are evaluated together, between two looks at the criterion
    double confidence = 0.95;  ///< of each player's interval
    /// Makes the intervals certified ones, for which `confidence` is not used; the design must have bounds().
    std::optional<Certificate> certificate{};
  };

  /// Error when the design does not estimate the semivalue, or cannot be certified.
  Sampler(Design design, std::size_t players) : Sampler(std::move(design), players, Options{}) {}
  /// Error, too, for a batch of 0, a confidence outside (0, 1), or a certificate out of range.
  Sampler(Design design, std::size_t players, Options options)
      : design_(std::move(design)),
        options_(std::move(options)),
        setting_{players, options_.seed, options_.semivalue, options_.semivalue.size_weights(players)},
        plan_(detail::plan_of(design_, setting_)),
        tally_((plan_.check(setting_), plan_.tally(setting_))) {
    if (options_.batch == 0) fail(name, ": a batch of no unit");
    statistics::detail::check_confidence(options_.confidence);
    if (!options_.certificate) return;
    const Certificate& certificate = *options_.certificate;
    if constexpr (requires { plan_.bounds(setting_, 0.0, 0.0); }) {
      if (!(certificate.marginal_low < certificate.marginal_high))
        fail(name, ": a certificate needs bounds of the marginal contributions, got [",
             certificate.marginal_low, ", ", certificate.marginal_high, "]");
      const auto [low, high] = plan_.bounds(setting_, certificate.marginal_low, certificate.marginal_high);
      tally_.certify(low, high, certificate.delta, certificate.epsilon);
    } else {
      fail(name,
           ": cannot be certified, for its draws are no independent means; permutation, antithetic, cyclic "
           "and "
           "random-q Owen can");
    }
  }

  /// Their number, n.
  std::size_t players() const { return setting_.n; }

  /// Draws until the criterion is met, or `progress` (called before the first batch and after each) returns
  /// false, which is named as the reason. May be called again to go on. UtilityError as for value_of(); what
  /// was folded before it stays, and the next run() repeats the batch that failed.
  template <Game G>
  Estimates run(G&& game, const Criterion& enough, const Progress& progress = {}) {
    const auto start = std::chrono::steady_clock::now();
    const auto elapsed = [&, before = elapsed_]() -> std::chrono::duration<double> {
      return before + (std::chrono::steady_clock::now() - start);
    };
    struct Clock {  // keeps the time even where an exception leaves
      Sampler& sampler;
      const decltype(elapsed)& read;
      ~Clock() { sampler.elapsed_ = read(); }
    } const clock{*this, elapsed};
    if (!started_) begin(game);
    Snapshot now = snapshot();
    now.elapsed = elapsed;
    bool cancelled = false;
    std::string reason = setting_.n < 2 ? "known exactly" : "";
    while (reason.empty()) {
      now.units = units_;
      now.evaluations = evaluations_;
      const double share = enough.share(now);
      if (share >= 1) {
        reason = enough.reason(now);
      } else if (progress && !progress(share)) {
        reason = "cancelled by its progress callback";
        cancelled = true;
      } else {
        // Only a batch that was folded is one that values can be compared with, and only if none is missing.
        std::vector<double> before = enough.past() > 0 ? tally_.values() : std::vector<double>();
        draw(game);
        now.idle = evaluations_ == now.evaluations ? now.idle + units_ - now.units : 0;
        if (enough.past() == 0) past_.clear();
        if (enough.past() > 0) past_.push_back(std::move(before));
        while (past_.size() > enough.past()) past_.pop_front();
      }
    }
    if (progress && !cancelled) progress(1.0);
    Estimates result = estimates();
    result.stopped_by = reason;
    result.cancelled = cancelled;
    return result;
  }

  /// What is known by now. Before the first run() values are 0, or what the
  /// certificate knows without any draw.
  Estimates estimates() const {
    Estimates result{{}, units_, evaluations_, {}};
    std::vector<Summary> summaries = tally_.summaries();
    if (setting_.n == 1 && started_) summaries.assign(1, {setting_.all - setting_.nobody, 0, infinite, 1});
    double degrees = 0, quantile = 0;
    for (std::size_t i = 0; i < setting_.n; ++i) {
      const Summary& found = summaries[i];
      if (found.degrees > 0 && found.degrees != degrees)  // the same for all players, as a rule
        quantile = statistics::student_quantile(options_.confidence, degrees = found.degrees);
      Estimate player{found.value, found.standard_error, -infinite, infinite, found.count};
      if (found.degrees > 0) {
        const double half = quantile * found.standard_error;
        player.low = found.value - half;
        player.high = found.value + half;
      }
      if constexpr (certifiable)
        if (options_.certificate && setting_.n > 1) {
          const auto interval = tally_.interval(i);
          player.low = interval.low;
          player.high = interval.high;
        }
      result.players.push_back(player);
    }
    return result;
  }

  /// The draws folded so far, as the design keeps them.
  const Tally& tally() const { return tally_; }

  /// Its options and state, for save() and restore().
  void fields(auto& archive) {
    archive.option("players", setting_.n);
    archive.option("seed", options_.seed);
    archive.option("semivalue a", options_.semivalue.a());
    archive.option("semivalue b", options_.semivalue.b());
    const bool certified = options_.certificate.has_value();
    archive.option("certified", certified);
    archive.option("epsilon", certified ? options_.certificate->epsilon : 0.0);
    if constexpr (requires { design_.fields(archive); }) design_.fields(archive);
    archive.state("started", started_);
    archive.state("nobody", setting_.nobody);
    archive.state("all", setting_.all);
    archive.state("units", units_);
    archive.state("evaluations", evaluations_);
    double seconds = elapsed_.count();
    archive.state("seconds", seconds);
    elapsed_ = std::chrono::duration<double>(seconds);
    std::vector<std::vector<double>> past(past_.begin(), past_.end());
    archive.state("past", past);
    for (const auto& values : past)
      archive.check(values.size() == setting_.n, "values of another number of players");
    past_.assign(past.begin(), past.end());
    archive.state("tally", tally_);
  }

 private:
  static constexpr double infinite = std::numeric_limits<double>::infinity();
  static constexpr bool certifiable = requires(const Plan& plan, const Setting& setting) {
    plan.bounds(setting, 0.0, 0.0);
  };

  template <class G>
  void begin(G& game) {
    const std::vector<Coalition> ends{Coalition(), Coalition::everyone(setting_.n)};
    std::vector<double> values(setting_.n == 0 ? 1 : 2);
    evaluate(game, std::span(ends).first(values.size()), values);
    setting_.nobody = values.front();
    setting_.all = values.back();
    started_ = true;
  }

  template <class G>
  void evaluate(G& game, std::span<const Coalition> coalitions, std::span<double> values) {
    if constexpr (MaskGame<G> && !BatchGame<G>)
      if (setting_.n > 64) fail(name, ": a game by bit mask has at most 64 players, not ", setting_.n);
    if constexpr (requires { game.evaluated(); }) {  // a memo's answers cost nothing
      const std::size_t known = game.evaluated();
      try {
        values_of(game, coalitions, values);
      } catch (...) {
        evaluations_ += game.evaluated() - known;
        throw;
      }
      evaluations_ += game.evaluated() - known;
    } else {
      values_of(game, coalitions, values);
      evaluations_ += coalitions.size();
    }
  }

  /// One batch of units: evaluated together or, of a game that several threads may ask, unit by unit on all
  /// cores; folded in order.
  template <class G>
  void draw(G& game) {
    batch_.resize(options_.batch);
    std::size_t count = 0;
    for (; count < options_.batch; ++count) {
      batch_[count].index = units_ + count;
      if constexpr (requires { plan_.ready(batch_[count], tally_); })
        if (count > 0 && !plan_.ready(batch_[count], tally_)) break;
    }
    const std::span<Unit> units = std::span(batch_).first(count);
    if (BlockGame<G> && count > 1) {
      constexpr std::size_t worth_a_thread = std::size_t{1} << 16;
      fedval::detail::for_each_index(count, count * worth_a_thread, [&](std::size_t k) {
        complete(units.subspan(k, 1),
                 [&](auto coalitions, auto values) { values_of(game, coalitions, values); });
      });
      for (const Unit& unit : units) evaluations_ += unit.values.size();
    } else {
      complete(units, [&](auto coalitions, auto values) { evaluate(game, coalitions, values); });
    }
    for (const Unit& unit : units) {
      plan_.fold(unit, setting_, tally_);
      ++units_;
    }
  }

  /// Asks for the units' coalitions and evaluates them, until no unit wants more.
  template <class Evaluate>
  void complete(std::span<Unit> units, Evaluate&& evaluate) const {
    for (Unit& unit : units) {
      unit.coalitions.clear();
      unit.values.clear();
      plan_.ask(unit, setting_, tally_);
    }
    for (bool asked = true; asked;) {
      fill(units, evaluate);
      asked = false;
      if constexpr (requires { plan_.more(units[0], setting_); })
        for (Unit& unit : units) {
          plan_.more(unit, setting_);
          asked |= unit.values.size() < unit.coalitions.size();
        }
    }
  }

  /// Evaluates what the units have no values for yet.
  template <class Evaluate>
  static void fill(std::span<Unit> units, Evaluate&& evaluate) {
    if (units.size() == 1) {
      Unit& unit = units[0];
      const std::size_t known = unit.values.size();
      unit.values.resize(unit.coalitions.size());
      evaluate(std::span(unit.coalitions).subspan(known), std::span(unit.values).subspan(known));
      return;
    }
    std::vector<Coalition> asked;
    for (const Unit& unit : units)
      asked.insert(asked.end(), unit.coalitions.begin() + unit.values.size(), unit.coalitions.end());
    std::vector<double> values(asked.size());
    evaluate(std::span<const Coalition>(asked), std::span(values));
    auto next = values.begin();
    for (Unit& unit : units) {
      const auto missing = static_cast<std::ptrdiff_t>(unit.coalitions.size() - unit.values.size());
      unit.values.insert(unit.values.end(), next, next + missing);
      next += missing;
    }
  }

  Snapshot snapshot() const {
    Snapshot now;
    now.past = &past_;
    now.values = [this] { return tally_.values(); };
    now.errors = [this] {
      std::vector<double> errors;
      for (const Summary& player : tally_.summaries()) errors.push_back(player.standard_error);
      return errors;
    };
    now.half_width = [this] { return half_width(); };
    return now;
  }

  /// Of the widest certified interval.
  double half_width() const {
    double widest = 0;
    if (!options_.certificate) fail(name, ": certified_within() needs a sampler made with a certificate");
    if constexpr (certifiable)
      for (std::size_t i = 0; i < setting_.n; ++i) {
        const auto interval = tally_.interval(i);
        widest = std::max(widest, (interval.high - interval.low) / 2);
      }
    return widest;
  }

  Design design_;
  Options options_;
  Setting setting_;
  Plan plan_;
  Tally tally_;
  bool started_ = false;
  std::uint64_t units_ = 0, evaluations_ = 0;
  std::chrono::duration<double> elapsed_{};
  std::deque<std::vector<double>> past_;
  std::vector<Unit> batch_;  // kept for its memory
};

}  // namespace fedval::shapley
