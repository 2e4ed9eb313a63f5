"""The system's C++ libraries, each a repository that is looked at only where a target needs it."""

load("//third_party:libtorch.bzl", "libtorch")
load("//third_party:system_library.bzl", "system_library")

# Headers that lie in /usr/include itself need no folder: the compiler looks there anyway, and putting it behind
# -isystem would break libstdc++'s include_next.
_LIBRARIES = {
    "doctest": dict(header = "/usr/include/doctest/doctest.h"),
    "benchmark": dict(header = "/usr/include/benchmark/benchmark.h", linkopts = ["-lbenchmark", "-lpthread"]),
    "cli11": dict(header = "/usr/include/CLI/CLI.hpp"),
    "tomlplusplus": dict(header = "/usr/include/toml++/toml.h"),
    "nlohmann_json": dict(header = "/usr/include/nlohmann/json.hpp"),
    "xtensor": dict(header = "/usr/include/xtensor/xtensor.hpp|/usr/include/xtensor/containers/xtensor.hpp"),
    "zlib": dict(header = "/usr/include/zlib.h", linkopts = ["-lz"]),
    "curl": dict(
        header = "/usr/include/x86_64-linux-gnu/curl/curl.h|/usr/include/curl/curl.h|/usr/include/aarch64-linux-gnu/curl/curl.h",
        linkopts = ["-lcurl"],
    ),
    "libarchive": dict(header = "/usr/include/archive.h", linkopts = ["-larchive"]),
    "openssl": dict(header = "/usr/include/openssl/evp.h", linkopts = ["-lcrypto"]),
    "gloo": dict(header = "/usr/include/gloo/context.h", linkopts = ["-lgloo"]),
    "eigen": dict(header = "/usr/include/eigen3/Eigen/Core", folder = "/usr/include/eigen3"),
}

def system_libraries(existing = {}):
    """Declares them, but for those whose names the workspace has given to others already."""
    for name, about in _LIBRARIES.items():
        if name not in existing:
            system_library(name = name, library = name, **about)
    if "libtorch" not in existing:
        libtorch(name = "libtorch")
