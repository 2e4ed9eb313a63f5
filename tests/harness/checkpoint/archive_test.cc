// Archive: every type comes back with all its bits, shared tensors stay shared, and hostile bytes are
// refused.
#include "harness/checkpoint/archive.hpp"

#include <ATen/ops/empty.h>
#include <ATen/ops/tensor.h>

#include <bit>
#include <cmath>
#include <limits>

#include "fedval/contribution/round.hpp"
#include "fedval/random/philox.hpp"
#include "tests/doctest_torch.hpp"
#include "tests/harness/data/files.hpp"

using namespace fedval;
using namespace fedval::harness;

namespace inventory {

struct Part {
  std::string name;
  std::vector<double> values;
};
void fields(Archive& archive, Part& part) {
  archive.field("name", part.name);
  archive.field("values", part.values);
}

struct Everything {
  bool yes = false, no = true;
  std::uint64_t large = 0;
  std::int32_t negative = 0;
  std::size_t count = 0;
  double number = 0;
  float single = 0;
  std::string text;
  std::optional<double> there, absent = 1.0;
  std::vector<double> numbers;
  std::vector<std::string> names;
  std::vector<Part> parts;
  std::map<ClientId, double> scores;
  std::vector<at::Tensor> tensors;
  std::map<ClientId, at::Tensor> models;
};
void fields(Archive& archive, Everything& all) {
  archive.field("yes", all.yes);
  archive.field("no", all.no);
  archive.field("large", all.large);
  archive.field("negative", all.negative);
  archive.field("count", all.count);
  archive.field("number", all.number);
  archive.field("single", all.single);
  archive.field("text", all.text);
  archive.field("there", all.there);
  archive.field("absent", all.absent);
  archive.field("numbers", all.numbers);
  archive.field("names", all.names);
  archive.field("parts", all.parts);
  archive.field("scores", all.scores);
  archive.field("tensors", all.tensors);
  archive.field("models", all.models);
}

}  // namespace inventory

