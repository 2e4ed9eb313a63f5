#include "harness/blackbox/panel.hpp"

#include <ATen/ops/empty.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <exception>

#include "fedval/error.hpp"
#include "fedval/tensor/torch.hpp"

namespace fedval::harness {

namespace {

/// Error unless the message is of this type.
template <class Expected>
const Expected& expected(const Message& message) {
  if (const auto* refusal = std::get_if<RefusalMessage>(&message)) fail("refused: ", refusal->reason);
  const auto* found = std::get_if<Expected>(&message);
  if (found == nullptr) fail("answered with another kind of message");
  return *found;
}

/// log p of a class with probability p, and of each of the others.
black_box::Logits spread(const at::Tensor& classes, const at::Tensor& probabilities, std::size_t count) {
  black_box::Logits logits(static_cast<std::size_t>(classes.size(0)), count);
  constexpr double least = 1e-6;  // the logarithm of nothing left would be infinite
  for (std::size_t i = 0; i < logits.rows(); ++i) {
    const std::int64_t label = classes.data_ptr<std::int64_t>()[i];
    if (label < 0 || static_cast<std::size_t>(label) >= count) fail("class ", label, " of ", count);
    double p = probability_of_label;
    if (probabilities.defined()) p = static_cast<double>(probabilities.data_ptr<float>()[i]);
    if (!(p >= 0 && p <= 1)) fail("a probability of ", p);
    p = std::clamp(p, least, 1 - least);
    std::ranges::fill(logits.row(i), std::log((1 - p) / std::max(1.0, static_cast<double>(count) - 1)));
    logits(i, static_cast<std::size_t>(label)) = std::log(p);
  }
  return logits;
}

/// Logits beyond this are refused: one client's would make the ensemble's differences, and with them the
/// generator, infinite in single precision, and every client after it would be asked about nothing.
constexpr double largest_logit = 1e6;

/// Bytes of a reply that ranks tell one another.
constexpr std::size_t most_shared = std::size_t{1} << 28;

black_box::Logits checked_logits(const at::Tensor& answers, std::int64_t k) {
  const std::string name = "answers[" + std::to_string(k) + "]";
  black_box::Logits logits = black_box::read_logits(answers, name);
  for (std::size_t i = 0; i < logits.rows(); ++i)
    for (const double logit : logits.row(i))
      if (std::abs(logit) > largest_logit)
        fail(name, ": a logit of ", logit, " for sample ", i, ", beyond +-", largest_logit);
  return logits;
}

std::vector<black_box::Logits> logits_in(const AnswersMessage& answers, AnswerForm form, std::size_t points,
                                         std::size_t samples, std::size_t classes) {
  if (answers.form != form) fail("answered in another form");
  const at::Tensor& all = form == AnswerForm::logits ? answers.values : answers.classes;
  std::vector<std::int64_t> wanted{static_cast<std::int64_t>(points), static_cast<std::int64_t>(samples)};
  if (form == AnswerForm::logits) wanted.push_back(static_cast<std::int64_t>(classes));
  if (all.sizes() != at::IntArrayRef(wanted))
    fail("answers of shape ", Shape(all.sizes()).text(), ", expected ", Shape(wanted).text());
  std::vector<black_box::Logits> logits;
  for (std::int64_t k = 0; k < wanted.front(); ++k)
    logits.push_back(form == AnswerForm::logits
                         ? checked_logits(all[k], k)
                         : spread(all[k].contiguous(),
                                  answers.values.defined() ? answers.values[k].contiguous() : at::Tensor(),
                                  classes));
  return logits;
}

}  // namespace

/// The replies of other ranks' members come here, and theirs go there.
void Panel::share(std::vector<std::optional<Bytes>>& replies, std::span<const std::size_t> keepers) {
  std::vector<double> lengths;  // below 0: no reply
  lengths.reserve(replies.size());
  for (const std::optional<Bytes>& reply : replies)
    lengths.push_back(reply ? static_cast<double>(reply->size()) : -1.0);
  ranks_.share(lengths, keepers);
  double longest = 0;
  for (std::size_t i = 0; i < lengths.size(); ++i) {
    if (!(lengths[i] >= -1 && lengths[i] <= most_shared && lengths[i] == std::trunc(lengths[i])))
      fail("client ", members_[i].id, ": its rank announces a reply of ", lengths[i], " bytes");
    longest = std::max(longest, lengths[i]);
  }
  // Replies to one question are of one length, or nearly.
  const at::Tensor like = at::empty({static_cast<std::int64_t>(longest)}, at::kByte);
  std::vector<at::Tensor> packed(replies.size());
  for (std::size_t i = 0; i < replies.size(); ++i) {
    if (keepers[i] != ranks_.rank()) continue;
    packed[i] = at::zeros_like(like);
    if (lengths[i] > 0) std::memcpy(packed[i].data_ptr(), replies[i]->data(), replies[i]->size());
  }
  ranks_.share(packed, keepers, like);
  for (std::size_t i = 0; i < packed.size(); ++i) {
    if (keepers[i] == ranks_.rank() || lengths[i] < 0) continue;
    const auto* const bytes = static_cast<const std::byte*>(packed[i].data_ptr());
    replies[i] = Bytes(bytes, bytes + static_cast<std::size_t>(lengths[i]));
  }
}

/// What every member replied, on all ranks; nothing, with or without an objection, where it did not.
std::vector<std::optional<Bytes>> Panel::replies(const std::vector<Bytes>& sent,
                                                 std::vector<std::string>& objections) {
  std::vector<std::size_t> own, keepers;
  for (std::size_t i = 0; i < members_.size(); ++i) {
    keepers.push_back(members_[i].keeper);
    if (keepers.back() == ranks_.rank()) own.push_back(i);
  }
  std::vector<std::optional<Bytes>> replies(members_.size());
  workers_.for_each(own.size(), [&](std::size_t k, std::size_t) {
    const std::size_t i = own[k];
    try {
      replies[i] = members_[i].box->answer(sent[i]);
    } catch (const std::exception& error) {  // a client's fault ends its part in the round, not the run
      objections[i] = std::string("failed: ") + error.what();
    }
  });
  if (ranks_.count() == 1) return replies;
  for (const std::size_t i : own)
    if (replies[i] && replies[i]->size() > most_shared) {
      objections[i] = "a reply of " + std::to_string(replies[i]->size()) + " bytes";
      replies[i].reset();
    }
  share(replies, keepers);
  ranks_.share(objections, keepers);
  return replies;
}

std::vector<std::optional<Message>> Panel::exchange(
    const std::function<Message(const Member&)>& message_for) {
  std::vector<Bytes> sent;
  for (const Member& member : members_) {
    sent.push_back(encode(message_for(member)));
    count(sent.back(), result_.bytes);
  }
  std::vector<std::string> objections(members_.size());
  const std::vector<std::optional<Bytes>> replies = this->replies(sent, objections);
  std::vector<std::optional<Message>> messages(members_.size());
  for (std::size_t i = 0; i < members_.size(); ++i) {
    if (!objections[i].empty()) continue;
    if (!replies[i]) {
      objections[i] = "did not answer";
      continue;
    }
    try {
      messages[i] = decode(*replies[i]);
      count(*replies[i], result_.bytes);
    } catch (const Error& error) {
      add(result_.bytes, "no message", static_cast<double>(replies[i]->size()));
      objections[i] = error.what();
    }
  }
  for (std::size_t i = members_.size(); i-- > 0;)
    if (!messages[i]) messages.erase(messages.begin() + static_cast<std::ptrdiff_t>(i));
  keep(objections);
  return messages;
}

/// Leaves out those that something is said against.
void Panel::keep(const std::vector<std::string>& objections) {
  std::vector<Member> good;
  for (std::size_t i = 0; i < members_.size(); ++i) {
    if (objections[i].empty()) {
      good.push_back(members_[i]);
      continue;
    }
    const ClientId& id = members_[i].id;
    record_.refused.push_back({id, objections[i]});
    std::erase(record_.participants, id);
    std::erase(record_.stragglers, id);
    result_.notes.push_back("round " + std::to_string(record_.round) + ": client " + id.text() +
                            " was left out: " + objections[i]);
  }
  members_ = std::move(good);
}

void Panel::tell(const std::function<Message(const Member&)>& message_for) {
  const std::vector<std::optional<Message>> replies = exchange(message_for);
  std::vector<std::string> objections(members_.size());
  for (std::size_t i = 0; i < members_.size(); ++i) try {
      static_cast<void>(expected<DoneMessage>(*replies[i]));
    } catch (const Error& error) {
      objections[i] = error.what();
    }
  keep(objections);
}

std::vector<std::vector<black_box::Logits>> Panel::ask(const Message& question, AnswerForm form,
                                                       std::size_t points, std::size_t samples,
                                                       std::size_t classes) {
  const std::vector<std::optional<Message>> replies = exchange([&](const Member&) { return question; });
  std::vector<std::string> objections(members_.size());
  std::vector<std::vector<black_box::Logits>> answers;
  for (std::size_t i = 0; i < members_.size(); ++i) try {
      answers.push_back(logits_in(expected<AnswersMessage>(*replies[i]), form, points, samples, classes));
    } catch (const Error& error) {
      objections[i] = error.what();
    }
  result_.answered += points * samples * answers.size();
  keep(objections);
  return answers;
}

}  // namespace fedval::harness
