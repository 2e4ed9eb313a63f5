"""Shims for Debian's Bazel 4.2.3."""

_RULES_CC = "/usr/share/bazel/rules/cc"

# rules_cc 0.0.4 loads use_cpp_toolchain from bazel_tools, which 4.2.3 does not have; this is what it returns.
_TOOLCHAIN = '["@bazel_tools//tools/cpp:toolchain_type"]'
_PATCHED = [
    "cc/private/rules_impl/compiler_flag.bzl",
    "cc/private/rules_impl/cc_flags_supplier.bzl",
    "cc/find_cc_toolchain.bzl",
]

def _debian_rules_cc(context):
    copy = context.execute(["cp", "-rL", _RULES_CC + "/.", "."])
    if copy.return_code != 0:
        fail("copying {}: {}".format(_RULES_CC, copy.stderr))
    for file in _PATCHED:
        text = context.read(file)
        text = text.replace(', "use_cpp_toolchain"', "").replace('"use_cpp_toolchain", ', "")
        text = text.replace("use_cpp_toolchain()", _TOOLCHAIN)
        context.delete(file)
        context.file(file, text)

debian_rules_cc = repository_rule(implementation = _debian_rules_cc, local = True)

def _coverage_stub(context):
    # Bazel's test rule names this repository even when no coverage is asked for.
    context.file("BUILD", 'filegroup(name = "coverage_report_generator", visibility = ["//visibility:public"])\n')

coverage_stub = repository_rule(implementation = _coverage_stub)
