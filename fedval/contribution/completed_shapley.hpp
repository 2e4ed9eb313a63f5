// ComFedSV: Shapley values of what every coalition would have gained in every round, had all taken part.
//
//   U_tS = v_t(S) - v_t({})      known for S within the clients of round t
//   min over W, H of  sum over known (U_tS - w_t^T h_S)^2 + ridge (||W||_F^2 + ||H||_F^2)
//   s_i = sum over all rounds of the Shapley value of S -> w_t^T h_S
//
// W has a row for each round, H one for each coalition of all known clients, both of `rank` columns. The
// penalty is that of 2 ridge times the nuclear norm: with everything known, W H^T is U with each singular
// value lowered by the ridge and cut at 0. Alternating least squares find W and H, after every round anew
// from the same start, so that a run that was saved and restored in between ends with the same bits. They
// begin with a ridge of U's size, which every sweep lowers by a fifth until it is the one asked for: from a
// random start at a small ridge, rounds that share few coalitions settle on factors that do not agree.
//
// A client gets a value for rounds it was away from, too, those before it came included; two clients with the
// same data get nearly the same. That needs a coalition to have been seen whole in some round: one that never
// was has h_S = 0, the minimum's own answer, and counts as no gain. A first round of everyone, as in the
// paper, rules that out; last() tells how many there are.
//
// Source: Fan, Fang, Zhou, Pei, Friedlander, Liu, Zhang, "Improving Fairness for Data Valuation in Horizontal
// Federated Learning", ICDE 2022, arXiv:2109.09046, whose v_t is the fall in loss. Its sampling of
// permutations for many clients is not here: the number of clients has a limit.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "fedval/contribution/coalition_score.hpp"
#include "fedval/linalg/solve.hpp"
#include "fedval/shapley/exact.hpp"

namespace fedval {

namespace detail {

/// Entries of a matrix that are known, and its factors W H^T.
class LowRankCompletion {
 public:
  /// W's entries are drawn. O(rows rank).
  LowRankCompletion(std::size_t rows, std::size_t columns, std::size_t rank, std::uint64_t seed)
      : by_row_(rows), by_column_(columns), rows_(rows, rank), columns_(columns, rank) {
    random::Draws draws(seed, 0);
    for (double& entry : rows_.values()) entry = draws.normal();
  }

  void set(std::size_t row, std::size_t column, double value) {
    by_row_[row].push_back({column, value});
    by_column_[column].push_back({row, value});
  }

  /// Solves for H, then for W, each exactly with the other fixed. O(known rank^2 + (rows + columns) rank^3).
  /// Error when the ridge is rounding beside the other factor.
  void sweep(double ridge) {
    solve(by_column_, ridge, rows_, columns_);
    solve(by_row_, ridge, columns_, rows_);
    // The product of two columns has the smallest penalty where both are as long, which alternating steps
    // reach slowly.
    for (std::size_t k = 0; k < rows_.columns(); ++k) {
      const double row = length(rows_, k), column = length(columns_, k);
      if (row == 0 || column == 0) continue;
      const double factor = std::sqrt(column / row);
      for (std::size_t t = 0; t < rows_.rows(); ++t) rows_(t, k) *= factor;
      for (std::size_t s = 0; s < columns_.rows(); ++s) columns_(s, k) /= factor;
    }
  }

  /// The minimised sum, now. O(known rank).
  double objective(double ridge) const {
    double sum = 0;
    for (std::size_t t = 0; t < by_row_.size(); ++t)
      for (const Known& known : by_row_[t]) {
        const double off = known.value - product(rows_.row(t), columns_.row(known.place));
        sum += off * off;
      }
    for (const double entry : rows_.values()) sum += ridge * entry * entry;
    for (const double entry : columns_.values()) sum += ridge * entry * entry;
    return sum;
  }

  /// The sum of a column of W H^T, by column. O((rows + columns) rank).
  std::vector<double> column_sums() const {
    std::vector<double> whole(rows_.columns(), 0.0), sums;
    for (std::size_t t = 0; t < rows_.rows(); ++t)
      for (std::size_t k = 0; k < whole.size(); ++k) whole[k] += rows_(t, k);
    for (std::size_t s = 0; s < columns_.rows(); ++s) sums.push_back(product(whole, columns_.row(s)));
    return sums;
  }

