// In which type an update's numbers are sent does not matter: scores of floats and of halves have the bits of
// those of the same numbers in double.
#include <deque>

#include "tests/contribution/every_score.hpp"

TYPE_TO_STRING(fedval::Half);
TYPE_TO_STRING(fedval::BFloat16);

using namespace fedval;
using namespace fedval::tests;

namespace {

constexpr std::uint64_t seed = 2203;

/// The tensors of one round in the type S, which holds their numbers exactly.
template <class S>
class Typed {
 public:
  TensorView hold(std::span<const double> values, const Shape& shape) {
    std::vector<S>& kept = kept_.emplace_back();
    for (const double value : values) kept.push_back(static_cast<S>(value));
    return {shape, {Piece::host(kept.data(), scalar_type_of<S>, shape, shape.row_major_strides())}};
  }

  /// An upload's parts, the update made of a body, the weight and the bias.
  ClientParts hold(const Upload<double>& sent) {
    const std::span<const double> weight(sent.weight.data(), static_cast<std::size_t>(sent.weight.size()));
    const TensorView body = hold(sent.body, {static_cast<std::int64_t>(sent.body.size())}),
                     w = hold(weight, {sent.weight.rows(), sent.weight.cols()}),
                     b = hold(sent.bias, {static_cast<std::int64_t>(sent.bias.size())});
    return {.update = {body, w, b}, .final_weight = w, .final_bias = b};
  }

 private:
  std::deque<std::vector<S>> kept_;  // views point into them
};

}  // namespace

TEST_CASE_TEMPLATE("scores do not depend on the type in which numbers are sent", S, float, Half, BFloat16) {
  CAPTURE(seed);
  for (const Entry& each : every_score()) {
    CAPTURE(each.name);
    random::Stream stream(seed);
    Federation<double> federation(stream, {});
    const Scorer scorer = each.make(), twin = each.make();
    for (int r = 0; r < 6; ++r) {
      CAPTURE(r);
      const Sent<double> sent = federation.next(6).changed([](Upload<double> upload) {
        upload.for_each([](double value) { return rounded<S>(value); });
        return upload;
      });
      Typed<S> typed;
      Round round;
      for (const auto& [id, upload] : sent.clients) round.add(id, typed.hold(upload));
      if (sent.global) {
        const ClientParts global = typed.hold(*sent.global);
        round.global_update = global.update;
        round.global_final_weight = global.final_weight;
      }
      check_same_bits(scorer.observe(round), twin.observe(sent.round()));
    }
    CHECK(scorer.state() == twin.state());
  }
}
