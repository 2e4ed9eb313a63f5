#include "fedval/spectral/spectrum_stream.hpp"

#include <doctest/doctest.h>

#include "fedval/spectral/entropy.hpp"
#include "fedval/tensor/eigen.hpp"
#include "tests/support/complaint.hpp"
#include "tests/support/oracle.hpp"

using namespace fedval;
using namespace fedval::spectral;
using Eigen::Index;
using Eigen::MatrixXd;
using tests::bits;
using tests::complaint_of;

namespace {

constexpr std::uint64_t seed = 95;

MatrixXd gaussian(random::Stream& stream, Index rows, Index columns) {
  MatrixXd matrix(rows, columns);
  for (double& value : matrix.reshaped()) value = stream.normal();
  return matrix;
}

/// Shows w in random blocks, some of them empty, by rows or by columns.
void show(SpectrumStream& into, const MatrixXd& w, bool by_rows, random::Stream& stream,
          std::uint64_t longest) {
  const Index length = by_rows ? w.rows() : w.cols();
  for (Index done = 0; done < length;) {
    const Index take = std::min(length - done, static_cast<Index>(stream.below(longest + 1)));
    if (by_rows) {
      into.add_rows(w.middleRows(done, take));
    } else {
      into.add_columns(w.middleCols(done, take));
    }
    done += take;
  }
}

SpectrumStream make(const MatrixXd& w, bool by_rows) {
  return by_rows ? SpectrumStream::of_rows(static_cast<std::size_t>(w.cols()))
                 : SpectrumStream::of_columns(static_cast<std::size_t>(w.rows()));
}

/// Largest difference between two spectra; infinite for different lengths.
double distance(const std::vector<double>& a, const std::vector<double>& b) {
  if (a.size() != b.size()) return std::numeric_limits<double>::infinity();
  double largest = 0;
  for (std::size_t i = 0; i < a.size(); ++i) largest = std::max(largest, std::abs(a[i] - b[i]));
  return largest;
}

/// Both spectra come from a Gram matrix of trace 1 in double: sums of L products, and eigenvalues of n x n.
double rounding(const MatrixXd& w) { return 8 * static_cast<double>(w.rows() + w.cols()) * 0x1p-53; }

}  // namespace

TEST_CASE("blocks give the spectrum of the whole matrix, with the same bits however they are cut") {
  CAPTURE(seed);
  random::Stream stream(seed);
  for (const auto& size : {std::pair<Index, Index>{1, 1},
                           {1, 5},
                           {5, 1},
                           {7, 3},
                           {30, 30},
                           {20, 511},
                           {20, 512},
                           {20, 513},
                           {9, 1600},
                           {1600, 9},
                           {600, 40},
                           {40, 600}})
    for (const bool by_rows : {false, true})
      for (const double scale : {1.0, 1e200, 1e-200, 5e-324}) {
        CAPTURE(size.first);
        CAPTURE(size.second);
        CAPTURE(by_rows);
        CAPTURE(scale);
        if (by_rows ? size.second > 100 : size.first > 100)
          continue;  // the side that is kept is the small one
        MatrixXd w = scale * gaussian(stream, size.first, size.second);
        if (scale == 5e-324) w = w.unaryExpr([&](double v) { return std::round(v / 5e-324) * 5e-324; });
        const std::vector<double> expected = spectrum(w);
        SpectrumStream once = make(w, by_rows);
        if (by_rows) {
          once.add_rows(w);
        } else {
          once.add_columns(w);
        }
        const std::vector<double> whole = once.spectrum();
        CHECK(distance(whole, expected) <= rounding(w));
        CHECK(std::is_sorted(whole.begin(), whole.end()));
        for (const std::uint64_t longest : {1, 3, 100, 700}) {
          if (longest == 1 && w.size() > 10000) continue;
          SpectrumStream cut = make(w, by_rows);
          show(cut, w, by_rows, stream, longest);
          CHECK(bits(cut.spectrum()) == bits(whole));
          CHECK(cut.rows() == static_cast<std::size_t>(w.rows()));
          CHECK(cut.columns() == static_cast<std::size_t>(w.cols()));
        }
      }
}

