// What the columns of a table about methods of some runs mean, for a page.
#pragma once

#include <span>
#include <string>

#include "harness/show/markup.hpp"
#include "harness/show/measures.hpp"

namespace fedval::harness {

inline std::string measure_definitions(std::span<const RunData> runs) {
  std::string text;
  for (const Measure& measure : measures())
    text += element("b", measure.name) + ": " + escaped(measure.meaning) + " ";
  text += "A correlation is - where it is undefined, as for equal accuracies.";
  const std::string meaning = accuracy_meaning(runs);
  if (!meaning.empty()) text += " " + escaped(meaning);
  return element("p class='measures'", text) + "\n";
}

}  // namespace fedval::harness
