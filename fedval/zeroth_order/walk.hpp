// Parameters that are displaced where they lie by directions that are drawn again in every pass, and that
// come home: nearly, or to the bit.
//
//   near     x + a z - a z: off by roundings
//   exact    beside each entry a byte, ordinal(x) - ordinal((x + a z) - a z) in units in the last place; what
//            does not fit, as where x is tiny beside a z, is kept aside
//
// An entry is read, moved in double and rounded once. A product of two floats is exact in double, so a
// compiler that fuses it with a sum changes nothing.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include "fedval/tensor/slices.hpp"
#include "fedval/zeroth_order/direction.hpp"

namespace fedval::zeroth_order {

namespace detail {

/// coefficient times the numbers of a stretch, whose own factor is part of the coefficient.
struct Term {
  Generated numbers;
  float coefficient = 0;
};

/// One pass over the parameters: take back the displacement they carry, then add the next one, or updates.
struct Pass {
  std::optional<Term> carried;  ///< what was added last
  std::optional<Term> next;
  std::vector<Term> updates;  ///< only where there is no next displacement
};

/// An unsigned integer as wide as S.
template <class S>
using Bits = std::conditional_t<sizeof(S) == 8, std::uint64_t,
                                std::conditional_t<sizeof(S) == 4, std::uint32_t, std::uint16_t>>;

/// A float's bits as an integer that counts them in order, -0 before +0; modulo the width.
template <class S>
Bits<S> ordinal(const S& value) {
  constexpr auto sign = static_cast<Bits<S>>(Bits<S>{1} << (8 * sizeof(S) - 1));
  const auto bits = std::bit_cast<Bits<S>>(value);
  return static_cast<Bits<S>>((bits & sign) != 0 ? ~bits : bits | sign);
}

template <class S>
S from_ordinal(Bits<S> place) {
  constexpr auto sign = static_cast<Bits<S>>(Bits<S>{1} << (8 * sizeof(S) - 1));
  return std::bit_cast<S>(static_cast<Bits<S>>((place & sign) != 0 ? place & ~sign : ~place));
}

/// What is lost when displaced entries are moved back: units in the last place, one byte an entry, and the
/// ordinals of those whose miss is larger.
struct Misses {
  static constexpr std::int8_t aside = -128;
  std::vector<std::int8_t> units;
  std::vector<std::uint64_t> kept;  ///< in the order of the entries
};

/// The entries that are worked on together.
inline constexpr std::size_t part_size = 2048;
using Numbers = std::array<float, part_size>;

inline void draw_part(const Term& term, std::uint64_t index, std::size_t count, Numbers& numbers) {
  random::detail::fill_contiguous(term.numbers.sequence, term.numbers.begin + index, numbers.data(), count);
}

/// x += coefficient numbers, in double.
template <class S>
void add(S* x, std::size_t count, double coefficient, const Numbers& numbers) {
  for (std::size_t i = 0; i < count; ++i)
    x[i] = static_cast<S>(static_cast<double>(x[i]) + coefficient * static_cast<double>(numbers[i]));
}

/// A part of the entries under a pass that lets rounding errors be.
template <class S>
void pass_over(const Pass& pass, S* x, std::size_t count, std::uint64_t index) {
  Numbers numbers;
  std::array<double, part_size> values;
  for (std::size_t i = 0; i < count; ++i) values[i] = static_cast<double>(x[i]);
  const Term* drawn = nullptr;
  const auto add_term = [&](const Term& term, double sign) {
    if (drawn == nullptr || !(drawn->numbers == term.numbers)) draw_part(term, index, count, numbers);
    drawn = &term;
    add(values.data(), count, sign * static_cast<double>(term.coefficient), numbers);
  };
  if (pass.carried) add_term(*pass.carried, -1);
  if (pass.next) add_term(*pass.next, 1);
  for (const Term& update : pass.updates)
    if (update.coefficient != 0) add_term(update, 1);  // adding 0 would make +0 of -0
  for (std::size_t i = 0; i < count; ++i) x[i] = static_cast<S>(values[i]);
}

/// Entries that are moved back by `back` numbers, and then by what was missed. `taken` counts kept ordinals.
template <class S>
void recover(S* x, std::size_t count, double back, const Numbers& numbers, const std::int8_t* units,
             const Misses& misses, std::size_t& taken) {
  int least = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const auto guess = static_cast<S>(static_cast<double>(x[i]) + back * static_cast<double>(numbers[i]));
    x[i] = from_ordinal<S>(static_cast<Bits<S>>(ordinal(guess) + static_cast<Bits<S>>(units[i])));
    least = std::min(least, static_cast<int>(units[i]));
  }
  if (least > Misses::aside) return;
  for (std::size_t i = 0; i < count; ++i)
    if (units[i] == Misses::aside) x[i] = from_ordinal<S>(static_cast<Bits<S>>(misses.kept[taken++]));
}

/// Entries that are moved on by `forth` numbers; what the way back will miss goes to `units` and `kept`.
template <class S>
void displace(S* x, std::size_t count, double forth, const Numbers& numbers, std::int8_t* units,
              std::vector<std::uint64_t>& kept) {
  std::array<Bits<S>, part_size> here;
  int least = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const double step = forth * static_cast<double>(numbers[i]);
    here[i] = ordinal(x[i]);
    x[i] = static_cast<S>(static_cast<double>(x[i]) + step);
    const auto guess = static_cast<S>(static_cast<double>(x[i]) - step);
    const auto miss =
        static_cast<std::make_signed_t<Bits<S>>>(static_cast<Bits<S>>(here[i] - ordinal(guess)));
    const bool fits = miss > Misses::aside && miss < -Misses::aside;
    units[i] = fits ? static_cast<std::int8_t>(miss) : Misses::aside;
    least = std::min(least, static_cast<int>(units[i]));
  }
  if (least > Misses::aside) return;
  for (std::size_t i = 0; i < count; ++i)
    if (units[i] == Misses::aside) kept.push_back(here[i]);
}