namespace {

using inventory::Everything;
using test_files::complaint_of;
using test_files::contains;

// A NaN with a payload, both zeros, the smallest subnormal, the infinities.
const std::vector<double> awkward{std::bit_cast<double>(0x7ff8'0000'dead'beefULL),
                                  0.0,
                                  -0.0,
                                  std::numeric_limits<double>::denorm_min(),
                                  -std::numeric_limits<double>::infinity(),
                                  std::numeric_limits<double>::max(),
                                  0.1};

template <class Float, class Bits>
std::vector<Bits> bits_of(std::span<const Float> values) {
  std::vector<Bits> bits;
  for (const Float value : values) bits.push_back(std::bit_cast<Bits>(value));
  return bits;
}
std::vector<std::uint64_t> bits_of(const std::vector<double>& values) {
  return bits_of<double, std::uint64_t>(values);
}
std::vector<std::uint32_t> bits_of(const at::Tensor& tensor) {
  return bits_of<float, std::uint32_t>({tensor.data_ptr<float>(), static_cast<std::size_t>(tensor.numel())});
}

at::Tensor awkward_tensor() {
  at::Tensor tensor = at::empty({5});
  const std::array<std::uint32_t, 5> bits{0x7fc0beef, 0x80000000, 0x00000001, 0xff800000, 0x3dcccccd};
  for (std::size_t i = 0; i < bits.size(); ++i) tensor.data_ptr<float>()[i] = std::bit_cast<float>(bits[i]);
  return tensor;
}

Everything everything() {
  const at::Tensor server = awkward_tensor(), own = at::tensor({1.0f, 2.0f});
  Everything all;
  all.yes = true;
  all.no = false;
  all.large = ~std::uint64_t{0};
  all.negative = -5;
  all.count = 17;
  all.number = awkward[0];
  all.single = std::numeric_limits<float>::denorm_min();
  all.text = std::string("a\0\n\xff", 4);
  all.there = -0.0;
  all.absent.reset();
  all.numbers = awkward;
  all.names = {"", "x"};
  all.parts = {{"first", {1, 2}}, {"second", {}}};
  all.scores = {{2, 0.5}, {10, -0.0}, {"b", 3}};
  all.tensors = {at::Tensor(), server, at::empty({0})};
  all.models = {{1, server}, {2, own}, {3, server}};
  return all;
}

std::string written(Everything all) {
  Archive archive;
  fields(archive, all);
  return archive.bytes();
}

Everything read(const std::string& bytes) {
  Archive archive(bytes, "there");
  Everything all;
  fields(archive, all);
  archive.end();
  return all;
}

}  // namespace

TEST_CASE("everything comes back with all its bits") {
  const Everything before = everything(), after = read(written(before));
  CHECK(after.yes);
  CHECK_FALSE(after.no);
  CHECK(after.large == before.large);
  CHECK(after.negative == -5);
  CHECK(after.count == 17);
  CHECK(bits_of({after.number}) == bits_of({before.number}));
  CHECK(std::bit_cast<std::uint32_t>(after.single) == 1);
  CHECK(after.text == before.text);
  CHECK(bits_of({after.there.value()}) == bits_of({-0.0}));
  CHECK_FALSE(after.absent.has_value());
  CHECK(bits_of(after.numbers) == bits_of(awkward));
  CHECK(after.names == before.names);
  REQUIRE(after.parts.size() == 2);
  CHECK(after.parts[0].name == "first");
  CHECK(after.parts[0].values == std::vector<double>{1, 2});
  CHECK(after.parts[1].values.empty());
  CHECK(after.scores == before.scores);
  CHECK(std::signbit(after.scores.at(10)));
  REQUIRE(after.tensors.size() == 3);
  CHECK_FALSE(after.tensors[0].defined());
  CHECK(bits_of(after.tensors[1]) == bits_of(awkward_tensor()));
  CHECK(after.tensors[2].numel() == 0);
  CHECK(bits_of(after.models.at(2)) == bits_of(before.models.at(2)));
}

TEST_CASE("a tensor that two hold is one tensor again, and equal ones stay apart") {
  const Everything after = read(written(everything()));
  CHECK(after.models.at(1).is_same(after.tensors[1]));
  CHECK(after.models.at(3).is_same(after.tensors[1]));
  CHECK_FALSE(after.models.at(2).is_same(after.tensors[1]));

  Everything equal;
  equal.tensors = {at::tensor({1.0f}), at::tensor({1.0f})};
  const Everything apart = read(written(equal));
  CHECK_FALSE(apart.tensors[0].is_same(apart.tensors[1]));
}

TEST_CASE("what was there before the reading is gone") {
  Everything all = everything();
  Archive archive(written({}), "there");
  fields(archive, all);
  archive.end();
  CHECK_FALSE(all.yes);
  CHECK(all.text.empty());
  CHECK_FALSE(all.there.has_value());
  CHECK(all.absent == 1.0);
  CHECK(all.numbers.empty());
  CHECK(all.scores.empty());
  CHECK(all.tensors.empty());
}

TEST_CASE("another name, another order, more or less than was written are refused") {
  double a = 1, b = 2;
  Archive writer;
  writer.field("a", a);
  writer.field("b", b);
  const auto refusal = [&](const std::string& bytes, std::initializer_list<std::string_view> names) {
    return complaint_of([&] {
      Archive archive(bytes, "there");
      for (const std::string_view name : names) archive.field(name, a);
      archive.end();
    });
  };
  CHECK(refusal(writer.bytes(), {"a", "b"}) == "no error");
  CHECK(contains(refusal(writer.bytes(), {"b", "a"}), "there: byte 9: expected \"b\", found \"a\""));
  CHECK(contains(refusal(writer.bytes(), {"a"}), "there: byte 17: more than was expected"));
  CHECK(contains(refusal(writer.bytes(), {"a", "b", "c"}), "there: byte 34: ends too early"));
  CHECK(contains(refusal(writer.bytes() + "x", {"a", "b"}), "more than was expected"));
}

TEST_CASE("a tensor that is not of floats in a row is refused when written") {
  Everything all;
  all.tensors = {at::empty({2}, at::kDouble)};
  CHECK(contains(complaint_of([&] { written(all); }), "floats in a row"));
  all.tensors = {at::empty({4}).slice(0, 0, 4, 2)};
  CHECK(contains(complaint_of([&] { written(all); }), "floats in a row"));
}

TEST_CASE("a truth value that is neither 0 nor 1 is refused") {
  bool yes = true;
  Archive writer;
  writer.field("yes", yes);
  std::string bytes = writer.bytes();
  bytes.back() = 2;
  CHECK(complaint_of([&] { Archive(bytes, "there").field("yes", yes); }) ==
        "there: byte 12: neither true nor false");
}

TEST_CASE("every truncation is refused") {
  const std::string whole = written(everything());
  for (std::size_t length = 0; length < whole.size(); ++length) {
    CAPTURE(length);
    CHECK(complaint_of([&] { read(whole.substr(0, length)); }).starts_with("there: byte "));
  }
}

TEST_CASE("every byte of every count made large, and random damage: an Error or other values, no more") {
  const std::string whole = written(everything());
  const auto survives = [](const std::string& bytes) {
    const std::string error = complaint_of([&] { read(bytes); });
    CHECK((error == "no error" || error.starts_with("there: byte ")));
  };
  for (std::size_t i = 0; i < whole.size(); ++i)
    for (const int value : {0x00, 0x01, 0x7f, 0x80, 0xff}) {
      std::string damaged = whole;
      damaged[i] = static_cast<char>(value);
      survives(damaged);
    }
  constexpr std::uint64_t seed = 20;
  CAPTURE(seed);
  random::Stream draw(seed);
  for (int trial = 0; trial < 2000; ++trial) {
    std::string damaged = whole;
    for (int k = 0; k < 4; ++k) damaged[draw.below(damaged.size())] = static_cast<char>(draw.below(256));
    survives(damaged);
  }
}
