#!/bin/bash
# A steady load of cheap events: none may be lost at the default size of the rings. In turns with
# `perf record -z` on the same events: what CPU each takes, from its start to its end, and how many
# bytes an event.
#
#   BENCH_TURNS=3 BENCH_RATE=300000 BENCH_SECONDS=5 tests/bench/rate.sh
set -euo pipefail
cd "$(dirname "$0")/../.."
export LC_ALL=C
# shellcheck source=tests/bench/lib.sh
. tests/bench/lib.sh
turns=${BENCH_TURNS:-3}
rate=${BENCH_RATE:-300000}
seconds=${BENCH_SECONDS:-5}

program=$(tests/build-go.sh system pace)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
run=("$program" -rate "$rate" -seconds "$seconds")

# under NAME COMMAND...: the program under a recorder; its CPU time in ns goes to $work/NAME.
under() {
	local name=$1 share
	shift
	"$@" "${run[@]}" >"$work/out" 2>"$work/log" &
	share=$(watch_cpu $!)
	wait $! || tail -n 3 "$work/log"
	echo "$share" >>"$work/$name"
}

calls() {
	jq .calls "$work/out"
}

lost=0 behind=0 perf_lost=0
for ((i = 1; i <= turns; i++)); do
	under ours "$record" -o "$work/ours.gmt" --
	lost=$((lost + $(sed -n 's/.*, \([0-9]*\) lost$/\1/p' "$work/log")))
	behind=$(jq ".longest_behind_s | if . > $behind then . else $behind end" "$work/out")
	stat -c %s "$work/ours.gmt" | awk -v n="$(calls)" '{ print $1 / n }' >>"$work/ours-bytes"
	under perf perf record -z -k CLOCK_MONOTONIC -c 1 -o "$work/perf.data" \
		-e syscalls:sys_enter_madvise --filter "$released" --
	perf_lost=$((perf_lost + $(calls) - $(perf report --stats -i "$work/perf.data" 2>/dev/null |
		awk '/^ *SAMPLE events:/ { print $3; exit }')))
	stat -c %s "$work/perf.data" | awk -v n="$(calls)" '{ print $1 / n }' >>"$work/perf-bytes"
done

ours=$(median <"$work/ours") theirs=$(median <"$work/perf")
echo "rate: $rate events a second for $seconds s, $turns times: $lost lost, target 0: $(verdict "$lost" most 0)" \
	"(perf record -z: $perf_lost; the program was at most $behind s behind its schedule)"
echo "rate: CPU of record $ours of one core, of perf record -z $theirs: ratio $(ratio "$ours" "$theirs"), target 1:" \
	"$(verdict "$(ratio "$ours" "$theirs")" most 1)"
ours=$(median <"$work/ours-bytes") theirs=$(median <"$work/perf-bytes")
echo "rate: bytes an event $ours, of perf record -z $theirs: ratio $(ratio "$ours" "$theirs"), target 1:" \
	"$(verdict "$(ratio "$ours" "$theirs")" most 1)"
