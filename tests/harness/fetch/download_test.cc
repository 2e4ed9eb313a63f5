// Downloads from a local server that answers well, badly and not at all.
#include "harness/fetch/download.hpp"

#include <doctest/doctest.h>
#include <stdlib.h>

#include "harness/fetch/digest.hpp"
#include "tests/harness/fetch/server.hpp"
#include "tests/harness/fetch/tools.hpp"

namespace fedval::harness {
namespace {

namespace fs = std::filesystem;
using test_files::Folder;
using namespace test_server;
using Names = std::vector<std::string>;

const std::string content = random_text(1, 300000);

std::string digest_of_text(const std::string& text, const std::string& function = "sha256") {
  const Folder folder;
  write_text(folder / "x", text);
  return digest_of(folder / "x", function);
}

const std::string digest = digest_of_text(content);

Remote remote(const Server& server) {
  return {.address = server.address("/x.bin"), .file = "x.bin", .size = content.size(), .digest = digest};
}

Server::Handler always(const Answer& answer) {
  return [answer](const Asked&, std::size_t) { return answer; };
}

// First one answer, then those of a server as it should be.
Server::Handler first(const Answer& answer) {
  return [answer](const Asked& asked, std::size_t number) {
    return number == 0 ? answer : serve(content, asked);
  };
}

const Server::Handler good = [](const Asked& asked, std::size_t) { return serve(content, asked); };

// What breaks after so many bytes.
Answer cut(std::size_t bytes) { return {.body = content.substr(0, bytes), .promised = content.size()}; }

void check_whole(const Folder& folder) {
  CHECK(text_of(folder / "x.bin") == content);
  CHECK(names_in(folder.path()) == Names{"x.bin"});
}

std::string complaint(const Remote& what, const Folder& folder,
                      const DownloadOptions& options = impatient()) {
  return complaint_of([&] { download(what, folder.path(), options); });
}

TEST_CASE("download: a whole file, by either digest, with its progress") {
  const Server server(good);
  for (const char* function : {"sha256", "md5"}) {
    const Folder folder;
    Remote what = remote(server);
    what.digest = digest_of_text(content, function);
    std::vector<std::uint64_t> steps;
    DownloadOptions options = impatient();
    options.progress = [&](std::uint64_t bytes, std::uint64_t total) {
      CHECK(total == content.size());
      steps.push_back(bytes);
    };
    CHECK(download(what, folder.path(), options) == what.digest);
    check_whole(folder);
    REQUIRE_FALSE(steps.empty());
    CHECK(std::is_sorted(steps.begin(), steps.end()));
    CHECK(steps.back() == content.size());
  }
}

TEST_CASE("download: what breaks off goes on where it was") {
  const Server server(first(cut(100000)));
  const Folder folder;
  std::vector<std::string> retries;
  DownloadOptions options = impatient();
  options.retrying = [&](const std::string& why) { retries.push_back(why); };
  download(remote(server), folder.path(), options);
  check_whole(folder);
  REQUIRE(server.asked().size() == 2);
  CHECK_FALSE(server.asked()[0].from.has_value());
  CHECK(server.asked()[1].from == 100000);
  REQUIRE(retries.size() == 1);
  CHECK(contains(retries[0], server.address("/x.bin") + ": "));
}

TEST_CASE("download: any pattern of breaks gives the same file") {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    CAPTURE(seed);
    random::Stream draw(seed);
    const Server server([&](const Asked& asked, std::size_t) {
      Answer answer = asked.from && draw.below(4) == 0 ? Answer{.body = content} : serve(content, asked);
      answer.promised = answer.body.size();
      if (draw.below(2) == 0) answer.body.resize(draw.below(answer.body.size()));
      return answer;
    });
    const Folder folder;
    DownloadOptions options = impatient();
    options.attempts = 100;
    options.first_wait = std::chrono::milliseconds(0);
    download(remote(server), folder.path(), options);
    check_whole(folder);
  }
}

TEST_CASE("download: the next run goes on too, and leaves what it has when it fails") {
  const Folder folder;
  {
    const Server server(first(cut(1000)));
    DownloadOptions options = impatient();
    options.attempts = 1;
    const std::string text = complaint(remote(server), folder, options);
    CHECK(contains(text, server.address("/x.bin") + ": "));
    CHECK(contains(text, "gave up after 1 attempt with 1000 bytes in " + (folder / "x.bin.part").string()));
    CHECK(text_of(folder / "x.bin.part") == content.substr(0, 1000));
  }
  const Server server(good);
  download(remote(server), folder.path(), impatient());
  check_whole(folder);
  CHECK(server.asked().at(0).from == 1000);
}

TEST_CASE("download: a server that ignores the range") {
  const Server server(always({.body = content}));
  const Folder folder;
  write_text(folder / "x.bin.part", content.substr(0, 5000));
  download(remote(server), folder.path(), impatient());
  check_whole(folder);
  CHECK(server.asked().size() == 1);
}

TEST_CASE("download: a server that answers another range, or does not say which") {
  for (const std::string& range :
       Names{"Content-Range: bytes 7-299999/300000", "Content-Range: bytes 50001-299999/300000", "X: y"}) {
    CAPTURE(range);
    const Server server([&](const Asked& asked, std::size_t) {
      return asked.from ? Answer{.status = 206, .body = content.substr(7), .headers = {range}}
                        : serve(content, asked);
    });
    const Folder folder;
    write_text(folder / "x.bin.part", content.substr(0, 5000));
    download(remote(server), folder.path(), impatient());
    check_whole(folder);
  }
}

TEST_CASE("download: the range of a redirect's answer is not the file's") {
  const Server server([](const Asked& asked, std::size_t) {
    if (asked.target != "/there")
      return Answer{.status = 302,
                    .headers = {"Location: /there", "Content-Range: bytes 5000-299999/300000"}};
    return asked.from ? Answer{.status = 206, .body = content.substr(7)} : serve(content, asked);
  });
  const Folder folder;
  write_text(folder / "x.bin.part", content.substr(0, 5000));
  download(remote(server), folder.path(), impatient());
  check_whole(folder);
}

TEST_CASE("download: a range that the server refuses starts over") {
  const Server server(first({.status = 416}));
  const Folder folder;
  write_text(folder / "x.bin.part", std::string(5000, 'x'));
  download(remote(server), folder.path(), impatient());
  check_whole(folder);
  CHECK(server.asked().at(0).from == 5000);
  CHECK_FALSE(server.asked().at(1).from.has_value());
}

TEST_CASE("download: a part that is too long starts over") {
  const Server server(good);
  const Folder folder;
  write_text(folder / "x.bin.part", content + "x");
  download(remote(server), folder.path(), impatient());
  check_whole(folder);
  CHECK_FALSE(server.asked().at(0).from.has_value());
}

TEST_CASE("download: a part that is whole is verified and not asked for") {
  const Server server(good);
  const Folder folder;
  write_text(folder / "x.bin.part", content);
  download(remote(server), folder.path(), impatient());
  check_whole(folder);
  CHECK(server.asked().empty());
}

TEST_CASE("download: a corrupt byte") {
  std::string corrupt = content;
  corrupt[123456] = static_cast<char>(corrupt[123456] ^ 1);
  const Server server(always({.body = corrupt}));
  const Folder folder;
  CHECK(complaint(remote(server), folder) == (folder / "x.bin.part").string() + ": is " +
                                                 digest_of_text(corrupt) + ", expected " + digest + " (" +
                                                 server.address("/x.bin") + ")");
  CHECK(names_in(folder.path()).empty());
}

TEST_CASE("download: a redirect is followed, also by a request for the rest") {
  const Server server([](const Asked& asked, std::size_t) {
    return asked.target == "/there" ? serve(content, asked)
                                    : Answer{.status = 302, .body = "moved", .headers = {"Location: /there"}};
  });
  const Folder folder;
  write_text(folder / "x.bin.part", content.substr(0, 5000));
  download(remote(server), folder.path(), impatient());
  check_whole(folder);
  CHECK(server.asked().at(1).from == 5000);
}

TEST_CASE("download: redirects without end, and to what is no web address") {
  const Folder folder;
  const Server loop(always({.status = 302, .headers = {"Location: /x.bin"}}));
  const std::string text = complaint(remote(loop), folder);
  CHECK(contains(text, loop.address("/x.bin") + ": "));
  CHECK(contains(text, "redirects"));
  CHECK(loop.asked().size() == 6);  // the address and 5 redirects, once
  write_text(folder / "secret", content);
  for (const std::string& place : Names{"file://" + (folder / "secret").string(), "ftp://127.0.0.1/x"}) {
    const Server server(always({.status = 302, .headers = {"Location: " + place}}));
    CHECK(contains(complaint(remote(server), folder), server.address("/x.bin") + ": "));
    CHECK(server.asked().size() == 1);
  }
  CHECK(names_in(folder.path()) == Names{"secret"});
}

TEST_CASE("download: a server that stalls") {
  Answer stalled = cut(1000);
  stalled.stalls = true;
  const Server server(first(stalled));
  const Folder folder;
  DownloadOptions options = impatient();
  options.stalled_speed = 1000000;  // libcurl takes the mean of some seconds, which the first bytes raise
  download(remote(server), folder.path(), options);
  check_whole(folder);
  CHECK(server.asked().at(1).from == 1000);
}

TEST_CASE("download: a file that is not there is asked for once") {
  const Server server(always({.status = 404, .body = "no such file"}));
  const Folder folder;
  CHECK(complaint(remote(server), folder) ==
        server.address("/x.bin") + ": HTTP status 404 (for " + (folder / "x.bin.part").string() + ")");
  CHECK(server.asked().size() == 1);
  CHECK(names_in(folder.path()).empty());
}

TEST_CASE("download: a server in trouble is asked again, with growing waits") {
  for (const int status : {500, 503, 408, 429}) {
    CAPTURE(status);
    const Server once(first({.status = status, .body = "in trouble"}));
    const Folder folder;
    download(remote(once), folder.path(), impatient());
    check_whole(folder);
  }
  const Server server(always({.status = 503}));
  const Folder folder;
  DownloadOptions options = impatient();
  options.first_wait = std::chrono::milliseconds(60);
  const auto start = std::chrono::steady_clock::now();
  CHECK(complaint(remote(server), folder, options) ==
        server.address("/x.bin") + ": HTTP status 503; gave up after 3 attempts with 0 bytes in " +
            (folder / "x.bin.part").string());
  CHECK(std::chrono::steady_clock::now() - start >= std::chrono::milliseconds(60 + 120));
  CHECK(server.asked().size() == 3);
}

TEST_CASE("download: a server that sends too much is left at once") {
  const std::string much(50000000, 'x');
  const Server server(always({.body = content + much}));
  const Folder folder;
  std::uint64_t most = 0;
  DownloadOptions options = impatient();
  options.progress = [&](std::uint64_t bytes, std::uint64_t) { most = std::max(most, bytes); };
  CHECK(contains(complaint(remote(server), folder, options),
                 server.address("/x.bin") + ": sends more than the expected 300000 bytes"));
  CHECK(most <= content.size());
  CHECK(server.asked().size() == 1);

  Remote unknown = remote(server);
  unknown.size = 0;
  unknown.digest = "";
  options.most_bytes = 1000000;
  CHECK(contains(complaint(unknown, folder, options), "sends more than the expected 1000000 bytes"));
  CHECK(names_in(folder.path()).empty());
}

TEST_CASE("download: a server that takes less for the whole") {
  const std::string part = content.substr(0, 1000);
  const Server server([&](const Asked& asked, std::size_t) { return serve(part, asked); });
  const Folder folder;
  DownloadOptions options = impatient();
  options.attempts = 1;
  CHECK(contains(complaint(remote(server), folder, options), "the answer ends after 1000 of 300000 bytes"));
  Remote unknown = remote(server);
  unknown.size = 0;
  CHECK(contains(complaint(unknown, folder), ", expected " + digest));
  CHECK(names_in(folder.path()).empty());
}

TEST_CASE("download: an empty answer to a request for the rest") {
  const Server server(first({.status = 200}));
  const Folder folder;
  write_text(folder / "x.bin.part", content.substr(0, 5000));
  download(remote(server), folder.path(), impatient());
  check_whole(folder);
  CHECK_FALSE(server.asked().at(1).from.has_value());
}

TEST_CASE("download: a folder that is not there, a full disk, a folder in the way") {
  const Server server(good);
  const Folder folder;
  CHECK(complaint_of([&] { download(remote(server), folder / "none", impatient()); }) ==
        (folder / "none" / "x.bin.part").string() + ": cannot open for writing: No such file or directory");
  fs::create_symlink("/dev/full", folder / "x.bin.part");
  CHECK(complaint(remote(server), folder) ==
        (folder / "x.bin.part").string() + ": cannot write: No space left on device");
  fs::remove(folder / "x.bin.part");
  fs::create_directory(folder / "x.bin");
  CHECK(contains(complaint(remote(server), folder), (folder / "x.bin").string() + ": "));
}

TEST_CASE("download: without a digest nothing is continued, and the sha256 is told") {
  const Server server(first(cut(1000)));
  const Folder folder;
  Remote what = remote(server);
  what.digest = "";
  write_text(folder / "x.bin.part", "another version of the file");
  CHECK(download(what, folder.path(), impatient()) == digest);
  check_whole(folder);
  for (const auto& asked : server.asked()) CHECK_FALSE(asked.from.has_value());
}

TEST_CASE("download: a file that is there is verified and kept") {
  const Server server(good);
  const Folder folder;
  write_text(folder / "x.bin", content);
  CHECK(download(remote(server), folder.path(), impatient()) == digest);
  write_text(folder / "x.bin", "mine");
  CHECK(complaint(remote(server), folder) ==
        (folder / "x.bin").string() + ": 4 bytes, expected 300000 (" + server.address("/x.bin") + ")");
  CHECK(text_of(folder / "x.bin") == "mine");
  CHECK(server.asked().empty());
}

TEST_CASE("download: addresses, names and digests that cannot be") {
  const Server server(good);
  const Folder folder;
  for (const char* address : {"ftp://127.0.0.1/x", "file:///x", "/x", ""}) {
    Remote what = remote(server);
    what.address = address;
    CHECK(contains(complaint(what, folder), "does not begin with http:// or https://"));
  }
  for (const char* file : {"", ".", "..", "../x", "a/x", "/x"}) {
    Remote what = remote(server);
    what.file = file;
    CHECK(contains(complaint(what, folder), "is not the name of a file"));
  }
  Remote what = remote(server);
  what.digest = "sha256:12";
  CHECK(contains(complaint(what, folder), "64 lower-case hexadecimal digits"));
  CHECK(server.asked().empty());
}

TEST_CASE("download: nobody there") {
  std::string address;
  {
    const Server gone(good);
    address = gone.address("/x.bin");
  }
  const Folder folder;
  const std::string text =
      complaint({.address = address, .file = "x.bin", .size = content.size(), .digest = digest}, folder);
  CHECK(text.starts_with(address + ": "));
  CHECK(contains(text, "gave up after 3 attempts"));
}

TEST_CASE("download: an error of the progress callback comes through") {
  const Server server(good);
  const Folder folder;
  DownloadOptions options = impatient();
  options.progress = [](std::uint64_t, std::uint64_t) { throw std::runtime_error("stop"); };
  CHECK_THROWS_WITH_AS(download(remote(server), folder.path(), options), "stop", std::runtime_error);
}

TEST_CASE("download: the environment's proxy is asked, but for the hosts that are not to be") {
  const char* const before = getenv("http_proxy");
  const std::string kept = before != nullptr ? before : "";
  const Server proxy(good);
  const Server direct(good);
  setenv("http_proxy", proxy.address().c_str(), 1);
  DownloadOptions options = impatient();
  const Folder folder;
  options.no_proxy = "elsewhere.invalid";
  const Remote far{
      .address = "http://data.invalid/x.bin", .file = "x.bin", .size = content.size(), .digest = digest};
  download(far, folder.path(), options);
  check_whole(folder);
  CHECK(proxy.asked().at(0).target == far.address);

  fs::remove(folder / "x.bin");
  options.no_proxy = "127.0.0.1";
  download(remote(direct), folder.path(), options);
  CHECK(proxy.asked().size() == 1);
  before != nullptr ? setenv("http_proxy", kept.c_str(), 1) : unsetenv("http_proxy");
}

}  // namespace
}  // namespace fedval::harness
