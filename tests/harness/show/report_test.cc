// The page: well-formed, self-contained, escaped, of a bounded size, with numbers found by hand in it.
#include "harness/show/report.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <set>
#include <string_view>

#include "harness/show/gnuplot.hpp"
#include "harness/show/markup.hpp"
#include "tests/harness/show/run_writer.hpp"
#include "tests/support/complaint.hpp"

namespace fedval::harness {
namespace {

using namespace test_runs;
using tests::complaint_of;

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t found = 0;
  for (std::size_t i = 0; (i = text.find(part, i)) != std::string::npos; i += part.size()) ++found;
  return found;
}

// What is wrong with the tags and ids of a page; nothing when all is well.
std::string defect(std::string_view page) {
  const std::set<std::string> never_closed{"meta", "!DOCTYPE"};
  std::vector<std::string> open;
  std::set<std::string> ids, wanted;
  for (std::size_t i = 0; (i = page.find('<', i)) != std::string_view::npos;) {
    const std::size_t end = page.find('>', i);
    if (end == std::string_view::npos) return "a tag without end";
    std::string_view tag = page.substr(i + 1, end - i - 1);
    i = end + 1;
    if (tag.starts_with('/')) {
      if (open.empty() || open.back() != tag.substr(1))
        return "unexpected </" + std::string(tag.substr(1)) + ">";
      open.pop_back();
      continue;
    }
    const std::string name(tag.substr(0, tag.find_first_of(" \n\t/")));
    for (const char quote : {'\'', '"'}) {
      const std::string id = std::string(" id=") + quote, link = std::string("href=") + quote + "#";
      if (const std::size_t at = tag.find(id); at != std::string_view::npos) {
        const std::string_view value = tag.substr(at + 5, tag.find(quote, at + 5) - at - 5);
        if (!ids.emplace(value).second) return "id twice: " + std::string(value);
      }
      if (const std::size_t at = tag.find(link); at != std::string_view::npos)
        wanted.emplace(tag.substr(at + 7, tag.find(quote, at + 7) - at - 7));
    }
    if (never_closed.contains(name) || tag.ends_with('/')) continue;
    open.push_back(name);
  }
  if (!open.empty()) return "<" + open.back() + "> is not closed";
  for (const std::string& id : wanted)
    if (!ids.contains(id)) return "no such id: " + id;
  return "";
}

std::string page_of(const std::vector<Run>& runs) {
  const Temporary folder;
  std::vector<std::filesystem::path> paths;
  for (std::size_t i = 0; i < runs.size(); ++i) {
    paths.push_back(folder / ("run" + std::to_string(i)));
    runs[i].write_to(paths.back());
  }
  write_report(paths, folder / "report.html");
  return read(folder / "report.html");
}

void check_page(const std::string& page) {
  CHECK(defect(page) == "");
  CHECK(page.starts_with("<!DOCTYPE html>\n<html lang='en'>"));
  for (const char* foreign : {"http", "<script", "<img", "<link", "@import", "url(//", "xlink", "NaN</text>"})
    CHECK_MESSAGE(!contains(page, foreign), foreign);
}

TEST_CASE("the check of pages finds what is wrong") {
  CHECK(defect("<p><b>x</b></p>") == "");
  CHECK(defect("<p><b>x</p>") == "unexpected </p>");
  CHECK(defect("<p>") == "<p> is not closed");
  CHECK(defect("<p id='a'></p><p id=\"a\"></p>") == "id twice: a");
  CHECK(defect("<a href='#b'></a>") == "no such id: b");
}

TEST_CASE("one run: tables, figures and their numbers") {
  Run run = made_up({.agents = 4, .rounds = 3, .scores = 2});
  const std::vector<double> alone{.1, .2, .3, .4}, credit{1, 2, 3, 9};
  for (std::size_t i = 0; i < 4; ++i) {
    run.summary["agents"][i]["standalone_accuracy"] = alone[i];
    run.summary["methods"]["cgsv"]["credit"]["values"][i] = credit[i];
    run.summary["methods"]["cgsv"]["agent_accuracy"][i] = 0.5 + 0.1 * static_cast<double>(i == 2);
    run.summary["methods"]["fedavg"]["agent_accuracy"][i] = 0.7;
  }
  run.summary["methods"]["cgsv"]["server_accuracy"] = 0.625;
  run.summary["methods"]["cgsv"]["seconds"] = 8;
  run.summary["methods"]["cgsv"]["valuation_seconds"] = 0.5;
  run.summary["methods"]["cgsv"]["best_server_accuracy"] = 0.75;
  run.summary["methods"]["cgsv"]["bytes"] = {{"models", 1.5e6}, {"heads", 64000}};
  run.summary["methods"]["cgsv"]["split"] = {{"queries", 3.5}};
  const std::string page = page_of({run});
  check_page(page);
  // Pearson 12.5 / sqrt(5 x 38.75) = .898 of credit; of accuracies: deviations -1 -1 3 -1 and -3 -1 1 3, so
  // 4 / sqrt(12 x 20) = .258; their ranks 2 2 4 2 give the same. Gains .4 .3 .3 .1: mean .275, and deviations
  // .125 .025 .025 -.175 with the mean square .011875.
  CHECK(contains(page,
                 "<th scope='row'>cgsv</th><td>0.5250</td><td>0.6000</td><td>0.6250</td><td>0.7500</td>"
                 "<td>0.898</td>"
                 "<td>1.000</td><td>0.258</td><td>0.258</td><td>-</td><td>0.2750</td><td>0.1090</td><td>-</"
                 "td><td>-</td><td>8.0</td><td>1.56 MB</td>"
                 "<td>6.25 %</td></tr>"));
  CHECK(contains(page, "<th scope='row'>cgsv</th><td>1500000</td><td>64000</td></tr>"));
  CHECK(contains(page, "<th scope='row'>cgsv</th><td>3.5</td></tr>"));
  CHECK(contains(page, "<th scope='row'>fedavg</th><td>-</td></tr>"));
  CHECK(contains(page, "Pearson 0.898, Spearman 1.000"));
  CHECK(contains(page, "Pearson -, Spearman -"));  // all end with the same accuracy under fedavg
  CHECK(contains(page, "<td>cgsv</td><td>2\u20133</td><td>update[17] is NaN</td>"));
  CHECK(contains(page, "<li><b>spectral_fed</b>: round 1: weights are uniform</li>"));
  CHECK(contains(page, "\nseed = 1\n"));
  CHECK(contains(page, "64000 parameters, final layer fc2, 10 x 200"));
  CHECK(count(page, "<figcaption>") == 9);  // partition, accuracy, time; scatter and rounds of three methods
  // A picture, two single plots; a method: key, credit, accuracy, 2 scores; key, 2 scores.
  CHECK(count(page, "<svg ") == 3 + 3 * (5 + 3));
  CHECK(count(page, "role='img'") == count(page, "<svg "));
  CHECK_FALSE(contains(page, "id='comparison'"));
}

TEST_CASE("balanced accuracy is called by its name, and said what it is") {
  Run run = made_up({.agents = 3, .rounds = 2, .scores = 1});
  CHECK_FALSE(contains(page_of({run}), "alanced accuracy"));
  run.settings.evaluation.accuracy = "balanced";
  const std::string page = page_of({run});
  check_page(page);
  for (const char* part :
       {"balanced accuracy alone", "Accuracy is balanced accuracy: of each class", "test balanced accuracy",
        "final balanced accuracy", "Value against balanced accuracy alone", "fedavg: balanced accuracy"})
    CHECK_MESSAGE(contains(page, part), part);
}

TEST_CASE("several runs: the comparison comes first") {
  std::vector<Run> runs;
  for (const std::uint64_t seed : {1, 2, 3}) {
    runs.push_back(made_up({.agents = 3, .rounds = 2, .scores = 1, .seed = seed}));
    runs.back().summary["methods"]["cgsv"]["server_accuracy"] = 0.88 + 0.02 * static_cast<double>(seed);
  }
  runs.push_back(made_up({.agents = 3, .rounds = 2, .scores = 1}));
  runs.back().settings.cgsv.beta = 2;
  const std::string page = page_of(runs);
  check_page(page);
  CHECK(page.find("id='comparison'") < page.find("id='run-1'"));
  CHECK(contains(page, "href='#run-4'"));
  CHECK(contains(page, "<td>0.9200 \u00B1 0.0497</td>"));  // 4.302653 x .02 / sqrt(3)
  CHECK(contains(page, "<th scope='row'>cgsv.beta</th><td>1.0</td><td>2.0</td>"));
  CHECK(contains(page, "but for name, seed, threads and checkpoints"));
}

TEST_CASE("hostile names are text, wherever they are shown") {
  const std::string hostile = "<script>&\"'</text>]]>`id`%g\\$(x)\n@a";
  Run run = made_up({.agents = 3, .rounds = 2, .scores = 2, .score_names = {"a<b'&", "--> {x}_y"}});
  run.summary["agents"][0]["name"] = hostile;
  run.summary["agents"][1]["id"] = "2";
  run.summary["data"] = hostile;
  run.summary["model"]["final_layer"] = hostile;
  run.summary["versions"][hostile] = hostile;
  run.summary["methods"]["cgsv"]["credit"]["name"] = hostile;
  run.summary["methods"]["cgsv"]["notes"] = {hostile};
  run.metrics[2]["refused"] = {{{"agent", "1"}, {"reason", hostile}}};
  const std::string page = page_of({run});
  check_page(page);
  CHECK(contains(page, "&lt;script&gt;&amp;&quot;&#39;&lt;/text&gt;]]&gt;`id`%g\\$(x)\uFFFD@a"));
  CHECK(contains(page, "a&lt;b&#39;&amp;"));
  CHECK(contains(page, ">--> {x}_y<"));  // as gnuplot writes it
}

TEST_CASE("runs of every shape make a page") {
  for (const Shape& shape :
       {Shape{.agents = 1, .rounds = 2, .scores = 1}, Shape{.agents = 5, .rounds = 1, .scores = 1},
        Shape{.agents = 5, .rounds = 2, .scores = 1, .equal_accuracies = true},
        Shape{.agents = 12, .classes = 1, .rounds = 1, .scores = 1},
        Shape{.agents = 2, .rounds = 2, .scores = 0}}) {
    CAPTURE(shape.agents);
    check_page(page_of({made_up(shape)}));
  }
  Run bare = made_up({.agents = 3, .rounds = 2, .scores = 1});
  bare.summary.erase("partition");
  bare.scores = "method,round,score,agent,value,variance\n";  // nobody was ever scored
  for (Json& line : bare.metrics) line["server_accuracy"] = nullptr;
  bare.summary["methods"]["cgsv"]["credit"]["values"] = {nullptr, nullptr, nullptr};
  const std::string page = page_of({bare});
  check_page(page);
  CHECK(contains(page, "No agent has a value."));
}

TEST_CASE("without scores there is no table and no figure of them") {
  const Shape none{.agents = 2, .rounds = 2, .scores = 0}, one{.agents = 2, .rounds = 2, .scores = 1};
  for (const std::string part : {"Scores by round", "scores by round, each", "Scores: correlation"}) {
    CAPTURE(part);
    CHECK(contains(page_of({made_up(one)}), part));
    CHECK_FALSE(contains(page_of({made_up(none)}), part));
  }
  CHECK(contains(page_of({made_up(one), made_up(one)}), "Scores of setting 1"));
  CHECK_FALSE(contains(page_of({made_up(none), made_up(none)}), "Scores of setting"));
}

TEST_CASE("a report of 100 agents, 62 classes and 30 rounds stays under 3 MB") {
  const std::string page = page_of({made_up({.agents = 100, .classes = 62, .rounds = 30})});
  check_page(page);
  CHECK(page.size() < 3000000);
  CHECK(contains(page, "the line is the median"));
}

TEST_CASE("a report that fails leaves what was there, and nothing else") {
  const Temporary folder;
  Run run = made_up({.agents = 2, .rounds = 1, .scores = 1});
  run.write_to(folder / "a");
  const std::vector<std::filesystem::path> paths{folder / "a"};
  write(folder / "report.html", "old");
  run.summary["seed"] = 9;
  run.write_to(folder / "a");
  CHECK(contains(complaint_of([&] { write_report(paths, folder / "report.html"); }), "seed is 9"));
  CHECK(read(folder / "report.html") == "old");
  run.summary["seed"] = 1;
  run.write_to(folder / "a");
  CHECK(contains(complaint_of([&] { write_report(paths, (folder / "none") / "report.html"); }),
                 "cannot be written"));
  CHECK(contains(complaint_of([&] { write_report(paths, folder / "a"); }), "cannot be written"));  // a folder
  write_report(paths, folder / "report.html");
  CHECK(read(folder / "report.html").starts_with("<!DOCTYPE html>"));
  std::size_t files = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(folder / "")) ++files;
  CHECK(files == 2);
}

