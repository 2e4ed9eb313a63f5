// Rounds for the tests of verified entropy: by hand, and of eight honest clients that learn.
#pragma once

#include <doctest/doctest.h>

#include "fedval/tensor/std.hpp"
#include "tests/contribution/random_rounds.hpp"
#include "tests/support/oracle.hpp"

namespace fedval::tests {

inline constexpr std::uint64_t seed = 691;

inline double score_of(const Scores& scores, const ClientId& id) {
  for (const auto& [client, score] : scores)
    if (client == id) return score.value;
  FAIL("no score");
  return 0;
}

inline Values values_of(const Scores& scores) {
  Values values;
  for (const auto& [id, score] : scores) values.push_back(score.value);
  return values;
}

inline void near(const Values& found, const Values& expected, double tolerance = 1e-13) {
  REQUIRE(found.size() == expected.size());
  for (std::size_t i = 0; i < found.size(); ++i) CHECK(std::abs(found[i] - expected[i]) < tolerance);
}

/// S of shares, relative to ln n.
inline double entropy_of(const Values& p, double n) {
  double s = 0;
  for (const double value : p) s -= value * std::log(value);
  return s / std::log(n);
}

using Square = RowMatrix<double>;

/// Uploads of a layer and of a body that the layer does not see.
inline Sent<double> sent_of(const std::vector<std::pair<Square, Values>>& uploads) {
  Sent<double> sent;
  for (const auto& [weight, body] : uploads) sent.clients[sent.clients.size()] = {body, weight, {}};
  return sent;
}

/// Eight honest clients whose final layers move six features out of 48: what all send, what all send this
/// round, what each sends always, and noise; the global update is their mean. Innovations have cosines near
/// .2, so nobody is like anybody.
class Training {
 public:
  static constexpr int clients = 8;

  explicit Training(std::uint64_t trial)
      : stream_(seed, trial), directions_(gaussian(6, 48) / std::sqrt(48)) {
    always_ = part();
    for (int i = 0; i < clients; ++i) tastes_.push_back(part());
  }

  Sent<double> next() {
    const Upload<double> shared = mixed(0.7, always_, 0.45, part());
    Sent<double> sent;
    sent.global = std::exchange(global_, part().scaled(0));
    for (std::size_t i = 0; i < clients; ++i) {
      sent.clients[i] = mixed(1, mixed(1, shared, 0.7, tastes_[i]), 0.5, part());
      global_ = mixed(1, *global_, 1.0 / clients, sent.clients[i]);
    }
    return sent;
  }
  Square gaussian(int rows, int columns) {
    Square result(rows, columns);
    for (double& value : result.reshaped()) value = stream_.normal();
    return result;
  }
  Upload<double> noise() { return {normals(stream_, 1500), gaussian(10, 48), {}}; }

 private:
  Upload<double> part() { return {normals(stream_, 1500), 2.5 * gaussian(10, 6) * directions_, {}}; }

  random::Stream stream_;
  Square directions_;
  Upload<double> always_;
  std::vector<Upload<double>> tastes_;
  std::optional<Upload<double>> global_;
};

inline double mean_honest(const Scores& scores) {
  double sum = 0;
  for (int i = 0; i < Training::clients; ++i) sum += score_of(scores, i) / Training::clients;
  return sum;
}

}  // namespace fedval::tests
