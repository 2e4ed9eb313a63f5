#include "harness/fetch/download.hpp"

#include <curl/curl.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdlib>
#include <exception>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string_view>
#include <system_error>
#include <thread>

#include "fedval/error.hpp"
#include "harness/fetch/digest.hpp"
#include "harness/files/output_file.hpp"

namespace fedval::harness {
namespace {

namespace fs = std::filesystem;

// An attempt that failed in a way that the next one may not.
class Broken : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

struct Cleanup {
  void operator()(CURL* handle) const { curl_easy_cleanup(handle); }
};
using Handle = std::unique_ptr<CURL, Cleanup>;

Handle new_handle() {
  static const CURLcode started = curl_global_init(CURL_GLOBAL_DEFAULT);  // once, whatever threads there are
  Handle handle(started == CURLE_OK ? curl_easy_init() : nullptr);
  if (!handle) fail("libcurl cannot be started");
  return handle;
}

// An option that is not accepted, for example by a libcurl built without it, must not be lost.
template <class Value>
void set(CURL* handle, CURLoption option, Value value) {
  if (const CURLcode code = curl_easy_setopt(handle, option, value); code != CURLE_OK)
    fail("libcurl refuses option ", int{option}, ": ", curl_easy_strerror(code));
}

void allow_protocols(CURL* handle, bool redirect_to_http) {
#if LIBCURL_VERSION_NUM >= 0x075500
  set(handle, CURLOPT_PROTOCOLS_STR, "http,https");
  set(handle, CURLOPT_REDIR_PROTOCOLS_STR, redirect_to_http ? "http,https" : "https");
#else
  set(handle, CURLOPT_PROTOCOLS, long{CURLPROTO_HTTP | CURLPROTO_HTTPS});
  set(handle, CURLOPT_REDIR_PROTOCOLS,
      long{redirect_to_http ? CURLPROTO_HTTP | CURLPROTO_HTTPS : CURLPROTO_HTTPS});
#endif
}

std::uint64_t size_of(const fs::path& path) {
  std::error_code missing;
  const auto size = fs::file_size(path, missing);
  return missing ? 0 : size;
}

// Of the same address after another attempt, nothing but success is new.
bool is_final(CURLcode code) {
  return code == CURLE_TOO_MANY_REDIRECTS || code == CURLE_UNSUPPORTED_PROTOCOL ||
         code == CURLE_URL_MALFORMAT || code == CURLE_PEER_FAILED_VERIFICATION ||
         code == CURLE_SSL_CACERT_BADFILE;
}

// One request and what its answer brings, appended to FILE.part.
class Request {
 public:
  Request(const Remote& remote, const fs::path& part, const DownloadOptions& options)
      : remote_(remote), part_(part), options_(options), handle_(new_handle()), bytes_(size_of(part)) {
    CURL* const handle = handle_.get();
    allow_protocols(handle, remote.address.starts_with("http://"));
    set(handle, CURLOPT_URL, remote.address.c_str());
    if (const char* authorities = std::getenv("SSL_CERT_FILE"); authorities != nullptr && *authorities != 0) {
      set(handle, CURLOPT_CAINFO, authorities);
      set(handle, CURLOPT_CAPATH, static_cast<const char*>(nullptr));  // the system's, beside them
    }
    set(handle, CURLOPT_FOLLOWLOCATION, 1L);
    set(handle, CURLOPT_MAXREDIRS, options.redirects);
    set(handle, CURLOPT_CONNECTTIMEOUT, static_cast<long>(options.connect_time.count()));
    set(handle, CURLOPT_LOW_SPEED_TIME, static_cast<long>(options.stalled_time.count()));
    set(handle, CURLOPT_LOW_SPEED_LIMIT, options.stalled_speed);
    set(handle, CURLOPT_NOSIGNAL, 1L);
    set(handle, CURLOPT_USERAGENT, "fedval");
    set(handle, CURLOPT_ERRORBUFFER, reason_.data());
    set(handle, CURLOPT_HEADERFUNCTION, &Request::on_header);
    set(handle, CURLOPT_HEADERDATA, this);
    set(handle, CURLOPT_WRITEFUNCTION, &Request::on_bytes);
    set(handle, CURLOPT_WRITEDATA, this);
    if (!options.no_proxy.empty()) set(handle, CURLOPT_NOPROXY, options.no_proxy.c_str());
    // Not CURLOPT_RESUME_FROM, with which libcurl itself refuses an answer from the file's start.
    if (bytes_ > 0) set(handle, CURLOPT_RANGE, (std::to_string(bytes_) + "-").c_str());
  }

  // Throws Broken where another attempt may help, else Error.
  void run() {
    const CURLcode code = curl_easy_perform(handle_.get());
    if (failure_) std::rethrow_exception(failure_);
    if (code != CURLE_OK && code != CURLE_WRITE_ERROR) {
      const std::string text = reason_[0] != '\0' ? reason_.data() : curl_easy_strerror(code);
      if (is_final(code)) fail(remote_.address, ": ", text, " (for ", part_.string(), ")");
      throw Broken(text);
    }
    if (!answers_file()) refuse_status();
    if (!file_) begin();  // an answer without a body
    file_->sync();
    if (remote_.size != 0 && bytes_ < remote_.size)
      throw Broken("the answer ends after " + std::to_string(bytes_) + " of " + std::to_string(remote_.size) +
                   " bytes");
  }

 private:
  static std::size_t on_header(char* text, std::size_t, std::size_t size, void* request) {
    static_cast<Request*>(request)->note_header({text, size});
    return size;
  }

