// Fetching of made-up data sets from a local server, whole, broken off, damaged, and by several at once.
#include "harness/fetch/fetch.hpp"

#include <doctest/doctest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <sstream>

#include "harness/fetch/digest.hpp"
#include "tests/harness/fetch/archives.hpp"
#include "tests/harness/fetch/server.hpp"
#include "tests/harness/fetch/tools.hpp"

namespace fedval::harness {
namespace {

namespace fs = std::filesystem;
using test_files::Folder;
using namespace test_server;
using Names = std::vector<std::string>;

const std::string first_file = random_text(1, 200000);
const std::string second_file = random_text(2, 1000);

std::string archive_bytes() {
  const Folder folder;
  test_archives::write_archive(folder / "x.tgz", {{.path = "set/readme", .content = "not wanted"},
                                                  {.path = "set/one.bin", .content = first_file},
                                                  {.path = "set/two.bin", .content = second_file}});
  return text_of(folder / "x.tgz");
}

const std::string archive = archive_bytes();

Remote remote(const Server& server, const std::string& file, const std::string& content) {
  const Folder folder;
  write_text(folder / "x", content);
  return {.address = server.address("/data/" + file),
          .file = file,
          .size = content.size(),
          .digest = digest_of(folder / "x", "sha256")};
}

Source packed(const Server& server) {
  return {.name = "demo",
          .folder = "demo-set",
          .remotes = {remote(server, "demo.tgz", archive)},
          .members = {"one.bin", "two.bin"}};
}

Source plain(const Server& server) {
  return {.name = "demo",
          .folder = "demo-set",
          .remotes = {remote(server, "one.bin", first_file), remote(server, "two.bin", second_file)}};
}

// What the server has under each name.
Answer serve_all(const Asked& asked) {
  if (asked.target.ends_with("/demo.tgz")) return serve(archive, asked);
  if (asked.target.ends_with("/one.bin")) return serve(first_file, asked);
  if (asked.target.ends_with("/two.bin")) return serve(second_file, asked);
  return {.status = 404};
}

const Server::Handler good = [](const Asked& asked, std::size_t) { return serve_all(asked); };

FetchOptions options(const Folder& folder) { return {.data = folder / "data", .download = impatient()}; }

void check_whole(const Folder& folder) {
  CHECK(names_in(folder / "data") == Names{"demo-set"});
  CHECK(names_in(folder / "data" / "demo-set") == Names{"one.bin", "two.bin"});
  CHECK(text_of(folder / "data" / "demo-set" / "one.bin") == first_file);
  CHECK(text_of(folder / "data" / "demo-set" / "two.bin") == second_file);
}

TEST_CASE("fetch: an archive and plain files, and nothing to do the second time") {
  for (const bool is_packed : {true, false}) {
    CAPTURE(is_packed);
    const Server server(good);
    const Source source = is_packed ? packed(server) : plain(server);
    const Folder folder;
    std::ostringstream progress;
    const Fetched fetched = fetch(source, options(folder), progress);
    check_whole(folder);
    CHECK(fetched.folder == folder / "data" / "demo-set");
    CHECK_FALSE(fetched.was_there);
    CHECK(fetched.notes.empty());
    CHECK(contains(progress.str(), "from " + source.remotes[0].address + "\n"));
    CHECK(contains(progress.str(), source.remotes[0].file + ": 100 % of 0.2 MB\n"));
    CHECK(contains(progress.str(), "demo: ready in " + fetched.folder.string() + "\n"));

    const std::size_t asked = server.asked().size();
    std::ostringstream again;
    CHECK(fetch(source, options(folder), again).was_there);
    CHECK(again.str() == "demo: already there, in " + fetched.folder.string() + "\n");
    CHECK(server.asked().size() == asked);
    check_whole(folder);
  }
}

TEST_CASE("fetch: files that are there are kept, the missing ones are added") {
  for (const bool is_packed : {true, false}) {
    CAPTURE(is_packed);
    const Server server(good);
    const Folder folder;
    const fs::path set = folder / "data" / "demo-set";
    fs::create_directories(set);
    write_text(set / "two.bin", "mine");
    write_text(set / "notes.txt", "mine too");
    std::ostringstream progress;
    fetch(is_packed ? packed(server) : plain(server), options(folder), progress);
    CHECK(names_in(set) == Names{"notes.txt", "one.bin", "two.bin"});
    CHECK(text_of(set / "one.bin") == first_file);
    CHECK(text_of(set / "two.bin") == "mine");
    CHECK(names_in(folder / "data") == Names{"demo-set"});
    CHECK(server.asked().size() == 1);
  }
}

TEST_CASE("fetch: a mirror replaces all but the file's name") {
  for (const char* ending : {"", "/"}) {
    const Server server(good);
    const Server publisher(good);
    const Folder folder;
    FetchOptions mirrored = options(folder);
    mirrored.mirror = server.address("/mirror/of/all") + ending;
    std::ostringstream progress;
    fetch(packed(publisher), mirrored, progress);
    check_whole(folder);
    CHECK(server.asked().at(0).target == "/mirror/of/all/demo.tgz");
    CHECK(publisher.asked().empty());
  }
}

TEST_CASE("fetch: without a published checksum the one received is told") {
  const Server server(good);
  const Folder folder;
  Source source = packed(server);
  const std::string digest = source.remotes[0].digest;
  source.remotes[0].digest = "";
  source.remotes[0].size = 0;
  std::ostringstream progress;
  const Fetched fetched = fetch(source, options(folder), progress);
  check_whole(folder);
  CHECK(fetched.notes == Names{"demo.tgz: no published checksum is known: " + digest + " as received"});
  CHECK(contains(progress.str(), fetched.notes[0] + "\n"));
}

TEST_CASE("fetch: what breaks off leaves a .part folder only, and the next run goes on") {
  const Server server([](const Asked& asked, std::size_t number) {
    Answer answer = serve_all(asked);
    if (asked.target.ends_with("one.bin") && number == 0)
      answer = {.body = first_file.substr(0, 5000), .promised = first_file.size()};
    return answer;
  });
  const Folder folder;
  FetchOptions once = options(folder);
  once.download.attempts = 1;
  std::ostringstream progress;
  CHECK(contains(complaint_of([&] { fetch(plain(server), once, progress); }), "gave up"));
  CHECK(names_in(folder / "data") == Names{"demo-set.part"});
  CHECK(names_in(folder / "data" / "demo-set.part") == Names{"one.bin.part"});
  fetch(plain(server), once, progress);
  check_whole(folder);
  CHECK(server.asked().at(1).from == 5000);
}

TEST_CASE("fetch: a program that is killed leaves a .part folder only, and the next run goes on") {
  const Server server([](const Asked& asked, std::size_t number) {
    Answer answer = serve_all(asked);
    if (number == 0) answer = {.body = archive.substr(0, 5000), .promised = archive.size(), .stalls = true};
    return answer;
  });
  const Folder folder;
  const fs::path part = folder / "data" / "demo-set.part" / "demo.tgz.part";
  FetchOptions patient = options(folder);
  patient.download.stalled_time = std::chrono::seconds(60);
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    signal(SIGINT, SIG_DFL);  // not doctest's, which would report it
    std::ostringstream progress;
    fetch(packed(server), patient, progress);
    _exit(1);
  }
  for (int i = 0; i < 500 && !(fs::exists(part) && fs::file_size(part) == 5000); ++i) usleep(10000);
  kill(child, SIGINT);
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  CHECK(WIFSIGNALED(status));
  CHECK(names_in(folder / "data") == Names{"demo-set.part"});
  CHECK(names_in(folder / "data" / "demo-set.part") == Names{"demo.tgz.part", "lock"});

