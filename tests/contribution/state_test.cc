#include "fedval/contribution/state.hpp"

#include <locale>

#include "fedval/contribution/class_alignment.hpp"
#include "fedval/contribution/completed_shapley.hpp"
#include "fedval/contribution/confirmed_entropy.hpp"
#include "fedval/contribution/consensus_entropy.hpp"
#include "fedval/contribution/contribution_index.hpp"
#include "fedval/contribution/cosine_gradient_shapley.hpp"
#include "fedval/contribution/fed_shapley.hpp"
#include "fedval/contribution/gated_entropy.hpp"
#include "fedval/contribution/gradient_shapley.hpp"
#include "fedval/contribution/gtg_shapley.hpp"
#include "fedval/contribution/leave_one_out.hpp"
#include "fedval/contribution/leave_one_out_cosine.hpp"
#include "fedval/contribution/residual_weights.hpp"
#include "fedval/contribution/shapfed.hpp"
#include "fedval/contribution/spectral_fed.hpp"
#include "fedval/contribution/spectral_fuse.hpp"
#include "fedval/contribution/verified_entropy.hpp"
#include "fedval/tensor/std.hpp"
#include "tests/contribution/score_properties.hpp"

// Every score that can be saved; the list is long for TEST_CASE_TEMPLATE.
TYPE_TO_STRING(fedval::SpectralFed);
TYPE_TO_STRING(fedval::CosineGradientShapley);
TYPE_TO_STRING(fedval::ClassAlignment);
TYPE_TO_STRING(fedval::ShapFed);
TYPE_TO_STRING(fedval::GatedEntropy);
TYPE_TO_STRING(fedval::ConsensusEntropy);
TYPE_TO_STRING(fedval::ConfirmedEntropy);
TYPE_TO_STRING(fedval::LeaveOneOutCosine);
TYPE_TO_STRING(fedval::VerifiedEntropy);
TYPE_TO_STRING(fedval::SpectralFuse);

using namespace fedval;
using namespace fedval::tests;

namespace {

// Here and not beside the scores: every user would wait for them.
template <class... Scores>
inline constexpr bool savable = (SavableScore<Scores> && ...);
static_assert(savable<ClassAlignment, ConfirmedEntropy, ConsensusEntropy, CosineGradientShapley, GatedEntropy,
                      GradientShapley, LeaveOneOutCosine, ResidualReweighting, ShapFed, SpectralFed,
                      SpectralFuse, VerifiedEntropy>);
template <class... Scores>
inline constexpr bool savable_of_coalitions = ((CoalitionScore<Scores> && Savable<Scores>)&&...);
static_assert(
    savable_of_coalitions<CompletedShapley, ContributionIndex, FedShapley, GtgShapley, LeaveOneOut>);

constexpr std::uint64_t seed = 651;

/// A score with options of its own beside the plain one.
template <class S>
S tuned();
template <>
SpectralFed tuned() {
  return SpectralFed({.momentum = 0.3, .alpha = 0.7, .entropy = {.normaliser = spectral::Normaliser::none}});
}
template <>
CosineGradientShapley tuned() {
  return CosineGradientShapley(
      {.gamma = 0.1, .alpha = 0.8, .value = CosineGradientShapley::Value::euclidean});
}
template <>
ClassAlignment tuned() {
  return ClassAlignment({.momentum = 0.6, .raw = true});
}
template <>
ShapFed tuned() {
  return ShapFed({.momentum = 0.1});
}
template <>
GatedEntropy tuned() {
  return GatedEntropy({.momentum = 1.0 / 3, .tau = 0.7, .power = 1.1, .share_copies = false});
}
template <>
ConsensusEntropy tuned() {
  return ConsensusEntropy({.momentum = 0.2, .innovation = {.copy_cosine = 0.5, .least_novelty = 0.1}});
}
template <>
ConfirmedEntropy tuned() {
  return ConfirmedEntropy({.momentum = 0.2, .energy = 0.7, .novelty_power = 2});
}
template <>
LeaveOneOutCosine tuned() {
  return LeaveOneOutCosine({.momentum = 0.7});
}
template <>
VerifiedEntropy tuned() {
  return VerifiedEntropy({.momentum = 0.6, .novelty_tau = 0.5, .likeness = {.rows = {0.5, 0.9}}});
}
template <>
SpectralFuse tuned() {
  return SpectralFuse(SpectralFuse::Options::reference());
}

/// Names that a text could trip over.
const std::vector<ClientId> names{"",
                                  " ",
                                  "a b",
                                  "line\nbreak\r\n",
                                  "100%",
                                  "%41",
                                  "'",
                                  "\"quoted\"",
                                  "Gr\xc3\xbc\xc3\x9f"
                                  "e",
                                  "\xe6\x97\xa5\xe6\x9c\xac",
                                  std::string("nul\0byte", 8),
                                  "0",
                                  "007",
                                  "12",
                                  "\x7f\xff\x80",
                                  "1p+0",
                                  "\ttab"};

Sent<double> named(const Sent<double>& sent) {
  Sent<double> result{{}, sent.global};
  for (const auto& [id, upload] : sent.clients) result.clients[names[std::stoul(id.text())]] = upload;
  return result;
}

/// `count` rounds of clients with such names.
std::vector<Sent<double>> rounds(std::uint64_t stream_of_seed, std::size_t count) {
  random::Stream stream(seed, stream_of_seed);
  Federation<double> federation(stream, {3, 5, 4, true}, names.size());
  std::vector<Sent<double>> result;
  while (result.size() < count) result.push_back(named(federation.next()));
  return result;
}

/// A score after two rounds of two clients, and a third round.
template <class S>
struct Small {
  S scorer;
  std::string text;
  Sent<double> next;

