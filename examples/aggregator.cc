// One round of an aggregation server: take updates in, refuse the broken ones by name, score, aggregate,
// reward, and keep the state for the next round, which may be another process's.
//
//   ./bazelw run //examples:aggregator
#include <cmath>
#include <cstdio>
#include <exception>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "fedval/fedval.hpp"

using Update = std::vector<float>;

class Server {
 public:
  explicit Server(std::size_t entries) : model_(entries) {}

  /// Called for every upload. A broken one is refused here and costs nobody else anything.
  void receive(const std::string& client, Update update, double samples) {
    try {
      fedval::check_finite(update, "client " + client + ": update");
      if (update.size() != model_.size())
        fedval::fail("client ", client, ": has ", update.size(), " entries");
      uploads_.insert_or_assign(client, Upload{std::move(update), samples});
    } catch (const fedval::Error& error) {
      std::printf("refused: %s\n", error.what());
    }
  }

  /// Ends the round: everyone's importance, the new model, and what each client may download of the step.
  void finish() {
    fedval::Round round;
    for (const auto& [client, upload] : uploads_)
      round.add(client, {.update = upload.update}, upload.samples);
    scorer_.observe(round);
    Update step(model_.size());
    scorer_.aggregate(round, step);
    fedval::axpy(1, step, model_);

    std::vector<double> importance;
    for (const auto& client : round.clients()) importance.push_back(scorer_.importance().at(client.id));
    const std::vector<fedval::reward::Reward> rewards =
        fedval::reward::gradient_rewards(step, importance, {.beta = 1});
    for (std::size_t k = 0; k < round.size(); ++k) {
      const fedval::reward::SparseVector download = fedval::reward::sparse_reward(step, rewards[k]);
      std::printf("%s: importance %.4f, downloads %zu of %zu entries\n", round.clients()[k].id.text().c_str(),
                  importance[k], download.indices.size(), download.size);
    }
    std::printf("the model has length %.4f\n", fedval::norm(model_));
    uploads_.clear();
  }

  /// What another process needs to go on: the score's memory and the model.
  struct State {
    std::string score;
    Update model;
  };
  State state() const { return {fedval::save(scorer_), model_}; }
  void restore(const State& state) {
    fedval::restore(state.score, scorer_);
    model_ = state.model;
  }

 private:
  struct Upload {
    Update update;
    double samples;
  };
  fedval::CosineGradientShapley scorer_;
  Update model_;
  std::map<std::string, Upload> uploads_;
};

int main() try {
  constexpr std::size_t entries = 1000;
  const auto update = [](float own, float noise) {
    Update values(entries);
    for (std::size_t i = 0; i < entries; ++i)
      values[i] = own * std::sin(.01f * static_cast<float>(i)) +
                  noise * std::cos(7.f * static_cast<float>(i * i % 613));
    return values;
  };
  std::optional<Server::State> state;
  for (int round = 1; round <= 2; ++round) {
    std::printf("round %d\n", round);
    Server server(entries);  // as if each round were another process
    if (state) server.restore(*state);
    server.receive("alice", update(1, .1f), 600);
    server.receive("bob", update(.5f, .5f), 400);
    server.receive("carol", update(.1f, 1), 900);
    Update broken = update(1, 0);
    broken[17] = std::numeric_limits<float>::quiet_NaN();
    server.receive("mallory", broken, 100);
    server.finish();
    state = server.state();
  }
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 2;
}
