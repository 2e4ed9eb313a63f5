#!/usr/bin/env bash
# One run on 1 rank and on 2 ranks of this machine, one thread each, in turns: the median of the times and their
# ratio, the bytes that rank 0 receives in a round beside the least that averaging and a Gram matrix take, and
# what `harness plan` said before.
#   benchmarks/ranks.sh [REPETITIONS]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
repetitions=${1:-5} ranks=2 agents=16 rounds=5
./bazelw build --noshow_progress //harness > /dev/null 2>&1
harness=$PWD/bazel-bin/harness/harness
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cat > "$work/ranks.toml" << TOML
name = "ranks"
[data]
set = "digits"
[partition]
kind = "uni"
agents = $agents
samples_per_agent = 200
[model]
name = "small_cnn"
[training]
rounds = $rounds
local_epochs = 2
batch_size = 32
[evaluation]
every = 100
test_samples = 50
[checkpoint]
every = 0
[methods]
run = ["fedavg"]
[scores]
read = ["cgsv", "spectral_fed"]
TOML
run=(run "$work/ranks.toml" --threads 1 --out)
TIMEFORMAT=%R
median() { sort -n | awk '{ all[NR] = $1 } END { print all[int((NR + 1) / 2)] }'; }
for ((i = 0; i < repetitions; ++i)); do
  { time "$harness" "${run[@]}" "$work/one$i" > /dev/null 2>&1; } 2>> "$work/seconds.1"
  { time "$harness" launch -n $ranks -- "${run[@]}" "$work/two$i" > "$work/out" 2> "$work/err"; } 2>> "$work/seconds.2"
  grep -h '^ranks:' "$work/err" >> "$work/received"
done
parameters=$(sed -n 's/.*model .*, \([0-9]*\) parameters.*/\1/p' "$work/out")
one=$(median < "$work/seconds.1") two=$(median < "$work/seconds.2")
received=$(sed 's/.*received: \([0-9.]*\).*/\1/' "$work/received" | median)
awk -v one="$one" -v two="$two" -v mib="$received" -v D="$parameters" -v N=$agents -v T=$rounds -v R=$ranks 'BEGIN {
  printf "time: 1 rank %.2f s, %d ranks %.2f s: %.2f times as fast, of %d\n", one, R, two, one / two, R
  least = 4 * (1 - 1 / R) * (N * D / R + D)
  printf "received by rank 0 in a round: %.0f bytes, %.3f times the least, which is %.0f\n",
         mib * 1048576 / T, mib * 1048576 / T / least, least }'
echo
"$harness" plan "$work/ranks.toml" --threads 1 --ranks 1,2 --one-machine | sed -n '/^ranks/,$p'
