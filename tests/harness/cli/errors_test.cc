// Bad input: exit code 2, a message that names what is wrong and where, and no run folder.
#include <doctest/doctest.h>

#include "tests/harness/cli/program.hpp"

using namespace fedval::harness;

namespace {

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const auto at = text.find(from);
  REQUIRE(at != std::string::npos);
  return text.replace(at, from.size(), to);
}

/// Runs the experiment and expects every one of `words` in the message.
void check_refused(const test_files::Folder& folder, const std::string& experiment,
                   const std::string& options, std::initializer_list<std::string> words) {
  write_text(folder / "bad.toml", experiment);
  const Finished run = harness(folder, "run " + (folder / "bad.toml").string() + " --out " +
                                           (folder / "runs").string() + " " + options);
  CAPTURE(run.err);
  CHECK(run.code == 2);
  for (const std::string& word : words) {
    CAPTURE(word);
    CHECK(run.err.find(word) != std::string::npos);
  }
  CHECK(entries(folder / "runs") == 0);
}

/// A folder with MNIST's four files, small and broken in the training images.
std::string broken_mnist(const test_files::Folder& folder, const test_files::Bytes& images) {
  std::filesystem::create_directories(folder / "data/mnist");
  for (const char* name : {"train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"})
    test_files::write(folder / "data/mnist" / name, {0, 0, 8, 1, 0, 0, 0, 0});
  test_files::write(folder / "data/mnist/train-images-idx3-ubyte", images);
  return "--data " + (folder / "data").string();
}

}  // namespace

TEST_CASE("settings: unknown key, wrong type, syntax, missing file") {
  const test_files::Folder folder;
  check_refused(folder, replaced(tiny_experiment, "rounds", "ronds"), "",
                {"bad.toml:9:", "training.ronds", "did you mean \"rounds\""});
  check_refused(folder, replaced(tiny_experiment, "rounds = 2", "rounds = \"two\""), "",
                {"bad.toml:9:", "training.rounds", "string", "integer"});
  check_refused(folder, replaced(tiny_experiment, "rounds = 2", "rounds = = 2"), "", {"bad.toml:9:"});
  check_refused(folder, replaced(tiny_experiment, "test_samples = 50", "accuracy = \"fair\""), "",
                {"bad.toml:14: evaluation.accuracy is \"fair\", must be one of \"plain\", \"balanced\""});
  const Finished missing = harness(folder, "run nowhere.toml --out " + (folder / "runs").string());
  CHECK(missing.code == 2);
  CHECK(missing.err.find("nowhere.toml") != std::string::npos);
  CHECK(entries(folder / "runs") == 0);
}

TEST_CASE("what a method or a score cannot do with is refused before anything is trained, and by --dry-run") {
  const test_files::Folder folder;
  const auto check = [&](const std::string& options, std::initializer_list<std::string> words) {
    for (const std::string dry : {"", " --dry-run"}) {
      check_refused(folder, tiny_experiment, options + dry, words);
      CHECK_FALSE(test_files::contains(text_of(folder / "stderr"), "standalone"));
    }
  };
  check("--set 'scores.read=[\"fedsv\"]'",
        {"fedavg: models are to be validated, but no examples are held out"});
  check("--set 'methods.run=[\"fedavg\",\"cffl\"]'", {"cffl: models are to be validated"});
  check("--set 'methods.run=[\"fedavg\",\"fedmd\"]'", {"fedmd: black_box.samples asks for "});
  check("--set 'methods.run=[\"fedavg\",\"fedgen\"]' --set black_box.samples=1",
        {"fedgen: black_box.samples is 1, must be at least 2"});
  check("--set 'methods.run=[\"fedopt\"]' --set fedopt.tau=1e-50", {"fedopt.tau is 1e-50"});
  check("--set cffl.sharpness=301", {"cffl.sharpness is 301"});
  // They remember every agent, and with few of them in a round would find out late.
  check(
      "--set 'scores.read=[\"comfedsv\"]' --set partition.agents=11 --set participation.fraction=0.2 "
      "--set data.held_out=50",
      {"scores.read has \"comfedsv\", which takes 10 agents at most, and partition.agents is 11"});
  check("--set 'scores.read=[\"eci_or\"]' --set partition.agents=13 --set data.held_out=50",
        {"scores.read has \"eci_or\", which takes 12 agents at most"});
}

