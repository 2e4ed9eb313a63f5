// A table of text with aligned columns, for a terminal.
#pragma once

#include <cstddef>
#include <ostream>
#include <string>
#include <vector>

namespace fedval::harness {

class Table {
 public:
  /// The first column is set flush left, the others flush right.
  explicit Table(std::vector<std::string> header) : rows_{std::move(header)} {}

  /// All columns flush left: for a table of words.
  void flush_left() { words_ = true; }

  void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }

  /// Columns two spaces apart, a line under the header.
  friend std::ostream& operator<<(std::ostream& out, const Table& table);

 private:
  std::vector<std::vector<std::string>> rows_;
  bool words_ = false;
};

/// A number with so many digits after the point.
std::string fixed(double value, int digits);

}  // namespace fedval::harness
