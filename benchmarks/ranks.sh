#!/usr/bin/env bash
# One run on 1, 2, 3 and 4 ranks of this machine, one thread each, in turns: the medians of the times, beside what
# `harness plan` says just before in each turn, and the bytes that rank 0 receives in a round beside the least that
# averaging and a Gram matrix take.
#   benchmarks/ranks.sh [REPETITIONS]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
repetitions=${1:-5} agents=16 rounds=50 parameters=38538
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
cd "$work"
for ((i = 0; i < repetitions; ++i)); do
  "$harness" plan ranks.toml --threads 1 --ranks 1,2,3,4 --one-machine > plan
  for ranks in 1 2 3 4; do
    launch=() && [ $ranks = 1 ] || launch=(launch -n $ranks --)
    seconds=$({ time "$harness" "${launch[@]}" "${run[@]}" out$i.$ranks > out 2> err; } 2>&1)
    planned=$(awk -v ranks=$ranks '$1 == ranks { print $3 == "min" ? 60 * $2 + $4 : $2 }' plan)
    [ $ranks = 1 ] || sed -n 's/^ranks:.*received: \([0-9.]*\).*/\1/p' err >> received.$ranks
    echo "$seconds" >> seconds.$ranks
    echo "$seconds $planned" | awk '{ print $1 / $2 }' >> of_plan.$ranks
  done
done
grep -q ", $parameters parameters" plan
for ranks in 1 2 3 4; do
  planned=$(awk -v ranks=$ranks '$1 == ranks { print $NF }' plan)
  received=$([ $ranks = 1 ] && echo 0 || median < received.$ranks)
  echo "$ranks $(median < seconds.1) $(median < seconds.$ranks) $(median < of_plan.$ranks) $received $planned"
done | awk -v D=$parameters -v N=$agents -v T=$rounds '{
  R = $1
  printf "%d rank%s: %.2f s, %.2f times as fast as one, %.2f of the plan", R, (R > 1 ? "s" : ""), $3, $2 / $3, $4
  if (R > 1) {
    least = 4 * (1 - 1 / R) * (N * D / R + D)
    printf "; received by rank 0 in a round: %.0f bytes, %.3f times the least, %.3f of the plan",
           $5 * 1048576 / T, $5 * 1048576 / T / least, $5 / $6
  }
  printf "\n" }'
