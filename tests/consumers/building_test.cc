// docs/building.md taken literally: each way to build a program with fedval, block by block, as a newcomer
// would.
#include <doctest/doctest.h>

#include <algorithm>

#include "tests/consumers/workshop.hpp"

using namespace fedval::consumers;

namespace {

const std::filesystem::path guide = "docs/building.md", readme = "README.md";
const std::string promised = block_of(readme, "text", 2);

/// A folder that holds main.cc, README's first program.
struct Server : Workshop {
  Server() { write("main.cc", block_of(readme, "cpp", 1)); }

  void check_prints(const std::string& script) const {
    const Finished finished = run(script);
    INFO(finished.output);
    REQUIRE(finished.code == 0);
    CHECK(finished.output.ends_with(promised));
  }
};

std::string shell(int number) { return block_of(guide, "sh", number); }

}  // namespace

TEST_CASE("a compiler alone") { Server().check_prints(shell(1) + "./server\n"); }

TEST_CASE("an installed copy, by pkg-config and by find_package" *
          doctest::skip(!have("cmake") || !have("pkg-config"))) {
  const Server server;
  const Finished installed = server.run(shell(2));
  INFO(installed.output);
  REQUIRE(installed.code == 0);

  std::vector<std::string> headers;
  const std::filesystem::path include = server / ".local/include";
  for (const auto& entry : std::filesystem::recursive_directory_iterator(include))
    if (entry.is_regular_file()) headers.push_back(entry.path().lexically_relative(include).string());
  std::ranges::sort(headers);
  CHECK(headers == lines_of("fedval/headers.txt"));

  server.check_prints(shell(3) + "./server\n");
  server.write("CMakeLists.txt", block_of(guide, "cmake", 1));
  server.check_prints(shell(4) + "build/server\n");

  server.write("CMakeLists.txt",
               "cmake_minimum_required(VERSION 3.20)\nproject(server LANGUAGES CXX)\n"
               "find_package(fedval 0.99 REQUIRED)\n");
  const Finished later = server.run("rm -rf build\n" + shell(4));
  CHECK(later.code != 0);
  CHECK(later.output.find("requested version \"0.99\"") != std::string::npos);
}

TEST_CASE("a folder of a CMake project: the library, and no target or installed file beside it" *
          doctest::skip(!have("cmake"))) {
  const Server server;
  server.write("CMakeLists.txt",
               block_of(guide, "cmake", 2) +
                   "install(TARGETS server)\n"
                   "get_property(targets DIRECTORY \"$ENV{FEDVAL}\" PROPERTY BUILDSYSTEM_TARGETS)\n"
                   "message(STATUS \"fedval's targets: ${targets};\")\n"
                   "message(STATUS \"build type: '${CMAKE_BUILD_TYPE}'\")\n");
  const std::string script =
      shell(5) + "cmake --install build --prefix installed\nfind installed -type f\nbuild/server\n";
  server.check_prints(script);
  const std::string output = server.run(script).output;
  CHECK(output.find("fedval's targets: fedval;\n") != std::string::npos);
  CHECK(output.find("build type: ''") != std::string::npos);
  CHECK(output.find("installed/bin/server\n" + promised) != std::string::npos);
}

TEST_CASE("a folder of a CMake project that installs and exports what it makes of it" *
          doctest::skip(!have("cmake"))) {
  const Server server;
  server.write("LICENSE", "the outer project's");
  server.write(
      "CMakeLists.txt",
      "cmake_minimum_required(VERSION 3.20)\nproject(outer LANGUAGES CXX)\ninclude(GNUInstallDirs)\n"
      "set(FEDVAL_INSTALL ON)\nadd_subdirectory(\"$ENV{FEDVAL}\" fedval)\nadd_library(outer INTERFACE)\n"
      "target_link_libraries(outer INTERFACE fedval::fedval)\ninstall(TARGETS outer EXPORT outer)\n"
      "install(EXPORT outer FILE outerConfig.cmake NAMESPACE outer:: DESTINATION share/cmake/outer)\n"
      "install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})\n");
  const Finished installed = server.run(
      "cmake -B build\ncmake --install build --prefix \"$HOME/.local\"\ncat "
      ".local/share/doc/outer/LICENSE\n");
  INFO(installed.output);
  REQUIRE(installed.code == 0);
  CHECK(installed.output.ends_with("the outer project's"));
  CHECK(text_of(server / ".local/share/doc/fedval/LICENSE") == text_of("LICENSE"));
  server.write("CMakeLists.txt",
               "cmake_minimum_required(VERSION 3.20)\nproject(server LANGUAGES CXX)\n"
               "find_package(fedval REQUIRED)\nfind_package(outer REQUIRED)\nadd_executable(server main.cc)\n"
               "target_link_libraries(server PRIVATE outer::outer)\n");
  server.check_prints("rm -rf build\n" + shell(4) + "build/server\n");
}

