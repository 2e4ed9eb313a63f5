// Where the data sets come from: their publishers' addresses, sizes and checksums, and the files that the
// loaders want of them.
//
// The checksums are SHA-256. Those of Fashion-MNIST and CIFAR are published by TensorFlow Datasets, that of
// SST by Flux.jl; those of MNIST and QMNIST are of the files whose MD5 torchvision publishes. None is known
// of MR.
#pragma once

#include <string>
#include <vector>

#include "harness/fetch/download.hpp"

namespace fedval::harness {

/// A data set that can be downloaded.
struct Source {
  std::string name;             ///< as a configuration names it
  std::string folder;           ///< its own, under the data folder
  std::vector<Remote> remotes;  ///< the files themselves, or one archive of them
  std::vector<std::string> members =
      {};  ///< the files wanted out of the archive; empty: the remotes are wanted
};

/// The files that lie in the set's folder in the end.
std::vector<std::string> wanted_files(const Source& source);

/// The names that find_source knows.
std::vector<std::string> source_names();

/// The source of a data set; "cifar100_coarse" is cifar100's and "sst_binary" sst's. Throws Error for a set
/// that has no ready file, saying how to make one, and for an unknown name, listing the known ones.
Source find_source(const std::string& name);

}  // namespace fedval::harness