  // Also what a run leaves that is killed while it unpacks.
  fs::create_directories(folder / "data" / "demo-set.part" / "ready");
  write_text(folder / "data" / "demo-set.part" / "ready" / "one.bin", "half");
  fs::create_directories(folder / "data" / "demo-set.part" / "ready.abcdef");
  std::ostringstream progress;
  fetch(packed(server), options(folder), progress);
  check_whole(folder);
  CHECK(server.asked().at(1).from == 5000);
}

TEST_CASE("fetch: what is not there, and what is not as published, leaves nothing") {
  for (const bool is_packed : {true, false}) {
    CAPTURE(is_packed);
    const Server none([](const Asked&, std::size_t) { return Answer{.status = 404}; });
    const Server wrong([](const Asked& asked, std::size_t) {
      Answer answer = serve_all(asked);
      answer.body[100] = static_cast<char>(answer.body[100] ^ 1);
      return answer;
    });
    const Folder folder;
    std::ostringstream progress;
    CHECK(contains(
        complaint_of([&] { fetch(is_packed ? packed(none) : plain(none), options(folder), progress); }),
        "HTTP status 404"));
    CHECK(names_in(folder / "data").empty());
    CHECK(contains(
        complaint_of([&] { fetch(is_packed ? packed(wrong) : plain(wrong), options(folder), progress); }),
        ", expected sha256:"));
    CHECK(names_in(folder / "data").empty());
  }
}

TEST_CASE("fetch: a damaged archive that no checksum vouches for is not taken again") {
  const Server server([](const Asked& asked, std::size_t number) {
    Answer answer = serve_all(asked);
    if (number == 0) answer.body.resize(answer.body.size() / 2);
    return answer;
  });
  const Folder folder;
  Source source = packed(server);
  source.remotes[0].digest = "";
  source.remotes[0].size = 0;
  std::ostringstream progress;
  CHECK(contains(complaint_of([&] { fetch(source, options(folder), progress); }), "truncated gzip stream"));
  CHECK(names_in(folder / "data").empty());
  fetch(source, options(folder), progress);
  check_whole(folder);
}

TEST_CASE("fetch: several at once download once") {
  const Server server([](const Asked& asked, std::size_t) {
    usleep(100000);  // so that the others meet the lock
    return serve_all(asked);
  });
  const Folder folder;
  const Source source = packed(server);
  std::vector<std::ostringstream> progress(4);
  std::vector<std::thread> threads;
  std::atomic<int> were_there = 0;
  for (auto& stream : progress)
    threads.emplace_back([&] { were_there += fetch(source, options(folder), stream).was_there ? 1 : 0; });
  for (auto& thread : threads) thread.join();
  check_whole(folder);
  CHECK(server.asked().size() == 1);
  CHECK(were_there == 3);
  const auto waited = std::count_if(progress.begin(), progress.end(), [](const auto& stream) {
    return contains(stream.str(), "another process");
  });
  CHECK(waited >= 1);
}

TEST_CASE("fetch: sets that cannot be fetched, and a place where nothing can be made") {
  const Folder folder;
  std::ostringstream progress;
  CHECK(
      contains(complaint_of([&] { fetch("imagenet", options(folder), progress); }), "no data set is called"));
  CHECK(contains(complaint_of([&] { fetch("femnist", options(folder), progress); }), "LEAF"));
  const Server server(good);
  Source two = plain(server);
  two.members = {"one.bin"};
  CHECK(complaint_of([&] { fetch(two, options(folder), progress); }) ==
        "fetch: demo has 2 archives, expected 1");
  write_text(folder / "data", "a file in the way");
  CHECK(complaint_of([&] { fetch(packed(server), options(folder), progress); }) ==
        (folder / "data" / "demo-set.part").string() + ": cannot make the folder: Not a directory");
  CHECK(server.asked().empty());
}

}  // namespace
}  // namespace fedval::harness
