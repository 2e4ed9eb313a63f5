#include "harness/federation/coalition_cache.hpp"

#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <charconv>
#include <string_view>
#include <system_error>

#include "fedval/error.hpp"
#include "harness/config/wording.hpp"
#include "harness/data/input_file.hpp"
#include "harness/data/text_file.hpp"
#include "harness/federation/coalition_training.hpp"
#include "harness/files/output_file.hpp"

namespace fedval::harness {

namespace {

std::string hexadecimal(std::uint64_t value, std::size_t digits) {
  std::string text(digits, '0');
  for (auto digit = text.rbegin(); digit != text.rend(); ++digit, value >>= 4)
    *digit = "0123456789abcdef"[value & 15];
  return text;
}

std::string checksum(std::string_view text) {
  return hexadecimal(crc32_z(0, reinterpret_cast<const Bytef*>(text.data()), text.size()), 8);
}

/// The settings with all that does not decide what coalitions reach at its default. What is not named here
/// counts: a setting that is forgotten costs a training, never a wrong value.
Settings deciding(Settings settings) {
  const Settings defaults;
  settings.name = defaults.name;
  settings.threads = defaults.threads;
  settings.participation = defaults.participation;
  settings.evaluation.every = defaults.evaluation.every;
  settings.checkpoint = defaults.checkpoint;
  settings.methods = defaults.methods;
  settings.scores = defaults.scores;
  settings.validation = defaults.validation;
  settings.attack = defaults.attack;
  settings.truth = defaults.truth;
  settings.cgsv = defaults.cgsv;
  settings.spectral_fed = defaults.spectral_fed;
  settings.fedopt = defaults.fedopt;
  settings.qffl = defaults.qffl;
  settings.afl = defaults.afl;
  settings.cffl = defaults.cffl;
  settings.rffl = defaults.rffl;
  settings.black_box = defaults.black_box;
  return settings;
}

/// Takes what is expected from the front of a text; false when it does not start with that.
bool take(std::string_view& text, std::string_view word) {
  if (!text.starts_with(word)) return false;
  text.remove_prefix(word.size());
  return true;
}

bool take(std::string_view& text, double& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return error == std::errc();
}

/// Error, which shows the first line that differs, unless the file's text starts with the expected one.
void check_start(const std::filesystem::path& path, std::string_view found, std::string_view expected) {
  if (found.starts_with(expected)) return;
  const auto differs = static_cast<std::size_t>(std::ranges::mismatch(found, expected).in1 - found.begin());
  const std::size_t line = found.substr(0, differs).rfind('\n') + 1;  // npos + 1 is 0
  const auto shown = [&](std::string_view text) {
    return in_quotes(text.substr(line, text.find('\n', line) - line));
  };
  fail(place_in(path, found, differs), ": expected ", shown(expected), ", found ", shown(found));
}

}  // namespace

CoalitionCache::CoalitionCache(const std::filesystem::path& folder, const CoalitionOrigin& origin)
    : header_("fedval coalitions 1\nbuild " + origin.build + "\ndata " + hexadecimal(origin.data, 16) + "\n" +
              to_toml(deciding(origin.settings))),
      coalitions_(coalitions_of(origin.settings.partition.agents)) {
  // The checksum only keeps files apart; which one is used is decided by the whole header.
  const Settings& settings = origin.settings;
  path_ = folder / (settings.data.set + "-" + settings.model.name + "-seed-" + std::to_string(settings.seed) +
                    "-" + checksum(header_) + ".txt");
}

std::string CoalitionCache::text_of(const std::vector<Tested>& values) const {
  std::string text = header_;
  for (std::size_t coalition = 0; coalition < values.size(); ++coalition)
    text += agents_of(coalition) + " accuracy " + number(values[coalition].accuracy) + " loss " +
            number(values[coalition].loss) + "\n";
  return text + "crc32 " + checksum(text) + "\n";
}

std::optional<std::vector<Tested>> CoalitionCache::read() const {
  if (!is_there(path_)) return std::nullopt;
  const std::string found = read_text(path_);
  check_start(path_, found, header_);
  std::string_view rest = std::string_view(found).substr(header_.size());
  std::vector<Tested> values(coalitions_);
  for (std::size_t coalition = 0; coalition < coalitions_; ++coalition) {
    const std::string agents = agents_of(coalition);
    Tested& value = values[coalition];
    if (!(take(rest, agents + " accuracy ") && take(rest, value.accuracy) && take(rest, " loss ") &&
          take(rest, value.loss) && take(rest, "\n")))
      fail(place_in(path_, found, found.size() - rest.size()), ": the accuracy and loss of coalition ",
           agents, " cannot be read");
  }
  const std::string expected = text_of(values);
  check_start(path_, found, expected);
  if (found.size() > expected.size())
    fail(place_in(path_, found, expected.size()), ": more than was expected");
  return values;
}

void CoalitionCache::write(const std::vector<Tested>& values) const {
  if (values.size() != coalitions_)
    fail(path_.string(), ": ", values.size(), " values of ", coalitions_, " coalitions");
  std::error_code error;
  std::filesystem::create_directories(path_.parent_path(), error);
  if (error) fail(path_.parent_path().string(), ": cannot be made: ", error.message());
  // Runs that end together write the same file: each a draft of its own.
  const std::filesystem::path own = path_.string() + "." + std::to_string(::getpid());
  replace_file(own, {text_of(values)});
  try {
    put_in_place(own, path_);
  } catch (const Error&) {
    std::filesystem::remove(own, error);
    throw;
  }
}

}  // namespace fedval::harness