  // No exception may pass through libcurl, which is C.
  static std::size_t on_bytes(char* data, std::size_t, std::size_t size, void* to) {
    auto& request = *static_cast<Request*>(to);
    try {
      if (!request.answers_file()) return 0;
      request.take({data, size});
      return size;
    } catch (...) {
      request.failure_ = std::current_exception();
      return 0;
    }
  }

  void note_header(std::string_view line) {
    if (line.starts_with("HTTP/")) content_range_.clear();  // the answer after a redirect
    const std::string_view name = "content-range:";
    const bool same =
        line.size() > name.size() && std::equal(name.begin(), name.end(), line.begin(), [](char a, char b) {
          return a == std::tolower(static_cast<unsigned char>(b));
        });
    if (!same) return;
    line.remove_prefix(std::min(line.size(), line.find_first_not_of(' ', name.size())));
    content_range_ = line.substr(0, line.find_last_not_of("\r\n ") + 1);
  }

  long status() const {
    long status = 0;
    curl_easy_getinfo(handle_.get(), CURLINFO_RESPONSE_CODE, &status);
    return status;
  }

  bool answers_file() const { return status() == 200 || status() == 206; }

  [[noreturn]] void refuse_status() {
    const long code = status();
    const std::string text = "HTTP status " + std::to_string(code);
    if (code == 416 && bytes_ > 0) {
      discard(part_);
      throw Broken(text + " to the request for the bytes from " + std::to_string(bytes_));
    }
    if (code == 408 || code == 429 || code >= 500) throw Broken(text);
    fail(remote_.address, ": ", text, " (for ", part_.string(), ")");
  }

  void begin() {
    if (status() == 206 && !content_range_.starts_with("bytes " + std::to_string(bytes_) + "-")) {
      discard(part_);
      throw Broken("asked for the bytes from " + std::to_string(bytes_) + ", the answer has \"" +
                   content_range_ + "\"");
    }
    file_.emplace(part_);
    if (status() == 200 && bytes_ > 0) {
      file_->clear();
      bytes_ = 0;
    }
    curl_off_t length = -1;
    curl_easy_getinfo(handle_.get(), CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
    total_ = remote_.size == 0 && length > 0 ? bytes_ + static_cast<std::uint64_t>(length) : remote_.size;
  }

  void take(std::string_view data) {
    if (!file_) begin();
    const std::uint64_t most = remote_.size != 0 ? remote_.size : options_.most_bytes;
    if (bytes_ + data.size() > most) {
      discard(part_);
      fail(remote_.address, ": sends more than the expected ", most, " bytes (", part_.string(),
           " is deleted)");
    }
    file_->write(data);
    bytes_ += data.size();
    if (options_.progress) options_.progress(bytes_, total_);
  }

  const Remote& remote_;
  const fs::path& part_;
  const DownloadOptions& options_;
  const Handle handle_;
  std::uint64_t bytes_;  // in FILE.part
  std::uint64_t total_ = 0;
  std::string content_range_;
  std::optional<OutputFile> file_;
  std::exception_ptr failure_;
  std::array<char, CURL_ERROR_SIZE> reason_{};
};

void transfer(const Remote& remote, const fs::path& part, const DownloadOptions& options) {
  auto wait = options.first_wait;
  for (int attempt = 1;; ++attempt) {
    if (remote.digest.empty() || (remote.size != 0 && size_of(part) > remote.size)) discard(part);
    if (remote.size != 0 && size_of(part) == remote.size) return;
    try {
      return Request(remote, part, options).run();
    } catch (const Broken& broken) {
      const std::string what = remote.address + ": " + broken.what();
      if (attempt >= options.attempts)
        fail(what, "; gave up after ", attempt, attempt == 1 ? " attempt" : " attempts", " with ",
             size_of(part), " bytes in ", part.string());
      if (options.retrying) options.retrying(what + "; trying again");
    }
    std::this_thread::sleep_for(wait);
    wait *= 2;
  }
}

std::string verify(const Remote& remote, const fs::path& path) {
  if (remote.size != 0 && size_of(path) != remote.size)
    fail(path.string(), ": ", size_of(path), " bytes, expected ", remote.size, " (", remote.address, ")");
  std::string found = digest_of(path, remote.digest.empty() ? "sha256" : digest_function(remote.digest));
  if (!remote.digest.empty() && found != remote.digest)
    fail(path.string(), ": is ", found, ", expected ", remote.digest, " (", remote.address, ")");
  return found;
}

void check(const Remote& remote) {
  if (!remote.address.starts_with("http://") && !remote.address.starts_with("https://"))
    fail(remote.address, ": does not begin with http:// or https:// (for ", remote.file, ")");
  if (remote.file.empty() || remote.file == "." || remote.file == ".." ||
      remote.file.find('/') != std::string::npos)
    fail(remote.address, ": \"", remote.file, "\" is not the name of a file");
  if (!remote.digest.empty()) digest_function(remote.digest);
}

}  // namespace

std::string download(const Remote& remote, const fs::path& folder, const DownloadOptions& options) {
  check(remote);
  const fs::path target = folder / remote.file;
  std::error_code ignored;  // what cannot be looked at cannot be written either, which is said then
  if (fs::exists(target, ignored)) return verify(remote, target);

  const fs::path part = folder / (remote.file + ".part");
  transfer(remote, part, options);
  std::string digest;
  try {
    digest = verify(remote, part);
  } catch (const Error&) {
    discard(part);
    throw;
  }
  put_in_place(part, target);
  return digest;
}

}  // namespace fedval::harness
