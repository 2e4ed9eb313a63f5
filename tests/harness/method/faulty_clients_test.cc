// Clients that come and go as they like, join late, and send something again, too late, nothing, or far too
// much: every method and every reader goes on.
#include <ATen/ops/zeros.h>

#include <numeric>
#include <set>

#include "fedval/random/philox.hpp"
#include "harness/method/methods.hpp"
#include "harness/method/readers.hpp"
#include "tests/harness/method/scene.hpp"

using namespace fedval;
using namespace fedval::harness;

namespace {

constexpr std::uint64_t seed = 1307;
constexpr std::size_t rounds = 80, agents = 6, joins = 50;

enum class Clients { honest, unsteady, huge };

/// Rounds of agents 1 to 6, each there with one probability, the last one never before round 50. Updates have
/// 24 entries, whose last twelve are a 4 x 3 final weight.
class Play {
 public:
  Models models;
  FakeContext context;
  Round round;

  Play(std::uint64_t trial, double presence, Clients clients)
      : stream_(seed, trial), presence_(presence), clients_(clients), common_(normal()) {
    models.server = normal();
    for (std::size_t i = 1; i <= agents; ++i) {
      models.agents.emplace(i, models.server);
      context.losses.emplace(i, static_cast<double>(i - 1) / 2);  // one has nothing left to learn
    }
    context.tested = [](const at::Tensor& model) {
      const double size = model.to(at::kDouble).norm().item().toDouble();
      return Tested{1 / (1 + size), size};
    };
  }

  /// Draws the next round, of one agent at least, as a run has it.
  void draw(std::size_t number) {
    context.number = number;
    context.model = models.server;
    round = Round();
    if (last_server_.defined()) move(models.server - last_server_);
    last_server_ = models.server.clone();
    const std::size_t known = number < joins ? agents - 1 : agents, always = 1 + stream_.below(known);
    for (std::size_t i = 1; i <= known; ++i) {
      const at::Tensor honest = common_ + normal();
      if (i == always || stream_.uniform() < presence_)
        send(i, changed(i, honest));
      else
        held_back_[i] = honest;
    }
  }

 private:
  at::Tensor normal() {
    at::Tensor result = at::zeros({24});
    for (std::int64_t k = 0; k < 24; ++k) result[k] = stream_.normal();
    return result;
  }
  static at::Tensor layer(const at::Tensor& update) { return update.narrow(0, 12, 12).view({4, 3}); }

  void move(const at::Tensor& step) {
    moved_ = step;
    round.global_update = moved_;
    round.global_final_weight = layer(moved_);
  }
  void send(std::size_t agent, const at::Tensor& update) {
    sent_[agent] = update;
    round.add(agent, {.update = sent_[agent], .final_weight = layer(sent_[agent])},
              static_cast<double>(agent));
  }
  at::Tensor changed(std::size_t agent, const at::Tensor& honest) {
    const std::uint64_t what = stream_.below(8);
    if (clients_ == Clients::huge) return what == 0 ? honest * 1e30 : honest;
    if (clients_ == Clients::honest) return honest;
    if (what == 0 && sent_.contains(agent)) return sent_[agent];
    if (what == 1 && held_back_.contains(agent)) return held_back_[agent];
    if (what == 2 && moved_.defined()) return moved_.clone();
    return what == 3 ? at::zeros({24}) : honest;
  }

  random::Stream stream_;
  double presence_;
  Clients clients_;
  at::Tensor common_, last_server_, moved_;
  std::map<std::size_t, at::Tensor> sent_, held_back_;
};

void for_every_play(auto&& check) {
  CAPTURE(seed);
  std::uint64_t trial = 0;
  for (const Clients clients : {Clients::honest, Clients::unsteady, Clients::huge})
    for (const double presence : {0.0, 0.5, 1.0}) {
      CAPTURE(static_cast<int>(clients));
      CAPTURE(presence);
      CAPTURE(trial);
      check([&] { return Play(trial, presence, clients); });
      ++trial;
    }
}

/// Methods by their names, FedOpt with each of its optimisers.
std::vector<std::pair<std::string, Settings>> every_method() {
  std::vector<std::pair<std::string, Settings>> methods;
  Settings settings;
  settings.training.rounds = rounds;
  for (const std::string& name : method_names()) methods.emplace_back(name, settings);
  for (const char* optimiser : {"yogi", "adagrad", "momentum"}) {
    settings.fedopt.optimiser = optimiser;
    methods.emplace_back("fedopt", settings);
  }
  return methods;
}

bool finite(const at::Tensor& model) { return model.isfinite().all().item().toBool(); }

/// Not negative, with sum one; of a method that removes clients all are 0 where it removed all that are here.
void check_weights(const std::vector<double>& weights, std::size_t present, bool removes) {
  REQUIRE(weights.size() == present);
  for (const double weight : weights) CHECK(weight >= 0);
  const double sum = std::accumulate(weights.begin(), weights.end(), 0.0);
  CHECK((std::abs(sum - 1) < 1e-12 || (removes && sum == 0)));
}

}  // namespace

TEST_CASE("every method goes on: weights that sum to one, a credit for all that it met, finite models") {
  for_every_play([&](auto&& play_of) {
    for (const auto& [name, settings] : every_method()) {
      CAPTURE(name);
      CAPTURE(settings.fedopt.optimiser);
      Play play = play_of();
      const auto method = make_method(name, settings);
      std::set<ClientId> met;
      for (std::size_t t = 0; t < rounds; ++t) {
        CAPTURE(t);
        play.draw(t);
        for (const auto& client : play.round.clients()) met.insert(client.id);
        method->step(play.round, play.models, play.context);
        check_weights(method->weights(), play.round.size(), name == "rffl" || name == "cffl");
        std::set<ClientId> credited;
        for (const auto& [id, credit] : method->credit()) {
          credited.insert(id);
          CHECK(std::isfinite(credit));
        }
        CHECK((credited == met));
        REQUIRE(finite(play.models.server));
        for (const auto& [id, model] : play.models.agents) CHECK(finite(model));
      }
      CHECK(met.size() == agents);
    }
  });
}

TEST_CASE("every reader goes on: finite scores of those present") {
  Settings settings;
  settings.training.rounds = rounds;
  settings.scores.read = reader_names();
  for_every_play([&](auto&& play_of) {
    Play play = play_of();
    const auto method = make_method("fedavg", settings);
    const Readers readers = make_readers(settings);
    for (std::size_t t = 0; t < rounds; ++t) {
      CAPTURE(t);
      play.draw(t);
      for (const auto& reader : readers) {
        CAPTURE(reader->name());
        const Scores scores = reader->observe(play.round, play.context);
        if (reader->name() == "ECI-OR" && t + 1 < rounds) {
          CHECK(scores.empty());  // after the last round alone
          continue;
        }
        REQUIRE(scores.size() == play.round.size());
        for (std::size_t i = 0; i < scores.size(); ++i) {
          CHECK(scores[i].first == play.round.clients()[i].id);
          CHECK(std::isfinite(scores[i].second.value));
          CHECK_FALSE(std::isinf(scores[i].second.variance));
        }
      }
      method->step(play.round, play.models, play.context);
      play.context.coalitions = shapley::Memo();
    }
  });
}