  /// The Frobenius norm of what is known.
  double norm() const {
    double square = 0;
    for (const auto& row : by_row_)
      for (const Known& known : row) square += known.value * known.value;
    return std::sqrt(square);
  }

  /// How many columns have no known entry.
  std::size_t unseen() const {
    std::size_t count = 0;
    for (const auto& known : by_column_) count += known.empty() ? 1 : 0;
    return count;
  }

 private:
  struct Known {
    std::size_t place;  // in the other factor
    double value;
  };

  static double product(std::span<const double> a, std::span<const double> b) {
    double sum = 0;
    for (std::size_t k = 0; k < a.size(); ++k) sum += a[k] * b[k];
    return sum;
  }
  static double length(const linalg::Matrix<double>& factor, std::size_t k) {
    double square = 0;
    for (std::size_t i = 0; i < factor.rows(); ++i) square += factor(i, k) * factor(i, k);
    return std::sqrt(square);
  }

  /// Rows of `target`: (sum a a^T + ridge I)^-1 sum a u over the known entries u and their rows a of `other`.
  static void solve(const std::vector<std::vector<Known>>& known, double ridge,
                    const linalg::Matrix<double>& other, linalg::Matrix<double>& target) {
    const std::size_t rank = other.columns();
    for (std::size_t i = 0; i < target.rows(); ++i) {
      linalg::Matrix<double> normal = ridge * linalg::identity<double>(rank);
      linalg::Vector<double> right(rank, 1);
      for (const Known& entry : known[i]) {
        const std::span<const double> a = other.row(entry.place);
        for (std::size_t k = 0; k < rank; ++k) {
          right[k] += a[k] * entry.value;
          for (std::size_t l = 0; l <= k; ++l) normal(k, l) += a[k] * a[l];
        }
      }
      const auto factor = linalg::cholesky(normal);
      if (!factor) fail("ComFedSV: the ridge is too small: ", ridge, " is rounding beside the gains");
      right = factor->solve(std::move(right));
      for (std::size_t k = 0; k < rank; ++k) target(i, k) = right[k];
    }
  }

  std::vector<std::vector<Known>> by_row_, by_column_;
  linalg::Matrix<double> rows_, columns_;  // W, H
};

}  // namespace detail

class CompletedShapley {
 public:
  static constexpr std::string_view name = "ComFedSV";

  struct Options {
    std::size_t rank = 3;           ///< at least 1
    double ridge = 1e-3;            ///< in the utility's units, above 0
    double tolerance = 1e-9;        ///< of the minimised sum's relative fall in a sweep, above 0
    std::size_t most_sweeps = 500;  ///< at least 1
    std::size_t most_clients = 10;  ///< of all rounds together; each one more doubles time and memory
    std::uint64_t seed = 0;         ///< of the start
  };

  /// Of the completion after the round observed last.
  struct Last {
    double objective = 0;    ///< the minimised sum
    std::size_t sweeps = 0;  ///< that it took
    bool converged = false;  ///< false: most_sweeps came first
    std::size_t unseen = 0;  ///< coalitions, not the empty one, that were within no round
  };

  CompletedShapley() : CompletedShapley(Options{}) {}
  explicit CompletedShapley(const Options& options) : options_(options) {
    if (options.rank == 0) fail("ComFedSV: rank is 0, must be at least 1");
    for (const auto& [option, value] :
         {std::pair("ridge", options.ridge), std::pair("tolerance", options.tolerance)})
      if (!(value > 0 && std::isfinite(value)))
        fail("ComFedSV: ", option, " is ", value, ", must be finite and above 0");
    if (options.most_sweeps == 0) fail("ComFedSV: most_sweeps is 0, must be at least 1");
    detail::check_most_players(options.most_clients, "most_clients", name);
  }

