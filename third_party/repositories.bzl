"""Every external repository of fedval, for Bazels that read WORKSPACE."""

load("@fedval_host//:host.bzl", "DEBIAN_BAZEL_RULES")
load("//third_party:debian.bzl", "coverage_stub", "debian_rules_cc")
load("//third_party:system_libraries.bzl", "system_libraries")

def fedval_repositories():
    """Declares what a workspace has not declared itself by the same name."""
    existing = native.existing_rules()

    # Bazel 4.2.3 as Debian packages it names these repositories but ships them as plain folders. Where the
    # folders are absent the Bazel is another one, and brings its own.
    if DEBIAN_BAZEL_RULES:
        if "rules_cc" not in existing:
            debian_rules_cc(name = "rules_cc")
        if "remote_coverage_tools" not in existing:
            coverage_stub(name = "remote_coverage_tools")
        for name, path in {
            "rules_java": "rules/java",
            "rules_proto": "rules/proto",
            "bazel_skylib": "tools/skylib",
            "platforms": "platforms",
        }.items():
            if name not in existing:
                native.local_repository(name = name, path = "/usr/share/bazel/" + path)

    system_libraries(existing)
