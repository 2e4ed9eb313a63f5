#include "harness/blackbox/message.hpp"

#include <ATen/ops/empty.h>

#include <array>
#include <bit>
#include <cstring>

#include "fedval/error.hpp"

namespace fedval::harness {

namespace {

static_assert(std::endian::native == std::endian::little, "messages are little-endian");

enum class Kind : std::uint32_t { train, query_seed, query_points, examples, teach, answers, done, refusal };

struct Head {
  std::array<char, 4> mark{'f', 'v', 'b', 'b'};
  Kind kind = Kind::done;
  std::uint32_t round = 0, q = 0;
  std::array<std::uint64_t, 4> extents{};  // of samples or logits; 0: not there
  double share = 0;
  AnswerForm form = AnswerForm::logits;
  std::array<std::uint8_t, 7> unused{};
};
static_assert(sizeof(Head) == 64);

constexpr std::uint64_t most_entries = std::uint64_t{1} << 40;  // a product of extents stays far below 2^64

std::uint64_t count_of(std::span<const std::uint64_t> extents) {
  std::uint64_t count = 1;
  for (const std::uint64_t extent : extents) {
    if (extent == 0 || extent > most_entries / count) fail("message: impossible extents");
    count *= extent;
  }
  return count;
}

void append(Bytes& bytes, const void* data, std::size_t count) {
  const std::size_t end = bytes.size();
  bytes.resize(end + count);
  if (count > 0) std::memcpy(bytes.data() + end, data, count);
}

void append(Bytes& bytes, const at::Tensor& numbers) {
  const at::Tensor dense = numbers.cpu().to(at::kFloat).contiguous();
  append(bytes, dense.data_ptr<float>(), static_cast<std::size_t>(dense.numel()) * sizeof(float));
}

void set_extents(Head& head, const at::Tensor& tensor) {
  if (tensor.dim() > 4) fail("message: a tensor of ", tensor.dim(), " dimensions");
  for (std::int64_t axis = 0; axis < tensor.dim(); ++axis)
    head.extents.at(static_cast<std::size_t>(axis)) = static_cast<std::uint64_t>(tensor.size(axis));
}

Bytes begin(const Head& head) {
  Bytes bytes;
  append(bytes, &head, sizeof head);
  return bytes;
}

Bytes encoded(const TrainMessage& message) {
  return begin({.kind = Kind::train, .round = message.round, .share = message.share});
}

Bytes encoded(const QueryMessage& message) {
  const auto* seed = std::get_if<std::uint64_t>(&message.points);
  Head head{.kind = seed != nullptr ? Kind::query_seed : Kind::query_points, .q = message.q};
  set_extents(head, message.samples);
  Bytes bytes = begin(head);
  append(bytes, message.samples);
  if (seed != nullptr) {
    append(bytes, seed, sizeof *seed);
  } else if (message.q > 0) {
    append(bytes, std::get<at::Tensor>(message.points));
  }
  return bytes;
}

Bytes encoded(const PublicMessage& message) {
  Head head{.kind = Kind::examples};
  head.extents[0] = message.examples.size();
  Bytes bytes = begin(head);
  append(bytes, message.examples.data(), message.examples.size() * sizeof(std::uint32_t));
  return bytes;
}

Bytes encoded(const TeachMessage& message) {
  Head head{.kind = Kind::teach};
  set_extents(head, message.logits);
  Bytes bytes = begin(head);
  append(bytes, message.logits);
  return bytes;
}

Bytes encoded(const AnswersMessage& message) {
  Head head{.kind = Kind::answers, .form = message.form};
  set_extents(head, message.form == AnswerForm::logits ? message.values : message.classes);
  Bytes bytes = begin(head);
  if (message.form != AnswerForm::label) append(bytes, message.values);
  if (message.form == AnswerForm::logits) return bytes;
  const at::Tensor classes = message.classes.cpu().contiguous();
  for (std::int64_t i = 0; i < classes.numel(); ++i) {
    const auto label = static_cast<std::uint16_t>(classes.data_ptr<std::int64_t>()[i]);
    append(bytes, &label, sizeof label);
  }
  return bytes;
}

Bytes encoded(const DoneMessage&) { return begin({}); }

Bytes encoded(const RefusalMessage& message) {
  Bytes bytes = begin({.kind = Kind::refusal});
  append(bytes, message.reason.data(), message.reason.size());
  return bytes;
}

/// Reads numbers from the front of what is left.
class Reader {
 public:
  explicit Reader(std::span<const std::byte> bytes) : left_(bytes) {}

  void raw(void* out, std::size_t count) {
    if (left_.size() < count) fail("message: ends after ", left_.size(), " of ", count, " bytes");
    if (count > 0) std::memcpy(out, left_.data(), count);
    left_ = left_.subspan(count);
  }

  at::Tensor numbers(std::span<const std::uint64_t> extents) {
    at::Tensor tensor = at::empty(fitting(extents, sizeof(float)));
    raw(tensor.data_ptr<float>(), static_cast<std::size_t>(tensor.numel()) * sizeof(float));
    return tensor;
  }

