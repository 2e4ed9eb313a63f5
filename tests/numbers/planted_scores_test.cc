// A NaN or an infinity at any place of any input is refused by an error that names the place; outputs and
// states stay as they were: games, gates and weights, rewards, filters, estimators and black boxes.
#include <memory>

#include "fedval/black_box/losses.hpp"
#include "fedval/contribution/class_alignment.hpp"
#include "fedval/contribution/residual_weights.hpp"
#include "fedval/contribution/weighted_gates.hpp"
#include "fedval/kalman/fusion_bank.hpp"
#include "fedval/kalman/information_filter.hpp"
#include "fedval/kalman/rank_adaptive_fusion.hpp"
#include "fedval/reward/importance.hpp"
#include "fedval/reward/quota.hpp"
#include "fedval/shapley/cosine_game.hpp"
#include "fedval/shapley/cosine_gradient.hpp"
#include "fedval/shapley/euclidean_gradient.hpp"
#include "fedval/shapley/exact.hpp"
#include "fedval/shapley/leave_one_out_cosine.hpp"
#include "fedval/tensor/std.hpp"
#include "fedval/zeroth_order/gradient.hpp"
#include "fedval/zeroth_order/minimise.hpp"
#include "fedval/zeroth_order/per_sample.hpp"
#include "fedval/zeroth_order/smoothing.hpp"
#include "fedval/zeroth_order/step.hpp"
#include "fedval/zeroth_order/variance_reduced.hpp"
#include "tests/numbers/planting.hpp"
#include "tests/shapley/games.hpp"

using namespace fedval;
using tests::at;
using tests::Attempt;
using tests::counted;
using tests::in_rows_of;
using tests::Named;
using tests::Reader;
using tests::Values;

