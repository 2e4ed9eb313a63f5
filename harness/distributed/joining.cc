#include "harness/distributed/joining.hpp"

#include <netdb.h>
#include <openssl/evp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <condition_variable>
#include <iostream>
#include <mutex>
#include <stop_token>

#include "fedval/error.hpp"
#include "harness/distributed/store.hpp"

namespace fedval::harness {

std::string prefix_of(const Rendezvous& r) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned length = 0;
  const std::string salted = "fedval, protocol 2, " + std::to_string(r.ranks) + " ranks, attempt " +
                             std::to_string(r.attempt) + ": " + r.secret;
  if (EVP_Digest(salted.data(), salted.size(), digest.data(), &length, EVP_sha256(), nullptr) != 1)
    fail("SHA-256 is not available");
  constexpr std::string_view digits = "0123456789abcdef";
  std::string hex;
  for (unsigned i = 0; i < length; ++i) {
    hex += digits[digest[i] >> 4];
    hex += digits[digest[i] & 15];
  }
  return hex;
}

std::string host() {
  std::array<char, 256> name{};
  return ::gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "unknown host";
}

std::string where(const Rendezvous& r) { return r.address + ":" + std::to_string(r.port); }

void give_up(const std::string& name, const std::string& why) {
  std::cerr << "harness: " << name << ": " << why << std::endl;
  ::_exit(2);
}

std::jthread deadline(const Rendezvous& r, std::chrono::seconds time) {
  return std::jthread([=, rank = r.rank, at = where(r)](const std::stop_token& in_time) {
    std::mutex mutex;
    std::condition_variable_any wake;
    std::unique_lock lock(mutex);
    wake.wait_for(lock, in_time, time, [] { return false; });
    if (!in_time.stop_requested())
      give_up("rank " + std::to_string(rank), "the store at " + at +
                                                  ", where the ranks meet, has not answered for " +
                                                  std::to_string(time.count()) + " s");
  });
}

c10::intrusive_ptr<c10d::TCPStore> connect(const Rendezvous& r, bool serves) {
  // Who belongs here is settled under the prefix.
  c10d::TCPStoreOptions options = store_at(r.port, serves);
  options.timeout = r.patience;
  const std::jthread guard = deadline(r, 2 * r.patience + std::chrono::seconds(8));  // it may try twice
  try {
    return c10::make_intrusive<c10d::TCPStore>(r.address, options);
  } catch (const std::exception&) {  // c10d's own words name neither rank nor reason
    if (serves)
      fail("rank 0 cannot listen at ", where(r), ": the port is taken, or the address not this machine's");
    fail(r.launcher_serves ? "the launcher's store" : "rank 0", " is not at ", where(r),
         ": no answer within ", r.patience.count(), " s");
  }
}

std::string own_address(const Rendezvous& r) {
  addrinfo hints{}, *found = nullptr;
  hints.ai_socktype = SOCK_DGRAM;
  std::string address;
  if (::getaddrinfo(r.address.c_str(), std::to_string(r.port).c_str(), &hints, &found) == 0) {
    const int probe = ::socket(found->ai_family, SOCK_DGRAM, 0);
    sockaddr_storage own{};
    socklen_t size = sizeof own;
    auto* const any = reinterpret_cast<sockaddr*>(&own);
    std::array<char, NI_MAXHOST> host{};
    if (probe >= 0 && ::connect(probe, found->ai_addr, found->ai_addrlen) == 0 &&
        ::getsockname(probe, any, &size) == 0 &&
        ::getnameinfo(any, size, host.data(), host.size(), nullptr, 0, NI_NUMERICHOST) == 0)
      address = host.data();
    if (probe >= 0) ::close(probe);
    ::freeaddrinfo(found);
  }
  if (address.empty()) fail("MASTER_ADDR is \"", r.address, "\", to which this machine has no way");
  return address;
}

std::shared_ptr<gloo::transport::Device> device_for(const Rendezvous& r) {
  const std::string address = r.interface.empty() ? own_address(r) : "";
  try {
    return address.empty() ? c10d::ProcessGroupGloo::createDeviceForInterface(r.interface)
                           : c10d::ProcessGroupGloo::createDeviceForHostname(address);
  } catch (const std::exception&) {
    if (!address.empty()) fail("Gloo cannot use this machine's address ", address);
    fail("FEDVAL_INTERFACE is \"", r.interface, "\": no such network interface with an address");
  }
}

}  // namespace fedval::harness
