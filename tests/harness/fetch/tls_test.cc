// Downloads over TLS: from whom they are taken, and where a redirect may lead.
#include <doctest/doctest.h>
#include <stdlib.h>

#include <csignal>

#include "tests/harness/fetch/server.hpp"
#include "tests/harness/fetch/tls_server.hpp"
#include "tests/harness/fetch/tools.hpp"

namespace fedval::harness {
namespace {

using test_files::Folder;
using namespace test_server;

const std::string content = random_text(3, 5000);

/// What a download said, and what it left, with these authorities trusted.
class Attempt {
 public:
  Attempt(const TlsServer& server, const Identity& trusted) {
    trusted.write(folder_ / "authorities.pem");
    setenv("SSL_CERT_FILE", (folder_ / "authorities.pem").c_str(), 1);
    complaint = complaint_of([&] {
      download({.address = server.address("/x.bin"), .file = "x.bin", .size = content.size()}, folder_.path(),
               impatient());
    });
    unsetenv("SSL_CERT_FILE");
  }
  std::vector<std::string> left() const { return names_in(folder_.path()); }
  std::string file() const { return text_of(folder_ / "x.bin"); }

  std::string complaint;

 private:
  Folder folder_;
};

const std::vector<std::string> nothing{"authorities.pem"};

/// An ended connection is no reason to end the test.
const auto ignored = std::signal(SIGPIPE, SIG_IGN);

}  // namespace

TEST_CASE("tls: a file from a server whose certificate is trusted") {
  const Identity known("IP:127.0.0.1");
  const TlsServer server(known, "200 x", content);
  const Attempt attempt(server, known);
  CHECK(attempt.complaint == "no error");
  CHECK(attempt.file() == content);
}

TEST_CASE("tls: who signed its own certificate, has another host's, or an old one is asked for nothing") {
  const Identity known("IP:127.0.0.1");
  const auto check = [&](const Identity& shown, const Identity& trusted) {
    const TlsServer server(shown, "200 x", content);
    const Attempt attempt(server, trusted);
    CAPTURE(attempt.complaint);
    CHECK(contains(attempt.complaint, server.address("/x.bin")));
    CHECK(contains(attempt.complaint, "certificate"));
    CHECK(server.asked() == 0);
    CHECK(attempt.left() == nothing);
  };
  check(Identity("IP:127.0.0.1"), known);
  const Identity other("DNS:example.org"), old("IP:127.0.0.1", -60);
  check(other, other);
  check(old, old);
}

TEST_CASE("tls: a redirect that leaves TLS is not followed") {
  const Identity known("IP:127.0.0.1");
  const Server open([](const Asked& asked, std::size_t) { return serve(content, asked); });
  const TlsServer server(known, "302 x\r\nLocation: " + open.address("/x.bin"), "");
  const Attempt attempt(server, known);
  CAPTURE(attempt.complaint);
  CHECK(server.asked() == 1);
  CHECK(open.asked().empty());
  CHECK(contains(attempt.complaint, server.address("/x.bin")));
  CHECK(contains(attempt.complaint, "http"));
  CHECK(attempt.left() == nothing);

  const TlsServer next(known, "200 x", content);
  const TlsServer first(known, "302 x\r\nLocation: " + next.address("/y.bin"), "");
  const Attempt followed(first, known);
  CHECK(followed.complaint == "no error");
  CHECK(followed.file() == content);
}

}  // namespace fedval::harness
