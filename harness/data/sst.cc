#include "harness/data/sst.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "fedval/error.hpp"
#include "harness/data/describe.hpp"
#include "harness/data/input_file.hpp"
#include "harness/data/text_file.hpp"
#include "harness/data/utf8.hpp"
#include "harness/data/vocabulary.hpp"

namespace fedval::harness {
namespace {

namespace fs = std::filesystem;

constexpr std::uint8_t neutral = 2;

std::vector<std::string> files() { return {"train.txt", "dev.txt", "test.txt"}; }

fs::path place(const fs::path& folder) { return first_with({folder / "sst", folder / "trees"}, files()); }

struct Tree {
  Sentence words = {};
  std::uint8_t label = 0;
};

// Reads the tree of one line. How many parentheses are open is all that it needs to remember.
class TreeReader {
 public:
  TreeReader(const fs::path& path, std::string_view text, std::string_view line)
      : path_(path),
        text_(text.substr(0, static_cast<std::size_t>(line.data() + line.size() - text.data()))),
        at_(text_.size() - line.size()) {}

  Tree read() {
    Tree tree;
    expect('(', "a tree, which begins with");
    tree.label = label();
    std::size_t open = 1;
    for (bool new_node = true; open > 0;) {
      skip_space();
      if (next_is('(')) {
        ++at_;
        label();
        ++open;
        new_node = true;
      } else if (new_node) {
        tree.words.push_back(split_words(token("a word or a tree")).front());
        expect(')', "one word alone, then");
        --open;
        new_node = false;
      } else {
        expect(')', "a tree or");
        --open;
      }
    }
    skip_space();
    if (at_ < text_.size()) refuse("text after the tree");
    return tree;
  }

 private:
  template <class... Parts>
  [[noreturn]] void refuse(const Parts&... parts) const {
    fail(place_in(path_, text_, at_), ": ", parts...);
  }

  void skip_space() { at_ = std::min(text_.find_first_not_of(white_space, at_), text_.size()); }

  bool next_is(char c) const { return at_ < text_.size() && text_[at_] == c; }

  void expect(char c, const char* what) {
    skip_space();
    if (at_ == text_.size()) refuse("the line ends, expected ", what, " '", c, "'");
    if (text_[at_] != c) refuse("expected ", what, " '", c, "'");
    ++at_;
  }

  // What stands before the next white space or parenthesis.
  std::string_view token(const char* what) {
    skip_space();
    const std::size_t end = std::min(text_.find_first_of("() \t\n\v\f\r", at_), text_.size());
    if (end == at_) refuse(at_ == text_.size() ? "the line ends" : "nothing", ", expected ", what);
    const std::string_view found = text_.substr(at_, end - at_);
    at_ = end;
    return found;
  }

  std::uint8_t label() {
    const std::string_view digits = token("a label");
    if (digits.size() == 1 && digits[0] >= '0' && digits[0] <= '4')
      return static_cast<std::uint8_t>(digits[0] - '0');
    at_ -= digits.size();
    refuse("label is \"", digits.substr(0, 20), "\", expected 0 to 4");
  }

  const fs::path& path_;
  std::string_view text_;  // up to the end of the line
  std::size_t at_;
};

LabelledSentences read_part(const fs::path& path, bool binary) {
  const std::string text = read_text(path);
  if (const std::size_t bad = find_bad_utf8(text); bad != std::string::npos)
    fail(place_in(path, text, bad), ": ", byte_name(text[bad]), " is not UTF-8");
  LabelledSentences part;
  for (const std::string_view line : split_lines(text)) {
    Tree tree = TreeReader(path, text, line).read();
    if (binary && tree.label == neutral) continue;
    part.labels.push_back(binary ? tree.label > neutral : tree.label);
    part.sentences.push_back(std::move(tree.words));
  }
  if (part.labels.empty()) fail(path.string(), ": every sentence is neutral (label 2), so none is left");
  return part;
}

}  // namespace

bool sst_present(const fs::path& folder) { return any_there(place(folder), files()); }

Dataset load_sst(const fs::path& folder, bool binary) {
  const fs::path where = place(folder);
  const LabelledSentences train = read_part(where / "train.txt", binary);
  const LabelledSentences dev = read_part(where / "dev.txt", binary);
  const LabelledSentences test = read_part(where / "test.txt", binary);
  const auto count = [](const LabelledSentences& part) { return grouped(part.labels.size()); };
  Dataset data{.name = binary ? "sst_binary" : "sst",
               .description = std::string("Stanford Sentiment Treebank, ") +
                              (binary ? "two classes without neutral sentences, " : "five classes, ") +
                              count(train) + " train, " + count(dev) + " dev and " + count(test) +
                              " test sentences, from " + where.string(),
               .classes = binary ? std::size_t{2} : std::size_t{5}};
  set_sentences(data, train, dev, test);
  return data;
}

}  // namespace fedval::harness
