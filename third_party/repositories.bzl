"""Every external repository of fedval: Debian's Bazel rules, and the system's C++ libraries."""

load("@fedval_host//:host.bzl", "DEBIAN_BAZEL_RULES")
load("//third_party:debian.bzl", "coverage_stub", "debian_rules_cc")
load("//third_party:libtorch.bzl", "libtorch")
load("//third_party:system_library.bzl", "system_library")

def fedval_repositories():
    # Bazel 4.2.3 as Debian packages it names these repositories but ships them as plain folders. Where the
    # folders are absent the Bazel is another one, and brings its own.
    if DEBIAN_BAZEL_RULES:
        debian_rules_cc(name = "rules_cc")
        coverage_stub(name = "remote_coverage_tools")
        for name, path in {
            "rules_java": "rules/java",
            "rules_proto": "rules/proto",
            "bazel_skylib": "tools/skylib",
            "platforms": "platforms",
        }.items():
            native.local_repository(name = name, path = "/usr/share/bazel/" + path)

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
    system_library(name = "eigen", header = "/usr/include/eigen3/Eigen/Core", folder = "/usr/include/eigen3")
    libtorch(name = "libtorch")
