"""LibTorch: $LIBTORCH_HOME (an unpacked libtorch, or a pip installation's torch folder), else the system's."""

_BUILD = """\
load("@rules_cc//cc:defs.bzl", "cc_library")

cc_library(
    name = "libtorch",
    hdrs = glob(["include/**"]),
    includes = {includes},
    linkopts = {linkopts},
    visibility = ["//visibility:public"],
)
"""

def _from_home(context, home):
    for folder in ["include", "lib"]:
        if not context.path(home + "/" + folder).exists:
            fail("LIBTORCH_HOME is {}, but {}/{} does not exist".format(home, home, folder))
    context.symlink(home + "/include", "include")
    libraries = ["torch", "torch_cpu", "c10"]
    if context.path(home + "/lib/libtorch_cuda.so").exists:
        # Kernels register themselves when the library loads; nothing refers to it by name.
        libraries = ["torch_cuda", "c10_cuda"] + libraries
    config = home + "/share/cmake/Torch/TorchConfig.cmake"
    if context.path(config).exists and "_GLIBCXX_USE_CXX11_ABI=0" in context.read(config):
        fail("LIBTORCH_HOME is {}, a LibTorch with g++ 4's strings (_GLIBCXX_USE_CXX11_ABI=0), which no other library of ".format(home) +
             "this system has: take the archive named cxx11-abi, or a wheel of LibTorch 2.7 or newer")
    return struct(
        includes = ["include", "include/torch/csrc/api/include"],
        linkopts = ["-L{}/lib".format(home), "-Wl,-rpath,{}/lib".format(home), "-Wl,--no-as-needed"] +
                   ["-l" + library for library in libraries] + ["-Wl,--as-needed"],
    )

def _from_system(context):
    api = "/usr/include/torch/csrc/api/include"
    if not context.path(api).exists:
        fail("LibTorch is not installed: {} does not exist. ./bazelw installs it, or set LIBTORCH_HOME".format(api))

    # The other headers lie in /usr/include, where the compiler looks anyway.
    context.symlink(api, "include")
    return struct(includes = ["include"], linkopts = ["-ltorch", "-ltorch_cpu", "-lc10"])

def _libtorch(context):
    home = context.os.environ.get("LIBTORCH_HOME")
    found = _from_home(context, home) if home else _from_system(context)
    context.file("BUILD", _BUILD.format(
        includes = found.includes,
        linkopts = found.linkopts,
    ))

libtorch = repository_rule(implementation = _libtorch, local = True, environ = ["LIBTORCH_HOME"])
