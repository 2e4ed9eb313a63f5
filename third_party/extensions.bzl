"""What WORKSPACE does, for Bazels that read MODULE.bazel."""

load("//third_party:host.bzl", "host_repository")
load("//third_party:system_libraries.bzl", "system_libraries")

def _host(_context):
    host_repository(name = "fedval_host")

def _system(_context):
    system_libraries()

host = module_extension(implementation = _host)
system = module_extension(implementation = _system)
