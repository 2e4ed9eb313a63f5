#include "harness/fetch/digest.hpp"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <memory>
#include <vector>

#include "fedval/error.hpp"

namespace fedval::harness {
namespace {

struct Free {
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
  void operator()(std::FILE* file) const { std::fclose(file); }
};

const EVP_MD* find(const std::string& function) {
  if (function == "sha256") return EVP_sha256();
  if (function == "md5") return EVP_md5();
  fail("digest: \"", function, "\" is neither sha256 nor md5");
}

std::string hexadecimal(const unsigned char* bytes, std::size_t count) {
  constexpr char digits[] = "0123456789abcdef";
  std::string text;
  for (std::size_t i = 0; i < count; ++i) {
    text += digits[bytes[i] / 16];
    text += digits[bytes[i] % 16];
  }
  return text;
}

}  // namespace

std::string digest_function(const std::string& digest) {
  std::string function = digest.substr(0, digest.find(':'));
  const auto length = static_cast<std::size_t>(EVP_MD_get_size(find(function))) * 2;
  const std::string value = digest.substr(std::min(digest.size(), function.size() + 1));
  if (value.size() != length || value.find_first_not_of("0123456789abcdef") != std::string::npos)
    fail("digest: \"", digest, "\" does not have ", length, " lower-case hexadecimal digits");
  return function;
}

std::string digest_of(const std::filesystem::path& path, const std::string& function) {
  const EVP_MD* const kind = find(function);
  const std::unique_ptr<EVP_MD_CTX, Free> context(EVP_MD_CTX_new());
  if (!context || EVP_DigestInit_ex(context.get(), kind, nullptr) != 1)
    fail(path.string(), ": OpenSSL does not provide ", function);
  const std::unique_ptr<std::FILE, Free> file(std::fopen(path.c_str(), "rb"));
  if (!file) fail(path.string(), ": cannot open: ", std::strerror(errno));

  std::vector<unsigned char> buffer(std::size_t{1} << 18);
  while (const std::size_t got = std::fread(buffer.data(), 1, buffer.size(), file.get()))
    if (EVP_DigestUpdate(context.get(), buffer.data(), got) != 1)
      fail(path.string(), ": OpenSSL cannot compute ", function);
  if (std::ferror(file.get()) != 0) fail(path.string(), ": cannot read: ", std::strerror(errno));

  std::array<unsigned char, EVP_MAX_MD_SIZE> value{};
  unsigned length = 0;
  if (EVP_DigestFinal_ex(context.get(), value.data(), &length) != 1)
    fail(path.string(), ": OpenSSL cannot compute ", function);
  return function + ":" + hexadecimal(value.data(), length);
}

}  // namespace fedval::harness
