// Clients are asked on the ranks that keep them, and every rank learns the same of each.
#include "harness/blackbox/panel.hpp"

#include <ATen/ops/full.h>

#include <stdexcept>

#include "tests/doctest_torch.hpp"
#include "tests/harness/distributed/in_ranks.hpp"

using namespace fedval;
using namespace fedval::harness;

namespace {

/// Always the same.
class Stub : public BlackBox {
 public:
  explicit Stub(std::function<std::optional<Bytes>()> reply) : reply_(std::move(reply)) {}
  std::optional<Bytes> answer(std::span<const std::byte>) override { return reply_(); }

 private:
  std::function<std::optional<Bytes>()> reply_;
};

std::optional<Bytes> logits(double value) {
  return encode(AnswersMessage{AnswerForm::logits, at::full({1, 2, 4}, value), {}});
}

/// Six clients and what is said of those that do not answer as they should; empty of the others.
struct Clients {
  std::vector<Stub> boxes;
  std::vector<std::string> complaints;

  Clients() {
    const auto add = [&](std::function<std::optional<Bytes>()> reply, const std::string& complaint) {
      boxes.emplace_back(std::move(reply));
      complaints.push_back(complaint);
    };
    add([] { return logits(0.5); }, "");
    add([]() -> std::optional<Bytes> { throw std::runtime_error("the line is dead"); },
        "failed: the line is dead");
    add([] { return std::optional<Bytes>(); }, "did not answer");
    add([] { return Bytes(); }, "message: ends after 0 of 64 bytes");
    add([] { return encode(RefusalMessage{std::string(1000, 'n')}); },  // longer than answers are
        "refused: " + std::string(1000, 'n'));
    add([] { return logits(-2); }, "");
  }
};

}  // namespace

TEST_CASE("who answers, and what is said of who does not, is the same on every rank") {
  for (const std::size_t count : {1, 2, 3, 4})
    in_ranks(count, [](Ranks& ranks) {
      Workers workers(1);
      Clients clients;
      std::vector<Panel::Member> members;
      for (std::size_t i = 0; i < clients.boxes.size(); ++i) {
        const std::size_t keeper = (i + 1) % ranks.count();
        members.push_back({.agent = i,
                           .id = ClientId(i + 1),
                           .box = keeper == ranks.rank() ? &clients.boxes[i] : nullptr,
                           .keeper = keeper});
      }
      RoundRecord record;
      RunResult result;
      Panel panel(workers, ranks, members, record, result);
      for (int time = 0; time < 2; ++time) {  // in the second only the good are asked
        const auto answers = panel.ask(DoneMessage{}, AnswerForm::logits, 1, 2, 4);
        demand(answers.size() == 2, "two answers");
        demand(answers[0][0](1, 3) == 0.5 && answers[1][0](0, 0) == -2, "what they answered");
        demand(panel.members().size() == 2 && panel.members()[1].agent == 5, "who is left");
        demand(record.refused.size() == 4, "four are left out");
      }
      for (std::size_t i = 1; i < 5; ++i)
        demand(record.refused[i - 1].id == ClientId(i + 1) &&
                   record.refused[i - 1].reason == clients.complaints[i],
               "what is said of client " + std::to_string(i + 1) + ": " + record.refused[i - 1].reason);
      demand(result.answered == 2 * 2 * 2, "images answered");

      Panel silent(workers, ranks, {members[2], members[3]}, record, result);
      demand(silent.ask(DoneMessage{}, AnswerForm::logits, 1, 2, 4).empty(), "nobody answers");
      silent.tell([](const Panel::Member&) { return DoneMessage{}; });  // nobody is left to be told
    });
}
