// Drawing by gnuplot, a program of its own: a script goes in, SVG for an HTML page comes out. Nothing passes
// a shell or the disk.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace fedval::harness {

/// What an SVG element says about itself, on screen and to those who do not see it.
struct Canvas {
  std::string id;  ///< letters, digits and '-', unique in the document: every id inside begins with it
  std::size_t width = 0, height = 0;
  std::string title = {};        ///< may be any text
  std::string description = {};  ///< may be any text
};

/// What gnuplot, given `script` on its standard input, writes to its standard output. Error when it is not
/// installed, and with its message when it fails.
std::string run_gnuplot(const std::string& script);

/// The plot that a script draws, as an <svg> element with a role, a title and a description. `script` must
/// set no terminal. Errors as above.
std::string gnuplot_svg(const Canvas& canvas, const std::string& script);

/// `content` as an <svg> element of that canvas.
std::string svg_element(const Canvas& canvas, std::string_view content);

/// Any text as a string of a script, in which nothing is expanded.
std::string gnuplot_text(std::string_view text);

}  // namespace fedval::harness