  /// s_i of the round's clients after the round. 2^n utilities, then a completion of all rounds so far: a
  /// sweep is O(E rank^2 + (T + 2^M) rank^3), M clients known, T rounds, E the utilities of all of them.
  /// Error when more clients than most_clients are known with this round, when the ridge is rounding beside
  /// the utilities, or a value is not finite; UtilityError as for shapley::value_of().
  template <shapley::Game G>
  Scores observe(const Round& round, G&& game) {
    if (round.size() == 0) return {};
    CompletedShapley next = *this;
    Known known;
    for (const Round::Client& client : round.clients())
      known.players.push_back(next.index_.try_emplace(client.id, next.index_.size()).first->second);
    detail::check_players(next.index_.size(), options_.most_clients, name);
    known.gains = detail::every_value(game, round.size());
    const double nobody = known.gains[0];
    for (std::size_t s = 0; s < known.gains.size(); ++s) {
      known.gains[s] -= nobody;
      if (!std::isfinite(known.gains[s]))
        fail("ComFedSV: the gain of players ", shapley::Coalition(s).text(), " is ", known.gains[s],
             ", must be finite");
    }
    next.rounds_.push_back(std::move(known));
    next.complete();
    *this = std::move(next);
    std::vector<double> values;
    for (const Round::Client& client : round.clients()) values.push_back(values_.at(client.id));
    return make_scores(round, values);
  }

  /// s_i of every client known so far.
  const std::map<ClientId, double>& values() const { return values_; }
  /// How the last completion went; all zero before the first round and after restore().
  const Last& last() const { return last_; }

  /// Its options and state, for save() and restore().
  void fields(auto& archive) {
    archive.option("rank", options_.rank);
    archive.option("ridge", options_.ridge);
    archive.option("tolerance", options_.tolerance);
    archive.option("most sweeps", options_.most_sweeps);
    archive.option("most clients", options_.most_clients);
    archive.option("seed", options_.seed);
    archive.state("clients", index_);
    std::vector<bool> taken(index_.size());
    archive.check(index_.size() <= options_.most_clients, "more clients than most_clients");
    for (const auto& [id, index] : index_) {
      archive.check(index < taken.size() && !taken[index], "an index that is no client's");
      taken[index] = true;
    }
    archive.state("rounds", rounds_);
    for (const Known& round : rounds_) {
      shapley::Coalition players;
      for (const std::size_t i : round.players) {
        archive.check(i < index_.size() && !players.contains(i), "a player that is no client, or twice");
        players.insert(i);
      }
      archive.check(round.gains.size() == std::size_t{1} << round.players.size(), "not 2^n gains");
    }
    archive.state("values", values_);
    archive.check(values_.size() == index_.size(), "not as many values as clients");
    for (const auto& [id, index] : index_) archive.check(values_.contains(id), "no value of a client");
    last_ = {};
  }

 private:
  /// One round's gains, by mask over its own players.
  struct Known {
    std::vector<std::size_t> players;  // by index_
    std::vector<double> gains;

    void fields(auto& archive) {
      archive.state("players", players);
      archive.state("gains", gains);
    }
  };

  /// Sets values_ and last_ from all rounds.
  void complete() {
    detail::LowRankCompletion completion(rounds_.size(), std::size_t{1} << index_.size(), options_.rank,
                                         options_.seed);
    for (std::size_t t = 0; t < rounds_.size(); ++t)
      for (std::size_t s = 0; s < rounds_[t].gains.size(); ++s) {
        shapley::Mask column = 0;
        for (std::size_t p = 0; p < rounds_[t].players.size(); ++p)
          column |= shapley::Mask{s >> p & 1} << rounds_[t].players[p];
        completion.set(t, column, rounds_[t].gains[s]);
      }
    last_ = {};
    last_.unseen = completion.unseen();
    double ridge = completion.norm();
    if (!std::isfinite(ridge)) fail("ComFedSV: the sum of squared gains is ", ridge, ", must be finite");
    do {
      const double before = last_.objective;
      const bool there = last_.sweeps > 0 && ridge <= options_.ridge;  // two sweeps of one objective
      ridge = std::max(0.8 * ridge, options_.ridge);
      completion.sweep(ridge);
      last_.objective = completion.objective(ridge);
      last_.converged = there && before - last_.objective <= options_.tolerance * before;
      ++last_.sweeps;
    } while (last_.sweeps < options_.most_sweeps && !last_.converged);
    const std::vector<double> values =
        shapley::exact(shapley::TableGame(completion.column_sums()), index_.size());
    for (const auto& [id, index] : index_) values_[id] = values[index];
  }

  Options options_;
  std::map<ClientId, std::size_t> index_;  // a client's bit, in the order of coming
  std::vector<Known> rounds_;
  std::map<ClientId, double> values_;
  Last last_;
};

}  // namespace fedval
