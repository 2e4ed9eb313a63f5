// A vector with all but its k largest magnitudes left out: as (indices, values), the reward an agent
// downloads, as a tensor with zeros in their places, or added to a tensor.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <span>
#include <vector>

#include "fedval/tensor/operations.hpp"
#include "fedval/tensor/std.hpp"
#include "fedval/tensor/top_k.hpp"

namespace fedval::reward {

/// The entries of a vector of `size` entries that are not left out, by ascending index.
struct SparseVector {
  std::size_t size = 0;                ///< D, left out entries included
  std::vector<std::uint64_t> indices;  ///< ascending, below size
  std::vector<double> values;          ///< values[j] is entry indices[j]
};

namespace detail {

template <class S>
using Key = fedval::detail::Key<S>;
using Flags = std::array<std::uint8_t, 256>;

/// Flags the entries that stay, of at most as many as there are flags; returns how many. Of those that equal
/// the threshold, the first `ties` stay; `ties` is then what is left of it.
template <class S>
std::size_t flag_kept(const S* entries, std::size_t count, Key<S> threshold, std::size_t& ties,
                      Flags& flags) {
  using fedval::detail::key_of;
  Key<S> at_least = 0, equal = 0;
  const auto flag = [&](std::size_t i) {
    flags[i] = key_of(entries[i]) >= threshold;
    at_least += key_of(entries[i]) >= threshold;
    equal += key_of(entries[i]) == threshold;
  };
  if (count == flags.size()) {  // a constant count, which compilers vectorise best
    for (std::size_t i = 0; i < flags.size(); ++i) flag(i);
  } else {
    flags.fill(0);
    for (std::size_t i = 0; i < count; ++i) flag(i);
  }
  const auto found = static_cast<std::size_t>(equal), stay = std::min(found, ties);
  if (stay < found)
    for (std::size_t i = 0, next = 0; i < count; ++i)
      if (key_of(entries[i]) == threshold) flags[i] = next++ < stay;
  ties -= stay;
  return static_cast<std::size_t>(at_least) - found + stay;
}

/// Calls body(entries, count, flags, begin, kept) for blocks of the part, in any order; `kept` is how many
/// entries of the part stay before the block. Error when the threshold is not of this tensor.
template <class S, class Body>
void for_each_kept(const fedval::detail::Entries<S>& entries, const MaskedPart& part, const Body& body) {
  const std::size_t size = part.end - part.begin;
  const Key<S> threshold = fedval::detail::key_of(static_cast<S>(part.top.threshold));
  // One thread knows how many stay before a slice; several must count first.
  const fedval::detail::Slices slices(size);
  const std::size_t count = fedval::detail::threads_for(size) > 1 ? slices.count() : 1;
  const auto begin_of = [&](std::size_t s) { return part.begin + (s == 0 ? 0 : slices.begin(s)); };
  const auto end_of = [&](std::size_t s) { return s + 1 == count ? part.end : part.begin + slices.end(s); };
  std::vector<std::size_t> above(count, 0), equal(count, 0), kept(count, 0), ties(count, part.top.ties);
  if (count > 1)
    fedval::detail::for_each_index(count, size, [&](std::size_t s) {
      fedval::detail::BracketCounter<S> counter({0, threshold, threshold}, 0);
      entries.for_each_block(begin_of(s), end_of(s), [&](const S* block, std::size_t width, std::size_t) {
        counter.add(block, width);
      });
      above[s] = counter.above();
      equal[s] = counter.inside();
    });
  for (std::size_t s = 1; s < count; ++s) {
    const std::size_t stay = std::min(equal[s - 1], ties[s - 1]);
    ties[s] = ties[s - 1] - stay;
    kept[s] = kept[s - 1] + above[s - 1] + stay;
  }
  fedval::detail::for_each_index(count, size, [&](std::size_t s) {
    Flags flags;
    entries.for_each_block(begin_of(s), end_of(s), [&](const S* block, std::size_t width, std::size_t first) {
      for (std::size_t at = 0; at < width; at += flags.size()) {
        const std::size_t here = std::min(flags.size(), width - at);
        const std::size_t stay = flag_kept(block + at, here, threshold, ties[s], flags);
        if (kept[s] + stay > part.kept()) fail("sparsify: the threshold is another tensor's");
        body(block + at, here, flags, first + at, kept[s]);
        kept[s] += stay;
      }
    });
  });
  if (kept.back() != part.kept()) fail("sparsify: the threshold is another tensor's");
}

/// Error unless every part lies within the tensor.
inline void check_parts(const TensorView& tensor, std::span<const MaskedPart> parts) {
  for (const MaskedPart& part : parts)
    if (!(part.begin <= part.end && part.end <= tensor.size()))
      fail("sparsify: entries [", part.begin, ", ", part.end, ") of a tensor of ", tensor.size());
}

/// Lets the device that both share do it. False where they share none, or one that leaves it to the host.
inline bool mask_on_device(const TensorView& tensor, std::span<const MaskedPart> parts, bool add,
                           const MutableTensorView& out) {
  if (tensor.size() != out.size())
    fail("sparsify: a tensor of ", tensor.size(), " entries into one of ", out.size());
  check_parts(tensor, parts);
  const DeviceOperations* device = tensor.device();
  if (device == nullptr || device != out.device() || device->mask == nullptr) return false;
  if (!device->mask(tensor, parts, add, out)) fail("sparsify: the threshold is another tensor's");
  return true;
}

}  // namespace detail

/// The entries that stay in each part; the parts are disjoint and ascending, and what is in none is left out.
/// `out` is overwritten and its memory used again. O(D). Error when a part is not within the tensor, before
/// anything is written, or when a threshold is another tensor's; what `out` then holds is of no use.
inline void sparsify(const TensorView& tensor, std::span<const MaskedPart> parts, SparseVector& out) {
  detail::check_parts(tensor, parts);
  std::size_t total = 0;
  for (const MaskedPart& part : parts) total += part.kept();
  out.size = tensor.size();
  out.indices.resize(total);
  out.values.resize(total);
  if (total == 0) return;
  fedval::detail::with_entries(tensor, [&]<class S>(const fedval::detail::Entries<S>& entries) {
    std::size_t start = 0;
    for (const MaskedPart& part : parts) {
      if (part.kept() == 0) continue;
      const auto copy = [&](const S* block, std::size_t, const detail::Flags& flags, std::size_t begin,
                            std::size_t kept) {
        std::array<std::uint16_t, std::tuple_size_v<detail::Flags> + 8> places;
        const std::size_t count = fedval::detail::find_flags(flags, places.data());
        std::uint64_t* const indices = out.indices.data() + start + kept;
        double* const values = out.values.data() + start + kept;
        for (std::size_t i = 0; i < count; ++i) {
          indices[i] = begin + places[i];
          values[i] = static_cast<double>(block[places[i]]);
        }
      };
      detail::for_each_kept(entries, part, copy);
      start += part.kept();
    }
  });
}

/// The same as a tensor: out = tensor with zeros where an entry is left out. `out` may be the tensor itself.
/// O(D). Error when sizes differ or a part is not within the tensor, before anything is written, or when a
/// threshold is another tensor's; what `out` then holds is of no use.
inline void sparsify(const TensorView& tensor, std::span<const MaskedPart> parts,
                     const MutableTensorView& out) {
  if (detail::mask_on_device(tensor, parts, /*add=*/false, out)) return;
  if (out.device() != nullptr) {  // one transfer instead of one a block
    std::vector<double> values(out.size());
    sparsify(tensor, parts, values);
    return out.write(0, values);
  }
  const auto zero = [&](std::size_t begin, std::size_t end) {
    static constexpr std::array<double, 1024> zeros{};
    for (; begin < end; begin += std::min(zeros.size(), end - begin))
      out.write(begin, {zeros.data(), std::min(zeros.size(), end - begin)});
  };
  fedval::detail::with_entries(tensor, [&]<class S>(const fedval::detail::Entries<S>& entries) {
    std::size_t written = 0;
    for (const MaskedPart& part : parts) {
      if (part.kept() == 0) continue;
      zero(written, part.begin);
      const auto copy = [&](const S* block, std::size_t count, const detail::Flags& flags, std::size_t begin,
                            std::size_t) {
        std::array<double, std::tuple_size_v<detail::Flags>> values;
        for (std::size_t i = 0; i < count; ++i) {  // a bit mask, for a branch could not be foreseen
          const auto mask = -static_cast<detail::Key<S>>(flags[i]);
          values[i] = static_cast<double>(std::bit_cast<S>(std::bit_cast<detail::Key<S>>(block[i]) & mask));
        }
        out.write(begin, {values.data(), count});
      };
      detail::for_each_kept(entries, part, copy);
      written = part.end;
    }
    zero(written, out.size());
  });
}

/// The k = `top.above + top.ties` entries of largest magnitude; equal magnitudes by ascending index. O(D).
/// The input is not touched. Error when the threshold is not of this tensor.
inline SparseVector sparsify(const TensorView& tensor, const TopK& top) {
  SparseVector kept;
  const MaskedPart whole{0, tensor.size(), top};
  sparsify(tensor, {&whole, 1}, kept);
  return kept;
}

/// The k entries of largest magnitude. O(D). Error when k exceeds D or an entry is not finite.
inline SparseVector sparsify(const TensorView& tensor, std::size_t k) {
  return sparsify(tensor, top_k_threshold(tensor, k));
}

/// out = tensor with all but the entries of `top` set to zero; `out` may be the tensor itself. O(D). Error
/// when sizes differ or the threshold is another tensor's.
inline void sparsify(const TensorView& tensor, const TopK& top, const MutableTensorView& out) {
  const MaskedPart whole{0, tensor.size(), top};
  sparsify(tensor, {&whole, 1}, out);
}

/// tensor = tensor + alpha * sparse; entries left out keep their bits. O(D). Error when sizes differ.
inline void axpy(double alpha, const SparseVector& sparse, const MutableTensorView& tensor) {
  if (sparse.size != tensor.size())
    fail("sparse update of ", sparse.size, " entries for a tensor of ", tensor.size());
  // On a device, one transfer there and back instead of one a block.
  std::vector<double> block(tensor.device() == nullptr ? std::min<std::size_t>(512, tensor.size())
                                                       : tensor.size());
  for (std::size_t next = 0; next < sparse.indices.size();) {
    const std::size_t begin = tensor.device() == nullptr ? sparse.indices[next] : 0;
    const std::size_t count = std::min(block.size(), tensor.size() - begin);
    tensor.read(begin, {block.data(), count});
    for (; next < sparse.indices.size() && sparse.indices[next] < begin + count; ++next)
      block[sparse.indices[next] - begin] += alpha * sparse.values[next];
    tensor.write(begin, {block.data(), count});
  }
}

/// out = out + the entries that stay in each part; those left out keep their bits. `out` may be the tensor
/// itself. O(D), without the sparse vector. Error when sizes differ or a part is not within the tensor,
/// before anything is written, or when a threshold is another tensor's; what `out` then holds is of no use.
inline void add_sparsified(const TensorView& tensor, std::span<const MaskedPart> parts,
                           const MutableTensorView& out) {
  if (detail::mask_on_device(tensor, parts, /*add=*/true, out)) return;
  if (out.device() != nullptr) {
    SparseVector kept;
    sparsify(tensor, parts, kept);
    return axpy(1.0, kept, out);
  }
  fedval::detail::with_entries(tensor, [&]<class S>(const fedval::detail::Entries<S>& entries) {
    const auto add = [&](const S* block, std::size_t count, const detail::Flags& flags, std::size_t begin,
                         std::size_t) {
      std::array<double, std::tuple_size_v<detail::Flags>> values;
      out.read(begin, {values.data(), count});
      for (std::size_t i = 0; i < count; ++i)
        values[i] = flags[i] != 0 ? values[i] + static_cast<double>(block[i]) : values[i];
      out.write(begin, {values.data(), count});
    };
    for (const MaskedPart& part : parts)
      if (part.kept() > 0) detail::for_each_kept(entries, part, add);
  });
}

/// The same for the entries of `top` in the whole tensor.
inline void add_sparsified(const TensorView& tensor, const TopK& top, const MutableTensorView& out) {
  const MaskedPart whole{0, tensor.size(), top};
  add_sparsified(tensor, {&whole, 1}, out);
}

}  // namespace fedval::reward