TEST_CASE("more of the larger side than of the kept one, less of it, and looking in between") {
  CAPTURE(seed);
  random::Stream stream(seed, 1);
  const MatrixXd w = gaussian(stream, 1300, 30);
  SpectrumStream once = make(w, true);
  CHECK(once.spectrum().empty());
  for (Index row = 0; row < 1300; row += 100) {
    CAPTURE(row);
    once.add_rows(w.middleRows(row, 100));
    const MatrixXd so_far = w.topRows(row + 100);
    CHECK(distance(once.spectrum(), spectrum(so_far)) <= rounding(so_far));
  }
  SpectrumStream unseen = make(w, true);
  unseen.add_rows(w);
  CHECK(bits(unseen.spectrum()) == bits(once.spectrum()));
  // Fewer rows than columns: as many shares as the whole matrix has.
  SpectrumStream few = make(w, true);
  few.add_rows(w.topRows(4));
  CHECK(distance(few.spectrum(), spectrum(MatrixXd(w.topRows(4)))) <= rounding(w));
}

TEST_CASE("a scale that changes on the way") {
  CAPTURE(seed);
  random::Stream stream(seed, 2);
  // Panels of 512 columns, each at its own scale. The largest decides; equal ones add up.
  for (const auto& scales : {std::array{1.0, 1e200, 1e-200},
                             {1e-200, 1e-200, 1.0},
                             {1e-250, 1e-100, 1e-250},
                             {1e250, 1.0, 1e250},
                             {0.0, 1e-180, 1e-181},
                             {1e-3, 1e3, 1.0}}) {
    CAPTURE(scales[0]);
    MatrixXd w = gaussian(stream, 12, 3 * 512);
    for (Index part = 0; part < 3; ++part)
      w.middleCols(part * 512, 512) *= scales[static_cast<std::size_t>(part)];
    const std::vector<double> expected = spectrum(w);
    std::vector<std::uint64_t> first;
    for (const std::uint64_t longest : {50, 1, 1600}) {
      SpectrumStream cut = make(w, false);
      show(cut, w, false, stream, longest);
      CHECK(distance(cut.spectrum(), expected) <= rounding(w));
      if (first.empty()) first = bits(cut.spectrum());
      CHECK(bits(cut.spectrum()) == first);
    }
  }
  // A power of two changes no digit.
  const MatrixXd w = gaussian(stream, 12, 700);
  std::vector<std::uint64_t> plain;
  for (const double scale : {1.0, 0x1p600, 0x1p-600}) {
    SpectrumStream whole = make(w, false);
    whole.add_columns(MatrixXd(scale * w));
    if (plain.empty()) plain = bits(whole.spectrum());
    CHECK(bits(whole.spectrum()) == plain);
  }
}

TEST_CASE("several readers' sums are one") {
  CAPTURE(seed);
  random::Stream stream(seed, 3);
  for (const bool by_rows : {true, false})
    for (const double scale : {1.0, 1e-220, 1e220}) {
      CAPTURE(by_rows);
      CAPTURE(scale);
      MatrixXd w = gaussian(stream, by_rows ? 1500 : 25, by_rows ? 25 : 1500);
      w.bottomRightCorner(by_rows ? 700 : 25, by_rows ? 25 : 700) *= scale;
      SpectrumStream left = make(w, by_rows), right = make(w, by_rows), none = make(w, by_rows);
      const MatrixXd a = by_rows ? MatrixXd(w.topRows(900)) : MatrixXd(w.leftCols(900));
      const MatrixXd b = by_rows ? MatrixXd(w.bottomRows(600)) : MatrixXd(w.rightCols(600));
      show(left, a, by_rows, stream, 90);
      show(right, b, by_rows, stream, 90);
      left.merge(right);
      left.merge(none);
      CHECK(left.rows() == static_cast<std::size_t>(w.rows()));
      CHECK(left.columns() == static_cast<std::size_t>(w.cols()));
      CHECK(distance(left.spectrum(), spectrum(w)) <= rounding(w));
      none.merge(right);
      CHECK(bits(none.spectrum()) == bits(right.spectrum()));
      CHECK(distance(right.spectrum(), spectrum(b)) <= rounding(w));  // the merged one stays as it was
    }
}

