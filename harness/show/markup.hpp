// HTML and SVG as text. Whatever comes from a file or a command line goes through escaped() or plain().
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace fedval::harness {

/// The text with every byte that is no UTF-8, and every control character, as U+FFFD, so that it may stand in
/// a document or in a script.
std::string plain(std::string_view text);

/// plain(), with <, >, & and quotes as character references: safe as content and in attributes.
std::string escaped(std::string_view text);

/// escaped(), but the ends of lines stay.
std::string escaped_lines(std::string_view text);

/// The text, or its beginning and "..." where it has more than so many characters. `text` is UTF-8.
std::string shortened(std::string_view text, std::size_t characters);

/// An element; `opening` is its name and attributes: element("p class='note'", "...") is
/// "<p class='note'>...</p>".
std::string element(std::string_view opening, std::string_view content);

/// A table with a header for every column and for every row. Cells are markup.
class HtmlTable {
 public:
  /// The first column names the rows; the others are set flush right when `numbers`.
  explicit HtmlTable(std::vector<std::string> header, bool numbers = true)
      : header_(std::move(header)), numbers_(numbers) {}

  void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
  std::string markup(const std::string& caption) const;

 private:
  std::vector<std::string> header_;
  std::vector<std::vector<std::string>> rows_;
  bool numbers_;
};

}  // namespace fedval::harness
