#!/usr/bin/env bash
# The tests under tools that watch what they do, and the source under one that reads it. Reports about other
# people's code are suppressed by name in tests/sanitizers, each with its reason.
#   address    all tests, address and undefined behaviour sanitizer (./bazelw test --config=asan)
#   thread     the library's tests without LibTorch, on two threads or more of OpenMP's; then those with it and
#              the harness's, for threads that are not OpenMP's (./bazelw test --config=tsan)
#   valgrind   the library's tests without LibTorch: memory that is read before it is written, or leaks
#   tidy       clang-tidy with .clang-tidy
# All of them when none is named. PATTERN, a regular expression: only files whose path has it, and no Bazel.
#   tests/sanitize.sh [-f PATTERN] [-o FOLDER] [TOOL ...]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
pattern= folder=
while getopts f:o: option; do
  case $option in
    f) pattern=$OPTARG ;;
    o) folder=$OPTARG ;;
    *) exit 2 ;;
  esac
done
shift $((OPTIND - 1))
tools=("$@")
[ ${#tools[@]} -gt 0 ] || tools=(address thread valgrind tidy)
[ -n "$folder" ] || folder=$(mktemp -d)
mkdir -p "$folder"
folder=$(realpath "$folder")
status=0

needs() {  # program package
  command -v "$1" > /dev/null || { echo "$1 is not installed (Debian: apt-get install $2)" >&2; exit 2; }
}
chosen() { git ls-files "$@" | { grep -E -- "$pattern" || true; }; }
# A time or a size that they measure is another one under these tools.
all_library_tests() {
  chosen 'tests/*_test.cc' | grep -vE '^tests/(consumers|examples|fuzz|harness|load|readme)/|(big_file|memory)_test'
}
library_tests() { all_library_tests | xargs -r grep -LE 'include.*torch'; }
# //tests/tensor:torch_test and others
torch_test_labels() { all_library_tests | xargs -r grep -lE 'include.*torch' | sed 's|^|//|; s|/\([^/]*\)\.cc$|:\1|'; }
say() {  # what happened, to which file, and where that can be read; in one piece, as others speak, too
  [ "$1" = clean ] || { printf '%s\n' "$1: $2
$(tail -n 40 "$3")"; return 1; }
  echo "$1: $2"
}
# together COMMAND... < FILES: the command with each of the files, as many at a time as there are processors.
together() {
  local running=0 source
  while read -r source; do
    "$@" "$source" < /dev/null &
    if ((++running == $(nproc))); then
      wait -n || status=1
      running=$((running - 1))
    fi
  done
  for (( ; running > 0; --running)); do wait -n || status=1; done
}
ahead=()  # of a test's own text
includes=(-I. -isystem /usr/include/eigen3 -isystem /usr/include/torch/csrc/api/include)

# Compiles each of the library's tests, and runs it.
#   watch FOLDER COMPILER... -- COMMAND...
watch() {
  build=$1 compiler=() command=()
  shift
  while [ "$1" != -- ]; do compiler+=("$1"); shift; done
  shift
  command=("$@")
  mkdir -p "$build"
  compiler+=(-std=c++20 -g -O1 -fopenmp "${includes[@]}")
  "${compiler[@]}" -c tests/doctest_main.cc -o "$build/main.o"
  together watch_one < <(library_tests)
}
watch_one() {
  local source=$1 program log
  program=$build/$(tr / _ <<< "${source%.cc}") log=$program.log
  if ! "${compiler[@]}" "${ahead[@]}" "$source" "$build/main.o" -o "$program" > "$log" 2>&1; then
    say "NOT COMPILED" "$source" "$log"
  elif "${command[@]}" "$program" > "$log" 2>&1; then
    say clean "$source" "$log"
  else
    say FAULT "$source" "$log"
  fi
}

address() {
  [ -z "$pattern" ] || {
    watch "$folder/address" g++ -march=native -fsanitize=address,undefined -fno-sanitize-recover=all -- env
    return
  }
  ./bazelw test --config=asan --keep_going --test_env=LSAN_OPTIONS=suppressions="$PWD/tests/sanitizers/leak.supp" \
    //... || status=1
}

# g++'s libgomp is not instrumented: all that OpenMP's barriers keep apart looks like a race, and suppressing
# what is called from it (called_from_lib:libgomp.so) also hides those there are. clang's libomp has Archer, which
# tells the sanitizer what OpenMP keeps apart. race.cc shows that races are still seen.
thread() {
  needs clang++ clang
  local clang=(clang++ -march=native -fsanitize=thread) build=$folder/thread
  mkdir -p "$build"
  export TSAN_OPTIONS="ignore_noninstrumented_modules=1 halt_on_error=1 suppressions=$PWD/tests/sanitizers/thread.supp"
  "${clang[@]}" -std=c++20 -fopenmp tests/sanitizers/race.cc -o "$build/race" ||
    { echo "clang++ has no OpenMP (Debian: apt-get install libomp-dev)" >&2; exit 2; }
  "$build/race" > "$build/race.log" 2>&1 ||
    { echo "the sanitizer sees a race where there is none: no Archer (Debian: apt-get install libomp-dev)" >&2; exit 2; }
  ! "$build/race" with > "$build/race.log" 2>&1 || { echo "the sanitizer sees no race where there is one" >&2; exit 2; }
  ahead=(-include tests/sanitizers/capture.hpp)
  watch "$build" "${clang[@]}" -- env OMP_NUM_THREADS=4
  ahead=()
  local labels
  mapfile -t labels < <(torch_test_labels)
  [ -n "$pattern" ] || ./bazelw test --config=tsan --keep_going --test_env=TSAN_OPTIONS="$TSAN_OPTIONS" \
    "${labels[@]}" //tests/harness/... || status=1
}

# Valgrind 3.19 knows no AVX-512, and its long double has 64 bits: a check that fails (1) is not a fault here.
memcheck() {
  local result=0
  valgrind --quiet --error-exitcode=9 --leak-check=full --errors-for-leak-kinds=definite,indirect \
    --suppressions=tests/sanitizers/valgrind.supp "$@" || result=$?
  [ $result -le 1 ]
}

memory() {
  needs valgrind valgrind
  watch "$folder/valgrind" g++ -march=x86-64-v3 -- memcheck
}

# LibTorch's headers alone take a minute: the sources of a folder are read as one, and as two halves where they
# have names of their own in common.
tidy() {
  needs clang-tidy clang-tidy
  mkdir -p "$folder/tidy/harness"
  echo '""' > "$folder/tidy/harness/quickstart_toml.inc"  # made by the build, as a part of two tests is
  together tidy_unit < <(chosen '*.cc' 'fedval/*.hpp' | grep -vE '^tests/(fuzz/replay|readme/readme_test).cc' |
    awk '{ at = $0; sub("/[^/]*$", "", at); of[at] = of[at] " " $0 } END { for (at in of) print of[at] }')
}
tidy_unit() {  # the sources, in one word
  local sources=() unit log half torch=() more=() checks=-bugprone-suspicious-include result=0
  read -ra sources <<< "$1"
  unit=$folder/tidy/$(tr / _ <<< "${sources[0]}")-${#sources[@]} log=$unit.log
  printf '#include "%s"\n' "${sources[@]}" > "$unit.cc"
  if grep -qE '^#include.*(torch|ATen|harness/)' "${sources[@]}"; then
    # A type that LibTorch's headers leave open and clang asks for; with it comes glog, whose CHECK is not doctest's.
    [[ ${sources[0]} != tests/*_test.cc ]] || torch+=(-include tests/doctest_torch.hpp)
    torch+=(-include ATen/core/ivalue.h)
  fi
  [[ ${sources[0]} != tests/*_test.cc ]] || more+=(-include tests/sanitizers/capture.hpp)
  # Google Benchmark keeps what is registered for as long as the program runs.
  [[ ${sources[0]} != benchmarks/* ]] || checks+=,-clang-analyzer-cplusplus.NewDeleteLeaks
  # A test is to be read, not to be fast; its sizes are small, and the sanitizers would see one overflow.
  [[ ${sources[0]} != tests/* ]] ||
    checks+=,-performance-*,-*implicit-widening-of-multiplication-result,-*FloatLoopCounter
  more+=(-std=c++20 -march=native -fopenmp -DUSE_C10D_GLOO "${includes[@]}" -I"$folder/tidy")
  if clang++ -fsyntax-only "${torch[@]}" "${more[@]}" "$unit.cc" > "$log" 2>&1; then
    more=("${torch[@]}" "${more[@]}")
  elif ((${#sources[@]} > 1)); then
    half=$((${#sources[@]} / 2))
    tidy_unit "${sources[*]:0:half}" || result=1
    tidy_unit "${sources[*]:half}" || result=1
    return $result
  fi
  if clang-tidy --quiet --config-file=.clang-tidy "--checks=$checks" "$unit.cc" -- "${more[@]}" > "$log" 2>&1; then
    say clean "${sources[*]}" "$log"
  else
    say FAULT "${sources[*]}" "$log"
  fi
}

for tool in "${tools[@]}"; do
  case $tool in
    address | thread | tidy) "$tool" ;;
    valgrind) memory ;;
    *) echo "no such tool: $tool; there are address, thread, valgrind, tidy" >&2; exit 2 ;;
  esac
done
exit $status