TEST_CASE("zero matrices have no spectrum") {
  SpectrumStream by_columns = SpectrumStream::of_columns(3);
  CHECK(by_columns.spectrum().empty());
  by_columns.add_columns(MatrixXd(MatrixXd::Zero(3, 600)));
  CHECK(by_columns.spectrum().empty());
  CHECK(by_columns.columns() == 600);
  CHECK(von_neumann_entropy(by_columns.spectrum()) == 0);
  by_columns.add_columns(MatrixXd(2 * MatrixXd::Identity(3, 3).col(1)));
  CHECK(by_columns.spectrum() == std::vector<double>{0, 0, 1});
}

TEST_CASE("a bad block is refused by its place in the whole matrix, and changes nothing") {
  CAPTURE(seed);
  random::Stream stream(seed, 4);
  const double infinity = std::numeric_limits<double>::infinity();
  MatrixXd w = gaussian(stream, 20, 6);
  SpectrumStream rows = SpectrumStream::of_rows(6);
  rows.add_rows(w);
  const auto before = bits(rows.spectrum());
  MatrixXd bad = gaussian(stream, 600, 6);
  bad(550, 4) = std::nan("");
  CHECK(complaint_of([&] { rows.add_rows(bad, "client 2: W"); }) == "client 2: W[570, 4] is NaN");
  bad(3, 1) = -infinity;
  CHECK(complaint_of([&] { rows.add_rows(bad); }) == "matrix[23, 1] is -infinite");
  CHECK(complaint_of([&] { rows.add_rows(gaussian(stream, 6, 5)); }) ==
        "matrix has shape [6, 5], expected 6 columns");
  CHECK(complaint_of([&] { rows.add_rows(std::vector<double>(6)); }) ==
        "matrix has shape [6], expected a matrix");
  CHECK(complaint_of([&] { rows.add_columns(w); }) == "matrix: columns for a stream that was made for rows");
  CHECK(rows.rows() == 20);
  CHECK(bits(rows.spectrum()) == before);

  SpectrumStream columns = SpectrumStream::of_columns(20);
  columns.add_columns(w);
  MatrixXd wide = gaussian(stream, 20, 9);
  wide(13, 8) = infinity;
  CHECK(complaint_of([&] { columns.add_columns(wide); }) == "matrix[13, 14] is infinite");
  CHECK(complaint_of([&] { columns.add_columns(gaussian(stream, 6, 20)); }) ==
        "matrix has shape [6, 20], expected 20 rows");
  CHECK(complaint_of([&] { columns.add_rows(w); }) == "matrix: rows for a stream that was made for columns");
  CHECK(complaint_of([&] { columns.merge(rows); }) ==
        "merge: a stream of columns of 20 entries and one of rows of 6");
  CHECK(complaint_of([&] { columns.merge(SpectrumStream::of_columns(19)); }) ==
        "merge: a stream of columns of 20 entries and one of columns of 19");
  CHECK(columns.columns() == 6);
  CHECK(complaint_of([] { SpectrumStream::of_rows(0); }) == "SpectrumStream: a matrix without columns");
  CHECK(complaint_of([] { SpectrumStream::of_columns(0); }) == "SpectrumStream: a matrix without rows");
}

TEST_CASE("float blocks of any layout") {
  CAPTURE(seed);
  random::Stream stream(seed, 5);
  const Eigen::MatrixXf w = gaussian(stream, 700, 33).cast<float>();
  const Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor> row_major = w;
  SpectrumStream a = SpectrumStream::of_rows(33), b = SpectrumStream::of_rows(33);
  a.add_rows(w);
  for (Index row = 0; row < 700; row += 70) b.add_rows(row_major.middleRows(row, 70));
  CHECK(bits(a.spectrum()) == bits(b.spectrum()));
  CHECK(distance(a.spectrum(), spectrum(w)) <= rounding(w.cast<double>()));
}