  Small() {
    random::Stream stream(seed, 9);
    Federation<double> federation(stream, {2, 3, 2, false}, 2);
    for (int r = 0; r < 2; ++r) scorer.observe(federation.next(2).round());
    next = federation.next(2);
    text = save(scorer);
  }
};

/// What a damaged text may do: be refused, leaving the scorer as it was, or be another state that rounds go
/// on from.
template <class S>
void check_damaged(const Small<S>& small, const std::string& text) {
  S scorer = small.scorer;
  try {
    restore(text, scorer);
  } catch (const Error&) {
    CHECK((save(scorer) == small.text));
    return;
  }
  const std::string read = save(scorer);
  S again = small.scorer;
  restore(read, again);
  CHECK((save(again) == read));
  try {
    for (const auto& [id, score] : scorer.observe(small.next.round())) {
      CHECK(std::isfinite(score.value));
      CHECK_FALSE(score.variance < 0);
    }
  } catch (const Error& error) {
    const std::string message = error.what();
    CAPTURE(message);
    CHECK((save(scorer) == read));  // refused as a whole
  }
}

/// The text with its `which`-th word from the end replaced.
std::string with_word(std::string text, int which, const std::string& word) {
  std::size_t end = text.find_last_not_of(" \n") + 1;
  for (;; --which) {
    const std::size_t begin = text.find_last_of(" \n", end - 1) + 1;
    if (which == 0) return text.replace(begin, end - begin, word);
    end = text.find_last_not_of(" \n", begin - 1) + 1;
  }
}

bool names_it(const std::string& message, std::string_view what) {
  INFO(message);
  CHECK(message.find(what) != std::string::npos);
  return message.find(what) != std::string::npos;
}

template <class S>
std::string refusal(const S& saved, S into) {
  const std::string before = save(into);
  const std::string message = complaint_of([&] { restore(save(saved), into); });
  CHECK((save(into) == before));
  return message;
}

}  // namespace

