// The same estimates from xtensor's containers.
#include <array>

#include "fedval/tensor/xtensor.hpp"
#include "fedval/zeroth_order/per_sample.hpp"
#include "fedval/zeroth_order/variance_reduced.hpp"
#include "tests/support/complaint.hpp"
#include "tests/zeroth_order/backends.hpp"

using namespace fedval;
using namespace fedval::zeroth_order;
using tests::Values;

namespace {

template <class Container>
Container container() {
  const Values x = tests::backend_point();
  Container result;
  result.resize({tests::backend_rows, tests::backend_columns});
  for (std::size_t i = 0; i < x.size(); ++i)
    result(i / tests::backend_columns, i % tests::backend_columns) =
        static_cast<typename Container::value_type>(x[i]);
  return result;
}

}  // namespace

TEST_CASE("estimates from xtensor's containers, by rows and by columns") {
  tests::check_backend<double>(container<xt::xtensor<double, 2>>());
  tests::check_backend<double>(container<xt::xarray<double>>());
  tests::check_backend<float>(container<xt::xtensor<float, 2, xt::layout_type::column_major>>());
}

TEST_CASE("per-sample and variance-reduced estimates take xtensor's containers") {
  const auto x = container<xt::xtensor<double, 2>>();
  const GradientOptions options{.directions = sphere(3), .smoothing = 0.5, .seed = 3};
  const auto sums = [](const auto& rows) {
    Values values;
    for (std::size_t b = 0; b < tests::backend_rows; ++b) values.push_back(2 * rows(b, 0) - rows(b, 3));
    return values;
  };
  CHECK(per_sample_gradient(sums, x, options).gradient.shape() == x.shape());
  VarianceReducedOptions reduced;
  reduced.estimate = options;
  using Container = xt::xtensor<double, 2>;
  VarianceReduced<Container> estimator(reduced);
  const auto f = [](const Container& at) { return tests::backend_function(at); };
  VarianceReduced<Values> plain(reduced);
  const Values expected =
      plain([](const Values& at) { return tests::backend_function(at); }, tests::backend_point()).gradient;
  const Values found = tests::entries_of(estimator(f, x).gradient);
  for (std::size_t i = 0; i < expected.size(); ++i)
    CHECK(found[i] == doctest::Approx(expected[i]).epsilon(1e-12));
}

TEST_CASE("a view into an xtensor container is refused: its copies share the memory") {
  auto x = container<xt::xtensor<double, 2>>();
  auto part = xt::view(x, xt::range(0, 2), xt::range(1, 4));
  CHECK(tests::complaint_of([&] { fedval::clone(part); }) ==
        "a copy of this tensor shares its memory; pass one that owns its entries");
}
