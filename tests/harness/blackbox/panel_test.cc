// A client that does not answer as it should is named, left out for the round, and the run goes on without
// it.
#include "harness/blackbox/panel.hpp"

#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>

#include <cmath>
#include <limits>
#include <stdexcept>

#include "tests/doctest_torch.hpp"
#include "tests/harness/blackbox/scene.hpp"

using namespace fedval;
using namespace fedval::harness;

namespace {

/// Replies to message number n of client 2 in each run: what it spoils, and what is said of it.
struct Fault {
  const char* name;
  std::size_t from;  ///< the message of a round: 0 trains, 1 queries, 2 teaches
  Spoiled::Spoil spoil;
  const char* complaint;
};

std::optional<Bytes> logits(const at::Tensor& values) {
  return encode(AnswersMessage{AnswerForm::logits, values, {}});
}

std::vector<Fault> faults() {
  const auto always = [](std::optional<Bytes> reply) {
    return [reply](std::size_t, const std::optional<Bytes>&) { return reply; };
  };
  at::Tensor with_nan = at::zeros({4, 6, 10});
  with_nan[2][3][4] = std::numeric_limits<float>::quiet_NaN();
  at::Tensor infinite = at::zeros({4, 6, 10});
  infinite[0][0][9] = -std::numeric_limits<float>::infinity();
  at::Tensor huge = at::zeros({4, 6, 10});
  huge[1][2][3] = -1e7;
  Bytes cut = *logits(at::zeros({4, 6, 10}));
  cut.pop_back();
  return {
      {"nothing", 1, always(std::nullopt), "did not answer"},
      {"nothing when it should train", 0, always(std::nullopt), "did not answer"},
      {"nothing when taught", 2, always(std::nullopt), "did not answer"},
      {"an exception", 1,
       [](std::size_t, const std::optional<Bytes>&) -> std::optional<Bytes> {
         throw std::runtime_error("the line is dead");
       },
       "failed: the line is dead"},
      {"NaN", 1, always(logits(with_nan)), "answers[2][3, 4] is NaN"},
      {"infinity", 1, always(logits(infinite)), "answers[0][0, 9] is -infinite"},
      {"a huge number", 1, always(logits(huge)),
       "answers[1]: a logit of -1e+07 for sample 2, beyond +-1e+06"},
      {"fewer samples", 1, always(logits(at::zeros({4, 5, 10}))),
       "answers of shape [4, 5, 10], expected [4, 6, 10]"},
      {"other classes", 1, always(logits(at::zeros({4, 6, 9}))),
       "answers of shape [4, 6, 9], expected [4, 6, 10]"},
      {"another form", 1, always(encode(AnswersMessage{AnswerForm::label, {}, at::zeros({4, 6}, at::kLong)})),
       "answered in another form"},
      {"another kind", 1, always(encode(DoneMessage{})), "answered with another kind of message"},
      {"answers when it should be done", 0, always(logits(at::zeros({4, 6, 10}))),
       "answered with another kind of message"},
      {"half a message", 1, always(cut), "message: ends after 959 of 960 bytes"},
      {"noise", 1, always(Bytes(100, std::byte{7})), "message: no message of this program"},
      {"no bytes", 1, always(Bytes()), "message: ends after 0 of 64 bytes"},
      {"a refusal", 1, always(encode(RefusalMessage{"no"})), "refused: no"}};
}

}  // namespace

TEST_CASE("every bad answer is named, ends its client's part in the round, and nobody else's") {
  for (const Fault& fault : faults()) {
    CAPTURE(fault.name);
    SmallFederation scene(black_box_settings(), 2);
    std::vector<std::unique_ptr<LocalClient>> honest;
    for (std::size_t agent = 0; agent < 3; ++agent)
      honest.push_back(std::make_unique<LocalClient>(scene.federation, agent));
    // Bad in the first round, and good after that; the messages of the first round that it does not get are
    // not counted.
    bool bad = true;
    Spoiled second(*honest[1], [&](std::size_t n, std::optional<Bytes> reply) {
      if (!bad || n < fault.from) return reply;
      bad = false;
      return fault.spoil(n, std::move(reply));
    });
    FedZge run(scene.federation, {honest[0].get(), &second, honest[2].get()});
    const RoundRecord first = run.next(scene.steps);
    REQUIRE(first.refused.size() == 1);
    CHECK(first.refused[0].id == ClientId(2));
    CHECK(first.refused[0].reason == fault.complaint);
    CHECK(first.participants == std::vector<ClientId>{1, 3});
    CHECK(second.asked() == fault.from + 1);  // nothing more in this round
    const RoundRecord next = run.next(scene.steps);
    CHECK(next.refused.empty());
    CHECK(next.participants == std::vector<ClientId>{1, 2, 3});
    CHECK(second.asked() == fault.from + 4);
    run.next(scene.steps);
    const RunResult result = run.finish();
    REQUIRE(result.notes.size() == 1);
    CHECK(result.notes[0] == std::string("round 1: client 2 was left out: ") + fault.complaint);
  }
}

