// A web server on 127.0.0.1 behind TLS, whose certificate it has signed itself.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>

namespace fedval::harness::test_server {

template <auto free>
struct Freed {
  void operator()(auto* made) const { free(made); }
};
using Key = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY_free>>;
using Certificate = std::unique_ptr<X509, Freed<X509_free>>;

/// A key and a certificate for `host`, as "IP:127.0.0.1", that is good from now on for so many seconds.
struct Identity {
  Key key{EVP_EC_gen("P-256")};
  Certificate certificate{X509_new()};

  explicit Identity(const std::string& host, long seconds = 3600) {
    X509* const made = certificate.get();
    X509_set_version(made, 2);  // the third one
    ASN1_INTEGER_set(X509_get_serialNumber(made), 1);
    X509_gmtime_adj(X509_getm_notBefore(made), -7200);
    X509_gmtime_adj(X509_getm_notAfter(made), seconds);
    X509_set_pubkey(made, key.get());
    X509_NAME* const name = X509_get_subject_name(made);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>("test"), -1,
                               -1, 0);
    X509_set_issuer_name(made, name);
    const std::unique_ptr<X509_EXTENSION, Freed<X509_EXTENSION_free>> hosts(
        X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, host.c_str()));
    if (!hosts || X509_add_ext(made, hosts.get(), -1) != 1 || X509_sign(made, key.get(), EVP_sha256()) == 0)
      throw std::runtime_error("the test's certificate cannot be made");
  }

  /// As SSL_CERT_FILE takes it.
  void write(const std::filesystem::path& path) const {
    const std::unique_ptr<std::FILE, Freed<std::fclose>> file(std::fopen(path.c_str(), "w"));
    if (!file || PEM_write_X509(file.get(), certificate.get()) != 1)
      throw std::runtime_error("the test's certificate cannot be written");
  }
};

/// Answers every request in the same way: `head` is the status and headers, one a line.
class TlsServer {
 public:
  TlsServer(const Identity& identity, std::string head, std::string body)
      : head_(std::move(head)), body_(std::move(body)) {
    SSL_CTX_use_certificate(context_.get(), identity.certificate.get());
    SSL_CTX_use_PrivateKey(context_.get(), identity.key.get());
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
  TlsServer(const TlsServer&) = delete;
  TlsServer& operator=(const TlsServer&) = delete;
  ~TlsServer() {
    stopped_ = true;
    shutdown(listener_, SHUT_RDWR);
    thread_.join();
    close(listener_);
  }

  std::string address(const std::string& target) const {
    return "https://127.0.0.1:" + std::to_string(port_) + target;
  }
  /// Requests that came through: whoever does not trust the certificate asks for nothing.
  int asked() const { return asked_; }

 private:
  void run() {
    while (!stopped_) {
      const int client = accept(listener_, nullptr, nullptr);
      if (client < 0) continue;
      const timeval patience{5, 0};
      setsockopt(client, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
      answer(client);
      close(client);
    }
  }

  void answer(int client) {
    const std::unique_ptr<SSL, Freed<SSL_free>> tls(SSL_new(context_.get()));
    SSL_set_fd(tls.get(), client);
    if (SSL_accept(tls.get()) != 1) return;
    std::string text;
    char buffer[4096];
    while (text.find("\r\n\r\n") == std::string::npos) {
      const int got = SSL_read(tls.get(), buffer, sizeof buffer);
      if (got <= 0) return;
      text.append(buffer, static_cast<std::size_t>(got));
    }
    ++asked_;
    const std::string reply = "HTTP/1.1 " + head_ +
                              "\r\nConnection: close\r\nContent-Length: " + std::to_string(body_.size()) +
                              "\r\n\r\n" + body_;
    SSL_write(tls.get(), reply.data(), static_cast<int>(reply.size()));
    SSL_shutdown(tls.get());
  }

  std::string head_, body_;
  std::unique_ptr<SSL_CTX, Freed<SSL_CTX_free>> context_{SSL_CTX_new(TLS_server_method())};
  int listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  std::uint16_t port_ = 0;
  std::atomic<bool> stopped_ = false;
  std::atomic<int> asked_ = 0;
  std::thread thread_;
};

}  // namespace fedval::harness::test_server
