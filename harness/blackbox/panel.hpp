// The clients of a round that answer, asked side by side. Whoever does not answer as it should is named in
// the round's record and left out of the rest of the round; the others go on.
//
// Of several ranks each asks the clients that it keeps, and all get all replies: what the server makes of
// them is made everywhere, from the same bytes.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "fedval/black_box/logits.hpp"
#include "harness/blackbox/black_box.hpp"
#include "harness/distributed/ranks.hpp"
#include "harness/federation/run_result.hpp"
#include "harness/federation/workers.hpp"

namespace fedval::harness {

class Panel {
 public:
  struct Member {
    std::size_t agent = 0;  ///< from 0
    ClientId id = 0;
    BlackBox* box = nullptr;  ///< on the rank that keeps it
    std::size_t keeper = 0;
    double share = 1;  ///< of its steps of training
  };

  /// All but the members must outlive it; bytes and refusals go to the record and the result.
  Panel(Workers& workers, Ranks& ranks, std::vector<Member> members, RoundRecord& record, RunResult& result)
      : workers_(workers), ranks_(ranks), members_(std::move(members)), record_(record), result_(result) {}

  /// Those that have answered so far as they should.
  const std::vector<Member>& members() const { return members_; }

  /// Sends everyone its message; expects it to be done.
  void tell(const std::function<Message(const Member&)>& message_for);

  /// Sends everyone the same question about so many samples and points; answers[member][k] are its logits of
  /// samples (k = 0) and points, [B, C], in the order of members(). Labels and probabilities come back as the
  /// logits of a distribution with that maximum, the rest spread evenly.
  std::vector<std::vector<black_box::Logits>> ask(const Message& question, AnswerForm form,
                                                  std::size_t points, std::size_t samples,
                                                  std::size_t classes);

 private:
  std::vector<std::optional<Message>> exchange(const std::function<Message(const Member&)>& message_for);
  std::vector<std::optional<Bytes>> replies(const std::vector<Bytes>& sent,
                                            std::vector<std::string>& objections);
  void share(std::vector<std::optional<Bytes>>& replies, std::span<const std::size_t> keepers);
  void keep(const std::vector<std::string>& objections);

  Workers& workers_;
  Ranks& ranks_;
  std::vector<Member> members_;
  RoundRecord& record_;
  RunResult& result_;
};

/// A label alone stands for this probability of it.
inline constexpr double probability_of_label = 0.99;

}  // namespace fedval::harness