TEST_CASE_TEMPLATE("a restored score goes on with the same bits, clients coming and going", S, SpectralFed,
                   CosineGradientShapley, ClassAlignment, ShapFed, GatedEntropy, ConsensusEntropy,
                   ConfirmedEntropy, LeaveOneOutCosine, VerifiedEntropy, SpectralFuse) {
  CAPTURE(seed);
  const std::vector<Sent<double>> sent = rounds(0, 12);
  for (const S& fresh : {S(), tuned<S>()})
    for (const std::size_t stop : {0u, 1u, 2u, 5u, 8u}) {
      CAPTURE(stop);
      S scorer = fresh, used = fresh;
      for (std::size_t r = 0; r < stop; ++r) scorer.observe(sent[r].round());
      used.observe(sent[11].round());  // what it knew is forgotten
      S restored = fresh;
      const std::string text = save(scorer);
      restore(text, restored);
      restore(text, used);
      CHECK((save(restored) == text));
      CHECK((save(used) == text));
      CHECK((save(scorer) == text));  // saving changes nothing
      for (std::size_t r = stop; r < stop + 4; ++r) {
        CAPTURE(r);
        const Scores scores = scorer.observe(sent[r].round());
        check_same_bits(restored.observe(sent[r].round()), scores);
        check_same_bits(used.observe(sent[r].round()), scores);
        CHECK(save(restored) == save(scorer));
        CHECK(save(used) == save(scorer));
      }
    }
}

TEST_CASE_TEMPLATE("every name comes back", S, SpectralFed, CosineGradientShapley, ClassAlignment, ShapFed,
                   GatedEntropy, ConsensusEntropy, ConfirmedEntropy, LeaveOneOutCosine, VerifiedEntropy,
                   SpectralFuse) {
  CAPTURE(seed);
  random::Stream stream(seed, 1);
  Federation<double> federation(stream, {3, 5, 4, true}, names.size());
  S scorer, restored;
  const Sent<double> all = named(federation.next(names.size(), false));
  REQUIRE(all.clients.size() == names.size());
  scorer.observe(all.round());
  const std::string text = save(scorer);
  restore(text, restored);
  for (const char c : text) CHECK((c == '\n' || (c >= ' ' && c < 127)));  // plain ASCII
  // One client a time: its own state is told from what a newcomer would have, or another's.
  for (const ClientId& name : names) {
    CAPTURE(name.text());
    const Upload<double>& upload = all.clients.at(name);
    const Sent<double> one{{{name, upload.scaled(-1)}}, upload.scaled(0)};
    check_same_bits(restored.observe(one.round()), scorer.observe(one.round()));
  }
  CHECK(save(restored) == save(scorer));
}

TEST_CASE("members that are made of the state are the same after a restore") {
  CAPTURE(seed);
  const std::vector<Sent<double>> sent = rounds(2, 6);
  SpectralFed fed, fed2;
  CosineGradientShapley cgsv, cgsv2;
  ShapFed shap, shap2;
  SpectralFuse fuse, fuse2;
  for (const Sent<double>& each : sent) {
    fed.observe(each.round());
    cgsv.observe(each.round());
    shap.observe(each.round());
    fuse.observe(each.round());
  }
  restore(save(fed), fed2);
  restore(save(cgsv), cgsv2);
  restore(save(shap), shap2);
  restore(save(fuse), fuse2);
  const Round last = sent.back().round();
  CHECK(bits(fed2.weights(last).values) == bits(fed.weights(last).values));
  CHECK(cgsv2.importance() == cgsv.importance());
  CHECK(cgsv2.uniform() == cgsv.uniform());
  Values out(last.clients()[0].parts.update.size());
  CHECK_THROWS_AS(cgsv2.aggregate(last, out), Error);  // needs a round observed
  CHECK(shap2.classes() == shap.classes());
  CHECK(bits(shap2.shares(last)) == bits(shap.shares(last)));
  CHECK(bits(fuse2.weights(last).values) == bits(fuse.weights(last).values));
  check_same_bits(fuse2.all(), fuse.all());
}

