// What is not finite, planted in the inputs of an algorithm one place after the other.
#pragma once

#include <doctest/doctest.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include "tests/support/oracle.hpp"

namespace fedval::tests {

/// What an error must say of entry `index` of an input.
using Place = std::function<std::string(std::size_t index)>;

/// "update[17]"
inline Place at(const std::string& name) {
  return [=](std::size_t index) { return name + "[" + std::to_string(index) + "]"; };
}

/// "pair 17"
inline Place counted(const std::string& name) {
  return [=](std::size_t index) { return name + " " + std::to_string(index); };
}

/// "W[2, 17]", or "entry [2, 17]" for a name that ends in a blank.
inline Place in_rows_of(std::size_t columns, const std::string& name) {
  return [=](std::size_t index) {
    return name + "[" + std::to_string(index / columns) + ", " + std::to_string(index % columns) + "]";
  };
}

/// An algorithm about to read its inputs, with what must stay as it is when it refuses them.
struct Attempt {
  std::function<void()> read;
  std::function<Values()> kept = [] { return Values(); };
};

/// An input and how its entries are called.
struct Named {
  Values values;
  Place place;
};

struct Reader {
  std::string name;
  std::vector<Named> inputs;
  std::function<Attempt(std::span<const Values>)> attempt;  ///< the inputs live as long as the attempt
};

inline std::string refusal_of(const std::function<void()>& read) {
  try {
    read();
  } catch (const std::exception& error) {
    return error.what();
  }
  return "no error";
}

/// Every kind of bad number at a few random places of every input in turn; the inputs themselves are read.
inline void check_refusals(const Reader& reader, random::Stream& stream) {
  CAPTURE(reader.name);
  std::vector<Values> good;
  for (const Named& input : reader.inputs) good.push_back(input.values);
  REQUIRE(refusal_of(reader.attempt(good).read) == "no error");
  constexpr double infinity = std::numeric_limits<double>::infinity();
  for (std::size_t i = 0; i < good.size(); ++i)
    for (const double bad : {std::nan(""), infinity, -infinity}) {
      const std::size_t place = stream.below(good[i].size());
      CAPTURE(i);
      CAPTURE(place);
      CAPTURE(bad);
      std::vector<Values> planted = good;
      planted[i][place] = bad;
      const Attempt attempt = reader.attempt(planted);
      const Values before = attempt.kept();
      const std::string refusal = refusal_of(attempt.read), named = reader.inputs[i].place(place);
      CAPTURE(named);
      CAPTURE(refusal);
      CHECK(refusal.find(named) != std::string::npos);
      CHECK(bits(attempt.kept()) == bits(before));
    }
}

/// Every one of readers(stream), with new inputs in each trial.
template <class Readers>
void check_refusals(std::uint64_t seed, std::uint64_t trials, Readers&& readers) {
  CAPTURE(seed);
  for (std::uint64_t trial = 0; trial < trials; ++trial) {
    CAPTURE(trial);
    random::Stream stream(seed, trial);
    for (const Reader& reader : readers(stream)) check_refusals(reader, stream);
  }
}

}  // namespace fedval::tests
