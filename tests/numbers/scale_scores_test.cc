// A power of two changes no digit of what games, rewards, filters, estimators and black boxes lead to.
#include "fedval/black_box/losses.hpp"
#include "fedval/contribution/residual_weights.hpp"
#include "fedval/kalman/fusion_bank.hpp"
#include "fedval/kalman/information_filter.hpp"
#include "fedval/kalman/rank_adaptive_fusion.hpp"
#include "fedval/reward/quota.hpp"
#include "fedval/shapley/cosine_shapley.hpp"
#include "fedval/shapley/euclidean_gradient.hpp"
#include "fedval/shapley/leave_one_out_cosine.hpp"
#include "fedval/shapley/psi_bound.hpp"
#include "fedval/tensor/std.hpp"
#include "fedval/zeroth_order/gradient.hpp"
#include "fedval/zeroth_order/in_place.hpp"
#include "fedval/zeroth_order/minimise.hpp"
#include "fedval/zeroth_order/per_sample.hpp"
#include "fedval/zeroth_order/smoothing.hpp"
#include "fedval/zeroth_order/step.hpp"
#include "fedval/zeroth_order/variance_reduced.hpp"
#include "tests/numbers/scaling.hpp"
#include "tests/shapley/games.hpp"

using namespace fedval;
using tests::Graded;
using tests::Homogeneous;
using tests::plain;
using tests::Values;

