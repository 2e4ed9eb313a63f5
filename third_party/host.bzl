"""What this machine offers: which shims it needs and which instruction set it runs."""

_DEBIAN_RULES = "/usr/share/bazel/rules/cc"

def _instruction_set(context):
    """The highest x86-64 level this processor runs. A level, not -march=native: the flag is part of a cached
    action's key, so a cache that moves to another machine cannot bring instructions this one lacks."""
    cpuinfo = context.execute(["sh", "-c", "grep -m1 '^flags' /proc/cpuinfo; uname -m"]).stdout
    if "x86_64" not in cpuinfo:
        return []
    flags = cpuinfo.replace("\n", " ").split(" ")
    for level, needed in [
        ("v4", ["avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl", "avx2", "fma", "bmi2"]),
        ("v3", ["avx2", "fma", "bmi2"]),
    ]:
        if all([flag in flags for flag in needed]):
            return ["-march=x86-64-" + level]
    return []

def _host_repository(context):
    context.file("BUILD", "")
    context.file("host.bzl", "DEBIAN_BAZEL_RULES = {}\nINSTRUCTION_SET = {}\n".format(
        context.path(_DEBIAN_RULES).exists,
        repr(_instruction_set(context)),
    ))

host_repository = repository_rule(implementation = _host_repository, local = True, configure = True)
