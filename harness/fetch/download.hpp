// One file from a web server, whole and verified or not at all.
//
// The bytes go to FILE.part beside FILE. A download that breaks leaves FILE.part, and the next attempt or the
// next run asks the server for the rest only. A file that is as large as expected and has the expected digest
// is renamed to FILE in one step.
//
// A file without a known digest is never continued: nothing would show that two parts belong together.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

namespace fedval::harness {

/// A file on a web server and what is known about it.
struct Remote {
  std::string address;      ///< http:// or https://
  std::string file;         ///< the name that it gets here, without a folder
  std::uint64_t size = 0;   ///< bytes; 0 where it is not known
  std::string digest = {};  ///< "sha256:..." or "md5:..."; empty where none is published
};

/// How patient a download is. Proxies are those of the environment, as for every program that uses libcurl;
/// authorities whose certificates are trusted, the system's or those in the file SSL_CERT_FILE names.
struct DownloadOptions {
  int attempts = 5;                                                ///< of a request that breaks
  std::chrono::milliseconds first_wait = std::chrono::seconds(1);  ///< before the second; it then doubles
  std::chrono::seconds connect_time = std::chrono::seconds(30);    ///< longest time to connect
  std::chrono::seconds stalled_time = std::chrono::seconds(30);    ///< longest time below stalled_speed
  long stalled_speed = 100;                                        ///< bytes a second
  long redirects = 5;                                              ///< that are followed
  std::uint64_t most_bytes = std::uint64_t{4} << 30;               ///< of a file whose size is not known
  std::string no_proxy = {};                                       ///< hosts asked directly; "*": all
  std::function<void(std::uint64_t bytes, std::uint64_t total)> progress = {};  ///< total 0: not known
  std::function<void(const std::string& why)> retrying = {};
};

/// Downloads a file into a folder that is there, and returns its digest: the published one, which the file
/// was found to have, or its sha256 where none is published. A file that is there already is verified and not
/// downloaded again.
///
/// Redirects are followed, from https to https only. Broken connections, stalled transfers and statuses 408,
/// 429 and 5xx are tried again.
///
/// Throws Error naming the address and the file: for another HTTP status, too many redirects or failed
/// attempts, more bytes than expected (as soon as they come), a wrong size or digest (FILE.part is then
/// deleted, and expected and found are named), and where the file cannot be written.
std::string download(const Remote& remote, const std::filesystem::path& folder,
                     const DownloadOptions& options = {});

}  // namespace fedval::harness
