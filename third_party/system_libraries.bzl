"""The system's C++ libraries, each a repository that is looked at only where a target needs it."""

load("//third_party:libtorch.bzl", "libtorch")
load("//third_party:system_library.bzl", "system_library")

def system_libraries():
    # Headers that lie in /usr/include itself need no folder: the compiler looks there anyway, and putting it
    # behind -isystem would break libstdc++'s include_next.
    system_library(name = "doctest", header = "/usr/include/doctest/doctest.h")
    system_library(name = "benchmark", header = "/usr/include/benchmark/benchmark.h", linkopts = ["-lbenchmark", "-lpthread"])
    system_library(name = "cli11", header = "/usr/include/CLI/CLI.hpp")
    system_library(name = "tomlplusplus", header = "/usr/include/toml++/toml.h")
    system_library(name = "nlohmann_json", header = "/usr/include/nlohmann/json.hpp")
    system_library(name = "xtensor", header = "/usr/include/xtensor/xtensor.hpp|/usr/include/xtensor/containers/xtensor.hpp")
    system_library(name = "zlib", header = "/usr/include/zlib.h", linkopts = ["-lz"])
    system_library(
        name = "curl",
        header = "/usr/include/x86_64-linux-gnu/curl/curl.h|/usr/include/curl/curl.h|/usr/include/aarch64-linux-gnu/curl/curl.h",
        linkopts = ["-lcurl"],
    )
    system_library(name = "libarchive", header = "/usr/include/archive.h", linkopts = ["-larchive"])
    system_library(name = "openssl", header = "/usr/include/openssl/evp.h", linkopts = ["-lcrypto"])
    system_library(name = "gloo", header = "/usr/include/gloo/context.h", linkopts = ["-lgloo"])
    system_library(name = "eigen", header = "/usr/include/eigen3/Eigen/Core", folder = "/usr/include/eigen3")
    libtorch(name = "libtorch")
