#include "harness/blackbox/local_client.hpp"

#include <ATen/ops/cat.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/log_softmax.h>
#include <torch/utils.h>

#include <algorithm>
#include <numeric>

#include "fedval/error.hpp"
#include "fedval/random/draws.hpp"
#include "fedval/random/fill.hpp"
#include "fedval/tensor/torch.hpp"
#include "harness/blackbox/distil.hpp"
#include "harness/blackbox/query_options.hpp"
#include "harness/blackbox/tensors.hpp"
#include "harness/federation/accuracy.hpp"

namespace fedval::harness {

namespace {

/// The draws of a client's noise, apart from every other use of the seed.
random::Key noise_key(std::uint64_t seed, std::size_t agent) {
  constexpr std::uint64_t tag = 0x6262;  // "bb"
  return {seed, (tag << 48) | agent};
}

/// Where its network starts: apart from the server's start, from other clients' and from those of other
/// seeds.
std::uint64_t start_seed(std::uint64_t seed, std::size_t agent) {
  constexpr std::uint64_t tag = 0x6263;  // "bc"
  random::Draws draws(seed, (tag << 48) | agent);
  return draws.word();
}

constexpr std::size_t test_batch = 50;

}  // namespace

LocalClient::LocalClient(Federation& federation, std::size_t agent)
    : federation_(federation),
      agent_(agent),
      network_(make_network(client_model(federation.settings(), agent), federation.data().shape,
                            federation.data().classes, start_seed(federation.settings().seed, agent),
                            federation.device())) {
  if (federation.data().shape.is_text())
    fail("black boxes are asked about images, but the data are sentences");
}

std::optional<Bytes> LocalClient::answer(std::span<const std::byte> message) {
  try {
    return encode(reply(decode(message)));
  } catch (const Error& error) {
    return encode(RefusalMessage{error.what()});
  }
}

Message LocalClient::reply(const Message& message) {
  if (const auto* order = std::get_if<TrainMessage>(&message)) return train(*order);
  if (const auto* asked = std::get_if<QueryMessage>(&message)) return query(*asked);
  if (const auto* asked = std::get_if<PublicMessage>(&message)) return query(*asked);
  if (const auto* lesson = std::get_if<TeachMessage>(&message)) return teach(*lesson);
  fail("a client is not asked this");
}

Message LocalClient::train(const TrainMessage& order) {
  const Settings& settings = federation_.settings();
  const Indices& shard = federation_.agents()[agent_].shard;
  harness::train(network_, federation_.batches(), federation_.data().train, shard, settings.training,
                 learning_rate_of(settings.training, order.round),
                 steps_of(settings.training, shard.size(), order.share),
                 training_key(settings.seed, agent_, order.round), steps_);
  return DoneMessage{};
}

Message LocalClient::query(const QueryMessage& asked) {
  const ExampleShape& shape = federation_.data().shape;
  const at::Tensor x = asked.samples.to(network_.device());
  const auto is = [&](std::int64_t axis, std::size_t extent) {
    return x.size(axis) == static_cast<std::int64_t>(extent);
  };
  if (!is(1, shape.channels) || !is(2, shape.height) || !is(3, shape.width))
    fail("images of ", x.size(1), " x ", x.size(2), " x ", x.size(3), ", expected ", shape.channels, " x ",
         shape.height, " x ", shape.width);
  const std::size_t agreed = federation_.settings().black_box.queries;
  if (asked.q > agreed) fail("asked about ", asked.q, " points around a sample, ", agreed, " are agreed");
  check_budget((1 + std::uint64_t{asked.q}) * static_cast<std::uint64_t>(x.size(0)));
  at::Tensor all = x.unsqueeze(0);
  if (const auto* seed = std::get_if<std::uint64_t>(&asked.points)) {
    if (asked.q > 0)
      all = with_points(x, {query_options(federation_.settings().black_box, asked.q),
                            static_cast<std::size_t>(x.size(0)), shape.entries(), *seed});
  } else if (asked.q > 0) {
    all = at::cat({all, std::get<at::Tensor>(asked.points).to(x.device())});
  }
  const at::Tensor inputs = federation_.batches().normalised(all.flatten(0, 1));
  Message answers = answers_about(inputs, all.size(0));
  seen_ = inputs.narrow(0, 0, x.size(0)).clone();
  return answers;
}

Message LocalClient::query(const PublicMessage& asked) {
  const Examples& all = federation_.data().held_out;
  for (const std::uint32_t example : asked.examples)
    if (example >= all.size()) fail("public example ", example, " of ", all.size());
  check_budget(asked.examples.size());
  const std::vector<std::size_t> indices(asked.examples.begin(), asked.examples.end());
  const at::Tensor inputs = federation_.batches().inputs(all, indices);
  Message answers = answers_about(inputs, 1);
  seen_ = inputs;
  return answers;
}

/// Before anything is made for them: a refusal must cost nothing.
void LocalClient::check_budget(std::uint64_t images) const {
  const std::uint64_t budget = federation_.settings().black_box.query_budget;
  if (budget > 0 && answered_ + images > budget)
    fail("its budget of ", budget, " images has ", budget - answered_, " left for ", images);
}

Message LocalClient::answers_about(const at::Tensor& inputs, std::int64_t groups) {
  const BlackBoxSettings& settings = federation_.settings().black_box;
  const auto images = static_cast<std::uint64_t>(inputs.size(0));
  const torch::NoGradGuard no_grad;
  network_.train(false);  // an answer is about one image, whatever else is in the batch
  std::vector<at::Tensor> parts;
  const auto pass = static_cast<std::int64_t>(settings.images_a_pass);
  for (std::int64_t begin = 0; begin < inputs.size(0); begin += pass)
    parts.push_back(network_.forward(inputs.narrow(0, begin, std::min(pass, inputs.size(0) - begin))));
  at::Tensor logits = at::cat(parts);
  if (settings.answer_noise > 0) {
    at::Tensor noise = at::empty_like(logits);
    random::fill(random::Sequence{random::Law::gaussian, noise_key(federation_.settings().seed, agent_)},
                 noise, answered_ * static_cast<std::uint64_t>(logits.size(1)));
    logits.add_(noise, settings.answer_noise);
  }
  answered_ += images;
  const AnswerForm form = answer_form(settings);
  if (form == AnswerForm::logits) return AnswersMessage{form, logits.view({groups, -1, logits.size(1)}), {}};
  const auto [probability, label] = at::log_softmax(logits, 1).exp().max(1);
  return AnswersMessage{form, form == AnswerForm::top1 ? probability.view({groups, -1}) : at::Tensor(),
                        label.view({groups, -1})};
}

Message LocalClient::teach(const TeachMessage& lesson) {
  if (!seen_.defined() || seen_.size(0) != lesson.logits.size(0))
    fail("a lesson about ", lesson.logits.size(0), " samples, it was asked about ",
         seen_.defined() ? seen_.size(0) : 0);
  const BlackBoxSettings& settings = federation_.settings().black_box;
  distil(network_, seen_, black_box::read_logits(lesson.logits, "the lesson"), settings,
         settings.client_steps);
  return DoneMessage{};
}

Tested LocalClient::test() {
  const Examples& part = federation_.tested();
  std::vector<std::size_t> all(federation_.test_samples());
  std::iota(all.begin(), all.end(), std::size_t{0});
  std::vector<double> correct(federation_.counted_classes());
  double loss = 0;
  for (std::size_t begin = 0; begin < all.size(); begin += test_batch) {
    const Counted counted = harness::test(
        network_, federation_.batches(), part,
        std::span<const std::size_t>(all).subspan(begin, std::min(test_batch, all.size() - begin)),
        correct.size());
    for (std::size_t c = 0; c < correct.size(); ++c) correct[c] += static_cast<double>(counted.correct[c]);
    loss += counted.loss;
  }
  return {accuracy_of(correct, class_sizes(std::span(part.labels).first(all.size()), correct.size())),
          loss / static_cast<double>(all.size())};
}

void LocalClient::fields(Archive& archive) {
  ClientState kept = state();
  kept.fields(archive);
  answered_ = kept.answered;
}

void ClientState::fields(Archive& archive) {
  state_field(archive, "state", network);
  archive.field("answered", answered);
}

}  // namespace fedval::harness