TEST_CASE("pkg-config: the file finds the headers wherever both are installed" *
          doctest::skip(!have("cmake") || !have("pkg-config"))) {
  for (const std::string where :
       {"-DCMAKE_INSTALL_DATADIR=lib/deep/data", "-DCMAKE_INSTALL_INCLUDEDIR=$PWD/elsewhere/include"}) {
    CAPTURE(where);
    const Server server;
    server.check_prints(
        "cmake -S \"$FEDVAL\" -B build -DFEDVAL_HARNESS=OFF -DFEDVAL_TESTS=OFF "
        "-DCMAKE_INSTALL_PREFIX=$PWD/here " +
        where +
        " >&2\ncmake --install build >&2\n"
        "export PKG_CONFIG_PATH=$(dirname $(find here -name fedval.pc))\n"
        "g++ -std=c++20 $(pkg-config --cflags fedval) main.cc -o server\n./server\n");
  }
}

/// 7 for Bazel 7.1; 1 for one that does not say, as Debian's does not; 0 where there is none.
int version_of_bazel() {
  if (!have("bazel")) return 0;
  const Workshop shop;
  const std::string said = shop.run("bazel --version\n").output;
  return said.starts_with("bazel ") ? std::max(1, std::atoi(said.c_str() + 6)) : 0;
}

/// A workspace beside fedval, and the command that builds and starts its server.
struct BazelServer : Server {
  explicit BazelServer(const std::string& workspace, const std::string& file = "WORKSPACE") {
    write(file, workspace);
    // A server of its own that ends with the command; no sandbox in the sandbox that this test may run in.
    write(".bazelrc", "startup --batch --output_user_root=" + (*this / "bazel").string() +
                          "\nbuild --spawn_strategy=local --symlink_prefix=/\n");
  }
  std::string script() const { return shell(6) + "$(bazel info bazel-bin)/server\nchmod -R u+w bazel\n"; }
};

std::string with(std::string text, const std::string& part, const std::string& instead) {
  const std::size_t at = text.find(part);
  REQUIRE(at != std::string::npos);
  return text.replace(at, part.size(), instead);
}

/// Whether it reads WORKSPACE unasked.
bool reads_workspace() { return version_of_bazel() > 0 && version_of_bazel() < 8; }

TEST_CASE("Bazel" * doctest::skip(!reads_workspace())) {
  const std::string here = std::filesystem::current_path().string();
  const BazelServer server(with(block_of(guide, "python", 1), "\"../fedval\"", '"' + here + '"'));
  server.write("BUILD", block_of(guide, "python", 3));
  server.check_prints(server.script());
}

TEST_CASE("Bazel 7 and newer: MODULE.bazel" * doctest::skip(version_of_bazel() < 7)) {
  const std::string here = std::filesystem::current_path().string();
  const BazelServer server(with(block_of(guide, "python", 4), "\"../fedval\"", '"' + here + '"'),
                           "MODULE.bazel");
  server.write("BUILD", block_of(guide, "python", 3));
  server.check_prints(server.script());
}

TEST_CASE("Bazel: an archive, and the adapters beside the library" * doctest::skip(!reads_workspace())) {
  const std::string local = "local_repository(\n    name = \"fedval\",\n    path = \"../fedval\",\n)\n";
  const BazelServer server("");
  const std::string url = "file://" + (server / "fedval.tar.gz").string();
  server.write("WORKSPACE",
               with(block_of(guide, "python", 1), local,
                    with(block_of(guide, "python", 2), "https://example.org/fedval.tar.gz", url)));
  server.write("BUILD", with(block_of(guide, "python", 3), "\"@fedval//fedval\"",
                             "\"@fedval//fedval\", \"@fedval//fedval/tensor:eigen\", "
                             "\"@fedval//fedval/tensor:mapped_file\""));
  server.write("main.cc",
               "#include \"fedval/tensor/eigen.hpp\"\n#include \"fedval/tensor/mapped_file.hpp\"\n" +
                   block_of(readme, "cpp", 1));
  server.check_prints(
      "mkdir fedval\ncp -rL \"$FEDVAL\"/fedval \"$FEDVAL\"/third_party \"$FEDVAL\"/BUILD fedval\n"
      "touch fedval/WORKSPACE\ntar -czf fedval.tar.gz fedval\nrm -r fedval\n" +
      server.script());
}

TEST_CASE("every block of the page is one of those above") {
  for (const auto& [language, blocks] : {std::pair("sh", 6), {"cmake", 2}, {"python", 4}}) {
    CHECK_NOTHROW(block_of(guide, language, blocks));
    CHECK_THROWS(block_of(guide, language, blocks + 1));
  }
}
