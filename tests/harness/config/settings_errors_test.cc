// Every kind of error in a settings text, word for word and with its line.
#include <doctest/doctest.h>

#include <string>
#include <string_view>
#include <vector>

#include "tests/harness/config/complaint.hpp"

namespace {

using fedval::harness::complaint;

struct Case {
  std::string_view text, message;
};

void check(const std::vector<Case>& cases) {
  for (const auto& [text, message] : cases) {
    CAPTURE(text);
    CHECK(complaint(text) == message);
  }
}

}  // namespace

TEST_CASE("settings: unknown keys and tables") {
  check({
      {"\n\n[training]\n\n\n\nlearnin_rate = 0.1\n",
       "t.toml:7: unknown key \"training.learnin_rate\"; did you mean \"learning_rate\"?"},
      {"sede = 3", "t.toml:1: unknown key \"sede\"; did you mean \"seed\"?"},
      {"[training]\nLearning-Rate = 1",
       "t.toml:2: unknown key \"training.Learning-Rate\"; did you mean \"learning_rate\"?"},
      {"[evaluation]\nepochs = 3",
       "t.toml:2: unknown key \"evaluation.epochs\"; the keys of [evaluation] are on, accuracy, "
       "test_samples, "
       "every"},
      {"colour = 1",
       "t.toml:1: unknown key \"colour\"; the keys outside tables are name, seed, threads, device"},
      {"rounds = 3", "t.toml:1: unknown key \"rounds\"; did you mean \"training.rounds\"?"},
      {"[evaluation]\nname = 3",
       "t.toml:2: unknown key \"evaluation.name\"; did you mean \"name\" or \"model.name\"?"},
      {"\n[trainng]\nrounds = 3", "t.toml:2: unknown table \"trainng\"; did you mean \"training\"?"},
      {"trainng.rounds = 3", "t.toml:1: unknown table \"trainng\"; did you mean \"training\"?"},
      {"seed = 1\n[[attacker]]\n", "t.toml:2: unknown table \"attacker\"; did you mean \"attack\"?"},
      {"seed = 1\n[[colours]]\n",
       "t.toml:2: unknown table \"colours\"; the tables are data, partition, noise, model, training, "
       "participation, evaluation, checkpoint, methods, scores, validation, attack, truth, cgsv, "
       "spectral_fed, "
       "fedopt, qffl, afl, cffl, rffl, black_box"},
      {"[checkpoint.head]\n",
       "t.toml:1: unknown table \"checkpoint.head\"; the keys of [checkpoint] are every"},
      {"\"a\\nb\" = 1",
       "t.toml:1: unknown key \"a\\nb\"; the keys outside tables are name, seed, threads, device"},
  });
}

TEST_CASE("settings: wrong types") {
  check({
      {"[training]\nrounds = \"twelve\"",
       "t.toml:2: training.rounds is a string (\"twelve\"), expected an integer"},
      {"[training]\nrounds = 12.0", "t.toml:2: training.rounds is a float (12.0), expected an integer"},
      {"[training]\nrounds = 1e30", "t.toml:2: training.rounds is a float (1e+30), expected an integer"},
      {"[training]\nrounds = true", "t.toml:2: training.rounds is a boolean (true), expected an integer"},
      {"[training.rounds]\nx = 1", "t.toml:1: training.rounds is a table, expected an integer"},
      {"[training]\nlearning_rate = \"0.1\"",
       "t.toml:2: training.learning_rate is a string (\"0.1\"), expected a number"},
      {"[training]\nlearning_rate = [0.1, [0.2]]",
       "t.toml:2: training.learning_rate[1] is an array, expected a number"},
      {"name = 2024-01-01", "t.toml:1: name is a date or time, expected a string"},
      {"\nname = 3", "t.toml:2: name is an integer (3), expected a string"},
      {"seed = 1\ntraining = 3", "t.toml:2: training is an integer (3), expected a table"},
      {"[[training]]\nrounds = 1", "t.toml:1: training is an array, expected a table"},
      {"[methods]\nrun = \"cgsv\"",
       "t.toml:2: methods.run is a string (\"cgsv\"), expected an array of strings"},
      {"[methods]\nrun = [\n  \"cgsv\",\n  3,\n]",
       "t.toml:4: methods.run[1] is an integer (3), expected a string"},
  });
}

