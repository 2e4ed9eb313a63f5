// Direction laws: how the m directions of one estimate are drawn, and the scale that goes with them.
//
//   g^ = (c / m) sum_i D_i v_i,   D_i the slope of f along u_i;   right where c E[v u^T] = I
//
//   law                      u                                     v         c
//   gaussian                 N(0, I)                               u         1
//   rademacher               independent signs                     u         1
//   sphere                   uniform, ||u||_2 = 1                  u         d
//   l1_sphere                uniform, ||u||_1 = 1                  sign(u)   d
//   coordinates              e_j, j uniform, or m different j      u         d
//   orthogonal               m rows of a Haar matrix               u         d     (chi_d norms: 1)
//   hadamard                 m rows of H_n, random signs, cut to d u         1     n = 2^k >= d
//   guided                   N(0, S), S = (a/d) I + ((1-a)/k) Q^T Q  u       1/s   s = a/d + (1-a)/k
//   guided, unbiased         the same                              S^-1 u    1
//
// Guided directions estimate g within the span of Q's k rows and a/(d s) of it outside: biased towards the
// span on purpose, right everywhere for a = 1, where c = d. Sources: Nesterov and Spokoiny, Found. Comput.
// Math. 17, 2017 (Gaussian); Spall, IEEE Trans. Autom. Control 37, 1992 (SPSA); Akhavan, Chzhen, Pontil,
// Tsybakov, NeurIPS 2022 (l1); Kozak, Molinari, Rosasco, Tenorio, Villa, 2023 (orthogonal); Maheswaranathan,
// Metz, Tucker, Choi, Sohl-Dickstein, ICML 2019 (guided).
#pragma once

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <numeric>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "fedval/random/draws.hpp"
#include "fedval/random/orthogonal.hpp"
#include "fedval/zeroth_order/direction.hpp"

namespace fedval::zeroth_order {

/// The directions of one estimate.
struct Draw {
  std::vector<Direction> probes;   ///< u_i, along which f is asked
  std::vector<Direction> answers;  ///< v_i, which the slopes weigh; empty: the probes themselves
  double scale = 1;                ///< c
  double entry = 1;                ///< size of a nonzero entry of u, root mean square