namespace {

constexpr std::uint64_t seed = 4502;

using Inputs = std::span<const Values>;
using Results = std::vector<Graded>;

/// Rows of `length` entries each.
Gram gram_of(const Values& entries, std::size_t length) {
  std::vector<TensorView> rows;
  for (std::size_t i = 0; i < entries.size(); i += length)
    rows.push_back(std::span<const double>(entries).subspan(i, length));
  return gram(rows);
}

Values values_of(const linalg::Matrix<double>& m) { return {m.values().begin(), m.values().end()}; }

std::vector<Homogeneous> update_algorithms(random::Stream& stream) {
  const std::size_t n = 2 + stream.below(6), d = 1 + stream.below(12);
  const Graded updates{plain(stream, n * d), 1}, weights{plain(stream, n), 1};
  const auto all = [=](Inputs x) -> Results {
    const Gram g = gram_of(x[0], d);
    Results results{{shapley::cosine_gradient(g, x[1]), 0}, {shapley::leave_one_out_cosine(g, x[1]), 0}};
    for (const auto similarity : {shapley::Similarity::cosine, shapley::Similarity::euclidean}) {
      const auto found = shapley::cosine_shapley(g, x[1], {.similarity = similarity, .psi = true});
      for (const auto& player : found.players) results.push_back({{player.value}, 0});
      results.push_back({found.psi, 0});
      results.push_back({shapley::exact(shapley::GradientGame(g, x[1], similarity), n), 0});
    }
    const shapley::PsiBound bound = shapley::psi_bound(g);
    for (const Values& part : {bound.psi, bound.scale, bound.remainder, bound.bound})
      results.push_back({part, 0});
    const shapley::PsiEigenvalueBound eigen = shapley::psi_eigenvalue_bound(g);
    results.push_back({eigen.least_scale, 0});
    return results;
  };
  const auto residual = [=](Inputs x) -> Results {
    std::vector<TensorView> views;
    for (std::size_t i = 0; i < n; ++i) views.push_back(std::span(x[0]).subspan(i * d, d));
    Values average(d);
    const Values found = residual_average(views, average);
    return {{residual_weights(views), 0}, {found, 0}, {average, 1}};
  };
  return {{"updates", {updates, {weights.values, 0}}, all},
          {"weights", {{updates.values, 0}, weights}, all},
          {"residual reweighting", {updates}, residual, 990, static_cast<double>(n)},
          {"Euclidean psi", {updates}, [=](Inputs x) -> Results {
             return {{shapley::euclidean_gradient(gram_of(x[0], d), weights.values), 0}};
           }}};
}

std::vector<Homogeneous> game_algorithms(random::Stream& stream) {
  const std::size_t n = 4 + stream.below(3);
  const Graded table{plain(stream, std::size_t{1} << n), 1};
  std::vector<Homogeneous> all{{"exact",
                                {table},
                                [n](Inputs x) -> Results {
                                  const shapley::TableGame game(x[0]);
                                  return {{shapley::exact(game, n), 1},
                                          {shapley::leave_one_out(game, n), 1},
                                          {shapley::semivalue(game, shapley::beta_weights(n, 4, 1)), 1}};
                                },
                                990,
                                8}};
  tests::for_each_design([&](const auto& design, const std::string& label) {
    if (label == "truncated") return;  // its tolerance is in the utility's units
    all.push_back({label,
                   {table},
                   [=](Inputs x) -> Results {
                     shapley::Sampler sampler(design, n, {});
                     const auto found = sampler.run(shapley::TableGame(x[0]),
                                                    shapley::units(2 * tests::settled(design, n) + 9));
                     Results results{{found.values(), 1}};
                     for (const auto& player : found.players)
                       if (std::isfinite(player.low))
                         results.push_back({{player.standard_error, player.low, player.high}, 1});
                     return results;
                   },
                   990,
                   std::nullopt});  // what is drawn depends on what a pilot found, which subnormals round
  });
  return all;
}

std::vector<Homogeneous> reward_algorithms(random::Stream& stream) {
  const std::size_t n = 1 + stream.below(8);
  const Graded r{tests::times(plain(stream, n), 3), 1}, psi{tests::times(plain(stream, n), 3), 1},
      sizes{tests::times(tests::magnitudes(plain(stream, n)), 3), 1};
  return {{"importance",
           {r, psi},
           [](Inputs x) -> Results {
             return {{reward::smooth_importance(x[0], x[1], 0.95), 1},
                     {reward::update_importance(x[0], x[1], 0.95).values, 0}};
           },
           990,
           std::nullopt},  // a share of subnormal numbers, of which 0.95 leaves few digits
          {"shares",
           {r},
           [](Inputs x) -> Results {
             return {{reward::normalise_importance(x[0]).values, 0}};
           },
           1019},  // where a sum may overflow
          {"reward ratios",
           {r, {{1.3}, -1}},
           [](Inputs x) -> Results {
             return {{reward::reward_ratios(x[0], x[1][0]), 0}, {reward::reward_ratios(x[0], 0), 0}};
           }},
          {"ensemble",
           {sizes},
           [](Inputs x) -> Results {
             const auto weights = black_box::EnsembleWeights::by_size(x[0]);
             Values found;
             for (std::size_t k = 0; k < x[0].size(); ++k) found.push_back(weights(k, 0));
             return {{found, 0}};
           },
           1019}};
}

std::vector<Homogeneous> filter_algorithms(random::Stream& stream) {
  using linalg::Matrix;
  const std::size_t n = 1 + stream.below(4), m = 1 + stream.below(3);
  const auto positive = [&](std::size_t size) {
    Values entries = plain(stream, size * size);
    for (std::size_t i = 0; i < size; ++i)
      for (std::size_t j = 0; j < i; ++j) entries[i * size + j] = entries[j * size + i];
    for (std::size_t i = 0; i < size; ++i) entries[i * size + i] = 3 * static_cast<double>(size);
    return entries;
  };
  const Graded x{plain(stream, n), 1}, P{positive(n), 2}, Q{positive(n), 2}, z{plain(stream, m), 1},
      R{positive(m), 2};
  const Values F = positive(n), H = plain(stream, m * n);
  const auto vector = [](const Values& v) { return linalg::Vector<double>(v.size(), 1, v); };
  const auto covariance = [=](Inputs in) -> Results {
    kalman::Filter<double> filter(vector(in[0]), Matrix<double>(n, n, in[1]));
    filter.predict(Matrix<double>(n, n, F), Matrix<double>(n, n, in[2]));
    const auto update = filter.update(vector(in[3]), Matrix<double>(m, n, H), Matrix<double>(m, m, in[4]));
    return {{values_of(filter.state()), 1},
            {values_of(filter.covariance()), 2},
            {values_of(update.gain), 0},
            {{update.nis}, 0},
            {values_of(update.innovation), 1}};
  };
  const auto information = [=](Inputs in) -> Results {
    kalman::InformationFilter<double> filter(n);
    filter.update(vector(in[0]), linalg::identity<double>(n), Matrix<double>(n, n, in[1]));
    filter.predict(Matrix<double>(n, n, F), Matrix<double>(n, n, in[2]));
    filter.update(vector(in[3]), Matrix<double>(m, n, H), Matrix<double>(m, m, in[4]));
    return {{values_of(filter.information()), -2},
            {values_of(filter.information_vector()), -1},
            {values_of(filter.state()), 1}};
  };
  const std::size_t clients = 2 + stream.below(5);
  const Graded first{tests::times(tests::magnitudes(plain(stream, clients)), 3), 1},
      second{tests::times(tests::magnitudes(plain(stream, clients)), 3), 1};
  return {{"Kalman filter", {x, P, Q, z, R}, covariance, 240},
          {"information filter", {x, P, Q, z, R}, information, 240},
          {"fusion bank",
           {first, second},
           [=](Inputs in) -> Results {
             kalman::FusionBank<2> bank;
             std::vector<kalman::MixedTrack> tracks(clients,
                                                    bank.newcomer({}, 1 / static_cast<double>(clients)));
             std::vector<kalman::MixedTrack*> present;
             for (kalman::MixedTrack& track : tracks) present.push_back(&track);
             Results results;
             for (int round = 0; round < 3; ++round) {
               bank.round(present, {}, {in[0], in[round % 2]});
               for (const kalman::MixedTrack& track : tracks)
                 results.push_back({{track.x, track.variance}, 0});
             }
             results.push_back({bank.weights(), 0});
             return results;
           },
           1019},
          {"rank trust",
           {first, second},
           [=](Inputs in) -> Results {
             Results results;
             for (const kalman::Trust by : {kalman::Trust::reference, kalman::Trust::cross}) {
               kalman::RankTrust<2> trust;
               trust.observe(by, 0.25, {in[0], in[1]}, in[1], in[0]);
               results.push_back({{trust.values()[0], trust.values()[1]}, 0});
             }
             return results;
           }},
          {"fusion",
           {first, second},
           [=](Inputs in) -> Results {
             kalman::RankAdaptiveFusion<2> fusion;
             std::vector<kalman::Track> tracks(clients, {1 / static_cast<double>(clients), 1});
             std::vector<kalman::Track*> present;
             for (kalman::Track& track : tracks) present.push_back(&track);
             Values states;
             for (int round = 0; round < 3; ++round) {
               fusion.round(present, {}, {in[0], in[round % 2]});
               for (const kalman::Track& track : tracks) states.push_back(track.x);
             }
             return {{states, 0}};
           },
           1019}};
}

/// What a step makes of zeros in four gradients.
template <class Step>
Values moved(Step step, const Values& gradients) {
  Values x(gradients.size() / 4);
  for (std::size_t k = 0; k < 4; ++k) step.apply(x, std::span(gradients).subspan(k * x.size(), x.size()));
  return x;
}

std::vector<Homogeneous> zeroth_order_algorithms(random::Stream& stream) {
  using namespace zeroth_order;
  const std::size_t n = 1 + stream.below(6);
  const Values point = plain(stream, n);
  Values further = point;
  for (double& value : further) value += 0x1p-4;
  const Graded one{{1}, 1}, gradients{plain(stream, 4 * n), 1};
  const auto bowl = [](double unit, double scale) {
    return [=](const Values& x) {
      double sum = 0;
      for (const double value : x) sum += std::sin(value / unit) + value / unit * (value / unit);
      return scale * sum;
    };
  };
  std::vector<Homogeneous> all{
      {"steps",
       {gradients},
       [](Inputs x) -> Results {
         return {{moved(Sgd({.rate = 0.25, .momentum = 0.5}), x[0]), 1}, {moved(Sign(0.5), x[0]), 0}};
       },
       990,
       4},
      {"adaptive steps",
       {gradients, {{1e-3}, 1}},
       [](Inputs x) -> Results {
         return {{moved(AdaMm(), x[0]), 0}, {moved(Adam({.epsilon = x[1][0]}), x[0]), 0}};
       },
       480,
       std::nullopt,
       false},
      {"smoothing", {one}, [=](Inputs x) -> Results {
         const Smoothing found = choose_smoothing(bowl(1, x[0][0]), point, {.directions = sphere(3)});
         const Smoothing by_forward = choose_smoothing(bowl(1, x[0][0]), point, {.difference = forward});
         return {{{found.radius, by_forward.radius}, 0}, {{found.noise, by_forward.noise}, 1}};
       }}};
  const auto each = [=](double scale) {  // of a batch of n functions of one number
    return [=](const Values& x) {
      Values values;
      for (const double value : x) values.push_back(scale * (std::sin(value) + value * value));
      return values;
    };
  };
  for (const Difference& difference : {forward, central, five_point, leave_one_out}) {
    all.push_back({difference.name + " of a batch", {one}, [=](Inputs x) -> Results {
                     const auto found = per_sample_gradient(
                         each(x[0][0]), point, {.directions = sphere(2), .difference = difference});
                     Results results{{found.gradient, 1}, {found.values, 1}};
                     for (const Values& slopes : found.slopes) results.push_back({slopes, 1});
                     return results;
                   }});
    // A step is a float a direction; the rate undoes the slopes' scale.
    all.push_back({difference.name + " in place", {one, {{0.25}, -1}}, [=](Inputs x) -> Results {
                     Values moving = point;
                     InPlace descent({.directions = gaussian(2),
                                      .difference = difference,
                                      .smoothing = 0x1p-6,
                                      .rate = x[1][0],
                                      .exact_restore = true});
                     const auto f = [&] { return bowl(1, x[0][0])(moving); };
                     const InPlaceStep first = descent(f, moving), second = descent(f, moving);
                     return {{moving, 0}, {first.slopes, 1}, {second.slopes, 1}};
                   }});
  }
  for (const Difference& difference : {forward, central}) {
    all.push_back({difference.name + ", variance reduced", {one}, [=](Inputs x) -> Results {
                     VarianceReducedOptions options;
                     options.estimate.difference = difference;
                     options.estimate.smoothing = 0x1p-6;
                     VarianceReduced<Values> estimator(options);
                     const auto f = bowl(1, x[0][0]);
                     const auto at_snapshot = estimator(f, point);
                     const auto later = estimator(f, further);
                     return {{at_snapshot.gradient, 1}, {later.gradient, 1}, {later.slopes, 1}};
                   }});
    all.push_back({difference.name + ", descent", {one, {{0.125}, -1}}, [=](Inputs x) -> Results {
                     Values moving = point;
                     const auto found =
                         minimise(bowl(1, x[0][0]), moving, Sgd({.rate = x[1][0], .momentum = 0.5}),
                                  {.directions = sphere(3), .difference = difference, .smoothing = 0x1p-6},
                                  {.iterations = 5, .look_every = 2});
                     return {{moving, 0}, {found.best, 0}, {{found.value, found.best_value}, 1}};
                   }});
  }
  for (const Difference& difference : {forward, central, five_point, leave_one_out, residual})
    for (const Combination combination : {Combination::plain, Combination::least_squares}) {
      const GradientOptions options{
          .directions = gaussian(4), .difference = difference, .combination = combination};
      const auto ask = [=](double unit, double scale) -> Results {
        GradientOptions asked = options;
        asked.smoothing = unit / 64;
        const auto found = gradient(bowl(unit, scale), tests::times(point, std::ilogb(unit)), asked);
        return {{found.gradient, 1}, {found.slopes, 1}};
      };
      all.push_back({difference.name + " of f", {one}, [=](Inputs x) { return ask(1, x[0][0]); }});
      all.push_back({difference.name + " at x", {{{1}, -1}}, [=](Inputs x) { return ask(x[0][0], 1); }});
    }
  for (Homogeneous& algorithm : all)  // f itself would be rounded
    if (algorithm.name != "steps") algorithm.units = std::nullopt;
  return all;
}

std::vector<Homogeneous> black_box_algorithms(random::Stream& stream) {
  using black_box::Logits;
  const std::size_t batch = 1 + stream.below(5), classes = 1 + stream.below(6), d = 1 + stream.below(7);
  const Graded a{plain(stream, batch * classes), 1}, b{plain(stream, batch * classes), 1};
  const auto logits = [=](const Values& v) { return Logits(batch, classes, v); };
  return {{"losses",
           {a, b, {{1.7}, 1}},
           [=](Inputs x) -> Results {
             const auto two = black_box::adversarial(logits(x[0]), logits(x[1]), x[2][0]);
             const auto one = black_box::distillation(logits(x[0]), logits(x[1]), x[2][0]);
             return {{values_of(black_box::log_softmax(logits(x[0]), x[2][0])), 0},
                     {{two.value}, 0},
                     {values_of(two.ensemble), -1},
                     {values_of(two.global), -1},
                     {{one.value}, 2},
                     {values_of(one.gradient), 1}};
           },
           990,
           std::nullopt},  // such a temperature has no inverse
          {"diversity",
           {{plain(stream, batch * d), 1}, {plain(stream, batch * d), -1}},
           [=](Inputs x) -> Results {
             const auto rows = [=](const Values& v) {
               std::vector<Values> result;
               for (std::size_t i = 0; i < batch; ++i)
                 result.emplace_back(v.begin() + static_cast<std::ptrdiff_t>(i * d),
                                     v.begin() + static_cast<std::ptrdiff_t>((i + 1) * d));
               return result;
             };
             const black_box::Diversity diversity(rows(x[0]), rows(x[1]));
             Values gradient(batch * d);
             diversity.add_gradient(1, 0, gradient);
             return {{{diversity.value()}, 0}, {gradient, -1}};
           },
           500}};
}

template <class Algorithms>
void check_trials(std::uint64_t trials, std::uint64_t kind, Algorithms&& algorithms) {
  CAPTURE(seed);
  for (std::uint64_t trial = 0; trial < trials; ++trial) {
    CAPTURE(trial);
    random::Stream stream(seed + kind, trial);
    tests::check_homogeneous(algorithms(stream), stream);
    for (const Homogeneous& algorithm : algorithms(stream)) {
      tests::check_beyond(algorithm);
      tests::check_subnormal(algorithm);
    }
  }
}

}  // namespace