namespace {

constexpr std::uint64_t seed = 4504;

using Inputs = std::span<const Values>;

/// An attempt that keeps nothing.
template <class Read>
Attempt reads(Read&& read) {
  return {std::forward<Read>(read)};
}

Values values_of(const linalg::Matrix<double>& m) { return {m.values().begin(), m.values().end()}; }

std::vector<Reader> game_readers(random::Stream& stream) {
  const std::size_t n = 4 + stream.below(3);
  const Named weights{tests::normals(stream, n), counted("weight")},
      table{tests::normals(stream, std::size_t{1} << n),
            [](std::size_t mask) { return "coalition " + shapley::Coalition(mask).text(); }};
  std::vector<Values> updates;
  for (std::size_t i = 0; i < n; ++i) updates.push_back(tests::normals(stream, 9));
  const Gram g = gram(std::vector<TensorView>(updates.begin(), updates.end()));
  const auto weighted = [&](const char* name, auto f) {
    return Reader{name, {weights}, [=](Inputs x) { return reads([=] { f(g, x[0]); }); }};
  };
  std::vector<Reader> all{
      weighted("game",
               [](const Gram& products, const Values& r) { shapley::GradientGame game(products, r); }),
      weighted("cosine",
               [](const Gram& products, const Values& r) { shapley::cosine_gradient(products, r); }),
      weighted("Euclidean",
               [](const Gram& products, const Values& r) { shapley::euclidean_gradient(products, r); }),
      weighted("without",
               [](const Gram& products, const Values& r) { shapley::leave_one_out_cosine(products, r); }),
      {"table",
       {{table.values, [](std::size_t mask) { return "value of " + shapley::Coalition(mask).text(); }}},
       [](Inputs x) { return reads([=] { shapley::TableGame game(x[0]); }); }},
      {"exact", {table}, [=](Inputs x) {
         return reads([=] { shapley::exact([&](shapley::Mask mask) { return x[0][mask]; }, n); });
       }}};
  const auto sampled = [&](const auto& design, const std::string& label) {
    // Whatever coalitions it asks for: the whole is one of them.
    const Named whole{{1},
                      [n](std::size_t) { return "coalition " + shapley::Coalition::everyone(n).text(); }};
    all.push_back({label, {whole}, [=](Inputs x) {
                     const auto sampler =
                         std::make_shared<shapley::Sampler<std::remove_cvref_t<decltype(design)>>>(design, n);
                     return Attempt{[=] {
                                      sampler->run(
                                          [&](shapley::Mask mask) {
                                            return mask + 1 == table.values.size() ? x[0][0]
                                                                                   : table.values[mask];
                                          },
                                          shapley::units(tests::settled(design, n)));
                                    },
                                    [=] { return Values{static_cast<double>(sampler->estimates().units)}; }};
                   }});
  };
  tests::for_each_design(sampled);
  const Named whole{{1}, [n](std::size_t) { return "coalition " + shapley::Coalition::everyone(n).text(); }};
  const auto with_whole = [=](double value) {
    return [=](shapley::Mask mask) { return mask + 1 == table.values.size() ? value : table.values[mask]; };
  };
  all.push_back({"Banzhaf", {table}, [=](Inputs x) {
                   return reads([=] {
                     const auto game = [&](shapley::Mask mask) { return x[0][mask]; };
                     shapley::semivalue(game, shapley::banzhaf_weights(n));
                   });
                 }});
  all.push_back({"leave one out", {whole}, [=](Inputs x) {
                   return reads([=] { shapley::leave_one_out(with_whole(x[0][0]), n); });
                 }});
  return all;
}

std::vector<Reader> weight_readers(random::Stream& stream) {
  const std::size_t n = 3 + stream.below(6), d = 1 + stream.below(20);
  const Named x{tests::normals(stream, n), counted("entry")}, weights{Values(n, 0.5), counted("weight")},
      cosines{tests::normals(stream, n), counted("cosine")};
  std::vector<Named> updates;
  for (std::size_t i = 0; i < n; ++i)
    updates.push_back({tests::normals(stream, d), at("client " + std::to_string(i) + ": update")});
  const auto named = [=] {
    std::vector<std::string> names;
    for (std::size_t i = 0; i < n; ++i) names.push_back("client " + std::to_string(i) + ": update");
    return names;
  };
  return {{"median", {x, weights}, [](Inputs in) { return reads([=] { upper_median(in[0], in[1]); }); }},
          {"weighted gates",
           {x, weights},
           [](Inputs in) { return reads([=] { weighted_gates(in[0], in[1], 0.5, 2); }); }},
          {"gates", {x}, [](Inputs in) { return reads([=] { gates(in[0], 0.5, 2); }); }},
          {"gates' tau",
           {{{0.5}, [](std::size_t) { return "tau is "; }}},
           [=](Inputs in) {
             return reads([=] {
               gates(x.values, in[0][0], 2);
               weighted_gates(x.values, weights.values, in[0][0], 2);
             });
           }},
          {"alignment", {cosines}, [](Inputs in) { return reads([=] { alignment(in[0]); }); }},
          {"residual weights", updates, [=](Inputs in) {
             const std::vector<TensorView> tensors(in.begin(), in.end());
             const auto out = std::make_shared<Values>(d, 7.0);
             return Attempt{[=] { residual_average(tensors, *out, {}, named()); }, [=] { return *out; }};
           }}};
}

std::vector<Reader> reward_readers(random::Stream& stream) {
  const std::size_t n = 1 + stream.below(8), classes = 1 + stream.below(5);
  Values counts(n * classes);
  for (double& count : counts) count = 1 + stream.uniform();
  const Named r{tests::normals(stream, n), at("r")}, psi{tests::normals(stream, n), at("psi")};
  const Named p{Values(n, 0.25), at("psi")};
  const auto named = [=](const std::string& name) {
    return Named{tests::Values(counts), in_rows_of(classes, name)};
  };
  const auto logits = [=](const Values& v) { return black_box::Logits(n, classes, v); };
  return {
      {"smoothed",
       {r, psi},
       [](Inputs x) { return reads([=] { reward::update_importance(x[0], x[1], 0.9); }); }},
      {"weight", {p}, [](Inputs x) { return reads([=] { reward::effective_weight(x[0], 0.9); }); }},
      {"ratios", {r}, [](Inputs x) { return reads([=] { reward::reward_ratios(x[0], 1); }); }},
      {"quota",
       {{{0.5}, [](std::size_t) { return "rho is"; }}},
       [](Inputs x) { return reads([=] { reward::quota(10, x[0][0]); }); }},
      {"adversarial",
       {named("ensemble"), named("global")},
       [=](Inputs x) { return reads([=] { black_box::adversarial(logits(x[0]), logits(x[1]), 2); }); }},
      {"distillation",
       {named("teacher"), named("student")},
       [=](Inputs x) { return reads([=] { black_box::distillation(logits(x[0]), logits(x[1]), 2); }); }},
      {"information",
       {named("ensemble")},
       [=](Inputs x) { return reads([=] { black_box::information(logits(x[0])); }); }},
      {"fidelity",
       {named("ensemble")},
       [=](Inputs x) {
         return reads([=] { black_box::fidelity(logits(x[0]), std::vector<std::uint32_t>(n)); });
       }},
      {"by class",
       {{counts, [=](std::size_t i) { return counted("box")(i / classes); }}},
       [=](Inputs x) { return reads([=] { black_box::EnsembleWeights::by_class(logits(x[0])); }); }},
      {"by size",
       {{counts, counted("box")}},
       [](Inputs x) { return reads([=] { black_box::EnsembleWeights::by_size(x[0]); }); }},
      {"answers",
       {{counts,
         [=](std::size_t i) { return "box 1 answers " + counted("sample")(i / classes) + " with "; }}},
       [=](Inputs x) {
         const std::vector<black_box::Logits> answers{logits(counts), logits(x[0])};
         return reads([=] {
           black_box::EnsembleWeights::by_size(Values{1, 2})(answers, std::vector<std::uint32_t>(n));
         });
       }},
      {"temperature",
       {{{2}, [](std::size_t) { return "a temperature of "; }}},
       [=](Inputs x) { return reads([=] { black_box::log_softmax(logits(counts), x[0][0]); }); }},
      {"diversity", {{counts, in_rows_of(classes, "x")}, {counts, in_rows_of(classes, "z")}}, [=](Inputs x) {
         const auto rows = [=](const Values& v) {
           std::vector<Values> result;
           for (std::size_t i = 0; i < n; ++i) {
             const std::span<const double> row = std::span(v).subspan(i * classes, classes);
             result.emplace_back(row.begin(), row.end());
           }
           return result;
         };
         return reads([=] { black_box::Diversity(rows(x[0]), rows(x[1])); });
       }}};
}

Values told(const kalman::Filter<double>& filter) {
  Values all = values_of(filter.covariance());
  all.insert(all.end(), filter.state().values().begin(), filter.state().values().end());
  return all;
}

Values told(const kalman::InformationFilter<double>& filter) {
  Values all = values_of(filter.information());
  const auto vector = filter.information_vector();
  all.insert(all.end(), vector.values().begin(), vector.values().end());
  return all;
}

std::vector<Reader> filter_readers(random::Stream& stream) {
  using linalg::Matrix;
  const std::size_t n = 2 + stream.below(3), m = 2 + stream.below(2);
  const auto covariance = [&](std::size_t size) { return values_of(linalg::identity<double>(size)); };
  const std::vector<Named> motion{{tests::normals(stream, n * n), in_rows_of(n, "F")},
                                  {covariance(n), in_rows_of(n, "Q")}},
      observation{{tests::normals(stream, m), at("z")},
                  {tests::normals(stream, m * n), in_rows_of(n, "H")},
                  {covariance(m), in_rows_of(m, "R")}},
      start{{tests::normals(stream, n), at("x")}, {covariance(n), in_rows_of(n, "P")}},
      known{{tests::normals(stream, n), at("y")}, {covariance(n), in_rows_of(n, "Y")}};
  const auto vector = [](const Values& v) { return linalg::Vector<double>(v.size(), 1, v); };
  const auto square = [](const Values& v, std::size_t size) { return Matrix<double>(size, size, v); };
  const kalman::Filter<double> belief(vector(start[0].values), square(start[1].values, n));
  const kalman::InformationFilter<double> silent(square(known[1].values, n), vector(known[0].values));
  const auto moves = [=](auto filter) {
    return [=](Inputs in) {
      const auto moving = std::make_shared<decltype(filter)>(filter);
      return Attempt{[=] { moving->predict(square(in[0], n), square(in[1], n)); },
                     [=] { return told(*moving); }};
    };
  };
  const auto learns = [=](auto filter) {
    return [=](Inputs in) {
      const auto learning = std::make_shared<decltype(filter)>(filter);
      return Attempt{[=] { learning->update(vector(in[0]), Matrix<double>(m, n, in[1]), square(in[2], m)); },
                     [=] { return told(*learning); }};
    };
  };
  std::vector<Reader> all{
      {"filter's start", start,
       [=](Inputs in) { return reads([=] { kalman::Filter<double>(vector(in[0]), square(in[1], n)); }); }},
      {"information's start", known,
       [=](Inputs in) {
         return reads([=] { kalman::InformationFilter<double>(square(in[1], n), vector(in[0])); });
       }},
      {"prediction", motion, moves(belief)},
      {"update", observation, learns(belief)},
      {"prediction of information", motion, moves(silent)},
      {"update of information", observation, learns(silent)}};
  const std::size_t clients = 2 + stream.below(4);
  const Values readings(clients, 0.5);
  all.push_back(
      {"fusion", {{readings, at("sensor 0")}, {readings, at("sensor 1")}}, [=](Inputs x) {
         const auto tracks = std::make_shared<std::vector<kalman::Track>>(clients, kalman::Track{0.5, 1});
         return Attempt{[=] {
                          std::vector<kalman::Track*> present;
                          for (kalman::Track& track : *tracks) present.push_back(&track);
                          kalman::RankAdaptiveFusion<2>().round(present, {}, {x[0], x[1]});
                        },
                        [=] {
                          return Values{tracks->front().x, tracks->front().variance};
                        }};
       }});
  all.push_back({"bank", {{readings, at("sensor 0")}, {readings, at("sensor 1")}}, [=](Inputs x) {
                   const auto bank = std::make_shared<kalman::FusionBank<2>>();
                   const auto track =
                       std::make_shared<std::vector<kalman::MixedTrack>>(clients, bank->newcomer({}, 0.5));
                   return Attempt{[=] {
                                    std::vector<kalman::MixedTrack*> present;
                                    for (kalman::MixedTrack& each : *track) present.push_back(&each);
                                    bank->round(present, {}, {x[0], x[1]});
                                  },
                                  [=] {
                                    Values kept = bank->weights();
                                    for (const kalman::MixedTrack& each : *track) {
                                      kept.insert(kept.end(), {each.x, each.variance});
                                      for (const kalman::Track& model : each.models)
                                        kept.insert(kept.end(), {model.x, model.variance});
                                    }
                                    return kept;
                                  }};
                 }});
  const Named reading{tests::normals(stream, clients), counted("pair")};
  for (const kalman::Trust trust : {kalman::Trust::reference, kalman::Trust::cross})
    all.push_back({"trust", {reading, reading, reading}, [=](Inputs x) {
                     const auto trusts = std::make_shared<kalman::RankTrust<2>>();
                     const auto observe = [=](const Values& first, const Values& second,
                                              const Values& state) {
                       trusts->observe(trust, 0.5, {first, second}, state, state);
                     };
                     observe(reading.values, reading.values, reading.values);
                     return Attempt{[=] { observe(x[0], x[1], x[2]); },
                                    [=] {
                                      return Values{trusts->values()[0], trusts->values()[1]};
                                    }};
                   }});
  return all;
}

/// A step that has made one move, with all that it may not touch.
template <class Step>
Reader step_reader(const char* name, Step step, const Values& gradient) {
  return {name, {{gradient, at("zeroth_order: gradient")}}, [=](Inputs g) {
            const auto x = std::make_shared<Values>(gradient.size(), 1.0);
            const auto moving = std::make_shared<Step>(step);
            moving->apply(*x, gradient);
            return Attempt{[=] { moving->apply(*x, g[0]); },
                           [=] {  // where x is, and where the next step would take it
                             Values next = *x, all = *x;
                             Step copy = *moving;
                             copy.apply(next, gradient);
                             all.insert(all.end(), next.begin(), next.end());
                             return all;
                           }};
          }};
}

std::vector<Reader> zeroth_order_readers(random::Stream& stream) {
  using namespace zeroth_order;
  const std::size_t n = 1 + stream.below(2000), m = 3;
  const Values x = tests::normals(stream, n);
  const auto f = [](const Values& point) { return point[0] * point[0]; };
  std::vector<Reader> all{step_reader("Sgd", Sgd({.rate = 0.1, .momentum = 0.5}), x),
                          step_reader("Sign", Sign(), x), step_reader("Adam", Adam(), x),
                          step_reader("AdaMm", AdaMm(), x)};
  all.push_back({"x", {{x, at("zeroth_order: x")}}, [=](Inputs in) {
                   const auto estimator = std::make_shared<Estimator>();
                   return Attempt{[=] { (*estimator)(f, in[0]); },
                                  [=] { return Values{static_cast<double>(estimator->step())}; }};
                 }});
  all.push_back({"smoothing's x", {{x, at("zeroth_order: x")}}, [=](Inputs in) {
                   return reads([=] { choose_smoothing(f, in[0]); });
                 }});
  const std::size_t rows = 1 + stream.below(4), columns = 1 + stream.below(6);
  const Named batch{tests::normals(stream, rows * columns), in_rows_of(columns, "zeroth_order: x")};
  const auto in_rows = [=](const Values& v) {
    std::vector<Values> result;
    for (std::size_t i = 0; i < rows; ++i) {
      const std::span<const double> row = std::span(v).subspan(i * columns, columns);
      result.emplace_back(row.begin(), row.end());
    }
    return result;
  };
  all.push_back({"batch", {batch}, [=](Inputs in) {
                   const auto values = [=](const std::vector<Values>&) { return Values(rows, 1.0); };
                   return reads([=] { per_sample_gradient(values, in_rows(in[0])); });
                 }});
  all.push_back({"batch's values", {{Values(rows, 1.0), counted("for sample")}}, [=](Inputs in) {
                   const auto values = [=](const std::vector<Values>&) { return in[0]; };
                   return reads([=] { per_sample_gradient(values, in_rows(batch.values)); });
                 }});
  all.push_back(
      {"minimise", {{x, at("zeroth_order: x")}}, [=](Inputs in) {
         const auto point = std::make_shared<Values>(in[0]);
         return Attempt{[=] { minimise(f, *point, Sgd(), {}, {.iterations = 2}); }, [=] { return *point; }};
       }});
  all.push_back({"variance reduced", {{x, at("zeroth_order: x")}}, [=](Inputs in) {
                   const auto estimator =
                       std::make_shared<VarianceReduced<Values>>(VarianceReducedOptions{.components = 3});
                   const auto parts = [](const Values& point, Sample) { return point[0] * point[0]; };
                   (*estimator)(parts, x);
                   return Attempt{[=] { (*estimator)(parts, in[0]); },
                                  [=] { return Values{static_cast<double>(estimator->step())}; }};
                 }});
  for (const Difference& difference : {central, five_point, leave_one_out, residual})
    all.push_back({difference.name, {{Values(m, 1.0), counted("direction")}}, [=](Inputs in) {
                     const auto estimator = std::make_shared<Estimator>(GradientOptions{
                         .directions = sphere(m), .difference = difference, .smoothing = 0.5});
                     return Attempt{
                         [=] {
                           std::size_t asked = 0;  // values of the first step, at all directions
                           (*estimator)(
                               [&](const Values&) { return in[0][asked++ / difference.per_direction() % m]; },
                               x);
                         },
                         [=] { return Values{static_cast<double>(estimator->step())}; }};
                   }});
  return all;
}

}  // namespace

TEST_CASE("what is not finite is named: games") { tests::check_refusals(seed, 4, game_readers); }

TEST_CASE("what is not finite is named: gates, alignment and weights by residuals") {
  tests::check_refusals(seed + 4, 8, weight_readers);
}

TEST_CASE("what is not finite is named: rewards and black boxes") {
  tests::check_refusals(seed + 1, 12, reward_readers);
}

TEST_CASE("what is not finite is named: filters") { tests::check_refusals(seed + 2, 12, filter_readers); }

TEST_CASE("what is not finite is named: zeroth order") {
  tests::check_refusals(seed + 3, 8, zeroth_order_readers);
}
