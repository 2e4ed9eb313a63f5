// Zeroth-order descent in the memory of inference: parameters are perturbed where they lie, by directions
// that are drawn again whenever they are needed, and a step is known by its number and one float a direction.
//
//   central, m = 1:   x += mu u;  f+;  x -= 2 mu u;  f-;  x += mu u - rate D u      three passes, not four
//
// Each pass draws u anew from (seed, step). Floating-point addition drifts: x + mu u - mu u is not always x.
// With exact_restore it is: beside each entry a byte says how many units in the last place the way back
// misses it by (the few that need more are kept aside), all points are x + o mu u rounded once, and a failed
// step leaves x bit for bit. What is drawn and added has the same bits on every processor, so whoever knows
// the seed, the options and the floats can replay a run. Sources: Malladi, Gao, Nichani, Damian, Lee, Chen,
// Arora, "Fine-tuning language models with just forward passes" (MeZO), NeurIPS 2023; Salimans et al.,
// arXiv:1703.03864 (shared seeds).
#pragma once

#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "fedval/zeroth_order/combination.hpp"
#include "fedval/zeroth_order/gradient.hpp"
#include "fedval/zeroth_order/walk.hpp"

namespace fedval::zeroth_order {

/// Settings of a descent in place.
struct InPlaceOptions {
  Directions directions = gaussian(1);           ///< of a law that is drawn where it is used
  Difference difference = central;               ///< any but residual
  Combination combination = Combination::plain;  ///< plain or shrink
  double smoothing = 1e-3;                       ///< mu
  double rate = 1e-6;                            ///< x moves by -rate g^
  std::uint64_t seed = 0;                        ///< of all directions and samples; replay() needs the same
  bool exact_restore = false;                    ///< one byte an entry on the host, eight on a device
};

/// All that a step was: x += sum_i coefficients[i] z_i, z_i the law's numbers for direction i.
struct SeedStep {
  std::uint64_t step = 0;  ///< its number, from 0: its directions follow from (seed, step)
  /// m, the rate and its sign included; what is below a float's range, 1e-45, is a step of nothing.
  std::vector<float> coefficients;

  /// Member by member.
  friend bool operator==(const SeedStep&, const SeedStep&) = default;
};

/// What a step found and did.
struct InPlaceStep {
  SeedStep record;              ///< what replay() takes
  std::vector<double> slopes;   ///< D_i
  std::optional<double> value;  ///< f(x), where the difference asks for it
  std::size_t queries = 0;      ///< calls of f
};

namespace detail {

inline float to_coefficient(double value, std::size_t direction) {
  const auto coefficient = static_cast<float>(value);
  if (!std::isfinite(coefficient))
    fail("zeroth_order: direction ", direction, ": a coefficient of ", value, " is no float");
  return coefficient;
}

}  // namespace detail

/// f asked where it reads its parameters from.
template <class F>
concept InPlaceObjective = std::invocable<F&> || std::invocable<F&, Sample>;

/// Descent in place. The parameters of a step are any tensors, or a list of them, as one flat vector.
class InPlace {
 public:
  static constexpr std::string_view name = "ZerothOrderInPlace";

  /// Error when check() refuses the difference or it is residual, for least squares, and for a mu or a rate
  /// that is not positive.
  explicit InPlace(InPlaceOptions options = {}) : options_(std::move(options)) {
    check(options_.difference, options_.directions.count);
    if (options_.difference.baseline == Baseline::previous)
      fail("zeroth_order: no residual differences in place");
    if (options_.combination == Combination::least_squares) fail("zeroth_order: no least squares in place");
    detail::checked_smoothing(options_.smoothing);
    if (!(options_.rate > 0 && std::isfinite(options_.rate)))
      fail("zeroth_order: a rate of ", options_.rate, " is not positive");
  }

  /// As given, but for the rate where set_rate() changed it.
  const InPlaceOptions& options() const { return options_; }
  /// Steps made so far: the next one's number.
  std::uint64_t step() const { return step_; }
  /// The rate from now on. Error unless it is positive and finite.
  void set_rate(double rate) {
    if (!(rate > 0 && std::isfinite(rate))) fail("zeroth_order: a rate of ", rate, " is not positive");
    options_.rate = rate;
  }

