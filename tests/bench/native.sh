#!/bin/bash
# What `record --native` costs a C program that does nothing but allocate and free: its own CPU time
# against that without a recorder and against that with a recorder that leaves C alone, in turns;
# what thinning out saves; and the bytes of an event in the trace.
#
#   BENCH_NATIVE_TURNS=3 BENCH_NATIVE_PAIRS=200000 tests/bench/native.sh
set -euo pipefail
cd "$(dirname "$0")/../.."
export LC_ALL=C
# shellcheck source=tests/bench/lib.sh
. tests/bench/lib.sh
turns=${BENCH_NATIVE_TURNS:-3}
pairs=${BENCH_NATIVE_PAIRS:-200000}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

gcc -O2 -o "$work/churn" tests/programs/churn/churn.c

# Nanoseconds of the program's CPU time for a malloc and its free, under a command.
spent() {
	"$@" "$work/churn" "$pairs" 2>"$work/log"
}

median() {
	sort -g | awk '{ x[NR] = $1 } END { print x[int((NR + 1) / 2)] }'
}

for ((i = 0; i < turns; i++)); do
	spent env >>"$work/plain"
	spent "$record" -q -o "$work/all.gmt" --native -- >>"$work/all"
	spent "$record" -q -o "$work/thin.gmt" --native=64 -- >>"$work/thin"
done
plain=$(median <"$work/plain")
for how in all thin; do
	cost=$(median <"$work/$how")
	events=$(perf script -i "$work/$how.gmt" -F event 2>/dev/null | grep -c native_ || true)
	size=$(stat -c %s "$work/$how.gmt")
	awk -v how=$how -v p="$plain" -v c="$cost" -v n="$events" -v s="$size" 'BEGIN {
		printf "native, %s: %.0f ns a malloc and free, %.0f without: %.0f times, %.0f ns an event; ",
			how == "all" ? "every allocation" : "one of 64", c, p, c / p, (c - p) / 2
		printf "%d events, %.1f bytes each in the trace\n", n, n ? s / n : 0
	}'
done
