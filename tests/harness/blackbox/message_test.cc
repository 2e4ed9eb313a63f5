// Messages: every kind there and back, every cut and every flipped head refused, bytes counted by what they
// carry.
#include "harness/blackbox/message.hpp"

#include <ATen/ops/arange.h>
#include <ATen/ops/tensor.h>

#include <cstring>

#include "fedval/black_box/communication.hpp"
#include "fedval/error.hpp"
#include "fedval/random/philox.hpp"
#include "tests/doctest_torch.hpp"
#include "tests/support/complaint.hpp"

using namespace fedval;
using namespace fedval::harness;
using tests::complaint_of;

namespace {

at::Tensor numbers(std::vector<std::int64_t> sizes) {
  std::int64_t count = 1;
  for (const std::int64_t size : sizes) count *= size;
  return at::arange(count).to(at::kFloat).mul(0.25).view(sizes);
}

const at::Tensor classes = at::arange(8).view({2, 4});

std::vector<Message> all_kinds() {
  return {TrainMessage{7, 0.5},
          QueryMessage{numbers({4, 1, 3, 3}), 2, std::uint64_t{0x0123456789abcdef}},
          QueryMessage{numbers({4, 1, 3, 3}), 2, numbers({2, 4, 1, 3, 3})},
          PublicMessage{{5, 0, 70000}},
          TeachMessage{numbers({4, 10})},
          AnswersMessage{AnswerForm::logits, numbers({3, 4, 10}), {}},
          AnswersMessage{AnswerForm::top1, numbers({2, 4}), classes},
          AnswersMessage{AnswerForm::label, {}, classes},
          DoneMessage{},
          RefusalMessage{"not today"}};
}

std::string complaint_about(const Bytes& bytes) {
  return complaint_of([&] { static_cast<void>(decode(bytes)); });
}

Figure total(const Message& message) {
  std::vector<Figure> figures;
  count(encode(message), figures);
  double sum = 0;
  for (const Figure& figure : figures)
    if (figure.name != "heads") sum += figure.value;
  return {"", sum};
}

}  // namespace

TEST_CASE("every kind of message comes back as it was, to the bit") {
  for (const Message& message : all_kinds()) {
    const Bytes bytes = encode(message);
    const Message back = decode(bytes);
    CHECK(back.index() == message.index());
    CHECK((encode(back) == bytes));
  }
  const auto query = std::get<QueryMessage>(decode(encode(all_kinds()[2])));
  CHECK(query.q == 2);
  CHECK(query.samples.equal(numbers({4, 1, 3, 3})));
  CHECK(std::get<at::Tensor>(query.points).equal(numbers({2, 4, 1, 3, 3})));
  CHECK(std::get<std::uint64_t>(std::get<QueryMessage>(decode(encode(all_kinds()[1]))).points) ==
        0x0123456789abcdef);
  const auto top = std::get<AnswersMessage>(decode(encode(all_kinds()[6])));
  CHECK(top.values.equal(numbers({2, 4})));
  CHECK(top.classes.equal(classes));
  CHECK(std::get<PublicMessage>(decode(encode(all_kinds()[3]))).examples ==
        std::vector<std::uint32_t>{5, 0, 70000});
  CHECK(std::get<RefusalMessage>(decode(encode(all_kinds()[9]))).reason == "not today");
}

TEST_CASE("a message that is cut, or has bytes too many, is refused") {
  for (const Message& message : all_kinds()) {
    const Bytes bytes = encode(message);
    const bool is_text = std::holds_alternative<RefusalMessage>(message);
    for (std::size_t length = 0; length < (is_text ? 64 : bytes.size()); ++length)
      CHECK(complaint_about(Bytes(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(length))) != "");
    Bytes longer = bytes;
    longer.push_back(std::byte{0});
    if (!is_text) CHECK(complaint_about(longer) == "message: 1 bytes too many");
  }
}

TEST_CASE("extents that no memory has are refused before anything is reserved") {
  Bytes bytes = encode(TeachMessage{numbers({4, 10})});
  for (const std::uint64_t extent :
       {std::uint64_t{0}, ~std::uint64_t{0}, std::uint64_t{1} << 39, std::uint64_t{1} << 60}) {
    Bytes bad = bytes;
    std::memcpy(bad.data() + 16, &extent, sizeof extent);
    const std::string complaint = complaint_about(bad);
    CAPTURE(complaint);
    CHECK((complaint.starts_with("message: ends after") || complaint == "message: impossible extents"));
  }
}

TEST_CASE("bytes changed at random are refused or are another message, never more") {
  const std::uint64_t seed = 4021;
  CAPTURE(seed);
  random::Stream stream(seed);
  for (const Message& message : all_kinds())
    for (int trial = 0; trial < 300; ++trial) {
      Bytes bytes = encode(message);
      bytes[stream.below(std::min<std::uint64_t>(64, bytes.size()))] =
          static_cast<std::byte>(stream.below(256));
      try {
        const Bytes again = encode(decode(bytes));
        CHECK(again.size() == bytes.size());
      } catch (const Error& error) {
        CHECK(std::string(error.what()).starts_with("message: "));
      }
    }
}

TEST_CASE("bytes are counted as the closed forms have them") {
  using black_box::communication;
  using black_box::Sending;
  const auto points = communication(Sending::points, 4, 9, 10, 2),
             seed = communication(Sending::seed, 4, 9, 10, 2);
  CHECK(total(all_kinds()[2]).value == static_cast<double>(points.samples + points.points));
  CHECK(total(all_kinds()[1]).value == static_cast<double>(seed.samples + seed.points));
  CHECK(total(all_kinds()[4]).value == static_cast<double>(points.teaching));
  CHECK(total(all_kinds()[5]).value == static_cast<double>(points.answers));
  CHECK(total(all_kinds()[6]).value == 8 * (4 + 2));
  CHECK(total(all_kinds()[7]).value == 8 * 2);
  std::vector<Figure> figures;
  for (const Message& message : all_kinds()) count(encode(message), figures);
  for (const Figure& figure : figures)
    if (figure.name == "heads") CHECK(figure.value == 10 * 64 + 9);
}