TEST_CASE("settings: a long value is cut, between characters") {
  const auto shown = [](const std::string& value, const std::string& cut) {
    CHECK(complaint("training.rounds = \"" + value + "\"") ==
          "t.toml:1: training.rounds is a string (\"" + cut + "...\"), expected an integer");
  };
  shown(std::string(100, 'x'), std::string(60, 'x'));
  shown(std::string(59, 'x') + "\u20ac and more", std::string(59, 'x'));
}

TEST_CASE("settings: out of range") {
  check({
      {"\n[training]\nlearning_rate = -0.1", "t.toml:3: training.learning_rate is -0.1, must be above 0"},
      {"[training]\nlearning_rate = 0", "t.toml:2: training.learning_rate is 0, must be above 0"},
      {"[training]\nlearning_rate = inf",
       "t.toml:2: training.learning_rate is inf, must be finite and above 0"},
      {"[training]\nlearning_rate = nan",
       "t.toml:2: training.learning_rate is nan, must be finite and above 0"},
      {"[training]\nlearning_rate_decay = 0",
       "t.toml:2: training.learning_rate_decay is 0, must be in (0, 1]"},
      {"[training]\nlearning_rate_decay = 1.5",
       "t.toml:2: training.learning_rate_decay is 1.5, must be in (0, 1]"},
      {"[cgsv]\nalpha = 1", "t.toml:2: cgsv.alpha is 1, must be in [0, 1)"},
      {"[cgsv]\ngamma = 0", "t.toml:2: cgsv.gamma is 0, must be above 0"},
      {"[cgsv]\nbeta = -inf", "t.toml:2: cgsv.beta is -inf, must be finite and above 0"},
      {"[spectral_fed]\nmomentum = -0.5", "t.toml:2: spectral_fed.momentum is -0.5, must be in [0, 1)"},
      {"[training]\nrounds = -3", "t.toml:2: training.rounds is -3, must be at least 1"},
      {"[training]\nlocal_epochs = 0", "t.toml:2: training.local_epochs is 0, must be at least 1"},
      {"[training]\nbatch_size = 0", "t.toml:2: training.batch_size is 0, must be at least 1"},
      {"[partition]\nagents = 0", "t.toml:2: partition.agents is 0, must be at least 1"},
      {"[noise]\nlabel_agents = [1, 0]", "t.toml:2: noise.label_agents[1] is 0, must be at least 1"},
      {"[noise]\nlabel_agents = [1,\n2,\n-1]", "t.toml:4: noise.label_agents[2] is -1, must be at least 0"},
      {"[noise]\nlabel_agents = [4, 4]",
       "t.toml:2: noise.label_agents[1] is 4 again, each may be listed once"},
      {"[noise]\nlabel_agents = 4",
       "t.toml:2: noise.label_agents is an integer (4), expected an array of integers"},
      {"[model]\nkernel_widths = []",
       "t.toml:2: model.kernel_widths is empty, must be a list of 1 or more, each at least 1, at most 64"},
      {"[evaluation]\nevery = 0", "t.toml:2: evaluation.every is 0, must be at least 1"},
      {"[evaluation]\ntest_samples = -1", "t.toml:2: evaluation.test_samples is -1, must be at least 0"},
      {"threads = -1", "t.toml:1: threads is -1, must be at least 0"},
      {"seed = -9223372036854775808", "t.toml:1: seed is -9223372036854775808, must be at least 0"},
  });
}

