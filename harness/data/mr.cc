#include "harness/data/mr.hpp"

#include <array>
#include <cstddef>
#include <numeric>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "fedval/error.hpp"
#include "fedval/random/philox.hpp"
#include "harness/data/describe.hpp"
#include "harness/data/input_file.hpp"
#include "harness/data/text_file.hpp"
#include "harness/data/utf8.hpp"
#include "harness/data/vocabulary.hpp"

namespace fedval::harness {
namespace {

namespace fs = std::filesystem;

// Its bytes are "mrsp": no other user of the seed shares the stream.
constexpr std::uint64_t split_stream = 0x6d72737000000000;
constexpr std::size_t twentieth = 20;

constexpr std::array<const char*, 2> names = {"rt-polarity.neg", "rt-polarity.pos"};  // by label

fs::path place(const fs::path& folder) {
  return first_with({folder / "mr", folder / "rt-polaritydata"}, {names[0], names[1]});
}

// The file's text as UTF-8; `note` tells when it was not.
std::string read_as_utf8(const fs::path& path, std::string& note) {
  std::string text = read_text(path);
  const std::size_t foreign = find_bad_utf8(text);
  if (foreign == std::string::npos) return text;
  if (const std::size_t bad = find_bad_windows_1252(text); bad != std::string::npos)
    fail(place_in(path, text, bad), ": ", byte_name(text[bad]), " is not Windows-1252, and ",
         byte_name(text[foreign]), " (", place_in(path.filename(), text, foreign), ") is not UTF-8");
  note += ", " + place_in(path.filename(), text, foreign) + " is not UTF-8, so read as Windows-1252";
  return windows_1252_to_utf8(text);
}

std::vector<Sentence> read_sentences(const fs::path& path, std::string& note) {
  const std::string text = read_as_utf8(path, note);
  std::vector<Sentence> sentences;
  for (const std::string_view line : split_lines(text)) {
    sentences.push_back(split_words(line));
    if (sentences.back().empty()) fail(path.string(), ": line ", sentences.size(), ": no word");
  }
  return sentences;
}

}  // namespace

bool mr_present(const fs::path& folder) { return any_there(place(folder), {names[0], names[1]}); }

Dataset load_mr(const fs::path& folder, std::uint64_t seed) {
  const fs::path where = place(folder);
  std::string note;
  LabelledSentences all;
  std::array<std::size_t, 2> counts{};
  for (const auto label : {std::uint8_t{0}, std::uint8_t{1}}) {
    for (Sentence& sentence : read_sentences(where / names[label], note)) {
      all.sentences.push_back(std::move(sentence));
      all.labels.push_back(label);
      ++counts[label];
    }
  }
  const std::size_t part = all.labels.size() / twentieth;
  if (part == 0)
    fail(where.string(), ": ", all.labels.size(),
         " sentences; a held-out and a test part of a twentieth each "
         "need 20");

  std::vector<std::size_t> order(all.labels.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  random::Stream(seed, split_stream).shuffle(std::span(order));
  const auto take = [&](std::size_t first, std::size_t last) {
    LabelledSentences taken;
    for (const std::size_t i : std::span(order).subspan(first, last - first)) {
      taken.sentences.push_back(std::move(all.sentences[i]));
      taken.labels.push_back(all.labels[i]);
    }
    return taken;
  };
  Dataset data{.name = "mr",
               .description = "MR, movie review sentences, " + grouped(counts[0]) + " negative and " +
                              grouped(counts[1]) + " positive, split 90/5/5 by seed " + std::to_string(seed) +
                              ", from " + where.string() + note,
               .classes = 2};
  const LabelledSentences held_out = take(0, part), test = take(part, 2 * part);
  set_sentences(data, take(2 * part, order.size()), held_out, test);
  return data;
}

}  // namespace fedval::harness
