#include "harness/report/run_folder.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <torch/version.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>
#include <system_error>

#include "fedval/error.hpp"
#include "fedval/version.hpp"
#include "harness/instruction_set.hpp"

namespace fedval::harness {

namespace {

using Json = nlohmann::ordered_json;

/// The shortest text that reads back as the same double.
std::string exact(double value) {
  std::array<char, 32> text;
  const auto end = std::to_chars(text.data(), text.data() + text.size(), value).ptr;
  return {text.data(), end};
}

/// A name or a path need not be UTF-8; what is not becomes U+FFFD, so that a finished run can be written.
std::string text_of(const Json& value, int indent = -1) {
  return value.dump(indent, ' ', false, Json::error_handler_t::replace);
}

Json optional(const std::optional<double>& value) { return value ? Json(*value) : Json(nullptr); }

/// The value of each agent; null for one that never took part.
Json values(const Results& results, const std::map<ClientId, double>& of) {
  Json list = Json::array();
  for (const auto& value : by_agent(results, of)) list.push_back(optional(value));
  return list;
}

Json names(const std::vector<ClientId>& ids) {
  Json list = Json::array();
  for (const ClientId& id : ids) list.push_back(id.text());
  return list;
}

/// Means over each agent's rounds.
Json downloads(const Results& results, const RunResult& run) {
  std::map<ClientId, double> energy, entries;
  for (const auto& [id, sum] : run.downloads) {
    energy[id] = sum.energy / static_cast<double>(sum.rounds);
    entries[id] = sum.entries / static_cast<double>(sum.rounds);
  }
  return {{"energy", values(results, energy)}, {"entries", values(results, entries)}};
}

Json figures(const std::vector<Figure>& figures) {
  Json object = Json::object();
  for (const Figure& figure : figures) object[figure.name] = figure.value;
  return object;
}

Json attacks(const Results& results, const RunResult& run) {
  Json list = Json::array();
  for (const RunResult::Attack& attack : run.attacks) {
    Json scores = Json::object();
    for (const RunResult::Reader& reader : attack.readers)
      scores[reader.name] = values(results, reader.scores);
    list.push_back({{"kind", attack.kind}, {"agent", attack.agent.text()}, {"scores", scores}});
  }
  return list;
}

Json truth(const TruthResult& truth) {
  Json accuracy = Json::array(), loss = Json::array();
  for (const Tested& value : truth.values) {
    accuracy.push_back(value.accuracy);
    loss.push_back(value.loss);
  }
  return {{"coalitions", {{"accuracy", accuracy}, {"loss", loss}}},
          {"shapley", {{"accuracy", truth.shapley_accuracy}, {"loss", truth.shapley_loss}}}};
}

Json summary(const Results& results) {
  Json agents = Json::array();
  for (const AgentResult& agent : results.agents) {
    Json entry{{"id", agent.id.text()},
               {"samples", agent.samples},
               {"classes", agent.classes},
               {"standalone_accuracy", agent.standalone_accuracy}};
    if (!agent.name.empty()) entry["name"] = agent.name;
    agents.push_back(entry);
  }
  Json methods = Json::object();
  for (const MethodResult& method : results.methods) {
    const RunResult& run = method.run;
    Json scores = Json::object();
    for (const RunResult::Reader& reader : run.readers)
      scores[reader.name] = {
          {"last", values(results, reader.scores)},
          {"seconds", reader.seconds},
          {"pearson_with_standalone", optional(against_standalone(results, reader.scores))}};
    methods[method.name] = {
        {"server_accuracy", run.server_accuracy},
        {"best_server_accuracy", run.best_server_accuracy},
        {"agent_accuracy", run.agent_accuracy},
        {"agent_loss", run.agent_loss},
        {"download", downloads(results, run)},
        {"credit", {{"name", method.credit_name}, {"values", values(results, run.credit)}}},
        {"pearson_credit_with_standalone", optional(against_standalone(results, run.credit))},
        {"pearson_accuracy_with_standalone", optional(against_standalone(results, run.agent_accuracy))},
        {"scores", scores},
        {"attacks", attacks(results, run)},
        {"seconds", run.seconds},
        {"training_seconds", run.training_seconds},
        {"valuation_seconds", run.valuation_seconds},
        {"split", figures(run.split)},
        {"bytes", figures(run.bytes)},
        {"images_answered", run.answered},
        {"notes", run.notes}};
  }
  Json all{{"name", results.settings.name},
           {"seed", results.settings.seed},
           {"data", results.data},
           {"test_samples", results.test_samples},
           {"model",
            {{"name", results.settings.model.name},
             {"parameters", results.dimension},
             {"final_layer", results.final_layer}}},
           {"workers", results.workers},
           {"threads_a_worker", 1},
           {"seconds", results.seconds},
           {"partition", {{"kind", results.settings.partition.kind}, {"class_counts", results.class_counts}}},
           {"agents", agents},
           {"methods", methods},
           {"notes", results.notes},
           {"versions", versions()}};
  // Said where it is not what everyone takes for granted.
  if (results.settings.evaluation.accuracy != "plain") all["accuracy"] = results.settings.evaluation.accuracy;
  if (results.truth) all["truth"] = truth(*results.truth);
  return all;
}

std::filesystem::path partial_name(const std::filesystem::path& parent, const std::string& name) {
  return parent / ("." + name + ".partial");
}

}  // namespace

std::map<std::string, std::string> versions() {
  return {{"fedval", std::string(version)},
          {"libtorch", TORCH_VERSION},
          {"compiler", __VERSION__},
          {"built_for", std::string(instruction_set())}};
}

RunFolder::RunFolder(const std::filesystem::path& parent, const Settings& settings)
    : parent_(parent), partial_(partial_name(parent, settings.name)), name_(settings.name) {
  const std::string config = to_toml(settings);
  std::error_code error;
  std::filesystem::create_directories(parent_, error);
  if (error) fail(parent_.string(), ": cannot be made: ", error.message());
  // Another run of this name may be going on, or may have stopped and wait to be resumed.
  for (int number = 2; !std::filesystem::create_directory(partial_, error); ++number) {
    if (error) fail(partial_.string(), ": cannot be made: ", error.message());
    partial_ = partial_name(parent_, name_ + "-" + std::to_string(number));
  }
  try {
    replace_file(partial_ / "config.toml", {config});
    lock();
    restart();
  } catch (...) {  // the destructor of a half-made object does not run
    std::filesystem::remove_all(partial_, error);
    throw;
  }
}

RunFolder::RunFolder(const std::filesystem::path& stopped) : kept_(true) {
  // "runs/name/" as a shell completes it means "runs/name", and "." is the folder that one is in.
  partial_ = std::filesystem::absolute(stopped / "").lexically_normal().parent_path();
  parent_ = partial_.parent_path();
  std::error_code ignored;
  const std::filesystem::path named = partial_name(parent_, partial_.filename().string());
  if (std::filesystem::is_directory(named, ignored)) partial_ = named;
  if (!std::filesystem::is_directory(partial_, ignored))
    fail(stopped.string(), ": no such folder, nor ", named.string());
  if (std::filesystem::exists(partial_ / "summary.json", ignored) &&
      !partial_.filename().string().starts_with('.'))
    fail(partial_.string(), ": is a finished run, there is nothing to resume");
  name_ = settings().name;
  lock();
}

RunFolder::~RunFolder() {
  if (lock_ >= 0) ::close(lock_);
  if (kept_) return;
  std::error_code ignored;
  std::filesystem::remove_all(partial_, ignored);
}

Settings RunFolder::settings() const { return read_settings(partial_ / "config.toml"); }

void RunFolder::lock() {
  const std::filesystem::path path = partial_ / "config.toml";
  lock_ = ::open(path.c_str(), O_RDWR | O_CLOEXEC);  // NFS locks only what is open for writing
  if (lock_ < 0) fail(path.string(), ": cannot be opened: ", std::generic_category().message(errno));
  if (::flock(lock_, LOCK_EX | LOCK_NB) != 0)
    fail(partial_.string(), ": another program is at this run, or it cannot be locked: ",
         std::generic_category().message(errno));
}

void RunFolder::open() {
  metrics_ = std::make_unique<OutputFile>(partial_ / "metrics.jsonl");
  scores_ = std::make_unique<OutputFile>(partial_ / "scores.csv");
}

void RunFolder::restart() {
  open();
  metrics_->clear();
  scores_->clear();
  scores_->write("method,round,score,agent,value,variance\n");
}

void RunFolder::round(const std::string& method, const RoundRecord& record) {
  Json refused = Json::array();
  for (const RoundRecord::Refused& one : record.refused)
    refused.push_back({{"agent", one.id.text()}, {"reason", one.reason}});
  const Json line{{"method", method},
                  {"round", record.round},
                  {"learning_rate", record.learning_rate},
                  {"server_accuracy", optional(record.server_accuracy)},
                  {"participants", names(record.participants)},
                  {"stragglers", names(record.stragglers)},
                  {"refused", refused},
                  {"seconds", record.seconds},
                  {"training_seconds", record.training_seconds},
                  {"valuation_seconds", record.valuation_seconds},
                  {"figures", figures(record.figures)}};
  metrics_->write(text_of(line) + "\n");
  std::string lines;
  for (const auto& reader : record.readers)
    for (const auto& [id, score] : reader.scores)
      lines += method + "," + std::to_string(record.round) + "," + reader.name + "," + id.text() + "," +
               exact(score.value) + "," + (std::isnan(score.variance) ? "" : exact(score.variance)) + "\n";
  scores_->write(lines);
}

RunFolder::Lengths RunFolder::sync() {
  metrics_->sync();
  scores_->sync();
  const auto length = [&](const char* name) {
    std::error_code error;
    const std::uint64_t bytes = std::filesystem::file_size(partial_ / name, error);
    if (error)
      fail((partial_ / name).string(), ": ", error.message(), ": deleted or moved while the run goes on");
    return bytes;
  };
  return {length("metrics.jsonl"), length("scores.csv")};
}

void RunFolder::rewind(const Lengths& lengths) {
  const auto cut = [&](const char* name, std::uint64_t length) {
    const std::filesystem::path path = partial_ / name;
    std::error_code error;
    const std::uint64_t there = std::filesystem::file_size(path, error);
    if (error || there < length)
      fail(path.string(), ": has ", error ? 0 : there, " bytes, but the checkpoint counts on ", length);
    std::filesystem::resize_file(path, length, error);
    if (error) fail(path.string(), ": cannot be cut: ", error.message());
  };
  cut("metrics.jsonl", lengths.metrics);
  cut("scores.csv", lengths.scores);
  open();
}

void RunFolder::save(const std::string& checkpoint) {
  keep_checkpoint(partial_ / "checkpoint");
  write_checkpoint(partial_ / "checkpoint", checkpoint);
  kept_ = true;
}

std::optional<LastCheckpoint> RunFolder::checkpoint() const {
  const std::filesystem::path path = partial_ / "checkpoint";
  std::error_code error;
  if (!std::filesystem::exists(path, error) && !std::filesystem::exists(previous_of(path), error))
    return std::nullopt;
  return read_last_checkpoint(path);
}

std::filesystem::path RunFolder::finish(const Results& results) {
  kept_ = true;  // what was computed stays where it is, whatever happens now
  sync();
  replace_file(partial_ / "summary.json", {text_of(summary(results), 2), "\n"});
  return publish();
}

bool RunFolder::complete() const {
  std::error_code error;
  const bool there = std::filesystem::exists(partial_ / "summary.json", error);
  if (error) fail((partial_ / "summary.json").string(), ": cannot be looked for: ", error.message());
  return there;
}

std::filesystem::path RunFolder::publish() {
  discard_checkpoint(partial_ / "checkpoint");
  for (int number = 1;; ++number) {
    std::filesystem::path target = parent_ / (number == 1 ? name_ : name_ + "-" + std::to_string(number));
    std::error_code error;
    if (std::filesystem::exists(target, error)) continue;
    std::filesystem::rename(partial_, target, error);  // another run may take the name in this moment
    if (error == std::errc::directory_not_empty || error == std::errc::file_exists) continue;
    if (error)
      fail(target.string(), ": cannot be made: ", error.message(), "; the results are in ",
           partial_.string());
    return target;
  }
}

}  // namespace fedval::harness
