// How a study is written: names of settings, Markdown that takes nothing for its own, JSON in few lines.
#include <doctest/doctest.h>

#include <limits>
#include <sstream>

#include "harness/show/markdown.hpp"
#include "harness/show/study_json.hpp"
#include "harness/show/study_names.hpp"

namespace fedval::harness {
namespace {

using Names = std::vector<std::string>;

TEST_CASE("a setting is named by as few differences as tell the settings apart, the data first") {
  const Difference kind{"partition.kind", {"\"pow\"", "\"pow\"", "\"uni\""}},
      agents{"partition.agents", {"5", "10", "10"}}, held_out{"data.held_out", {"1", "2", "3"}};
  CHECK(setting_names(3, std::vector{held_out, kind, agents}) ==
        Names{"pow, N = 5", "pow, N = 10", "uni, N = 10"});
  CHECK(setting_names(3, std::vector{held_out}) == Names{"held_out = 1", "held_out = 2", "held_out = 3"});
  CHECK(setting_names(1, {}) == Names{"all runs"});
  // A difference that goes with another one says nothing more.
  const Difference set{"data.set", {"\"mnist\"", "\"cifar10\""}}, model{"model.name", {"\"a\"", "\"b\""}};
  CHECK(setting_names(2, std::vector{model, set}) == Names{"mnist", "cifar10"});
}

TEST_CASE("ambiguous keys are written out, lists come last") {
  const Difference rate{"fedopt.learning_rate", {"0.1", "0.2", "0.2", "0.2"}},
      other{"afl.learning_rate", {"0.1", "0.1", "0.2", "0.2"}},
      methods{"methods.run", {"[\"cgsv\"]", "[\"cgsv\"]", "[\"cgsv\"]", "[\"fedavg\", \"cgsv\"]"}},
      rounds{"training.rounds", {"12", "12", "12", "12"}};
  CHECK(setting_names(4, std::vector{methods, rounds, rate, other}) ==
        Names{"fedopt.learning_rate = 0.1, afl.learning_rate = 0.1, run = [cgsv]",
              "fedopt.learning_rate = 0.2, afl.learning_rate = 0.1, run = [cgsv]",
              "fedopt.learning_rate = 0.2, afl.learning_rate = 0.2, run = [cgsv]",
              "fedopt.learning_rate = 0.2, afl.learning_rate = 0.2, run = [fedavg, cgsv]"});
  const Difference time{"training.rounds", {"12", "24"}};
  CHECK(setting_names(2, std::vector{time}) == Names{"T = 12", "T = 24"});
}

TEST_CASE("settings stand by what names them, numbers ascending, words as they first appear") {
  const Difference kind{"partition.kind", {"\"pow\"", "\"pow\"", "\"uni\"", "\"uni\""}},
      agents{"partition.agents", {"10", "5", "10", "5"}}, beta{"cgsv.beta", {"1e+07", "1.0", "0.5", "2.0"}};
  using Order = std::vector<std::size_t>;
  CHECK(order_of_settings(4, std::vector{agents, kind}) == Order{1, 0, 3, 2});
  CHECK(order_of_settings(4, std::vector{beta}) == Order{2, 1, 3, 0});
  CHECK(order_of_settings(1, {}) == Order{0});
  // Not all are numbers: as they come.
  CHECK(order_of_settings(3, std::vector{Difference{"a.b", {"2", "\"one\"", "1"}}}) == Order{0, 1, 2});
}

TEST_CASE("Markdown: any text is only text") {
  CHECK(markdown_text("spectral_fed") == "spectral_fed");
  CHECK(markdown_text("_a_ b_") == "\\_a\\_ b\\_");
  CHECK(markdown_text("a|b*c`d[e](f)<g>&h\\i~j$k") == "a\\|b\\*c\\`d\\[e\\](f)\\<g\\>\\&h\\\\i\\~j\\$k");
  CHECK(markdown_text("a\nb\xff") == "a\uFFFDb\uFFFD");
}

TEST_CASE("columns are aligned by characters, numbers flush right") {
  MarkdownTable table({"score", "mean"});
  CHECK(table.empty());
  table.add({"a|b", "1.5 \u00B1 0.1"});
  table.add({"gamma", "-"});
  CHECK_FALSE(table.empty());
  CHECK(table.text() ==
        "| score |      mean |\n"
        "|:------|----------:|\n"
        "| a\\|b  | 1.5 \u00B1 0.1 |\n"
        "| gamma |         - |\n");
}

TEST_CASE("paragraphs keep their words, and no line is too long or begins like a list") {
  std::string text;
  for (int i = 0; i < 200; ++i) text += i % 3 == 0 ? "- " : i % 3 == 1 ? "12. " : "word+ ";
  const std::string paragraph = markdown_paragraph(text);
  std::istringstream lines(paragraph);
  std::string words;
  for (std::string line; std::getline(lines, line);) {
    CHECK(line.size() <= 111);  // a backslash may be added
    CHECK(line.size() > 90 - (lines.peek() == EOF ? 90 : 0));
    for (const char* mark : {"- ", "12. ", "+"}) CHECK_FALSE(line.starts_with(mark));
    std::erase(line, '\\');
    words += line + " ";
  }
  CHECK(words == text);
  CHECK(markdown_part("## A", "| t |\n", "x") == "## A\n\n| t |\n\nx\n");
}

TEST_CASE("numbers keep five significant digits") {
  CHECK(rounded(0.1234567) == 0.12346);
  CHECK(rounded(-123456.7) == -123460.0);
  CHECK(rounded(0.5) == 0.5);
  CHECK(rounded(1.23456e-300) == 1.2346e-300);
  CHECK(rounded(std::optional<double>()).is_null());
  CHECK(rounded(std::vector<std::optional<double>>{2.0 / 3, std::nullopt}).dump() == "[0.66667,null]");
}

TEST_CASE("JSON: what fits on a line stands on one, keys keep their order, nothing changes") {
  OrderedJson numbers = OrderedJson::array(), objects = OrderedJson::array();
  for (int i = 0; i < 100; ++i) numbers.push_back(i);
  for (int i = 0; i < 20; ++i) objects.push_back({{"i", i}});
  const OrderedJson json{{"z", 1}, {"a", {{"b\"", "c"}}}, {"n", numbers}, {"o", objects}};
  const std::string text = laid_out(json);
  CHECK(text.starts_with("{\n  \"z\": 1,\n  \"a\": {\"b\\\"\":\"c\"},\n  \"n\": [0,1,2,"));
  CHECK(text.find("\n    {\"i\":0},\n    {\"i\":1},\n") != std::string::npos);
  CHECK(text.ends_with("\n  ]\n}\n"));
  CHECK(OrderedJson::parse(text) == json);
  CHECK(laid_out(OrderedJson::object()) == "{}\n");
  CHECK(laid_out({{"a\xe9", "b\xff"}}) == "{\"a\uFFFD\":\"b\uFFFD\"}\n");  // no UTF-8
}

}  // namespace
}  // namespace fedval::harness
