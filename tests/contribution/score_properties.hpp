// What holds for every score of a round's updates, over random rounds: it is its definition, and order,
// names, views, threads, scales and rotations change nothing.
#pragma once

#include <string>
#include <vector>

#include "fedval/contribution/state.hpp"
#include "tests/contribution/random_rounds.hpp"
#include "tests/support/complaint.hpp"
#include "tests/support/oracle.hpp"
#include "tests/support/threads.hpp"

namespace fedval::tests {

/// Checks that a round's scores are the naive ones, to the error these carry, and that this says something:
/// the novelty of a replay is the root of a rounding error.
inline void check_scores(const Scores& scores, const naive::Round& round, const naive::Estimates& expected) {
  REQUIRE(scores.size() == expected.size());
  for (std::size_t i = 0; i < scores.size(); ++i) {
    const double value = scores[i].second.value, right = naive::d(expected[i].value);
    INFO("client ", scores[i].first.text(), ": ", value, ", naive ", right, ", apart ", value - right,
         ", allowed ", expected[i].error);
    CHECK(scores[i].first == round.clients[i].id);
    CHECK(std::abs(value - right) <= expected[i].error);
    CHECK(expected[i].error < 4e-7);
  }
}

/// Checks that two rounds' scores are the same to the last bit.
inline void check_same_bits(const Scores& a, const Scores& b) {
  REQUIRE(a.size() == b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    CAPTURE(a[i].first.text());
    CHECK(a[i].first == b[i].first);
    CHECK(bits(a[i].second.value) == bits(b[i].second.value));
    CHECK(bits(a[i].second.variance) == bits(b[i].second.variance));
  }
}

/// Layers of all proportions, a single class and a single feature among them.
inline std::vector<Layer> layers() {
  return {{1, 9, 12, true},  {6, 1, 12, true},   {4, 7, 9, true},  {8, 3, 5, true},
          {5, 5, 11, false}, {10, 24, 40, true}, {3, 12, 0, false}};
}

// What holds for every score, of a scorer made by make() and its definition made by naive().

/// Every round's scores are the naive ones; most are so to a few roundings, not only to what the worst of
/// them would allow.
template <class S>
void check_rounds(random::Stream& stream, auto&& make, auto&& naive) {
  std::size_t near = 0, all = 0;
  for (const Layer& layer : layers()) {
    CAPTURE(layer.classes);
    CAPTURE(layer.features);
    Federation<S> federation(stream, layer);
    auto scorer = make();
    auto right = naive();
    for (int r = 0; r < 10; ++r) {
      CAPTURE(r);
      const Sent<S> sent = federation.next();
      const Scores scores = scorer.observe(sent.round());
      const naive::Estimates expected = right.observe(sent.naive());
      check_scores(scores, sent.naive(), expected);
      for (std::size_t i = 0; i < scores.size(); ++i, ++all)
        near += std::abs(scores[i].second.value - naive::d(expected[i].value)) < 1e-13;
    }
  }
  CHECK(10 * near > 9 * all);
}

/// Rounds as they are change nothing but rounding when `change` makes others of them.
template <class S>
void check_invariance(random::Stream& stream, const Layer& layer, auto&& make, auto&& naive, auto&& change,
                      double slack = 3) {
  Federation<S> federation(stream, layer);
  auto scorer = make();
  auto right = naive();
  for (int r = 0; r < 6; ++r) {
    CAPTURE(r);
    const Sent<S> sent = federation.next();
    naive::Estimates expected = right.observe(sent.naive());
    for (naive::Estimate& value : expected) value.error *= slack;
    const Sent<S> other = change(sent);
    check_scores(scorer.observe(other.round()), sent.naive(), expected);
  }
}

/// The same with other names: every score follows its client.
template <class S>
void check_renaming(random::Stream& stream, auto&& make, auto&& naive) {
  const std::vector<ClientId> names{"zoe", "7", "", "ann", "10", "B", "b c", "2", "0"};
  Federation<S> federation(stream, {}, names.size());
  auto scorer = make();
  auto right = naive();
  for (int r = 0; r < 6; ++r) {
    CAPTURE(r);
    const Sent<S> sent = federation.next();
    Sent<S> renamed{{}, sent.global};
    std::map<ClientId, naive::Estimate> expected;
    const naive::Estimates values = right.observe(sent.naive());
    for (const auto& [id, upload] : sent.clients) {
      const ClientId& name = names[std::stoul(id.text())];
      naive::Estimate value = values[expected.size()];
      value.error *= 3;
      expected[name] = value;
      renamed.clients[name] = upload;
    }
    naive::Estimates in_order;
    for (const auto& [name, value] : expected) in_order.push_back(value);
    check_scores(scorer.observe(renamed.round()), renamed.naive(), in_order);
  }
}

/// One orthogonal matrix applied to the features of every final layer: each entry of it is rounded by about d
/// units, as in a sum.
void check_rotation(random::Stream& stream, auto&& make, auto&& naive) {
  for (const Layer& layer : layers()) {
    RowMatrix<double> gaussian(layer.features, layer.features);
    for (double& value : gaussian.reshaped()) value = stream.normal();
    const RowMatrix<double> rotation = Eigen::HouseholderQR<RowMatrix<double>>(gaussian).householderQ();
    const auto rotated = [&](const Upload<double>& upload) {
      Upload<double> result = upload;
      result.weight = upload.weight * rotation;
      return result;
    };
    check_invariance<double>(stream, layer, make, naive,
                             [&](const Sent<double>& sent) { return sent.changed(rotated); });
  }
}

/// Scales of the clients and of the global update: no bit where they are powers of two.
void check_own_scales(random::Stream& stream, auto&& make, auto&& naive) {
  const auto scaled = [&](auto sent, const auto& factors) {
    for (auto& [id, upload] : sent.clients) upload = upload.scaled(factors[stream.below(factors.size())]);
    if (sent.global) sent.global = sent.global->scaled(factors[stream.below(factors.size())]);
    return sent;
  };
  check_invariance<double>(stream, {}, make, naive, [&](const Sent<double>& sent) {
    return scaled(sent, Values{1, 1e30, 1e-30, 1e200, 1e-200, 3.7});
  });
  const auto exactly = [&]<class S>(const std::vector<S>& factors) {
    Federation<S> federation(stream, {});
    auto scorer = make(), other = make();
    for (int r = 0; r < 6; ++r) {
      const Sent<S> sent = federation.next();
      check_same_bits(other.observe(scaled(sent, factors).round()), scorer.observe(sent.round()));
    }
  };
  exactly(std::vector<double>{1, 0x1p100, 0x1p-100, 0x1p664, 0x1p-664, 2});
  exactly(std::vector<float>{1, 0x1p90f, 0x1p-90f, 0.5f});
}

/// The order of arrival changes no bit, of the scores and of the state.
template <class S>
void check_order(random::Stream& stream, auto&& make) {
  Federation<S> federation(stream, {});
  auto sorted = make(), shuffled = make();
  for (int r = 0; r < 6; ++r) {
    const Sent<S> sent = federation.next();
    std::vector<ClientId> order;
    for (const auto& [id, upload] : sent.clients) order.push_back(id);
    stream.shuffle(std::span(order));
    check_same_bits(shuffled.observe(sent.round(order)), sorted.observe(sent.round()));
    CHECK(save(shuffled) == save(sorted));
  }
}

/// Transposed and strided matrices are read as what they show.
template <class S>
void check_views(random::Stream& stream, auto&& make) {
  Federation<S> federation(stream, {5, 8, 6, true});
  auto dense = make(), strided = make();
  for (int r = 0; r < 4; ++r) {
    const Sent<S> sent = federation.next();
    using Columns = Eigen::Matrix<S, Eigen::Dynamic, Eigen::Dynamic>;
    std::map<ClientId, Columns> transposed, framed;
    Round round;
    for (const auto& [id, upload] : sent.clients) {
      Columns& t = transposed[id] = upload.weight.transpose();
      Columns& f = framed[id] = Columns::Constant(9, 11, std::numeric_limits<S>::quiet_NaN());
      f.block(2, 1, 5, 8) = upload.weight;
      const TensorView turned = t.transpose(), inside = f.block(2, 1, 5, 8);
      round.add(id, {.update = {upload.body, inside, upload.bias},
                     .final_weight = round.size() % 2 == 0 ? turned : inside,
                     .final_bias = upload.bias});
    }
    if (sent.global) {
      Columns& t = transposed["global"] = sent.global->weight.transpose();
      round.global_update = {sent.global->body, t.transpose(), sent.global->bias};
      round.global_final_weight = t.transpose();
    }
    check_same_bits(strided.observe(round), dense.observe(sent.round()));
  }
}

/// The number of threads changes no bit; the layer is large enough for several.
template <class S>
void check_threads(random::Stream& stream, auto&& make) {
  Federation<S> federation(stream, {10, 2048, 3000, true});
  auto one = make(), many = make();
  for (int r = 0; r < 2; ++r) {
    const Sent<S> sent = federation.next(8);
    const auto observe = [&](auto& scorer, int count) {
      const Threads threads(count);
      return scorer.observe(sent.round());
    };
    check_same_bits(observe(many, 3 + 2 * r), observe(one, 1));
  }
}

/// A refused round says so, and it is as if it had never been.
void check_refused(auto& scorer, const Round& bad, const std::string& message) {
  const std::string before = save(scorer);
  CHECK(complaint_of([&] { scorer.observe(bad); }) == message);
  CHECK(save(scorer) == before);
}

/// The global update may be left out of a score's first round, and of no other; zeros say that nothing moved.
template <class S>
void check_global_update_asked_for(random::Stream& stream, auto&& make) {
  Federation<S> federation(stream, {4, 7, 9, true});
  const Sent<S> none = federation.next(6);
  Sent<S> zeros = none;
  zeros.global = none.clients.begin()->second.scaled(0);
  auto scorer = make(), other = make(), back = make();
  check_same_bits(scorer.observe(none.round()), other.observe(zeros.round()));
  restore(save(scorer), back);
  for (auto* each : {&scorer, &back}) {
    check_refused(*each, none.round(),
                  std::string(each->name) +
                      " needs global_update from the second round on (zeros where nothing moved), which was "
                      "not given");
    check_same_bits(each->observe(zeros.round()), decltype(other)(other).observe(zeros.round()));
  }
}

/// An empty round has no scores and changes nothing.
void check_empty(auto scorer) {
  const std::string before = save(scorer);
  Round round;
  CHECK(scorer.observe(round).empty());
  const std::vector<double> global{1, 2};
  round.global_update = round.global_final_weight = global;
  CHECK(scorer.observe(round).empty());
  CHECK(save(scorer) == before);
}

}  // namespace fedval::tests