TEST_CASE("numbers of all sizes come back, bit for bit") {
  std::map<ClientId, double> numbers;
  for (const double value :
       {0.0, -0.0, 1.0 / 3, -1e-300, 0x1p-1074, -0x1.8p-1060, 0x1.fffffffffffffp+1023, 2.0})
    numbers.emplace(numbers.size(), value);
  detail::StateWriter writer("test");
  const std::vector<std::size_t> counts{0, 7, 1234567};
  writer.state("numbers", numbers);
  writer.state("counts", counts);
  const std::string text = writer.text();
  detail::StateReader reader(text, "test");
  std::map<ClientId, double> read{{99, 1.0}};
  std::vector<std::size_t> read_counts;
  reader.state("numbers", read);
  reader.state("counts", read_counts);
  reader.end();
  REQUIRE(read.size() == numbers.size());
  for (const auto& [id, value] : numbers) CHECK(bits(read.at(id)) == bits(value));
  CHECK(read_counts == counts);
}

TEST_CASE("the text does not depend on the locale") {
  struct Grouping : std::numpunct<char> {
    char do_thousands_sep() const override { return '.'; }
    std::string do_grouping() const override { return "\1"; }
    char do_decimal_point() const override { return ','; }
  };
  const Small<SpectralFuse> small;
  const std::locale before = std::locale::global(std::locale(std::locale::classic(), new Grouping));
  const std::string text = save(small.scorer);
  SpectralFuse restored;
  restore(text, restored);
  std::locale::global(before);
  CHECK(text == small.text);
  CHECK((save(restored) == text));
}

TEST_CASE_TEMPLATE("a text with a byte changed or cut is refused or another state, and nothing breaks", S,
                   SpectralFed, CosineGradientShapley, ClassAlignment, ShapFed, GatedEntropy,
                   ConsensusEntropy, ConfirmedEntropy, LeaveOneOutCosine, VerifiedEntropy, SpectralFuse) {
  const Small<S> small;
  CHECK(small.text.size() > 80);
  for (std::size_t at = 0; at < small.text.size(); ++at) {
    CAPTURE(at);
    std::string text = small.text;
    for (int bit = 0; bit < 8; ++bit) {
      text[at] = static_cast<char>(small.text[at] ^ (1 << bit));
      check_damaged(small, text);
    }
    for (const char c : {'-', '0', '9', 'f', 'p', '.', '+', ' ', '\n', '\'', '%', '\0'}) {
      text[at] = c;
      check_damaged(small, text);
    }
    check_damaged(small, small.text.substr(0, at) + small.text.substr(at + 1));
    check_damaged(small, small.text.substr(0, at));
    check_damaged(small, small.text.substr(at + 1));
  }
}

TEST_CASE_TEMPLATE("a text cut before its last word is refused, and so is one with more", S, SpectralFed,
                   CosineGradientShapley, ClassAlignment, ShapFed, GatedEntropy, ConsensusEntropy,
                   ConfirmedEntropy, LeaveOneOutCosine, VerifiedEntropy, SpectralFuse) {
  const Small<S> small;
  S scorer = small.scorer;
  const auto refused = [&](const std::string& text) {
    CAPTURE(text);
    const std::string message = complaint_of([&] { restore(text, scorer); });
    CHECK((save(scorer) == small.text));
    names_it(message, S::name);
  };
  refused("");
  refused("\n");
  refused(small.text.substr(0, small.text.find_last_of(" \n", small.text.size() - 2)));
  refused(small.text.substr(0, small.text.size() / 2));
  refused(small.text + "0");
  refused(small.text + small.text);
  refused("fedval-state-2" + small.text.substr(14));
}

TEST_CASE_TEMPLATE("numbers that no score has are refused", S, SpectralFed, CosineGradientShapley,
                   ClassAlignment, ShapFed, GatedEntropy, ConsensusEntropy, ConfirmedEntropy,
                   LeaveOneOutCosine, VerifiedEntropy, SpectralFuse) {
  const Small<S> small;
  S scorer = small.scorer;
  const int last = std::is_same_v<S, CosineGradientShapley> ? 2 : 0;  // "uniform 0" stands last there
  for (const std::string word : {"nan", "inf", "-inf", "nan(1)", "0x1p+0", "1p+99999", "", "one"}) {
    CAPTURE(word);
    CHECK(complaint_of([&] { restore(with_word(small.text, last, word), scorer); }) != "no error");
    CHECK((save(scorer) == small.text));
  }
}

