"""A C++ library that the system's package manager provides."""

_BUILD = """\
load("@rules_cc//cc:defs.bzl", "cc_library")

cc_library(
    name = "{name}",
    hdrs = {headers},
    includes = {includes},
    linkopts = {linkopts},
    visibility = ["//visibility:public"],
)
"""

def _system_library(context):
    headers = context.attr.header.split("|")
    if not any([context.path(header).exists for header in headers]):
        fail("{} is not installed: {} does not exist. ./bazelw installs it, or see third_party/debian_packages.txt"
            .format(context.attr.library, headers[0]))
    if context.attr.folder:
        context.symlink(context.attr.folder, "include")
    context.file("BUILD", _BUILD.format(
        name = context.attr.library,
        headers = 'glob(["include/**"])' if context.attr.folder else [],
        includes = ["include"] if context.attr.folder else [],
        linkopts = context.attr.linkopts,
    ))

system_library = repository_rule(
    implementation = _system_library,
    local = True,
    attrs = {
        "library": attr.string(mandatory = True, doc = "Its target; under MODULE.bazel the repository's own name is a longer one."),
        "header": attr.string(mandatory = True, doc = "Shows that the library is there; | separates alternatives."),
        "folder": attr.string(doc = "Include folder, when it is not /usr/include."),
        "linkopts": attr.string_list(),
    },
)