TEST_CASE("the others' answers are what they would be without it") {
  const auto server_after_a_round = [](bool there) {
    Settings settings = black_box_settings();
    settings.training.rounds = 1;
    SmallFederation all(settings, 2);
    // The same federation with client 2 away: its shard is dealt, nobody holds it.
    std::vector<std::unique_ptr<LocalClient>> honest;
    for (std::size_t agent = 0; agent < 3; ++agent)
      honest.push_back(std::make_unique<LocalClient>(all.federation, agent));
    Spoiled second(*honest[1], [&](std::size_t n, std::optional<Bytes> reply) {
      return there && n == 0 ? std::move(reply) : std::nullopt;  // fails at once, or when it is asked
    });
    FedZge run(all.federation, {honest[0].get(), &second, honest[2].get()});
    run.next(all.steps);
    return server_of(run);
  };
  CHECK(server_after_a_round(true).equal(server_after_a_round(false)));
}

TEST_CASE("a round in which nobody answers changes no model and is said") {
  SmallFederation scene(black_box_settings(), 1);
  LocalClient honest(scene.federation, 0);  // one network, so one worker
  const auto nothing = [](std::size_t, const std::optional<Bytes>&) { return std::optional<Bytes>(); };
  Spoiled one(honest, nothing), two(honest, nothing), three(honest, nothing);
  FedZge run(scene.federation, {&one, &two, &three});
  const at::Tensor before = server_of(run).clone();
  const RoundRecord record = run.next(scene.steps);
  CHECK(record.participants.empty());
  CHECK(record.refused.size() == 3);
  CHECK(server_of(run).equal(before));
  const RunResult result = [&] {
    while (!run.done()) run.next(scene.steps);
    return run.finish();
  }();
  CHECK(std::ranges::count(result.notes,
                           "round 1, step 1 of the generator: nobody answered, so neither generator nor "
                           "global model moved") == 1);
}

TEST_CASE("labels and probabilities stand for distributions with that maximum") {
  class Teller : public BlackBox {
   public:
    explicit Teller(AnswersMessage answers) : answers_(std::move(answers)) {}
    std::optional<Bytes> answer(std::span<const std::byte>) override { return encode(answers_); }

   private:
    AnswersMessage answers_;
  };
  Workers workers(1);
  Ranks alone;
  RoundRecord record;
  RunResult result;
  const auto ask = [&](AnswersMessage answers) {
    Teller teller(answers);
    Panel panel(workers, alone, {{.agent = 0, .id = 1, .box = &teller}}, record, result);
    return panel.ask(DoneMessage{}, answers.form, 1, 2, 4);
  };
  const at::Tensor labels = at::full({1, 2}, 3, at::kLong);
  const auto top = ask({AnswerForm::top1, at::full({1, 2}, 0.7), labels});
  REQUIRE(top.size() == 1);
  for (std::size_t i = 0; i < 2; ++i) {
    double sum = 0;
    for (std::size_t c = 0; c < 4; ++c) sum += std::exp(top[0][0](i, c));
    CHECK(sum == doctest::Approx(1).epsilon(1e-6));
    CHECK(std::exp(top[0][0](i, 3)) == doctest::Approx(0.7).epsilon(1e-6));
    CHECK(top[0][0](i, 0) == top[0][0](i, 2));
  }
  const auto label = ask({AnswerForm::label, {}, labels});
  REQUIRE(label.size() == 1);
  CHECK(std::exp(label[0][0](1, 3)) == doctest::Approx(probability_of_label).epsilon(1e-12));
  CHECK(ask({AnswerForm::label, {}, at::full({1, 2}, 4, at::kLong)}).empty());
  CHECK(record.refused.back().reason == "class 4 of 4");
  CHECK(ask({AnswerForm::top1, at::full({1, 2}, 1.5), labels}).empty());
  CHECK(record.refused.back().reason == "a probability of 1.5");
}