  /// v_i: the directions that the slopes weigh.
  std::span<const Direction> weighed() const { return answers.empty() ? probes : answers; }
};

/// A direction law: its name, its m, and how m directions of d entries follow from a key. A law of your own
/// is one such value, whose draw() gives rows, generated sequences or coordinates.
struct Directions {
  std::string name;       ///< in messages and saved states
  std::size_t count = 1;  ///< m
  /// m directions of `dimension` entries; the same for the same key.
  std::function<Draw(std::size_t dimension, random::Key key)> draw;
};

namespace detail {

inline std::size_t positive(std::size_t count, const char* name) {
  if (count == 0) fail("zeroth_order: ", name, " directions: 0 of them");
  return count;
}

/// Direction i's stretch of a law's numbers: whole tiles, so that none is drawn for two directions.
inline Generated stretch(random::Law law, const random::Key& key, std::size_t i, std::size_t dimension) {
  const std::size_t tile = random::detail::tile_numbers(law);
  return {{law, key}, i * ((dimension + tile - 1) / tile * tile), 1};
}

/// m stretches, each times factor(stretch).
template <class Factor>
std::vector<Direction> stretches(random::Law law, const random::Key& key, std::size_t count,
                                 std::size_t dimension, Factor&& factor) {
  std::vector<Direction> directions;
  for (std::size_t i = 0; i < count; ++i) {
    Generated generated = stretch(law, key, i, dimension);
    generated.factor = factor(generated);
    directions.emplace_back(generated);
  }
  return directions;
}

inline double one(const Generated&) { return 1; }

/// The step's directions. Error when the law does not give what it said.
inline Draw draw_directions(const Directions& directions, std::size_t dimension, const random::Key& key) {
  if (dimension == 0) fail("zeroth_order: x has no entries");
  Draw draw = directions.draw(dimension, key);
  if (draw.probes.size() != directions.count || draw.weighed().size() != directions.count)
    fail("zeroth_order: the ", directions.name, " law gave ", draw.probes.size(), " directions of ",
         directions.count);
  return draw;
}

inline std::vector<Direction> rows_of(linalg::Matrix<double> matrix) {
  const auto shared = std::make_shared<const linalg::Matrix<double>>(std::move(matrix));
  std::vector<Direction> rows;
  for (std::size_t i = 0; i < shared->rows(); ++i) rows.emplace_back(Row{shared, i});
  return rows;
}

inline double root_dimension(std::size_t dimension) { return std::sqrt(static_cast<double>(dimension)); }

}  // namespace detail

/// m independent standard Gaussian vectors. Drawn where they are used, no memory.
inline Directions gaussian(std::size_t m) {
  return {"gaussian", detail::positive(m, "gaussian"), [m](std::size_t d, const random::Key& key) {
            return Draw{detail::stretches(random::Law::gaussian, key, m, d, detail::one), {}, 1, 1};
          }};
}

/// m independent vectors of random signs (SPSA). Drawn where they are used, no memory.
inline Directions rademacher(std::size_t m) {
  return {"rademacher", detail::positive(m, "rademacher"), [m](std::size_t d, const random::Key& key) {
            return Draw{detail::stretches(random::Law::rademacher, key, m, d, detail::one), {}, 1, 1};
          }};
}

/// m independent vectors, uniform on the unit sphere. Drawn where they are used; their norms cost one more
/// pass of drawing.
inline Directions sphere(std::size_t m) {
  return {"sphere", detail::positive(m, "sphere"), [m](std::size_t d, const random::Key& key) {
            const auto factor = [d](const Generated& z) { return 1 / random::norm(z.sequence, d, z.begin); };
            return Draw{detail::stretches(random::Law::gaussian, key, m, d, factor),
                        {},
                        static_cast<double>(d),
                        1 / detail::root_dimension(d)};
          }};
}

/// m independent vectors, uniform on the unit sphere of the l1 norm; the slopes weigh their signs.
inline Directions l1_sphere(std::size_t m) {
  return {"l1 sphere", detail::positive(m, "l1 sphere"), [m](std::size_t d, const random::Key& key) {
            const auto factor = [d](const Generated& z) {
              return 1 / random::l1_norm(z.sequence, d, z.begin);
            };
            Draw draw{detail::stretches(random::Law::laplace, key, m, d, factor),
                      {},
                      static_cast<double>(d),
                      std::sqrt(2.0) / static_cast<double>(d)};
            for (const Direction& probe : draw.probes) {
              Generated sign = std::get<Generated>(probe);
              sign.sequence.law = random::Law::laplace_sign;
              sign.factor = 1;
              draw.answers.emplace_back(sign);
            }
            return draw;
          }};
}

/// How coordinates are drawn.
enum class Replacement : std::uint8_t {
  without,  ///< m different ones, m <= d
  with      ///< independent: one may come twice
};

/// m unit vectors: different ones, exact at m = d, or independent ones. Error when there are not m different
/// ones.
inline Directions coordinates(std::size_t m, Replacement replacement = Replacement::without) {
  return {"coordinates", detail::positive(m, "coordinate"),
          [m, replacement](std::size_t d, const random::Key& key) {
            if (replacement == Replacement::without && m > d)
              fail("zeroth_order: ", m, " different coordinates of ", d);
            random::Draws draws(key.seed, key.stream);
            Draw draw{{}, {}, static_cast<double>(d), 1};
            if (replacement == Replacement::without) {
              for (const std::uint64_t j : draws.without_replacement(m, d))
                draw.probes.emplace_back(Coordinate{j});
            } else {
              for (std::size_t i = 0; i < m; ++i) draw.probes.emplace_back(Coordinate{draws.below_wide(d)});
            }
            return draw;
          }};
}

/// Lengths of orthogonal directions.
enum class Norms : std::uint8_t {
  unit,  ///< 1
  chi    ///< of independent Gaussian vectors: chi distributed, d degrees of freedom
};

/// m orthonormal vectors from Haar's measure: exact at m = d. With chi norms each has the length of an
/// independent Gaussian vector. O(m^2 d) time and m d doubles. Error when m > d.
inline Directions orthogonal(std::size_t m, Norms norms = Norms::unit) {
  return {
      "orthogonal", detail::positive(m, "orthogonal"), [m, norms](std::size_t d, const random::Key& key) {
        linalg::Matrix<double> rows = random::orthogonal(key, m, d);
        if (norms == Norms::unit)
          return Draw{
              detail::rows_of(std::move(rows)), {}, static_cast<double>(d), 1 / detail::root_dimension(d)};
        // Beyond the Gaussians that the rows came from: those took at most 2 m of them.
        for (std::size_t i = 0; i < m; ++i) {
          const Generated z = detail::stretch(random::Law::gaussian, key, 2 * m + i, d);
          const double length = random::norm(z.sequence, d, z.begin);
          for (double& value : rows.row(i)) value *= length;
        }
        return Draw{detail::rows_of(std::move(rows)), {}, 1, 1};
      }};
}

/// m different rows of the Sylvester-Hadamard matrix of n = 2^k >= d columns, cut to d, every column with a
/// random sign: exact at m = n. Drawn where they are used, no memory. Error when m > n.
inline Directions hadamard(std::size_t m) {
  return {"hadamard", detail::positive(m, "hadamard"), [m](std::size_t d, const random::Key& key) {
            const std::size_t n = std::bit_ceil(d);
            if (m > n) fail("zeroth_order: ", m, " different rows of a Hadamard matrix of ", n);
            Draw draw;
            for (const std::uint64_t row : random::Draws(key.seed, key.stream).without_replacement(m, n))
              draw.probes.emplace_back(Generated{{random::Law::rademacher, key, row}, 0, 1});
            return draw;
          }};
}

/// How far guided directions trust their guides.
struct Guide {
  double alpha = 0.5;     ///< how much of the variance is left to all of the space, in (0, 1]
  bool unbiased = false;  ///< weigh the slopes by Sigma^-1 u: no bias, and more variance outside the span
};

/// m Gaussian vectors with most variance in the span of `guides`, tensors of d entries such as gradients of
/// a surrogate or past estimates; those that depend on others add nothing. O((m + k) k d) time and (m + k) d
/// doubles. Error when alpha is not in (0, 1], a guide is not finite, all are zero, or has not d entries.
inline Directions guided(std::size_t m, std::span<const TensorView> guides, const Guide& guide = {}) {
  if (!(guide.alpha > 0 && guide.alpha <= 1))
    fail("zeroth_order: guided directions: alpha = ", guide.alpha, " is not in (0, 1]");
  if (guides.empty()) fail("zeroth_order: guided directions without a guide");
  const std::size_t size = guides.front().size();
  random::OrthonormalRows basis(guides.size(), size);
  std::vector<double> values(size);
  for (std::size_t k = 0; k < guides.size(); ++k) {
    if (guides[k].size() != size)
      fail("zeroth_order: guide ", k, " has ", guides[k].size(), " entries, guide 0 has ", size);
    check_finite(guides[k], "zeroth_order: guide " + std::to_string(k));
    guides[k].read(0, values);
    basis.add(values);
  }
  if (basis.count() == 0) fail("zeroth_order: guided directions: all guides are zero");
  const auto draw = [m, guide, basis = std::move(basis)](std::size_t d, const random::Key& key) {
    const linalg::Matrix<double>& q = basis.rows();
    if (q.columns() != d) fail("zeroth_order: guides of ", q.columns(), " entries for ", d);
    const std::size_t k = basis.count();
    const double outside = guide.alpha / static_cast<double>(d);
    const double inside = outside + (1 - guide.alpha) / static_cast<double>(k);
    linalg::Matrix<double> u(m, d), v(guide.unbiased ? m : 0, d);
    std::vector<double> projection(d);
    for (std::size_t i = 0; i < m; ++i) {
      const std::span<double> z = u.row(i);
      const Generated numbers = detail::stretch(random::Law::gaussian, key, i, d);
      random::detail::fill_contiguous(numbers.sequence, numbers.begin, z.data(), d);
      std::fill(projection.begin(), projection.end(), 0.0);
      for (std::size_t j = 0; j < k; ++j) {
        const std::span<const double> axis = q.row(j);
        const double along = std::inner_product(z.begin(), z.end(), axis.begin(), 0.0);
        for (std::size_t e = 0; e < d; ++e) projection[e] += along * axis[e];
      }
      for (std::size_t e = 0; e < d; ++e) {
        const double in = projection[e], out = z[e] - projection[e];
        if (guide.unbiased) v(i, e) = in / std::sqrt(inside) + out / std::sqrt(outside);
        z[e] = in * std::sqrt(inside) + out * std::sqrt(outside);
      }
    }
    Draw result{detail::rows_of(std::move(u)), {}, 1 / inside, 1 / detail::root_dimension(d)};
    if (guide.unbiased) {
      result.answers = detail::rows_of(std::move(v));
      result.scale = 1;
    }
    return result;
  };
  return {"guided", detail::positive(m, "guided"), draw};
}

}  // namespace fedval::zeroth_order
