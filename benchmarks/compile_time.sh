#!/usr/bin/env bash
# How long a file takes to compile that includes one header of the library, for each of them: seconds of one
# core, the least of N repetitions, and the ratio to a file that includes the standard headers alone which the
# library uses.
#   benchmarks/compile_time.sh [g++ | clang++ | ...] [N]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
compiler=${1:-g++} repetitions=${2:-3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
TIMEFORMAT=%U

mapfile -t headers < <(grep -vE '^fedval/tensor/(eigen|xtensor|torch)\.hpp$|/torch\.hpp$' fedval/headers.txt)
grep -hoE '^#include <[a-z_]+>' "${headers[@]}" | sort -u > "$work/standard.cc"

seconds() {  # of the file $1
  for ((i = 0; i < repetitions; ++i)); do
    { time "$compiler" -std=c++20 -fopenmp -fsyntax-only -I. "$1" 2> "$work/errors"; } 2>&1
    [ ! -s "$work/errors" ] || { cat "$work/errors" >&2; exit 1; }
  done | sort -n | head -n 1
}

for header in "${headers[@]}"; do
  echo "#include \"$header\"" > "$work/one.cc"
  # The peer each time anew: the machine may be busier than it was.
  echo "$(seconds "$work/one.cc") $(seconds "$work/standard.cc") $header"
done | sort -rn | awk -v compiler="$compiler" '
  BEGIN { printf "%-52s %8s %10s\n", compiler " -fsyntax-only", "seconds", "standard" }
  { printf "%-52s %8.2f %9.1fx\n", $3, $1, $1 / $2 }'
