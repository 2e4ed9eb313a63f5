#!/usr/bin/env bash
# How long a file takes to compile that includes one header of the library, for each of them: seconds of one
# core, the least of N repetitions, and the ratio to a file that includes the standard headers alone which the
# library uses. Of a tensor adapter most is its library's own headers.
#   benchmarks/compile_time.sh [g++ | clang++ | ...] [N]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
compiler=${1:-g++} repetitions=${2:-3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
TIMEFORMAT=%U

mapfile -t headers < fedval/headers.txt
grep -hoE '^#include <[a-z_]+>' "${headers[@]}" | sort -u > "$work/standard.cc"

seconds() {  # of the file $1
  for ((i = 0; i < repetitions; ++i)); do
    { time "$compiler" -std=c++20 -fopenmp -fsyntax-only -I. -isystem /usr/include/eigen3 \
      -isystem /usr/include/torch/csrc/api/include "$1" 2> "$work/errors"; } 2>&1
    [ ! -s "$work/errors" ] || { cat "$work/errors" >&2; exit 1; }
  done | sort -n | head -n 1
}

for header in "${headers[@]}"; do
  echo "#include \"$header\"" > "$work/one.cc"
  case $header in
    */eigen.hpp | */xtensor.hpp | */torch.hpp)
      (repetitions=1 && seconds "$work/one.cc") > /dev/null 2>&1 ||
        { echo "left out, as what it is for is not installed here: $header" >&2 && continue; } ;;
  esac
  # The peer each time anew: the machine may be busier than it was.
  echo "$(seconds "$work/one.cc") $(seconds "$work/standard.cc") $header"
done | sort -rn | awk -v compiler="$compiler" '
  BEGIN { printf "%-52s %8s %10s\n", compiler " -fsyntax-only", "seconds", "standard" }
  { printf "%-52s %8.2f %9.1fx\n", $3, $1, $1 / $2 }'
