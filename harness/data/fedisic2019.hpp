// FedISIC-2019: skin lesions under a dermatoscope, 8 diagnoses, the centre that took the image as its owner.
//
//   folder/fedisic2019/fedisic_64x64.bin    records: centre 0..5, fold (0 train, 1 test), diagnosis 0..7,
//                                           64 x 64 image, planes R, G, B
//
// The file is this project's own: the images of ISIC 2019 scaled to 64 x 64, with FLamby's centres, folds and
// labels (MEL NV BCC AK BKL DF VASC SCC). It may hold some of the six centres only.
// Source: Ogier du Terrail et al., "FLamby: datasets and benchmarks for cross-silo federated learning in
// realistic healthcare settings", NeurIPS 2022.
#pragma once

#include <filesystem>

#include "harness/data/dataset.hpp"

namespace fedval::harness {

/// True when the file is there.
bool fedisic2019_present(const std::filesystem::path& folder);

/// Both folds in the order of the file; O(bytes). Only centres with an image become owners. The description
/// says how many of the six there are, and whether they are those of HAM10000 (1, 2, 3 and 5). Throws Error
/// naming the file, and the record, when it is missing, empty, ends inside a record, has a centre, fold or
/// diagnosis out of range, or no image in one of the folds.
Dataset load_fedisic2019(const std::filesystem::path& folder);

}  // namespace fedval::harness