  /// One step. f() reads the parameters where they lie, or f(Sample) with the step's sample. (m nodes + 1)
  /// passes. On the host a byte an entry with exact_restore and nothing else; on a device two doubles for
  /// each entry of one tensor at a time, what its own operations take beside them, and with exact_restore a
  /// copy of the parameters in double. Error when f is not finite ("direction 0: f(x + 0.001 u) is NaN") or
  /// the law is not drawn where it is used; then, and when f throws, the parameters are put back: bit for bit
  /// with exact_restore.
  template <InPlaceObjective F>
  InPlaceStep operator()(F&& f, const MutableTensorView& parameters) {
    const Draw draw = draw_for(parameters, step_);
    detail::Walk walk(parameters, options_.exact_restore);
    const Sample sample = detail::samples(options_.seed, step_, 1, true).front();
    InPlaceStep result;
    result.queries = options_.difference.queries(options_.directions.count);
    std::vector<double> values, stencils;
    const auto ask = [&](std::size_t direction, double displacement) {
      double value = 0;
      if constexpr (std::invocable<F&, Sample>) {
        value = static_cast<double>(f(sample));
      } else {
        value = static_cast<double>(f());
      }
      detail::check_value(value, direction, displacement);
      return value;
    };
    std::vector<detail::Term> updates;
    try {
      if (options_.difference.asks_point()) {
        values.push_back(ask(0, 0));
        result.value = values.front();
      }
      walk_around(draw, walk, [&](std::size_t direction, double displacement) {
        values.push_back(ask(direction, displacement));
      });
      result.slopes = slopes(options_.difference, values, {}, options_.smoothing, stencils);
      const WeightedSum sum = combine(options_.combination, draw, result.slopes, parameters.size());
      for (std::size_t i = 0; i < sum.weights.size(); ++i) {
        const auto& numbers = std::get<Generated>(sum.directions[i]);
        updates.push_back(
            {numbers, detail::to_coefficient(-options_.rate * sum.weights[i] * numbers.factor, i)});
      }
    } catch (...) {
      if (walk.away()) walk.home({});
      throw;
    }
    walk.home(updates);
    result.record.step = step_++;
    for (const detail::Term& update : updates) result.record.coefficients.push_back(update.coefficient);
    return result;
  }

  /// The steps again, without f: parameters that were the same before are the same bits after, wherever and
  /// however they are laid out. One pass a step with exact_restore, else as many as the step took. Error, and
  /// the parameters stay, when a record has not one finite coefficient a direction.
  void replay(std::span<const SeedStep> records, const MutableTensorView& parameters) const {
    for (const SeedStep& record : records) {  // others made them: all are looked at before x moves
      if (record.coefficients.size() != options_.directions.count)
        fail("zeroth_order: step ", record.step, " has ", record.coefficients.size(), " coefficients for ",
             options_.directions.count, " directions");
      for (std::size_t i = 0; i < record.coefficients.size(); ++i)
        if (!std::isfinite(record.coefficients[i]))
          fail("zeroth_order: step ", record.step, ", direction ", i, ": a coefficient of ",
               record.coefficients[i]);
    }
    for (const SeedStep& record : records) {
      const Draw draw = draw_for(parameters, record.step);
      detail::Walk walk(parameters, options_.exact_restore);
      // Without exact restoring a walk leaves its rounding errors, which are part of what happened.
      if (!options_.exact_restore) walk_around(draw, walk, [](std::size_t, double) {});
      std::vector<detail::Term> updates;
      for (std::size_t i = 0; i < record.coefficients.size(); ++i)
        updates.push_back({std::get<Generated>(draw.weighed()[i]), record.coefficients[i]});
      walk.home(std::move(updates));
    }
  }

  /// What save() writes and restore() reads (archive.hpp): the step, not the parameters; seed, law and m must
  /// agree.
  template <class Archive>
  void fields(Archive& archive) {
    archive.option("seed", options_.seed);
    archive.option("law", fedval::detail::ArchivedText(options_.directions.name));
    archive.option("directions", options_.directions.count);
    archive.state("step", step_);
  }

 private:
  Draw draw_for(const TensorView& parameters, std::uint64_t step) const {
    Draw draw = detail::draw_directions(options_.directions, parameters.size(), {options_.seed, step});
    for (const auto* directions : {&draw.probes, &draw.answers})
      for (const Direction& direction : *directions)
        if (!std::holds_alternative<Generated>(direction))
          fail("zeroth_order: ", options_.directions.name,
               " directions need memory; in place take gaussian, sphere, rademacher, l1_sphere or hadamard");
    return draw;
  }

  /// Takes the parameters to all points of the stencil, one after the other, and calls visit(direction,
  /// displacement) at each.
  template <class Visit>
  void walk_around(const Draw& draw, detail::Walk& walk, Visit&& visit) const {
    for (std::size_t i = 0; i < draw.probes.size(); ++i)
      for (const Node& node : options_.difference.nodes) {
        if (node.offset == 0) continue;
        const double displacement = node.offset * options_.smoothing;
        const auto& numbers = std::get<Generated>(draw.probes[i]);
        walk.to({numbers, detail::to_coefficient(displacement * numbers.factor, i)});
        visit(i, displacement);
      }
  }

  InPlaceOptions options_;
  std::uint64_t step_ = 0;
};

}  // namespace fedval::zeroth_order