/// A part of the entries under a pass that restores exactly. Their units begin at `first`, what is aside at
/// `taken`; what is aside after this pass goes to `kept`.
template <class S>
void exact_pass_over(const Pass& pass, S* x, std::size_t count, std::uint64_t index, Misses& misses,
                     std::size_t first, std::size_t& taken, std::vector<std::uint64_t>& kept) {
  Numbers numbers;
  const Term* drawn = nullptr;
  const auto draw = [&](const Term& term) {
    if (drawn == nullptr || !(drawn->numbers == term.numbers)) draw_part(term, index, count, numbers);
    drawn = &term;
    return static_cast<double>(term.coefficient);
  };
  std::int8_t* units = misses.units.data() + first;
  if (pass.carried) {
    const double coefficient = draw(*pass.carried);
    recover(x, count, -coefficient, numbers, units, misses, taken);
  }
  if (pass.next) {
    const double coefficient = draw(*pass.next);
    displace(x, count, coefficient, numbers, units, kept);
  }
  if (pass.updates.empty()) return;
  std::array<double, part_size> values;
  for (std::size_t i = 0; i < count; ++i) values[i] = static_cast<double>(x[i]);
  for (const Term& update : pass.updates) {
    if (update.coefficient == 0) continue;  // adding 0 would make +0 of -0
    const double coefficient = draw(update);
    add(values.data(), count, coefficient, numbers);
  }
  for (std::size_t i = 0; i < count; ++i) x[i] = static_cast<S>(values[i]);
}

