#include "harness/data/text_file.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <fstream>

#include "fedval/error.hpp"
#include "harness/data/input_file.hpp"

namespace fedval::harness {

namespace fs = std::filesystem;

std::string read_text(const fs::path& path) {
  std::ifstream file = open_input(path);
  std::string text;
  std::array<char, std::size_t{1} << 16> part;
  do {
    file.read(part.data(), part.size());
    text.append(part.data(), static_cast<std::size_t>(file.gcount()));
  } while (file);
  if (file.bad()) fail(path.string(), ": cannot read");
  return text;
}

std::vector<std::string_view> split_lines(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    lines.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

std::string place_in(const fs::path& path, std::string_view text, std::size_t offset) {
  const std::string_view before = text.substr(0, offset);
  const auto line = 1 + std::count(before.begin(), before.end(), '\n');
  const std::size_t byte = offset - (before.rfind('\n') + 1);  // npos + 1 is 0
  return path.string() + ": line " + std::to_string(line) + ", byte " + std::to_string(byte + 1);
}

std::string byte_name(char byte) {
  constexpr const char* digits = "0123456789abcdef";
  const auto value = static_cast<std::uint8_t>(byte);
  return {'0', 'x', digits[value >> 4], digits[value & 15]};
}

}  // namespace fedval::harness
