#include "harness/cli/laboratory.hpp"

#include <zlib.h>

#include <algorithm>
#include <thread>

#include "fedval/error.hpp"
#include "harness/cli/memory_left.hpp"
#include "harness/data/data_folder.hpp"
#include "harness/data/held_out.hpp"
#include "harness/data/registry.hpp"
#include "harness/model/device.hpp"
#include "harness/partition/noise.hpp"
#include "harness/report/table.hpp"
#include "harness/report/wording.hpp"

namespace fedval::harness {

namespace {

/// Built-in sets need none.
std::filesystem::path data_folder_for(const Settings& settings, const Places& places) {
  if (places.data) return *places.data;
  const std::string& set = settings.data.set;
  return set == "digits" || set == "sentences" ? "" : default_data_folder();
}

Dataset load(const Settings& settings, const Places& places) {
  static_cast<void>(device_of(settings.device));  // before anything takes its time
  Dataset data =
      load_dataset(data_set_of(settings, places), data_folder_for(settings, places), settings.seed);
  set_aside(data, settings.data.held_out, settings.seed);
  return data;
}

Settings resolved(Settings settings, const Workers& workers, const Dataset& data) {
  static_cast<void>(to_toml(settings));  // refuses what the command line may have made of the file's settings
  settings.threads = workers.count();
  settings.data.set = data.name;
  return settings;
}

/// Deals the data, and then spoils what the settings want spoiled.
Shards deal(Dataset& data, const Settings& settings) {
  Shards shards = partition(settings.partition, data, settings.seed);
  const NoiseSettings& wanted = settings.noise;
  const auto check = [&](const std::vector<std::size_t>& agents, std::string_view key) {
    for (const std::size_t agent : agents)
      if (agent > shards.size()) fail("noise.", key, " names agent ", agent, " of ", shards.size());
  };
  check(wanted.label_agents, "label_agents");
  check(wanted.feature_agents, "feature_agents");
  for (std::size_t agent = 0; agent < shards.size(); ++agent) {
    const auto in = [&](const std::vector<std::size_t>& agents) {
      return std::ranges::find(agents, agent + 1) != agents.end();
    };
    add_noise(data, shards, agent,
              {.label_share = in(wanted.label_agents) ? wanted.label_share : 0,
               .feature_deviation = in(wanted.feature_agents) ? wanted.feature_deviation : 0},
              settings.seed);
  }
  return shards;
}

/// All cores, or this rank's part of them; a GPU is kept busy by one.
std::size_t threads_of(const Settings& asked, const Ranks* ranks) {
  if (asked.threads == 0 && asked.device != "cpu") return 1;
  if (asked.threads > 0 || ranks == nullptr || ranks->beside() == 1) return asked.threads;
  return std::max<std::size_t>(1, std::thread::hardware_concurrency() / ranks->beside());
}

}  // namespace

std::string data_set_of(const Settings& settings, const Places& places) {
  if (settings.data.set != "auto") return settings.data.set;
  // A folder that was named is meant: falling back to other data would hide a misspelt path.
  return places.data ? "mnist" : automatic_set(data_folder_for(settings, places));
}

Laboratory::Laboratory(const Settings& asked, const Places& places, Ranks* ranks)
    : workers(threads_of(asked, ranks)),
      data(load(asked, places)),
      settings(resolved(asked, workers, data)),
      normalisation(normalisation_of(data.train, data.shape)),
      shards(deal(data, settings)),
      federation(settings, data, shards, workers, normalisation, ranks) {}

void check_memory(const Federation& federation) {
  if (!federation.device().is_cpu()) return;  // the models lie there
  std::size_t kept = 0;
  for (std::size_t i = 0; i < federation.agents().size(); ++i)
    if (federation.keeper(i) == federation.ranks().rank()) ++kept;
  const double bytes = static_cast<double>(kept) *
                       static_cast<double>(federation.dimension() + federation.buffers()) * sizeof(float);
  const std::size_t sharers = federation.ranks().beside();
  const MemoryLeft left = memory_left(sharers);
  const auto mib = [](double count) { return fixed(count / 1048576, 0) + " MiB"; };
  if (bytes > left.bytes)
    fail("the models of ", kept, " agents take ", mib(bytes), " of memory, and ", left.limit, " has ",
         mib(left.bytes), " left", sharers > 1 ? " for each of " + std::to_string(sharers) + " ranks" : "");
}

std::uint64_t digest_of(const Dataset& data) {
  uLong digest = crc32_z(0, nullptr, 0);
  const auto add = [&](const auto& values) {
    if (values.empty()) return;  // zlib takes a null pointer for "start anew"
    digest =
        crc32_z(digest, reinterpret_cast<const Bytef*>(values.data()), values.size() * sizeof(values[0]));
  };
  for (const Examples* part : {&data.train, &data.held_out, &data.test}) {
    add(part->pixels);
    add(part->tokens);
    add(part->labels);
    add(part->owners);
  }
  return digest;
}

void print_setting(std::ostream& out, const Laboratory& laboratory) {
  const Settings& settings = laboratory.settings;
  const Federation& federation = laboratory.federation;
  const FinalLayer& final = federation.network().final_layer();
  out << "fedval: " << settings.name << '\n'
      << "  DATA     " << laboratory.data.description << '\n'
      << "  agents   " << federation.agents().size() << " (" << settings.partition.kind << "), tested on "
      << federation.test_samples() << " examples of the " << settings.evaluation.on << " part"
      << (settings.evaluation.accuracy == "plain" ? "" : " by " + accuracy_name(settings.evaluation.accuracy))
      << '\n'
      << "  model    " << settings.model.name << ", " << federation.dimension() << " parameters, final layer "
      << final.name << ", " << final.classes << " x " << final.features << '\n'
      << "  training " << settings.training.rounds << " rounds, " << settings.threads
      << " agents side by side" << (settings.device == "cpu" ? "" : " on " + settings.device) << ", seed "
      << settings.seed << '\n'
      << std::endl;
}

}  // namespace fedval::harness
