#include "harness/distributed/sliced.hpp"

#include <ATen/ops/empty.h>

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "fedval/tensor/gram.hpp"
#include "fedval/tensor/operations.hpp"
#include "fedval/tensor/top_k.hpp"
#include "fedval/tensor/torch.hpp"

namespace fedval::harness {

struct Sliced::Body {
  Ranks* ranks = nullptr;                 // null: not cut
  std::vector<std::int64_t> bounds = {};  // of the ranks' runs
  at::Tensor own = {};                    // this rank's run
  at::Tensor whole = {};                  // undefined where only the run is here
  // A vector that is read in pieces comes run by run; one that is zero does not come at all.
  mutable at::Tensor fetched = {};
  mutable std::size_t fetched_from = 0;
  mutable std::optional<bool> zero = {};

  std::int64_t begin() const { return bounds[ranks->rank()]; }
};

namespace {

using Body = Sliced::Body;

/// Runs of fedval's slices, of which there are 64 at most: as many for one rank as for another, or one more.
std::vector<std::int64_t> bounds_of(std::size_t size, std::size_t ranks) {
  const detail::Slices slices(size);
  std::vector<std::int64_t> bounds;
  for (std::size_t rank = 0; rank <= ranks; ++rank)
    bounds.push_back(static_cast<std::int64_t>(std::min(size, slices.begin(slices.count() * rank / ranks))));
  return bounds;
}

const Body& body_of(const TensorView& view) {
  return *static_cast<const Body*>(view.pieces().front().owner.get());
}
const Body& body_of(const Piece& piece) { return *static_cast<const Body*>(piece.owner.get()); }

std::vector<TensorView> own_runs(std::span<const TensorView> vectors) {
  std::vector<TensorView> runs;
  for (const TensorView& vector : vectors) runs.emplace_back(body_of(vector).own);
  return runs;
}

at::Tensor join_everywhere(const Body& body) {
  at::Tensor whole = at::empty({body.bounds.back()}, body.own.options());
  whole.narrow(0, body.begin(), body.own.numel()).copy_(body.own);
  body.ranks->complete(whole, body.bounds);
  return whole;
}

std::vector<double> sum_slices(std::span<const TensorView> tensors, std::size_t width,
                               const AddEntries& add) {
  const Body& body = body_of(tensors.front());
  const std::vector<TensorView> runs = own_runs(tensors);
  const std::size_t length = runs.front().size(), first_entry = static_cast<std::size_t>(body.begin());
  const detail::Slices slices(tensors.front().size());
  std::vector<std::pair<std::size_t, std::size_t>> own;  // this rank's slices, counted from its first entry
  for (std::size_t s = 0; s < slices.count(); ++s)
    if (slices.begin(s) >= first_entry && slices.begin(s) < first_entry + length)
      own.emplace_back(slices.begin(s) - first_entry, slices.end(s) - first_entry);

  // Slices side by side, and before the turn comes, as many as there is memory for; at least one a thread.
  constexpr std::size_t most_partial_sums = std::size_t{1} << 25;
  const std::size_t work = width * length;
  const std::size_t together =
      std::max<std::size_t>(static_cast<std::size_t>(detail::threads_for(work)), most_partial_sums / width);
  std::vector<std::vector<double>> partial;
  const auto sum_from = [&](std::size_t first) {
    partial.resize(std::min(together, own.size() - first));
    detail::for_each_index(partial.size(), work, [&](std::size_t k) {
      partial[k].assign(width, 0.0);
      add(runs, own[first + k].first, own[first + k].second, partial[k]);
    });
  };
  sum_from(0);
  std::vector<double> total(width, 0.0);
  body.ranks->in_turn(total, [&] {
    for (std::size_t first = 0; first < own.size(); first += together) {
      if (first > 0) sum_from(first);
      for (const std::vector<double>& sum : partial)
        for (std::size_t i = 0; i < width; ++i) total[i] += sum[i];
    }
  });
  return total;
}

void gram(std::span<const TensorView> tensors, std::span<double> out) {
  const std::size_t n = tensors.size();
  // As fedval::gram() adds the products of a slice.
  const auto add = [n](std::span<const TensorView> runs, std::size_t begin, std::size_t end,
                       std::vector<double>& sum) {
    std::vector<detail::GramRow> rows;
    for (const TensorView& run : runs) rows.push_back({&run});
    detail::Panel panel(n);
    detail::RowBlocks blocks(rows);
    for (; begin < end; begin += detail::panel_width)
      blocks(begin, std::min(detail::panel_width, end - begin), sum.data(), panel);
  };
  std::ranges::copy(sum_slices(tensors, n * n, add), out.begin());
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = 0; j < i; ++j) out[j * n + i] = out[i * n + j];
}

void combine(std::span<const double> weights, std::span<const TensorView> tensors, double keep,
             const MutableTensorView& out) {
  const Body& body = body_of(out);
  fedval::combine(weights, own_runs(tensors), keep, body.own);
  if (body.whole.defined()) body.ranks->complete(body.whole, body.bounds);
}

std::vector<TopK> top_k(const TensorView& tensor, std::span<const std::size_t> ks) {
  return top_k_thresholds(join_everywhere(body_of(tensor)), ks);
}

std::vector<std::vector<double>> squared_singular_values(std::span<const TensorView>, bool) {
  fail("a vector that lies cut over the ranks is not a matrix");
}

void read(const Piece& piece, std::size_t begin, std::span<double> out) {
  const Body& body = body_of(piece);
  if (body.whole.defined()) return TensorView(body.whole).read(begin, out);
  if (!body.zero) body.zero = !body.ranks->any(body.own.count_nonzero().item().toLong() != 0);
  if (*body.zero) {
    std::ranges::fill(out, 0.0);
    return;
  }
  const std::size_t end = begin + out.size();
  for (std::size_t rank = 0; rank < body.ranks->count(); ++rank) {
    const auto run_begin = static_cast<std::size_t>(body.bounds[rank]),
               run_end = static_cast<std::size_t>(body.bounds[rank + 1]);
    const std::size_t from = std::max(begin, run_begin), to = std::min(end, run_end);
    if (from >= to) continue;
    if (!body.fetched.defined() || body.fetched_from != rank) {
      std::vector<at::Tensor> run{rank == body.ranks->rank() ? body.own : at::Tensor()};
      const std::vector<std::size_t> owner{rank};
      body.ranks->share(run, owner,
                        at::empty({static_cast<std::int64_t>(run_end - run_begin)}, body.own.options()));
      body.fetched = run.front();
      body.fetched_from = rank;
    }
    TensorView(body.fetched).read(from - run_begin, out.subspan(from - begin, to - from));
    if (to == run_end) body.fetched = at::Tensor();
  }
}

void write(const Piece& piece, std::size_t begin, std::span<const double> values) {
  const Body& body = body_of(piece);
  if (body.whole.defined()) return MutableTensorView(body.whole).write(begin, values);
  const auto first = static_cast<std::size_t>(body.begin()),
             last = first + static_cast<std::size_t>(body.own.numel());
  const std::size_t from = std::max(begin, first), to = std::min(begin + values.size(), last);
  if (from < to) MutableTensorView(body.own).write(from - first, values.subspan(from - begin, to - from));
}

constexpr DeviceOperations operations{"the ranks", gram,  combine, top_k,   squared_singular_values,
                                      read,        write, nullptr, nullptr, nullptr,
                                      sum_slices};

}  // namespace

