// Checksums of files, written as publishers do: the name of the function, a colon, lower-case hexadecimal.
//
//   sha256:<64 digits>    md5:<32 digits>
//
// Source: FIPS 180-4 (SHA-256) and RFC 1321 (MD5), as OpenSSL computes them.
#pragma once

#include <filesystem>
#include <string>

namespace fedval::harness {

/// "sha256" or "md5", the function a written digest names. Throws Error when it names another one or does not
/// have that function's number of lower-case hexadecimal digits.
std::string digest_function(const std::string& digest);

/// The digest of a file's bytes by "sha256" or "md5". The file is read in pieces; O(bytes).
/// Throws Error naming the file when it cannot be read, and for another function.
std::string digest_of(const std::filesystem::path& path, const std::string& function);

}  // namespace fedval::harness