TEST_CASE("settings: texts that are not accepted") {
  const std::string methods =
      "\"fedavg\", \"fedavg_uniform\", \"fedopt\", \"qffl\", \"afl\", \"cffl\", \"rffl\", \"residual\", "
      "\"shapfed\", "
      "\"cgsv\", \"cgsv_exact\", \"cgsv_euclidean\", \"cgsv_authors_code\", \"spectral_fed\", "
      "\"spectral_fuse\", "
      "\"spectral_fuse_reference\", \"gated_entropy\", \"confirmed_entropy\", \"verified_entropy\", "
      "\"fedzge\", \"fedmd\", \"feddf\", \"dense\", \"fedgen\"";
  check({
      {"[partition]\nkind = \"pwo\"",
       "t.toml:2: partition.kind is \"pwo\", must be one of \"uni\", \"iid\", \"pow\", \"step_quantity\", "
       "\"free_rider\", \"cla\", \"cla_distinct\", \"step_label_skew\", \"only_label_skew\", "
       "\"dirichlet\", \"natural\"; did you mean \"pow\"?"},
      {"[model]\nnorm = \"layer\"", "t.toml:2: model.norm is \"layer\", must be one of \"batch\", \"group\""},
      {"[evaluation]\naccuracy = \"balance\"",
       "t.toml:2: evaluation.accuracy is \"balance\", must be one of \"plain\", \"balanced\"; did you mean "
       "\"balanced\"?"},
      {"[attack]\nrole = \"both\"",
       "t.toml:2: attack.role is \"both\", must be one of \"beside\", \"inside\""},
      {"[spectral_fed]\nnormaliser = \"log_ranks\"",
       "t.toml:2: spectral_fed.normaliser is \"log_ranks\", must be one of \"log_min_dim\", \"none\", "
       "\"log_rank\"; did you mean \"log_rank\"?"},
      {"device = \"gpu\"", "t.toml:1: device is \"gpu\", must be \"cpu\", \"cuda\" or \"cuda:N\""},
      {"device = \"cuda:\"", "t.toml:1: device is \"cuda:\", must be \"cpu\", \"cuda\" or \"cuda:N\""},
      {"device = \"cuda:01\"", "t.toml:1: device is \"cuda:01\", must be \"cpu\", \"cuda\" or \"cuda:N\""},
      {"device = \"cuda:-1\"", "t.toml:1: device is \"cuda:-1\", must be \"cpu\", \"cuda\" or \"cuda:N\""},
      {"[methods]\nrun = []",
       "t.toml:2: methods.run is empty, must be one or more of " + methods + ", each at most once"},
      {"[methods]\nrun = [\n\"fedavg\",\n\"cgvs\"]",
       "t.toml:4: methods.run[1] is \"cgvs\", must be one of " + methods + "; did you mean \"cgsv\"?"},
      {"[methods]\nrun = [\"cgsv\", \"fedavg\",\n\n\"cgsv\"]",
       "t.toml:4: methods.run[2] is \"cgsv\" again, each may be listed once"},
  });
  for (const std::string name : {"", "..", ".hidden", "a/b", "a b", "caf\u00e9"}) {
    CAPTURE(name);
    CHECK(complaint("name = \"" + name + "\"") ==
          "t.toml:1: name is \"" + name +
              "\", must be letters, digits, '.', '_' and '-', with no "
              "'.' in front");
  }
}

TEST_CASE("settings: everything that is wrong, in the order of the text") {
  CHECK(complaint("seed = -1\n[training]\nround = 3\nbatch_size = 0\n[data]\nset = 3\n") ==
        "t.toml:1: seed is -1, must be at least 0\n"
        "t.toml:3: unknown key \"training.round\"; did you mean \"rounds\"?\n"
        "t.toml:4: training.batch_size is 0, must be at least 1\n"
        "t.toml:6: data.set is an integer (3), expected a string");
}

TEST_CASE("settings: TOML syntax") {
  const auto starts = [](std::string_view text, std::string_view start) {
    CAPTURE(text);
    const std::string message = complaint(text);
    CAPTURE(message);
    CHECK(message.starts_with(start));
    CHECK(message.size() > start.size() + 10);
  };
  starts("seed = 1\n[training]\nrounds =\n", "t.toml:3:9: ");
  starts("seed = 1\nseed = 2\n", "t.toml:2:");
  starts("[data]\n\n[data]\n", "t.toml:3:");
  starts("name = \"abc\nseed = 1", "t.toml:1:");
  starts("seed = 9223372036854775808", "t.toml:1:");
  starts("a\nseed = 1", "t.toml:1:");
  starts("seed = 1\n[= 12\n", "t.toml:2:2: ");
}
