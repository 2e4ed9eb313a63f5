#include "harness/checkpoint/checkpoint.hpp"

#include <zlib.h>

#include <bit>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <system_error>

#include "fedval/error.hpp"
#include "harness/files/output_file.hpp"

namespace fedval::harness {

namespace {

constexpr std::string_view magic = "fedval-checkpoint-1\n";
static_assert(std::endian::native == std::endian::little, "numbers are written as they lie in memory");

std::uint32_t checksum(std::string_view bytes) {
  return static_cast<std::uint32_t>(crc32_z(0, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
}

template <class Number>
std::string_view as_bytes(const Number& number) {
  return {reinterpret_cast<const char*>(&number), sizeof number};
}

template <class Number>
Number number_at(std::string_view bytes, std::size_t place) {
  Number number;
  std::memcpy(&number, bytes.data() + place, sizeof number);
  return number;
}

}  // namespace

void write_checkpoint(const std::filesystem::path& path, std::string_view bytes) {
  replace_file(path, {magic, as_bytes(std::uint64_t{bytes.size()}), bytes, as_bytes(checksum(bytes))});
}

std::filesystem::path previous_of(const std::filesystem::path& path) { return path.string() + ".previous"; }

void keep_checkpoint(const std::filesystem::path& path) {
  std::error_code error;
  if (!std::filesystem::exists(path, error)) return;
  // A second name costs no room; where a file system has none, a copy does.
  const std::filesystem::path draft = draft_of(previous_of(path));
  discard(draft);
  std::filesystem::create_hard_link(path, draft, error);
  if (error) std::filesystem::copy_file(path, draft, error);
  if (error) fail(previous_of(path).string(), ": cannot be made: ", error.message());
  put_in_place(draft, previous_of(path));
}

void discard_checkpoint(const std::filesystem::path& path) {
  for (const std::filesystem::path& each : {path, previous_of(path)}) {
    discard(each);
    discard(draft_of(each));
  }
}

std::string read_checkpoint(const std::filesystem::path& path) {
  std::error_code error;
  const std::uintmax_t size = std::filesystem::file_size(path, error);
  std::string all(error ? 0 : size, '\0');
  if (error || !std::ifstream(path, std::ios::binary).read(all.data(), static_cast<std::streamsize>(size)))
    fail(path.string(), ": cannot be read");
  constexpr std::size_t head = magic.size() + 8, tail = 4;
  if (!all.starts_with(magic)) fail(path.string(), ": is no checkpoint of this version");
  if (all.size() < head + tail || number_at<std::uint64_t>(all, magic.size()) != all.size() - head - tail)
    fail(path.string(), ": is cut off, has ", all.size(), " bytes");
  const std::string_view bytes = std::string_view(all).substr(head, all.size() - head - tail);
  if (number_at<std::uint32_t>(all, all.size() - tail) != checksum(bytes))
    fail(path.string(), ": is damaged, its checksum does not agree");
  return std::string(bytes);
}

LastCheckpoint read_last_checkpoint(const std::filesystem::path& path) {
  std::string complaint;
  try {
    return {read_checkpoint(path), ""};
  } catch (const Error& error) {
    complaint = error.what();
  }
  try {
    return {read_checkpoint(previous_of(path)), complaint + "; the checkpoint before it is used"};
  } catch (const Error&) {
    fail(complaint);
  }
}

}  // namespace fedval::harness