Sliced::Sliced(at::Tensor whole) : body_(std::make_shared<const Body>(Body{.whole = std::move(whole)})) {}

std::vector<Sliced> Sliced::cut(Ranks& ranks, const std::vector<at::Tensor>& wholes,
                                std::span<const std::size_t> owners, const at::Tensor& like) {
  std::vector<Sliced> result;
  if (ranks.count() == 1) {
    for (const at::Tensor& whole : wholes) result.emplace_back(whole);
    return result;
  }
  const std::vector<std::int64_t> bounds = bounds_of(static_cast<std::size_t>(like.numel()), ranks.count());
  for (const at::Tensor& own : ranks.cut(wholes, owners, bounds, like))
    result.push_back(Sliced(std::make_shared<const Body>(Body{&ranks, bounds, own})));
  return result;
}

Sliced Sliced::cut(Ranks& ranks, const at::Tensor& whole) {
  if (ranks.count() == 1) return whole;
  const std::vector<std::int64_t> bounds = bounds_of(static_cast<std::size_t>(whole.numel()), ranks.count());
  const std::int64_t begin = bounds[ranks.rank()], end = bounds[ranks.rank() + 1];
  return Sliced(std::make_shared<const Body>(Body{&ranks, bounds, whole.narrow(0, begin, end - begin)}));
}

at::Tensor Sliced::whole() const {
  return body_ != nullptr && body_->ranks == nullptr ? body_->whole : at::Tensor();
}

at::Tensor Sliced::joined() const { return body_->ranks == nullptr ? body_->whole : join_everywhere(*body_); }

TensorView Sliced::view() const {
  if (body_ == nullptr) return {};
  if (body_->ranks == nullptr) return body_->whole;
  const Shape shape{body_->bounds.back()};
  Piece piece{nullptr,       TensorView(body_->own).pieces().front().type,
              shape,         shape.row_major_strides(),
              shape.count(), true,
              &operations,   body_};
  return {shape, {std::move(piece)}};
}

MutableTensorView Sliced::mutable_view() const { return MutableTensorView(view()); }

Sliced everywhere(const at::Tensor& whole, std::span<const TensorView> vectors) {
  if (vectors.empty() || vectors.front().device() != &operations) return whole;
  const Body& body = body_of(vectors.front());
  return Sliced(std::make_shared<const Body>(
      Body{body.ranks, body.bounds, whole.narrow(0, body.begin(), body.own.numel()), whole}));
}

std::vector<TensorView> joined(std::span<const TensorView> vectors, std::span<const std::size_t> to) {
  std::vector<TensorView> result(vectors.begin(), vectors.end());
  if (vectors.empty() || vectors.front().device() != &operations) return result;
  std::vector<at::Tensor> runs;
  for (const TensorView& vector : vectors) runs.push_back(body_of(vector).own);
  const Body& body = body_of(vectors.front());
  const std::vector<at::Tensor> wholes = body.ranks->join(runs, body.bounds, to);
  for (std::size_t i = 0; i < wholes.size(); ++i)
    result[i] = wholes[i].defined() ? TensorView(wholes[i]) : TensorView();
  return result;
}

}  // namespace fedval::harness