TEST_CASE_TEMPLATE("the text of another score is refused by name", S, SpectralFed, CosineGradientShapley,
                   ClassAlignment, ShapFed, GatedEntropy, ConsensusEntropy, ConfirmedEntropy,
                   LeaveOneOutCosine, VerifiedEntropy, SpectralFuse) {
  const auto from = [](const auto& other) {
    S scorer = Small<S>().scorer;
    const std::string before = save(scorer), message = complaint_of([&] { restore(save(other), scorer); });
    CHECK((save(scorer) == before));
    names_it(message, S::name);
    names_it(message, other.name);
  };
  if constexpr (!std::is_same_v<S, SpectralFed>) from(SpectralFed());
  if constexpr (!std::is_same_v<S, ConfirmedEntropy>) from(ConfirmedEntropy());
}

TEST_CASE("a text saved with other options is refused by the option's name") {
  using spectral::Normaliser;
  names_it(refusal(SpectralFed({.momentum = 0.8}), SpectralFed()), "momentum");
  names_it(refusal(SpectralFed({.alpha = 1}), SpectralFed()), "alpha");
  names_it(refusal(SpectralFed({.entropy = {.normaliser = Normaliser::log_rank}}), SpectralFed()), "entropy");
  names_it(refusal(SpectralFed({.entropy = {.epsilon = 1e-10}}), SpectralFed()), "entropy");
  names_it(refusal(CosineGradientShapley({.gamma = 0.4}), CosineGradientShapley()), "gamma");
  names_it(refusal(CosineGradientShapley({.alpha = 0.4}), CosineGradientShapley()), "alpha");
  using Value = CosineGradientShapley::Value;
  names_it(refusal(CosineGradientShapley({.value = Value::exact}), CosineGradientShapley()), "value");
  names_it(refusal(LeaveOneOutCosine({.momentum = 0.8}), LeaveOneOutCosine()), "momentum");
  names_it(refusal(ClassAlignment({.momentum = 0.1}), ClassAlignment()), "momentum");
  names_it(refusal(ClassAlignment({.raw = true}), ClassAlignment()), "raw");
  names_it(refusal(ShapFed({.momentum = 0.8}), ShapFed()), "momentum");
  names_it(refusal(GatedEntropy({.momentum = 0.8}), GatedEntropy()), "momentum");
  names_it(refusal(GatedEntropy({.tau = 0.7}), GatedEntropy()), "tau");
  names_it(refusal(GatedEntropy({.power = 3}), GatedEntropy()), "power");
  names_it(refusal(GatedEntropy({.share_copies = false}), GatedEntropy()), "share_copies");
  names_it(refusal(GatedEntropy({.innovation = {.copy_cosine = 0.9}}), GatedEntropy()), "innovation");
  names_it(refusal(GatedEntropy({.entropy = {.alpha = 2}}), GatedEntropy()), "entropy");
  names_it(refusal(ConsensusEntropy({.momentum = 0.8}), ConsensusEntropy()), "momentum");
  names_it(refusal(ConsensusEntropy({.share_copies = false}), ConsensusEntropy()), "share_copies");
  names_it(refusal(ConsensusEntropy({.innovation = {.least_novelty = 0.1}}), ConsensusEntropy()),
           "innovation");
  const auto confirmed = [](const ConfirmedEntropy::Options& options, const char* option) {
    names_it(refusal(ConfirmedEntropy(options), ConfirmedEntropy()), option);
  };
  confirmed({.momentum = 0.8}, "momentum");
  confirmed({.energy = 0.8}, "energy");
  confirmed({.confirmed_power = 0.8}, "confirmed_power");
  confirmed({.novelty_tau = 0.8}, "novelty_tau");
  confirmed({.novelty_power = 0.8}, "novelty_power");
  confirmed({.agreement_tau = 0.8}, "agreement_tau");
  confirmed({.agreement_power = 0.8}, "agreement_power");
  confirmed({.share_copies = false}, "share_copies");
  confirmed({.innovation = {.copy_cosine = 0.8}}, "innovation");
  const auto verified = [](const VerifiedEntropy::Options& options, const char* option) {
    names_it(refusal(VerifiedEntropy(options), VerifiedEntropy()), option);
  };
  verified({.momentum = 0.8}, "momentum");
  verified({.inside_tau = 0.8}, "inside_tau");
  verified({.novelty_tau = 0.8}, "novelty_tau");
  verified({.relation_tau = 0.8}, "relation_tau");
  verified({.direction_tau = 0.8}, "direction_tau");
  verified({.gate_power = 2}, "gate_power");
  verified({.least_strength = 0.1}, "least_strength");
  verified({.likeness = {.updates = {0.3, 0.6}}}, "likeness");
  verified({.likeness = {.rows = {0.65, 0.9}}}, "likeness");
  verified({.innovation = {.least_novelty = 0.1}}, "innovation");
  names_it(refusal(SpectralFuse({.momentum = 0.8}), SpectralFuse()), "momentum");
  names_it(refusal(SpectralFuse({.entropy = {.alpha = 2}}), SpectralFuse()), "entropy");
  names_it(refusal(SpectralFuse({.fusion = {.likelihood_memory = 0.8}}), SpectralFuse()), "options");
  names_it(refusal(SpectralFuse({.fusion = {.process_noises = {1e-4}}}), SpectralFuse()), "options");
  names_it(refusal(SpectralFuse({.fusion = {.fusion = {.beta = 0.2}}}), SpectralFuse()), "options");
  names_it(refusal(SpectralFuse(SpectralFuse::Options::reference()), SpectralFuse()), "SpectralFuse");
}

