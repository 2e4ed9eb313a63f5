// The figures of one run, each with a caption that says what is seen.
#pragma once

#include <string>
#include <string_view>

#include "harness/show/plots.hpp"
#include "harness/show/run_data.hpp"

namespace fedval::harness {

/// Markup of <figure> elements, numbered in the order of the calls. Errors as of gnuplot_svg().
class RunFigures {
 public:
  /// `id` begins the ids of the figures; `run` must outlive this.
  RunFigures(const RunData& run, std::string id) : run_(&run), id_(std::move(id)) {}

  /// Nothing where the folder does not say which classes the agents hold.
  std::string partition();
  std::string accuracy();
  std::string time();
  /// One figure a method, one panel for its credit, its accuracy and each score.
  std::string against_standalone();
  /// One figure a method, one panel a score.
  std::string scores_by_round();

 private:
  std::string next_id() { return id_ + "-plot-" + std::to_string(++plots_); }
  std::string figure(const std::string& content, std::string_view caption);
  std::string panel(const std::string& title, const std::string& detail, const std::string& svg) const;
  bool lines() const { return run_->agents.size() <= most_lines; }

  const RunData* run_;
  std::string id_;
  std::size_t plots_ = 0, figures_ = 0;
};

}  // namespace fedval::harness
