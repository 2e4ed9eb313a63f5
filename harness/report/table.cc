#include "harness/report/table.hpp"

#include <algorithm>
#include <iomanip>
#include <sstream>

namespace fedval::harness {

std::ostream& operator<<(std::ostream& out, const Table& table) {
  std::vector<std::size_t> widths(table.rows_.front().size(), 0);
  for (const auto& row : table.rows_)
    for (std::size_t column = 0; column < row.size(); ++column)
      widths[column] = std::max(widths[column], row[column].size());
  std::size_t total = 0;
  for (const std::size_t width : widths) total += width + 2;
  for (std::size_t r = 0; r < table.rows_.size(); ++r) {
    const std::vector<std::string>& row = table.rows_[r];
    for (std::size_t column = 0; column < row.size(); ++column) {
      const std::string& cell = row[column];
      const std::string space(widths[column] - cell.size(), ' ');
      const bool left = column == 0 || table.words_, last = column + 1 == row.size();
      if (column > 0) out << "  ";
      if (!left) out << space;
      out << cell;
      if (left && !last) out << space;
    }
    out << '\n';
    if (r == 0) out << std::string(total - 2, '-') << '\n';
  }
  return out;
}

std::string fixed(double value, int digits) {
  std::ostringstream text;
  text << std::fixed << std::setprecision(digits) << value;
  return text.str();
}

}  // namespace fedval::harness
