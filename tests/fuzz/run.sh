#!/usr/bin/env bash
# Fuzzes the readers of other people's files, and of what ranks say to one another: builds each target with
# clang's libFuzzer, address and undefined behaviour sanitizers, and runs it until it has done RUNS executions
# or SECONDS have passed. It starts from tests/fuzz/corpus and from pieces of the real data sets, where the
# harness's data folder has them. New inputs that reach new code go to FOLDER (default: a temporary one); a fault ends
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

# Pieces of real files, in the form in which a target takes its files.
real=$folder/real data=${FEDVAL_DATA:-${XDG_CACHE_HOME:-$HOME/.cache}/fedval/data}
piece() { mkdir -p "$real/$1" && cat > "$real/$1/$2"; }                         # of stdin, for the target $1
bytes() { { tail -c "+$(($1 + 1))" 2> /dev/null || true; } | head -c "$2"; }    # $2 bytes of stdin, from byte $1
lines() { head -n 20 "$1"; }
labels() {  # the first $3 bytes of each of the first 40 records of $2 bytes
  for ((i = 0; i < 40; ++i)); do bytes $((i * $2)) "$3" < "$1"; done
}
shopt -s nullglob
for file in "$data"/mnist/*idx*; do
  case $file in
    *images-idx3*) header='\x02\0\0\x08\x03\0\0\0\x02\0\0\0\x1c\0\0\0\x1c' from=16 length=1568 ;;
    *labels-idx1*) header='\0\0\0\x08\x01\0\0\0\x28' from=8 length=40 ;;
    *) header='\x01\0\0\x0c\x02\0\0\0\x05\0\0\0\x08' from=12 length=160 ;;
  esac
  { printf "$header"; zcat -f "$file" 2> /dev/null | bytes $from $length; } | piece idx "$(basename "$file")" || true
done
for file in "$data"/mr/*.neg; do
  { lines "$file"; printf '\x1e'; lines "${file%neg}pos"; } | piece mr sentences
done
for file in "$data"/sst/train*.txt; do
  { lines "$file"; printf '\x1e'; lines "${file/train/dev}"; printf '\x1e'; lines "${file/train/test}"; } | piece sst trees
done
for file in "$data"/cifar-100/train*.bin; do
  { labels "$file" 3074 2; printf '\x1e'; labels "${file/train/test}" 3074 2; printf '\x1e\x03\x08\x08\0'; } |
    piece cifar records
done
for file in "$data"/fedisic2019/*.bin; do labels "$file" 12291 3 | piece fedisic2019 records; done
for file in "$data"/femnist/*.json; do head -c 20000 "$file" | piece femnist "$(basename "$file")"; done

export ASAN_OPTIONS=allocator_may_return_null=0 TMPDIR=/dev/shm
status=0
for target in "${targets[@]}"; do
  compile "tests/fuzz/$target.cc" "$build/$target.o"
  clang++ "${flags[@]}" -fsanitize=fuzzer "$build/$target.o" "$build/readers.a" -o "$build/$target" \
    -ltorch_cpu -lc10 -larchive -lcurl -lcrypto -lz
  mkdir -p "$folder/$target" "$folder/faults" "$real/$target"
  log=$folder/$target.log
  "$build/$target" -runs="$runs" -max_total_time="$seconds" -timeout=60 -rss_limit_mb=1024 -malloc_limit_mb=256 \
    -max_len=65536 -artifact_prefix="$folder/faults/$target-" -print_final_stats=1 \
    "$folder/$target" "tests/fuzz/corpus/$target" "$real/$target" > "$log" 2>&1 && end=clean || { end=FAULT status=1; }
  echo "$target: $end, $(sed -n 's/^stat::number_of_executed_units: *//p' "$log") executions, $(sed -n \
    's/^stat::average_exec_per_sec: *//p' "$log") a second, $(sed -n 's/^stat::peak_rss_mb: *//p' "$log") MiB"
  [ $end = clean ] || tail -n 30 "$log"
done
exit $status
