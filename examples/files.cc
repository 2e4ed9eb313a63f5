// Scores of updates that lie in files and together are larger than memory: one file of float32 a client, read
// by the system where it is touched, at most a window of all of them at a time.
//
//   ./bazelw run //examples:files -- a.f32 b.f32 c.f32        (without names: three files of a million
//   entries are made)
#include <cmath>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "fedval/fedval.hpp"
#include "fedval/tensor/mapped_file.hpp"

namespace {

std::vector<std::string> simulated(const std::filesystem::path& folder) {
  std::vector<std::string> paths;
  for (const char* name : {"alice.f32", "bob.f32", "carol.f32"}) {
    const auto client = static_cast<float>(paths.size());
    std::vector<float> update(1'000'000);
    for (std::size_t i = 0; i < update.size(); ++i)
      update[i] = std::sin(.001f * static_cast<float>(i) + .5f * client * client);
    paths.push_back((folder / name).string());
    std::ofstream(paths.back(), std::ios::binary)
        .write(reinterpret_cast<const char*>(update.data()),
               static_cast<std::streamsize>(update.size() * sizeof(float)));
  }
  return paths;
}

}  // namespace

int main(int count, char** names) try {
  const std::filesystem::path folder = std::filesystem::temp_directory_path() / "fedval-example-files";
  std::vector<std::string> paths(names + 1, names + count);
  if (paths.empty()) {
    std::filesystem::create_directories(folder);
    paths = simulated(folder);
  }
  std::vector<fedval::RawFile> files;
  files.reserve(paths.size());
  for (const std::string& path : paths) files.push_back({.path = path});
  const fedval::Gram products =
      fedval::gram_of_files(files, /*window=*/1 << 20);  // N x N numbers are all that stays
  const std::vector<double> equal(files.size(), 1 / static_cast<double>(files.size()));
  const std::vector<double> psi = fedval::shapley::cosine_gradient(products, equal);
  const std::vector<double> exact =
      fedval::shapley::exact(fedval::shapley::GradientGame(products.directions()), files.size());
  for (std::size_t k = 0; k < files.size(); ++k)
    std::printf("%s: norm %.4g, psi %.6f, exact %.6f\n", std::filesystem::path(paths[k]).filename().c_str(),
                products.norm(k), psi[k], exact[k]);
  std::filesystem::remove_all(folder);
} catch (const std::exception& error) {  // names the file, and the entry that is not finite
  std::fprintf(stderr, "%s\n", error.what());
  return 2;
}