/// A pass over one piece in host memory; `misses` has one element a slice, or none.
inline void pass_over(const Pass& pass, const Piece& piece, std::uint64_t start, std::span<Misses> misses) {
  const fedval::detail::Slices slices(piece.size);
  fedval::detail::for_each_index(slices.count(), piece.size, [&](std::size_t slice) {
    const std::size_t begin = slices.begin(slice), end = slices.end(slice);
    Misses* missed = misses.empty() ? nullptr : &misses[slice];
    if (missed != nullptr) missed->units.resize(end - begin);
    std::size_t taken = 0;
    std::vector<std::uint64_t> kept;
    visit_scalar(piece.type, [&]<class S>(S) {
      std::array<S, part_size> gathered;  // entries that are apart in memory
      for (std::size_t first = begin; first < end; first += part_size) {
        const std::size_t count = std::min(part_size, end - first);
        S* part = piece.dense ? static_cast<S*>(piece.data) + first : gathered.data();
        if (!piece.dense)
          piece.for_each_run<S>(first, count,
                                [to = part](S* from, std::ptrdiff_t stride, std::size_t run) mutable {
                                  for (std::size_t i = 0; i < run; ++i, from += stride) *to++ = *from;
                                });
        if (missed == nullptr) {
          pass_over(pass, part, count, start + first);
        } else {
          exact_pass_over(pass, part, count, start + first, *missed, first - begin, taken, kept);
        }
        if (!piece.dense)
          piece.for_each_run<S>(first, count,
                                [from = part](S* to, std::ptrdiff_t stride, std::size_t run) mutable {
                                  for (std::size_t i = 0; i < run; ++i, to += stride) *to = *from++;
                                });
      }
    });
    if (missed != nullptr) missed->kept = std::move(kept);
  });
}

inline void copy(const TensorView& from, const MutableTensorView& to) {
  const double once = 1;
  combine({&once, 1}, {&from, 1}, 0, to);
}

/// The same for a piece on a device, by its operations: the sum in double, rounded once. Held beside the
/// piece are its sum and the numbers of one term at a time.
inline void pass_over_device(const Pass& pass, const Piece& piece, std::uint64_t start) {
  if (piece.size == 0) return;
  const MutableTensorView entries(TensorView(piece.shape, {piece}));
  const MutableTensorView sum = zeros_like(entries), numbers = zeros_like(entries);
  copy(entries, sum);
  const Term* drawn = nullptr;
  const auto add = [&](const Term& term, double sign) {
    if (drawn == nullptr || !(drawn->numbers == term.numbers))
      random::fill(term.numbers.sequence, numbers, term.numbers.begin + start);
    drawn = &term;
    axpy(sign * static_cast<double>(term.coefficient), numbers, sum);
  };
  if (pass.carried) add(*pass.carried, -1);
  if (pass.next) add(*pass.next, 1);
  for (const Term& update : pass.updates)
    if (update.coefficient != 0) add(update, 1);
  copy(sum, entries);
}

/// Parameters on their way: which displacement they carry, and how they get rid of it.
class Walk {
 public:
  Walk(MutableTensorView parameters, bool exact) : parameters_(std::move(parameters)), exact_(exact) {
    device_ = parameters_.device() != nullptr;
    if (exact_ && device_) {
      original_ = zeros_like(parameters_);
      copy(parameters_, original_);
    }
    if (exact_ && !device_)
      for (const Piece& piece : parameters_.pieces())
        misses_.emplace_back(fedval::detail::Slices(piece.size).count());
  }

  /// x + displacement, where x is what the parameters are without the one they carry.
  void to(const Term& displacement) {
    run({carried_, displacement, {}});
    carried_ = displacement;
  }
  /// x + updates.
  void home(std::vector<Term> updates) {
    run({carried_, {}, std::move(updates)});
    carried_.reset();
  }
  bool away() const { return carried_.has_value(); }

 private:
  void run(Pass pass) {
    if (device_ && exact_ && pass.carried) {
      copy(original_, parameters_);
      pass.carried.reset();
    }
    std::uint64_t start = 0;
    std::size_t number = 0;
    for (const Piece& piece : parameters_.pieces()) {
      if (device_) {
        pass_over_device(pass, piece, start);
      } else {
        pass_over(pass, piece, start, exact_ ? std::span<Misses>(misses_[number]) : std::span<Misses>());
      }
      start += piece.size;
      ++number;
    }
  }

  MutableTensorView parameters_, original_;
  bool exact_, device_ = false;
  std::optional<Term> carried_;
  std::vector<std::vector<Misses>> misses_;
};

}  // namespace detail
}  // namespace fedval::zeroth_order