  at::Tensor classes(std::span<const std::uint64_t> extents) {
    at::Tensor tensor = at::empty(fitting(extents, sizeof(std::uint16_t)), at::kLong);
    for (std::int64_t i = 0; i < tensor.numel(); ++i) {
      std::uint16_t label = 0;
      raw(&label, sizeof label);
      tensor.data_ptr<std::int64_t>()[i] = label;
    }
    return tensor;
  }

  std::vector<std::uint32_t> examples(std::span<const std::uint64_t> extents) {
    std::vector<std::uint32_t> numbers(
        static_cast<std::size_t>(fitting(extents, sizeof(std::uint32_t)).front()));
    raw(numbers.data(), numbers.size() * sizeof(std::uint32_t));
    return numbers;
  }

  std::string text() {
    std::string text(left_.size(), ' ');
    raw(text.data(), text.size());
    return text;
  }

  void end() const {
    if (!left_.empty()) fail("message: ", left_.size(), " bytes too many");
  }

 private:
  /// Error before anything is reserved when the bytes do not hold so many entries.
  std::vector<std::int64_t> fitting(std::span<const std::uint64_t> extents, std::size_t size) const {
    if (count_of(extents) > left_.size() / size)
      fail("message: ends after ", left_.size(), " of ", count_of(extents) * size, " bytes");
    return {extents.begin(), extents.end()};
  }

  std::span<const std::byte> left_;
};

std::span<const std::uint64_t> extents_of(const Head& head, std::size_t rank) {
  for (std::size_t axis = rank; axis < head.extents.size(); ++axis)
    if (head.extents[axis] != 0) fail("message: more than ", rank, " extents");
  return std::span(head.extents).first(rank);
}

Head head_of(Reader& reader) {
  Head head, model;
  reader.raw(&head, sizeof head);
  if (head.mark != model.mark) fail("message: no message of this program");
  return head;
}

}  // namespace

Bytes encode(const Message& message) {
  return std::visit([](const auto& one) { return encoded(one); }, message);
}

Message decode(std::span<const std::byte> bytes) {
  Reader reader(bytes);
  const Head head = head_of(reader);
  Message message = DoneMessage{};
  switch (head.kind) {
    case Kind::train:
      if (!(head.share > 0 && head.share <= 1)) fail("message: a share of ", head.share, " of the steps");
      message = TrainMessage{head.round, head.share};
      break;
    case Kind::query_seed: {
      QueryMessage query{reader.numbers(extents_of(head, 4)), head.q, {}};
      std::uint64_t seed = 0;
      reader.raw(&seed, sizeof seed);
      query.points = seed;
      message = std::move(query);
      break;
    }
    case Kind::query_points: {
      QueryMessage query{reader.numbers(extents_of(head, 4)), head.q, {}};
      std::array<std::uint64_t, 5> extents{head.q};
      std::copy(head.extents.begin(), head.extents.end(), extents.begin() + 1);
      query.points = head.q == 0 ? at::Tensor() : reader.numbers(extents);
      message = std::move(query);
      break;
    }
    case Kind::examples:
      message = PublicMessage{reader.examples(extents_of(head, 1))};
      break;
    case Kind::teach:
      message = TeachMessage{reader.numbers(extents_of(head, 2))};
      break;
    case Kind::answers:
      if (head.form == AnswerForm::logits) {
        message = AnswersMessage{head.form, reader.numbers(extents_of(head, 3)), {}};
      } else if (head.form == AnswerForm::top1) {
        AnswersMessage answers{head.form, reader.numbers(extents_of(head, 2)), {}};
        answers.classes = reader.classes(extents_of(head, 2));
        message = std::move(answers);
      } else if (head.form == AnswerForm::label) {
        message = AnswersMessage{head.form, {}, reader.classes(extents_of(head, 2))};
      } else {
        fail("message: an unknown form of answers");
      }
      break;
    case Kind::done:
      break;
    case Kind::refusal:
      message = RefusalMessage{reader.text()};
      break;
    default:
      fail("message: an unknown kind");
  }
  reader.end();
  return message;
}

void count(std::span<const std::byte> bytes, std::vector<Figure>& figures) {
  Reader reader(bytes);
  const Head head = head_of(reader);
  add(figures, "heads", sizeof head);
  const auto body = static_cast<double>(bytes.size() - sizeof head);
  double samples = 0;
  switch (head.kind) {
    case Kind::query_seed:
    case Kind::query_points:
      samples = static_cast<double>(count_of(head.extents) * sizeof(float));
      add(figures, "samples", samples);
      if (body > samples) add(figures, head.kind == Kind::query_seed ? "seed" : "points", body - samples);
      break;
    case Kind::examples:
      add(figures, "samples", body);
      break;
    case Kind::teach:
      add(figures, "teaching", body);
      break;
    case Kind::answers:
      add(figures, "answers", body);
      break;
    default:
      if (body > 0) add(figures, "heads", body);
  }
}

}  // namespace fedval::harness
