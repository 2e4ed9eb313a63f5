#!/usr/bin/env bash
# Fuzzes the readers of other people's files, and of what ranks say to one another: builds each target with
# clang's libFuzzer, address and undefined behaviour sanitizers, and runs it until it has done RUNS executions
# or SECONDS have passed. New inputs that reach new code go to FOLDER (default: a temporary one); a fault ends
# the target, and its input is kept there.
#   tests/fuzz/run.sh [-r RUNS] [-t SECONDS] [-o FOLDER] [TARGET ...]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
runs=10000000 seconds=1200 folder=
while getopts r:t:o: option; do
  case $option in
    r) runs=$OPTARG ;;
    t) seconds=$OPTARG ;;
    o) folder=$OPTARG ;;
    *) exit 2 ;;
  esac
done
shift $((OPTIND - 1))
targets=("$@")
[ ${#targets[@]} -gt 0 ] || mapfile -t targets < <(sed -n 's/^ *"\([a-z0-9_]*\)",  # target$/\1/p' tests/fuzz/BUILD)
[ -n "$folder" ] || folder=$(mktemp -d)
mkdir -p "$folder"
folder=$(realpath "$folder")
command -v clang++ > /dev/null || { echo "clang++ is not installed (Debian: apt-get install clang)" >&2; exit 2; }

build=$folder/build
mkdir -p "$build"
flags=(-std=c++20 -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all
  -fsanitize-ignorelist=tests/fuzz/ignored.txt
  -Wno-unknown-pragmas -I. -isystem /usr/include/torch/csrc/api/include)
compile() {  # source object
  local more=()
  # A type that LibTorch's headers leave open and clang asks for.
  [[ $1 != *checkpoint* ]] || more=(-include ATen/core/ivalue.h)
  [ "$2" -nt "$1" ] || clang++ "${flags[@]}" "${more[@]}" -fsanitize=fuzzer-no-link -c "$1" -o "$2"
}
objects=()
for source in harness/{data,config,fetch,files,checkpoint}/*.cc harness/show/{json_place,run_reader,scores_csv}.cc \
  harness/distributed/messages.cc; do
  object=$build/$(tr / _ <<< "${source%.cc}").o
  compile "$source" "$object" &
  objects+=("$object")
  while [ "$(jobs -rp | wc -l)" -ge "$(nproc)" ]; do wait -n; done
done
wait
rm -f "$build/readers.a"
ar rc "$build/readers.a" "${objects[@]}"

export ASAN_OPTIONS=allocator_may_return_null=0 TMPDIR=/dev/shm
status=0
for target in "${targets[@]}"; do
  compile "tests/fuzz/$target.cc" "$build/$target.o"
  clang++ "${flags[@]}" -fsanitize=fuzzer "$build/$target.o" "$build/readers.a" -o "$build/$target" \
    -ltorch_cpu -lc10 -larchive -lcurl -lcrypto -lz
  mkdir -p "$folder/$target" "$folder/faults"
  log=$folder/$target.log
  "$build/$target" -runs="$runs" -max_total_time="$seconds" -timeout=60 -rss_limit_mb=1024 -malloc_limit_mb=256 \
    -max_len=65536 -artifact_prefix="$folder/faults/$target-" -print_final_stats=1 \
    "$folder/$target" "tests/fuzz/corpus/$target" > "$log" 2>&1 && end=clean || { end=FAULT status=1; }
  echo "$target: $end, $(sed -n 's/^stat::number_of_executed_units: *//p' "$log") executions, $(sed -n \
    's/^stat::average_exec_per_sec: *//p' "$log") a second, $(sed -n 's/^stat::peak_rss_mb: *//p' "$log") MiB"
  [ $end = clean ] || tail -n 30 "$log"
done
exit $status
