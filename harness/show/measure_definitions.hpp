// What the columns of a table about methods mean, for a page.
#pragma once

#include <string>

#include "harness/show/markup.hpp"
#include "harness/show/measures.hpp"

namespace fedval::harness {

inline std::string measure_definitions() {
  std::string text;
  for (const Measure& measure : measures())
    text += element("b", measure.name) + ": " + escaped(measure.meaning) + " ";
  return element("p class='measures'",
                 text + "A correlation is - where it is undefined, as for equal accuracies.") +
         "\n";
}

}  // namespace fedval::harness
