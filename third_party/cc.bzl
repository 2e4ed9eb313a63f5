"""C++ rules with this project's own flags: its warnings are errors, other people's headers are not judged."""

load("@fedval_host//:host.bzl", "INSTRUCTION_SET")
load("@rules_cc//cc:defs.bzl", "cc_binary", "cc_library", "cc_test")

_COPTS = INSTRUCTION_SET + [
    "-fopenmp",
    "-Wall",
    "-Wextra",
    "-Wpedantic",
    "-Wconversion",
    "-Wshadow",
    "-Werror",
    # False alarms of g++ 12: in its own AVX-512 intrinsics (GCC bug 105593) and at -O3 in its
    # own strings and vectors (bug 105651). clang does not know all of these flags.
    "-Wno-uninitialized",
    "-Wno-maybe-uninitialized",
    "-Wno-restrict",
    "-Wno-stringop-overread",
    "-Wno-unknown-warning-option",
]

_LINKOPTS = ["-fopenmp"]

def fedval_library(name, **kwargs):
    """A library; private to its package unless said otherwise. Static: a shared one would compile every file twice."""
    cc_library(name = name, copts = _COPTS, linkstatic = True, **kwargs)

def fedval_binary(name, copts = [], linkopts = [], **kwargs):
    cc_binary(name = name, copts = _COPTS + copts, linkopts = _LINKOPTS + linkopts, **kwargs)

def fedval_test(name, srcs, deps = [], size = "small", **kwargs):
    """A doctest program; its main is tests/doctest_main.cc. Static as the binaries, so that both use the same objects."""
    cc_test(
        name = name,
        size = size,
        srcs = srcs,
        copts = _COPTS,
        linkopts = _LINKOPTS,
        linkstatic = True,
        deps = deps + ["//tests:doctest_main"],
        **kwargs
    )
