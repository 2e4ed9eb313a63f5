// The one interface all scores share: who took part in a round and with what, in; a value for each client,
// out.
//
// Clients are kept in the order of their ids, whatever the order in which they arrived, so every score is the
// same for any order, bit for bit.
#pragma once

#include <algorithm>
#include <charconv>
#include <cmath>
#include <compare>
#include <concepts>
#include <cstddef>
#include <iterator>
#include <limits>
#include <ostream>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "fedval/error.hpp"
#include "fedval/tensor/device.hpp"

namespace fedval {

/// A client's name: a number or a text. Numbers, written without leading zeros, come first and
/// in their order (2 before 10).
class ClientId {
 public:
  /// From its decimal digits; a negative one is a text.
  ClientId(std::integral auto number) : text_(std::to_string(number)), number_(is_number(text_)) {}  // NOLINT
  /// Digits alone are a number, so "7" is client 7; all else is a text.
  ClientId(std::string_view text) : text_(text), number_(is_number(text_)) {}  // NOLINT
  /// The same.
  ClientId(const std::string& text) : ClientId(std::string_view(text)) {}  // NOLINT
  /// The same, for text that ends with a null character.
  ClientId(const char* text) : ClientId(std::string_view(text)) {}  // NOLINT

  /// A number's digits, or the text.
  const std::string& text() const { return text_; }
  bool operator==(const ClientId&) const = default;
  /// Numbers before texts; numbers by their number of digits, then all character by character.
  std::strong_ordering operator<=>(const ClientId& other) const {
    if (number_ != other.number_) return other.number_ <=> number_;
    if (number_)
      if (text_.size() != other.text_.size()) return text_.size() <=> other.text_.size();
    return text_.compare(other.text_) <=> 0;
  }
  /// Writes text().
  friend std::ostream& operator<<(std::ostream& out, const ClientId& id) { return out << id.text_; }

 private:
  static bool is_number(const std::string& text) {
    return !text.empty() &&
           std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
  }

  std::string text_;
  bool number_;
};

/// What one client sent. A part that a score does not read may be left out. The tensors must outlive the
/// round.
struct ClientParts {
  TensorView update = {};        ///< w_after - w_before, all parameters, as one tensor or a list of them
  TensorView final_weight = {};  ///< the final linear layer's weight in that update, classes x features
  TensorView final_bias = {};    ///< its bias in that update, one entry a class
};

/// One round of federated training, as a score sees it.
class Round {
 public:
  /// One who took part.
  struct Client {
    ClientId id;        ///< no other's in the round
    ClientParts parts;  ///< what it sent
    double samples;     ///< size of its data, in samples
  };

  TensorView global_update = {};  ///< the aggregate of the round before, zeros where nothing moved; left
                                  ///< out in the first round
  TensorView global_final_weight = {};  ///< the final linear layer's weight in it

  /// Error when the client is there already or `samples` is negative or not finite; the round stays as it
  /// was. O(log N) for clients that come in the order of their ids, O(N) for others.
  void add(ClientId id, ClientParts parts, double samples = 1) {
    check_samples(id, samples);
    const auto place =
        std::lower_bound(clients_.begin(), clients_.end(), id,
                         [](const Client& client, const ClientId& other) { return client.id < other; });
    if (place != clients_.end() && place->id == id) refuse_twice(id);
    clients_.insert(place, {std::move(id), std::move(parts), samples});
  }
  /// Many at once, in any order. O(n log n + N) for n of them. Errors as for one; the round stays as it was.
  void add(std::vector<Client> many) {
    for (const Client& client : many) check_samples(client.id, client.samples);
    const auto earlier = [](const Client& a, const Client& b) { return a.id < b.id; };
    std::sort(many.begin(), many.end(), earlier);
    for (std::size_t i = 0; i < many.size(); ++i)
      if (has(many[i].id) || (i > 0 && many[i].id == many[i - 1].id)) refuse_twice(many[i].id);
    const auto before = static_cast<std::ptrdiff_t>(clients_.size());
    clients_.insert(clients_.end(), std::move_iterator(many.begin()), std::move_iterator(many.end()));
    std::inplace_merge(clients_.begin(), clients_.begin() + before, clients_.end(), earlier);
  }

  /// In the order of the ids.
  std::span<const Client> clients() const { return clients_; }
  /// Number of clients, N.
  std::size_t size() const { return clients_.size(); }
  /// Whether the client took part. O(log N).
  bool has(const ClientId& id) const {
    return std::binary_search(clients_.begin(), clients_.end(), id,
                              [](const auto& a, const auto& b) { return id_of(a) < id_of(b); });
  }

  /// One part of every client, in the order of the ids.
  struct Parts {
    std::vector<TensorView> tensors;  ///< views of the clients' own
    std::vector<std::string> names;   ///< what a message calls each by: "client 3: update"
  };
  /// The part that `part` points to, called `part_name` in messages. O(N). Error when a client did not give
  /// it; `score` is who needs it.
  Parts parts(TensorView ClientParts::*part, std::string_view part_name, std::string_view score) const {
    Parts result;
    for (const Client& client : clients_) {
      const TensorView& tensor = client.parts.*part;
      if (!tensor.given())
        fail("client ", client.id, ": ", score, " needs ", part_name, ", which was not given");
      result.tensors.push_back(tensor);
      result.names.push_back("client " + client.id.text() + ": " + std::string(part_name));
    }
    return result;
  }

 private:
  static void check_samples(const ClientId& id, double samples) {
    if (!(samples >= 0 && std::isfinite(samples)))
      fail("client ", id, ": has ", samples, " samples, must be a finite number >= 0");
  }
  [[noreturn]] static void refuse_twice(const ClientId& id) {
    fail("client ", id, ": is in the round already");
  }
  static const ClientId& id_of(const Client& client) { return client.id; }
  static const ClientId& id_of(const ClientId& id) { return id; }

  std::vector<Client> clients_;  // by id
};

/// A score with what is known of its error.
struct Score {
  double value = 0;                                            ///< larger: contributed more
  double variance = std::numeric_limits<double>::quiet_NaN();  ///< NaN: this score has no error model

  /// Standard deviation; NaN without an error model.
  double deviation() const { return std::sqrt(variance); }
};

/// A value for each client, in the order of the ids.
using Scores = std::vector<std::pair<ClientId, Score>>;

/// What every score is: it has a name, and turns a round into a value for each client of the round. A round
/// that it refuses (Error) leaves its state as it was; an empty round changes nothing and gives no scores.
template <class S>
concept ContributionScore = requires(S score, const Round& round) {
  { S::name } -> std::convertible_to<std::string_view>;
  { score.observe(round) } -> std::same_as<Scores>;
};

}  // namespace fedval
