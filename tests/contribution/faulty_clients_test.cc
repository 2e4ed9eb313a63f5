// One client's update cannot be used: every score names the client, is as it was, and goes on as if the
// client had been away.
#include "tests/contribution/every_score.hpp"

using namespace fedval;
using namespace fedval::tests;

namespace {

constexpr std::uint64_t seed = 1301;
constexpr std::size_t rounds = 8, pool = 6;
constexpr double nan = std::numeric_limits<double>::quiet_NaN(), infinity = naive::infinity;

/// What a client may get wrong; a score sees it that reads the part, or compares it with the others'.
struct Fault {
  std::string what;
  bool Reads::*part;
  std::function<ClientParts(Upload<double>&, random::Stream&)> send;
};

/// One entry, drawn by chance, has this value.
template <class Part>
Fault entry(const std::string& what, bool Reads::*part, Part Upload<double>::*where, double value) {
  return {what, part, [where, value](Upload<double>& upload, random::Stream& stream) {
            Part& entries = upload.*where;
            entries.data()[stream.below(static_cast<std::size_t>(entries.size()))] = value;
            return upload.parts();
          }};
}

/// The parts, one of them changed.
Fault part(const std::string& what, bool Reads::*part,
           std::function<void(ClientParts&, const Upload<double>&)> change) {
  return {what, part, [change](Upload<double>& upload, random::Stream&) {
            ClientParts parts = upload.parts();
            change(parts, upload);
            return parts;
          }};
}

std::vector<Fault> faults() {
  using U = Upload<double>;
  return {
      entry("NaN in the body", &Reads::update, &U::body, nan),
      entry("infinite in the body", &Reads::update, &U::body, infinity),
      entry("NaN in the final weight", &Reads::weight, &U::weight, nan),
      entry("infinite in the final weight", &Reads::weight, &U::weight, infinity),
      entry("-infinite in the final weight", &Reads::weight, &U::weight, -infinity),
      entry("NaN in the final bias", &Reads::bias, &U::bias, nan),
      entry("infinite in the final bias", &Reads::bias, &U::bias, infinity),
      part("no update", &Reads::update, [](ClientParts& parts, const U&) { parts.update = {}; }),
      part("no final weight", &Reads::weight, [](ClientParts& parts, const U&) { parts.final_weight = {}; }),
      part("no final bias", &Reads::bias, [](ClientParts& parts, const U&) { parts.final_bias = {}; }),
      part("a short update", &Reads::update,
           [](ClientParts& parts, const U& upload) {
             parts.update = {upload.body, upload.bias};
           }),
      part("an empty update", &Reads::update,
           [](ClientParts& parts, const U&) { parts.update = std::vector<double>(); }),
      part("a final weight that is no matrix", &Reads::weight,
           [](ClientParts& parts, const U& upload) { parts.final_weight = upload.body; }),
      part("a long final bias", &Reads::bias,
           [](ClientParts& parts, const U& upload) { parts.final_bias = upload.body; }),
      // Who reads the bias compares the layers of all.
      part("a transposed final weight", &Reads::bias,
           [](ClientParts& parts, const U& upload) {
             const TensorView turned = upload.weight.transpose();
             parts.final_weight = turned;
           }),
  };
}

Sent<double> without(Sent<double> sent, const ClientId& id) {
  sent.clients.erase(id);
  return sent;
}

}  // namespace

TEST_CASE("a fault in a part that a score reads is named, and all go on as without the client") {
  CAPTURE(seed);
  std::uint64_t trial = 0;
  for (const Entry& each : every_score())
    for (const Fault& fault : faults()) {
      if (!(each.reads.*fault.part)) continue;
      CAPTURE(each.name);
      CAPTURE(fault.what);
      CAPTURE(trial);
      random::Stream stream(seed, trial++);
      Federation<double> federation(stream, {}, pool);
      const Scorer scorer = each.make(), twin = each.make();
      const std::size_t when = stream.below(rounds);
      CAPTURE(when);
      for (std::size_t r = 0; r < rounds; ++r) {
        CAPTURE(r);
        // Two others at least, so that a layer of another shape stands alone.
        Sent<double> sent = federation.next(r == when ? 3 + stream.below(pool - 2) : 0);
        if (r == when) {
          const ClientId faulty =
              std::next(sent.clients.begin(), static_cast<long>(stream.below(sent.clients.size())))->first;
          Upload<double> upload = sent.clients.at(faulty);
          sent = without(sent, faulty);
          Round round = sent.round();
          round.add(faulty, fault.send(upload, stream));
          const std::string before = scorer.state(), message = complaint_of([&] { scorer.observe(round); });
          CAPTURE(message);
          CHECK(message.find("client " + faulty.text() + ": ") != std::string::npos);
          CHECK(scorer.state() == before);
        }
        check_same_bits(scorer.observe(sent.round()), twin.observe(sent.round()));
        CHECK(scorer.state() == twin.state());
      }
    }
}

TEST_CASE("a bias that the others do not have is its sender's fault") {
  CAPTURE(seed);
  random::Stream stream(seed, 1000);
  const std::vector<double> bias(4, 1.0);
  for (const Entry& each : every_score()) {
    if (!each.reads.bias) continue;
    CAPTURE(each.name);
    Federation<double> federation(stream, {.bias = false}, pool);
    for (const char* faulty : {"0", "3", "5"}) {
      const Scorer scorer = each.make();
      const Sent<double> sent = federation.next(pool);
      ClientParts parts = sent.clients.at(faulty).parts();
      parts.final_bias = bias;
      const Sent<double> others = without(sent, faulty);
      Round round = others.round();
      round.add(faulty, parts);
      const std::string before = scorer.state(), message = complaint_of([&] { scorer.observe(round); });
      CAPTURE(message);
      CHECK(message.find("client " + std::string(faulty)) != std::string::npos);
      CHECK(scorer.state() == before);
    }
  }
}

TEST_CASE("an update that comes twice is refused by the round, and the first one counts") {
  CAPTURE(seed);
  for (const Entry& each : every_score()) {
    CAPTURE(each.name);
    random::Stream stream(seed, 2000);
    Federation<double> federation(stream, {}, pool);
    const Scorer scorer = each.make(), twin = each.make();
    for (std::size_t r = 0; r < rounds; ++r) {
      CAPTURE(r);
      const Sent<double> sent = federation.next();
      Round round = sent.round();
      const ClientId& again = round.clients()[stream.below(round.size())].id;
      const Upload<double> other = federation.gaussian();
      CHECK(complaint_of([&] { round.add(again, other.parts(), 7); }) ==
            "client " + again.text() + ": is in the round already");
      check_same_bits(scorer.observe(round), twin.observe(sent.round()));
    }
    CHECK(scorer.state() == twin.state());
  }
}
