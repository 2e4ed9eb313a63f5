// A web server on 127.0.0.1 that answers as a test wants it to, wrongly too.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace fedval::harness::test_server {

/// What a client asked for.
struct Asked {
  std::string target;                 ///< "/a/b"; of a proxy the whole address
  std::optional<std::size_t> from{};  ///< first byte of the range; none: the whole file
};

/// What it gets. `promised` is the Content-Length where it is not that of the body.
struct Answer {
  int status = 200;
  std::string body = {};
  std::vector<std::string> headers = {};
  std::optional<std::size_t> promised = {};
  bool stalls = false;  ///< says nothing more after the body, and does not hang up
};

/// The answer of a server as it should be.
inline Answer serve(const std::string& content, const Asked& asked) {
  if (!asked.from) return {.body = content};
  const std::string size = std::to_string(content.size());
  if (*asked.from >= content.size()) return {.status = 416, .headers = {"Content-Range: bytes */" + size}};
  return {.status = 206,
          .body = content.substr(*asked.from),
          .headers = {"Content-Range: bytes " + std::to_string(*asked.from) + "-" +
                      std::to_string(content.size() - 1) + "/" + size}};
}

class Server {
 public:
  /// The handler gets each request and its number, from 0; it runs in the server's thread.
  using Handler = std::function<Answer(const Asked&, std::size_t)>;

  explicit Server(Handler handler) : handler_(std::move(handler)) {
    sockaddr_in place{};
    place.sin_family = AF_INET;
    place.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof place;
    auto* const address = reinterpret_cast<sockaddr*>(&place);
    if (listener_ < 0 || bind(listener_, address, size) != 0 || listen(listener_, 16) != 0 ||
        getsockname(listener_, address, &size) != 0)
      throw std::runtime_error("the test's server cannot be started");
    port_ = ntohs(place.sin_port);
    thread_ = std::thread([this] { run(); });
  }
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;
  ~Server() {
    stopped_ = true;
    shutdown(listener_, SHUT_RDWR);
    thread_.join();
    close(listener_);
  }

  std::string address(const std::string& target = "") const {
    return "http://127.0.0.1:" + std::to_string(port_) + target;
  }

  std::vector<Asked> asked() const {
    const std::lock_guard lock(mutex_);
    return asked_;
  }

 private:
  void run() {
    while (!stopped_) {
      const int client = accept(listener_, nullptr, nullptr);
      if (client < 0) continue;
      answer(client);
      close(client);
    }
  }

  static std::string read_request(int client) {
    std::string text;
    char buffer[4096];
    while (text.find("\r\n\r\n") == std::string::npos) {
      const auto got = recv(client, buffer, sizeof buffer, 0);
      if (got <= 0) return "";
      text.append(buffer, static_cast<std::size_t>(got));
    }
    return text;
  }

  static Asked parse(const std::string& text) {
    const std::size_t start = text.find(' ') + 1;
    Asked asked{.target = text.substr(start, text.find(' ', start) - start)};
    const std::string range = "\r\nRange: bytes=";
    if (const auto at = text.find(range); at != std::string::npos)
      asked.from = std::stoul(text.substr(at + range.size()));
    return asked;
  }

  void answer(int client) {
    const std::string text = read_request(client);
    if (text.empty()) return;
    const Asked asked = parse(text);
    std::size_t number = 0;
    {
      const std::lock_guard lock(mutex_);
      number = asked_.size();
      asked_.push_back(asked);
    }
    const Answer answer = handler_(asked, number);
    std::string reply = "HTTP/1.1 " + std::to_string(answer.status) +
                        " x\r\nConnection: close\r\nContent-Length: " +
                        std::to_string(answer.promised.value_or(answer.body.size())) + "\r\n";
    for (const auto& header : answer.headers) reply += header + "\r\n";
    reply += "\r\n" + answer.body;
    std::size_t sent = 0;
    while (sent < reply.size()) {
      const auto got = send(client, reply.data() + sent, reply.size() - sent, MSG_NOSIGNAL);
      if (got <= 0) return;
      sent += static_cast<std::size_t>(got);
    }
    while (answer.stalls && !stopped_) {
      pollfd state{.fd = client, .events = POLLIN, .revents = 0};
      if (poll(&state, 1, 20) != 0) return;  // the client hung up
    }
  }

  Handler handler_;
  int listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  std::uint16_t port_ = 0;
  std::atomic<bool> stopped_ = false;
  mutable std::mutex mutex_;
  std::vector<Asked> asked_;
  std::thread thread_;
};

}  // namespace fedval::harness::test_server