TEST_CASE("a client that stands twice in a text is refused") {
  ShapFed scorer;
  const std::vector<Values> weight{{1, 2}};
  Round round;
  round.add("a", {.final_weight = weight});
  round.add("b", {.final_weight = weight});
  scorer.observe(round);
  std::string text = save(scorer);
  text[text.find("'b") + 1] = 'a';
  names_it(complaint_of([&] { restore(text, scorer); }), "a twice");
}

TEST_CASE("a filter's state whose parts do not fit together is refused") {
  // Whole words changed, so that the text reads well: one candidate's track fewer than there are candidates,
  // and one log weight fewer. Rounds would read past their ends.
  const Small<SpectralFuse> small;
  SpectralFuse scorer = small.scorer;
  std::string text = small.text;
  const std::size_t models = text.rfind("\nmodels 6");
  REQUIRE(models != std::string::npos);
  text.replace(models, 9, "\nmodels 5");
  for (int line = 0; line < 3; ++line) text.erase(text.find_last_of('\n', text.size() - 2) + 1);
  CHECK(complaint_of([&] { restore(text, scorer); }) != "no error");
  CHECK((save(scorer) == small.text));

  scorer = small.scorer;
  text = small.text;
  const std::size_t weights = text.find("\nlog_weights 6 ");
  REQUIRE(weights != std::string::npos);
  const std::size_t end = text.find('\n', weights + 1), last = text.find_last_of(' ', end);
  text.replace(last, end - last, "");
  text[weights + 13] = '5';
  CHECK(complaint_of([&] { restore(text, scorer); }) != "no error");
  CHECK((save(scorer) == small.text));
}

TEST_CASE("a variance below zero is refused: a round that meets it would be half done") {
  const Small<SpectralFuse> small;
  SpectralFuse scorer = small.scorer;
  std::string text = small.text;
  const std::size_t variance = text.rfind("\nP ");
  REQUIRE(variance != std::string::npos);
  text.insert(variance + 3, "-");
  try {
    restore(text, scorer);
  } catch (const Error&) {
    CHECK((save(scorer) == small.text));
    return;
  }
  const std::string before = save(scorer);
  const std::string message = complaint_of([&] { scorer.observe(small.next.round()); });
  INFO(message);
  if (message != "no error") CHECK((save(scorer) == before));
}
