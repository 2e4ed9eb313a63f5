// A client that answers: what it is taught and asked, one image at a time, in evaluation mode, with the
// pixels that its training sees; and that a server has no other way to it.
#include "harness/blackbox/local_client.hpp"

#include <ATen/ops/empty.h>

#include "fedval/black_box/losses.hpp"
#include "fedval/tensor/torch.hpp"
#include "tests/doctest_torch.hpp"
#include "tests/harness/blackbox/scene.hpp"

using namespace fedval;
using namespace fedval::harness;

namespace {

Message reply_of(BlackBox& box, const Message& message) { return decode(*box.answer(encode(message))); }

at::Tensor logits_of(BlackBox& box, const at::Tensor& images, std::uint32_t q = 0) {
  return std::get<AnswersMessage>(reply_of(box, QueryMessage{images, q, std::uint64_t{9}})).values;
}

std::string refusal_of(BlackBox& box, const Message& message) {
  return std::get<RefusalMessage>(reply_of(box, message)).reason;
}

/// Examples of the test part as images in [-1, 1].
at::Tensor images_of(const Examples& examples, std::size_t count) {
  at::Tensor images = at::empty({static_cast<std::int64_t>(count), 1, 28, 28});
  for (std::int64_t i = 0; i < images.numel(); ++i)
    images.data_ptr<float>()[i] =
        2 * static_cast<float>(examples.pixels[static_cast<std::size_t>(i)]) / 255 - 1;
  return images;
}

std::string saved(LocalClient& client) {
  Archive archive;
  client.fields(archive);
  return archive.bytes();
}

template <class Box>
concept Opens = requires(Box& box) {
  box.state();
}
|| requires(Box& box) { box.parameters(); }
|| requires(Box& box) { box.shard(); }
|| requires(Box& box) { box.gradient(); }
|| requires(Box& box, Archive& archive) { box.fields(archive); }
|| requires(Box& box) { box.test(); };

}  // namespace

TEST_CASE("a server's client has no weights, no data and no gradient") { CHECK(!Opens<BlackBox>); }

TEST_CASE("a client is tested as a model of the federation is") {
  Settings settings = black_box_settings();
  settings.evaluation.test_samples = 130;  // not a multiple of any batch
  for (const char* accuracy : {"plain", "balanced"}) {
    CAPTURE(accuracy);
    settings.evaluation.accuracy = accuracy;
    SmallFederation scene(settings);
    LocalClient client(scene.federation, 1);
    reply_of(client, TrainMessage{0, 1});
    const Tested found = client.test(), expected = scene.federation.test({client.state().network})[0];
    CHECK(found.accuracy == expected.accuracy);
    CHECK(found.loss == doctest::Approx(expected.loss).epsilon(1e-5));
  }
}

TEST_CASE("pixels reach the network as they do in training") {
  SmallFederation scene(black_box_settings());
  const Batches& batches = scene.federation.batches();
  const std::vector<std::size_t> first{0, 1, 2, 3, 4, 5};
  const at::Tensor direct = batches.inputs(digits().test, first);
  const at::Tensor made = batches.normalised(images_of(digits().test, first.size()));
  CHECK(direct.sub(made).abs().max().item().toDouble() < 1e-5);
  // Both ends of a pixel's range are met, so that no other scale would pass.
  CHECK(direct.max().item().toDouble() - direct.min().item().toDouble() > 2);
}

TEST_CASE("an answer is about one image, whatever else is asked, and asking changes nothing") {
  Settings settings = black_box_settings();
  settings.model.name = "resnet18";  // with batch statistics, which other images would change
  settings.partition.samples_per_agent = 16;
  settings.training.local_epochs = 1;
  SmallFederation scene(settings);
  LocalClient client(scene.federation, 2);
  reply_of(client, TrainMessage{0, 1});
  const at::Tensor images = images_of(digits().test, 6);
  const std::string before = saved(client);
  const at::Tensor together = logits_of(client, images)[0];
  for (std::int64_t i = 0; i < 6; ++i) {
    const at::Tensor alone = logits_of(client, images.narrow(0, i, 1))[0][0];
    // Relative, as fresh running statistics make large logits; another image in the batch would change all of
    // it.
    CHECK(alone.sub(together[i]).abs().max().item().toDouble() <
          1e-4 * together.abs().max().item().toDouble());
  }
  CHECK(together.std().item().toDouble() > 0.01);
  client.test();
  CHECK(logits_of(client, images)[0].equal(together));
  // Beside the count of images nothing that it keeps is another.
  LocalClient fresh(scene.federation, 2);
  Archive reader(before, "client");
  fresh.fields(reader);
  CHECK(logits_of(fresh, images)[0].equal(together));
  CHECK(client.answered() == 18);
}