TEST_CASE("a device that is not there, before the data are looked for") {
  const test_files::Folder folder;
  const std::string nowhere = "--data " + (folder / "nothing").string();
  check_refused(folder, replaced(tiny_experiment, "\"digits\"", "\"mnist\""), nowhere + " --device cuda:9",
                {"bad.toml: device is \"cuda:9\", but LibTorch "});
  check_refused(folder, tiny_experiment, "--device gpu",
                {"--device gpu: device is \"gpu\", must be \"cpu\", \"cuda\" or \"cuda:N\""});
}

TEST_CASE("data: missing, wrong magic, truncated") {
  const test_files::Folder folder;
  const std::string mnist = replaced(tiny_experiment, "\"digits\"", "\"mnist\"");
  check_refused(folder, mnist, "--data " + (folder / "nothing").string(),
                {"mnist", (folder / "nothing").string()});
  check_refused(folder, mnist, broken_mnist(folder, {0, 0, 8, 1, 0, 0, 0, 0}),
                {"train-images-idx3-ubyte", "magic number 0x00000801", "0x00000803"});
  check_refused(folder, mnist,
                broken_mnist(folder, {0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 28, 0, 0, 0, 28, 1, 2, 3}),
                {"train-images-idx3-ubyte"});
  // A folder that was named is meant, even under "auto".
  check_refused(folder, replaced(tiny_experiment, "\"digits\"", "\"auto\""),
                "--data " + (folder / "nothing").string(), {"bad.toml: ", (folder / "nothing").string()});
  // "auto" must not pass over a set that is there but broken.
  check_refused(folder, replaced(tiny_experiment, "\"digits\"", "\"auto\""), broken_mnist(folder, {1, 2, 3}),
                {"train-images-idx3-ubyte"});
}

TEST_CASE("partition: more agents than samples") {
  const test_files::Folder folder;
  check_refused(folder, replaced(tiny_experiment, "samples_per_agent = 40", "samples_per_agent = 40000"), "",
                {"3 agents x 40000 samples = 120000", "12000"});
}

TEST_CASE(
    "settings that only show beside the data name the experiment; those of the command line are checked "
    "too") {
  const test_files::Folder folder;
  check_refused(folder, replaced(tiny_experiment, "test_samples = 50", "test_samples = 5000"), "",
                {"bad.toml: evaluation.test_samples is 5000", "2000"});
  check_refused(folder, tiny_experiment, "--threads 3000", {"threads is 3000", "at most 1024"});
}

TEST_CASE("training that diverges for everyone names them and the entries, and leaves no run folder") {
  const test_files::Folder folder;
  const std::string wild = replaced(tiny_experiment, "learning_rate = 0.1", "learning_rate = 1e38");
  check_refused(folder, replaced(wild, "\"pow\"", "\"uni\""), "",
                {"bad.toml: standalone: round 1: training alone diverged", "client 1: model["});
}

TEST_CASE("a run folder that cannot be made") {
  const test_files::Folder folder;
  write_text(folder / "tiny.toml", tiny_experiment);
  write_text(folder / "file", "");
  const Finished run =
      harness(folder, "run " + (folder / "tiny.toml").string() + " --out " + (folder / "file/runs").string());
  CHECK(run.code == 2);
  CHECK(run.err.find((folder / "file/runs").string()) != std::string::npos);
}

TEST_CASE("no shell can be started: the program asks the C library for none" *
          doctest::skip(std::system("command -v nm > /dev/null") != 0)) {
  const test_files::Folder folder;
  const std::string names = (folder / "names").string();
  REQUIRE(std::system(("nm -D --undefined-only harness/harness > " + names).c_str()) == 0);
  const std::string asked = text_of(names);
  CHECK(asked.find(" posix_spawnp") != std::string::npos);  // gnuplot's, with words and no shell between
  for (const std::string shell : {" system", " popen", " wordexp", " execl", " execvp", " posix_spawn@"}) {
    CAPTURE(shell);
    CHECK(asked.find(shell) == std::string::npos);
  }
}

TEST_CASE("the command line: no command, an unknown one, an unknown option, a wrong value") {
  const test_files::Folder folder;
  for (const std::string arguments :
       {"", "rum x.toml", "run", "quickstart --sed 1", "quickstart --seed one"}) {
    CAPTURE(arguments);
    CHECK(harness(folder, arguments).code == 2);
  }
}
