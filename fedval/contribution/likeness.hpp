// How far two clients are one, seen over rounds, and the voice that this leaves each.
//
//   s_ij = max(ramp(Vbar_ij), ramp'(Vbar'_ij)),  s_ii = 1,  ramp(x) = clip((x - from) / (to - from), 0, 1)
//   voice  w_i = 1 / max(1, sum_j s_ij)
//
// Vbar_ij is the average of cos(v_i, v_j) over the rounds with a last global update that both were in, v as
// in contribution/innovation.hpp; Vbar'_ij that of the final layers' row innovations. Two honest clients'
// noise averages out, a copy's cosine stays, also under noise of its own. Without a last global update
// innovations are all of the updates and alike among the honest: a pair that was never seen with one has this
// round's cosines where it sent copies, and else 0.
//
// m copies of a client that is like nobody else have the voice of one together, and leave everyone else's as
// it is. Where somebody is like it in part (0 < s < 1), they have m / (m + s) instead of 1 / (1 + s) together
// and he has 1 / (1 + m s).
#pragma once

#include <algorithm>
#include <cstddef>
#include <map>
#include <span>
#include <string_view>
#include <vector>

#include "fedval/contribution/innovation.hpp"
#include "fedval/contribution/start_corrected.hpp"

namespace fedval {

class Likeness {
 public:
  /// From no likeness to full likeness.
  struct Ramp {
    /// Largest average cosine of no likeness.
    double from, to;  ///< least average cosine of full likeness, above `from`

    /// Likeness at an average cosine of x: 0 up to `from`, 1 from `to` on, linear between.
    double operator()(double x) const { return std::clamp((x - from) / (to - from), 0.0, 1.0); }
    bool operator==(const Ramp&) const = default;
    /// What save() writes and restore() reads; see archive.hpp.
    void fields(auto& archive) {
      archive.state("from", from);
      archive.state("to", to);
    }
  };
  struct Options {
    Ramp updates = {0.4, 0.6};  ///< of the averages of the innovations' cosines
    Ramp rows = {0.6, 0.75};    ///< of the averages of the final layers' cosines

    /// Error that names the option out of its range; `score` is whose they are.
    void check(std::string_view score) const {
      const auto check_ramp = [&](const Ramp& ramp, const char* which) {
        if (!(ramp.from >= -1 && ramp.from < ramp.to && ramp.to <= 1))
          fail(score, ": likeness.", which, " goes from ", ramp.from, " to ", ramp.to,
               ", must rise within [-1, 1]");
      };
      check_ramp(updates, "updates");
      check_ramp(rows, "rows");
    }
    bool operator==(const Options&) const = default;
    /// What save() writes and restore() reads; see archive.hpp.
    void fields(auto& archive) {
      archive.state("updates", updates);
      archive.state("rows", rows);
    }
  };

  /// Takes in a round and returns its s, N x N, symmetric. `rows` holds the products of the row innovations;
  /// `moved` says whether there is a last global update. O(N^2 log M), and O(M^2) memory for M clients known.
  std::vector<double> take(const Round& round, const Innovations& innovations, const Gram& rows, bool moved,
                           const Options& options, double momentum) {
    const std::size_t n = round.size();
    std::vector<double> result(n * n, 1.0);
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t j = 0; j < i; ++j) {
        // Clients stand in the order of their ids, so a pair has one key.
        const ClientId &first = round.clients()[j].id, &second = round.clients()[i].id;
        double of_updates = innovations.cosine(i, j), of_rows = rows.cosine(i, j);
        if (moved) pairs_[first][second].take(of_updates, of_rows, momentum);
        if (const Pair* seen = find(first, second)) {
          of_updates = seen->updates.average();
          of_rows = seen->rows.average();
        } else if (!std::ranges::binary_search(innovations.copies(i), j)) {
          of_updates = of_rows = 0;
        }
        result[i * n + j] = result[j * n + i] = std::max(options.updates(of_updates), options.rows(of_rows));
      }
    return result;
  }

  void fields(auto& archive) { archive.state("pairs", pairs_); }

 private:
  struct Pair {
    StartCorrected updates, rows;

    void take(double of_updates, double of_rows, double momentum) {
      updates.take(of_updates, momentum);
      rows.take(of_rows, momentum);
    }
    void fields(auto& archive) {
      archive.state("updates", updates);
      archive.state("rows", rows);
    }
  };

  const Pair* find(const ClientId& first, const ClientId& second) const {
    const auto place = pairs_.find(first);
    if (place == pairs_.end()) return nullptr;
    const auto pair = place->second.find(second);
    return pair == place->second.end() ? nullptr : &pair->second;
  }

  std::map<ClientId, std::map<ClientId, Pair>> pairs_;  // by the earlier id, then the later
};

/// w of each of n clients, from their n x n likeness. O(n^2).
inline std::vector<double> voices(std::span<const double> likeness, std::size_t n) {
  std::vector<double> result;
  for (std::size_t i = 0; i < n; ++i) {
    double sum = 0;
    for (std::size_t j = 0; j < n; ++j) sum += likeness[i * n + j];
    result.push_back(1 / std::max(1.0, sum));
  }
  return result;
}

}  // namespace fedval
