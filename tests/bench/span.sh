#!/bin/bash
# What --heap=span costs a program that does little but allocate, 1 to 2 GB/s: each span that is taken
# is an event with its stack. In turns without and with `record`; and what the recorder takes itself.
#
#   BENCH_TURNS=3 BENCH_ROUNDS=12 BENCH_GO=1.27 tests/bench/span.sh
set -euo pipefail
cd "$(dirname "$0")/../.."
export LC_ALL=C
# shellcheck source=tests/bench/lib.sh
. tests/bench/lib.sh
turns=${BENCH_TURNS:-3}
rounds=${BENCH_ROUNDS:-12}

program=$(tests/build-go.sh "${BENCH_GO:-system}" allocheavy)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

lost=0
for ((i = 1; i <= turns; i++)); do
	plain=$("$program" -rounds "$rounds" | jq .cpu_seconds)
	"$record" -v --heap=span -o "$work/trace.gmt" -- "$program" -rounds "$rounds" >"$work/out" 2>"$work/log" &
	watch_cpu $! >>"$work/shares"
	wait $! || tail -n 3 "$work/log"
	lost=$((lost + $(sed -n 's/.*, \([0-9]*\) lost$/\1/p' "$work/log")))
	refills=$(perf script -i "$work/trace.gmt" -F event 2>/dev/null | grep -c ':refill:')
	# CPU time: of how much there is to be had, it does not tell.
	spent=$(jq .cpu_seconds "$work/out")
	awk -v a="$plain" -v b="$spent" 'BEGIN { print b / a }' >>"$work/slowdown"
	awk -v a="$plain" -v b="$spent" -v n="$refills" 'BEGIN { print (b - a) / n * 1e9 }' >>"$work/each"
	jq "$refills / .seconds" "$work/out" >>"$work/rate"
	stat -c %s "$work/trace.gmt" | awk -v n="$refills" '{ print $1 / n }' >>"$work/bytes"
done
echo "span: $(median <"$work/rate" | cut -d. -f1) spans a second, $lost events lost, target 0: $(verdict "$lost" most 0)"
echo "span: CPU time of the program, against itself alone: $(median <"$work/slowdown"), $(median <"$work/each" | cut -d. -f1) ns for each span"
echo "span: CPU of record $(median <"$work/shares") of one core, $(median <"$work/bytes") bytes of the trace for each span"
sed -n 's/^record: process [0-9]*: \(.* spans with sampled objects.*\)/span: \1/p' "$work/log"