TEST_CASE("gnuplot: its absence and its errors are told, its texts are not expanded") {
  CHECK(contains(complaint_of([] { run_gnuplot("plot nonsense(1)\n"); }), "gnuplot failed: "));
  CHECK(contains(complaint_of([] { gnuplot_svg({.id = "a", .width = 9, .height = 9}, "set title 'x'\n"); }),
                 "gnuplot: its output is no SVG"));
  const std::string text = "it's `date` \\n $x\x01\xff";
  CHECK(gnuplot_text(text) == "'it''s `date` \\n $x\uFFFD\uFFFD'");
  CHECK(run_gnuplot("set print '-'\nprint " + gnuplot_text(text) + "\n") ==
        "it's `date` \\n $x\uFFFD\uFFFD\n");
  const std::string path = getenv("PATH");
  setenv("PATH", "/nowhere", 1);
  const std::string complaint = complaint_of([] { run_gnuplot(""); });
  setenv("PATH", path.c_str(), 1);
  CHECK(contains(complaint, "gnuplot-nox"));
}

TEST_CASE("text in documents: what is no UTF-8 or a control character is replaced") {
  CHECK(escaped("<a b=\"c\" d='e'>&") == "&lt;a b=&quot;c&quot; d=&#39;e&#39;&gt;&amp;");
  CHECK(plain("\u00E9\u20AC\U0001F600z") == "\u00E9\u20AC\U0001F600z");
  CHECK(plain("a\tb\x7F\xC2\x85") == "a\uFFFDb\uFFFD\uFFFD");
  CHECK(plain("\xC0\xAF") == "\uFFFD\uFFFD");                          // an overlong slash
  CHECK(plain("\xED\xA0\x80").find("\xED") == std::string::npos);      // a surrogate
  CHECK(plain("\xF4\x90\x80\x80").find("\xF4") == std::string::npos);  // beyond U+10FFFF
  CHECK(plain("\xE2\x82") == "\uFFFD\uFFFD");
  CHECK(shortened("\u00E9\u00E9\u00E9", 2) == "\u00E9\u00E9...");
  CHECK(shortened("\u00E9\u00E9", 2) == "\u00E9\u00E9");
}

}  // namespace
}  // namespace fedval::harness
