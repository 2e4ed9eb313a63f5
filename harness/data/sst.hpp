// SST, the Stanford Sentiment Treebank, as trees of the Penn Treebank's form, one a line:
//
//   tree = "(" label word ")"  or  "(" label tree ... ")";  labels 0..4, no white space or parenthesis in
//   words
//
//   train.txt, dev.txt, test.txt    8,544, 1,101 and 2,210 trees
//
// A sentence is the words of its tree in order, its label that of the root: 0 very negative, 2 neutral, 4
// very positive. The files lie in folder/sst or, as the original archive unpacks, in folder/trees.
// Source: Socher, Perelygin, Wu, Chuang, Manning, Ng, Potts, "Recursive deep models for semantic
// compositionality over a sentiment treebank", EMNLP 2013.
#pragma once

#include <filesystem>

#include "harness/data/dataset.hpp"

namespace fedval::harness {

/// True when one of the three files is there, so that a part of a set is an error on loading and not taken
/// for none.
bool sst_present(const std::filesystem::path& folder);

/// Loads "sst", the five classes, or, when `binary`, "sst_binary": neutral sentences are left out, 0 and 1
/// become 0 (negative), 3 and 4 become 1 (positive). dev.txt is the held-out part. Words are those of the
/// files in lower case (-lrb- for a parenthesis); vocabulary and length are those of the training part, and
/// longer sentences of the others are cut to it. Any number of trees is accepted, nested as deeply as memory
/// allows; the description says how many there are and how many sentences were cut.
///
/// Throws Error naming the file when one is missing (and where it was looked for), cannot be read or is
/// empty, or has neutral sentences alone when `binary`; with line and byte, when a line is not one tree or
/// not UTF-8.
Dataset load_sst(const std::filesystem::path& folder, bool binary);

}  // namespace fedval::harness