TEST_CASE("values of updates: a power of two changes no digit") { check_trials(20, 0, update_algorithms); }

TEST_CASE("values of games: a power of two changes no digit") { check_trials(6, 1, game_algorithms); }

TEST_CASE("rewards: a power of two changes no digit") { check_trials(40, 2, reward_algorithms); }

TEST_CASE("filters: a power of two changes no digit") { check_trials(30, 3, filter_algorithms); }

TEST_CASE("zeroth order: a power of two changes no digit") { check_trials(10, 4, zeroth_order_algorithms); }

TEST_CASE("black boxes: a power of two changes no digit") { check_trials(40, 5, black_box_algorithms); }

TEST_CASE("sums and differences beyond a double") {
  const Values large{1e308, 1e308};
  CHECK(reward::effective_weight(large, 0.1) == 1);
  CHECK(!shapley::normalised_error(large, Values{1, 1}));
  // ||u - 2^600 (u + u)|| = 2^601 - 1 of a unit vector u, to rounding 2^601.
  const Values psi = shapley::euclidean_gradient(gram_of({3, 4, 3, 4}, 2), Values{0x1p600, 0x1p600});
  CHECK(std::abs(psi[0] / -0x1p601 - 1) < 1e-15);
  // At 1,100 players the middle weights are below any double, the outer ones are not.
  const Values w = shapley::shapley_weights(1100);
  CHECK(w.front() == 1.0 / 1100);
  CHECK(w.back() == w.front());
  Values utilities(std::size_t{1} << 12, 1e308);
  utilities[0] = 0;
  CHECK_THROWS_AS(shapley::exact(shapley::TableGame(utilities), 12), Error);
  statistics::RunningMoments moments;
  for (const double draw : {1.7e308, -1.7e308}) moments.add(draw);
  CHECK(moments.mean() == 0);
  CHECK(moments.variance() == std::numeric_limits<double>::infinity());
}
