#!/usr/bin/awk -f
# For Doxygen. The plain comment that a header opens with becomes the documentation of the file, its indented
# lines (formulas) as they stand; the class that the file is named after refers to it. Members that mean the
# same in every class are documented here, once.
FNR == 1 {
  file = FILENAME
  sub(/.*\//, "", file)
  stem = file
  sub(/\.hpp$/, "", stem)
  gsub(/_/, "", stem)
  if (/^\/\//) { print "/// @file"; opening = 1 }
}
opening && /^\/\// {
  text = substr($0, 3)
  print "///" (text ~ /^  / ? "     " text : text)
  next
}
{ opening = 0 }
!documented {
  if (match($0, /^(class|struct) [A-Za-z]+ /) && tolower($2) == stem) note("As the file @ref " file " says.")
  else if (/^  static constexpr std::string_view name/) note("In messages and tables.")
  else if (/^  void fields\(auto& archive\)/) note("What save() writes and restore() reads; see archive.hpp.")
  else if (/^  Scores observe\(const Round& round\)/) note("The clients' scores after this round; an Error leaves the state as it was.")
  else if (/^  struct Options \{/) note("Settings, with their defaults.")
  else if (/^  explicit [A-Za-z]+\((const )?Options&? options/) note("With these settings; one that is out of range is an Error, here or in observe().")
  else if (/^  [A-Za-z]+\(\)( = default;|( :.*)? \{)/) note("With the defaults.")
  else if (/operator==\(const [A-Za-z]+&\) const = default/) note("Member by member.")
}
{ documented = /^ *\/\/\// || (documented && /^ *template </); print }

function note(text) { match($0, /^ */); print substr($0, 1, RLENGTH) "/// " text }