TEST_CASE("the points around samples go through in passes of any size") {
  Settings settings = black_box_settings();
  const at::Tensor images = images_of(digits().test, 5);
  std::vector<at::Tensor> answers;
  for (const std::size_t pass : {1, 7, 512}) {
    settings.black_box.images_a_pass = pass;
    SmallFederation scene(settings);
    LocalClient client(scene.federation, 0);
    answers.push_back(logits_of(client, images, 3));
    CHECK(answers.back().sizes() == at::IntArrayRef({4, 5, 10}));
  }
  CHECK(answers[0].sub(answers[2]).abs().max().item().toDouble() < 1e-5);
  CHECK(answers[1].sub(answers[2]).abs().max().item().toDouble() < 1e-5);
  CHECK(!answers[2][0].equal(answers[2][1]));
}

TEST_CASE("what it is taught brings it nearer to the teacher") {
  Settings settings = black_box_settings();
  settings.black_box.client_steps = 150;
  SmallFederation scene(settings);
  LocalClient client(scene.federation, 0);
  const at::Tensor images = images_of(digits().test, 8);
  const at::Tensor before = logits_of(client, images)[0];
  at::Tensor lesson = before.clone().zero_();
  for (std::int64_t i = 0; i < 8; ++i) lesson[i][i % 3] = 8;
  CHECK(std::holds_alternative<DoneMessage>(reply_of(client, TeachMessage{lesson})));
  const auto divergence = [&](const at::Tensor& logits) {
    return black_box::distillation(black_box::read_logits(lesson), black_box::read_logits(logits), 5).value;
  };
  CHECK(divergence(logits_of(client, images)[0]) < 0.3 * divergence(before));
}

TEST_CASE("noise in the answers has the deviation that was asked for, and is drawn anew") {
  Settings settings = black_box_settings();
  const at::Tensor images = images_of(digits().test, 50);
  SmallFederation plain(settings);
  LocalClient quiet(plain.federation, 1);
  const at::Tensor truth = logits_of(quiet, images)[0];
  settings.black_box.answer_noise = 0.5;
  SmallFederation noisy(settings);
  LocalClient loud(noisy.federation, 1);
  const at::Tensor first = logits_of(loud, images)[0].sub(truth),
                   second = logits_of(loud, images)[0].sub(truth);
  // 500 numbers: the deviation's standard error is .5 / sqrt(1000) = .016, the mean's .022.
  for (const at::Tensor& noise : {first, second}) {
    CHECK(noise.std().item().toDouble() == doctest::Approx(0.5).epsilon(0.16));
    CHECK(std::abs(noise.mean().item().toDouble()) < 0.11);
  }
  CHECK(!first.equal(second));
}

TEST_CASE("what it cannot answer it refuses with the reason") {
  Settings settings = black_box_settings();
  settings.black_box.query_budget = 10;
  SmallFederation scene(settings);
  LocalClient client(scene.federation, 0);
  CHECK(refusal_of(client, TeachMessage{at::empty({4, 10}).zero_()}) ==
        "a lesson about 4 samples, it was asked about 0");
  CHECK(refusal_of(client, QueryMessage{at::empty({2, 3, 28, 28}), 0, std::uint64_t{1}}) ==
        "images of 3 x 28 x 28, expected 1 x 28 x 28");
  CHECK(refusal_of(client, PublicMessage{{0}}) == "public example 0 of 0");
  CHECK(refusal_of(client, DoneMessage{}) == "a client is not asked this");
  CHECK(logits_of(client, images_of(digits().test, 8)).size(1) == 8);
  CHECK(refusal_of(client, QueryMessage{images_of(digits().test, 3), 0, std::uint64_t{1}}) ==
        "its budget of 10 images has 2 left for 3");
  // What is refused is not made, and the samples seen before can still be taught.
  settings.black_box.queries = 4'000'000'000;
  SmallFederation willing(settings);
  LocalClient other(willing.federation, 0);
  CHECK(logits_of(other, images_of(digits().test, 8)).size(1) == 8);
  CHECK(refusal_of(other, QueryMessage{images_of(digits().test, 2), 4'000'000'000, std::uint64_t{1}}) ==
        "its budget of 10 images has 2 left for 8000000002");
  CHECK(std::holds_alternative<DoneMessage>(reply_of(other, TeachMessage{at::empty({8, 10}).zero_()})));
  CHECK(refusal_of(client, QueryMessage{images_of(digits().test, 1), 4, std::uint64_t{1}}) ==
        "asked about 4 points around a sample, 3 are agreed");
  const Bytes noise(80, std::byte{1});
  CHECK(std::get<RefusalMessage>(decode(*client.answer(noise))).reason ==
        "message: no message of this program");
}
