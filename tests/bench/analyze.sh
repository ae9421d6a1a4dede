#!/bin/bash
# How fast analyze reads ten million events and what memory it takes, beside `perf script` (its
# output thrown away) on a tenth of them. Both in CPU time, so that other work on the machine
# matters little. The traces are recorded once, from a program whose every 512th byte is sampled,
# and kept in $CACHE/bench.
#
#   BENCH_EVENTS=10000000 tests/bench/analyze.sh
set -euo pipefail
cd "$(dirname "$0")/../.."
export LC_ALL=C
# shellcheck source=tests/bench/lib.sh
. tests/bench/lib.sh
analyze=${BIN:-bin}/analyze
events=${BENCH_EVENTS:-10000000}

program=$(tests/build-go.sh system allocheavy)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$CACHE/bench"

# trace EVENTS: the path of a trace with so many; a million rounds make about 1.3 million.
trace() {
	local path=$CACHE/bench/events-$1.gmt
	if [ ! -e "$path" ]; then
		echo "bench: recording $1 events into $path" >&2
		"$record" -q -o "$path.new" --set-rate=512 -- "$program" -rounds $(($1 / 1200000 + 1)) \
			>"$work/out" 2>"$work/log" || tail -n 3 "$work/log" >&2
		mv "$path.new" "$path"
	fi
	echo "$path"
}

# spent COMMAND...: its CPU time in seconds, and the most memory it had at any time, in MiB.
spent() {
	local pid peak=0 now
	{
		TIMEFORMAT='%U %S'
		time "$@" >/dev/null 2>"$work/log"
	} 2>"$work/time" &
	while pid=$(pgrep -P $!) && now=$(awk '/^VmHWM:/ { print $2 }' "/proc/$pid/status" 2>/dev/null); do
		peak=${now:-$peak}
		sleep 0.02
	done
	wait $!
	awk -v peak="$peak" '{ print $1 + $2, peak / 1024 }' "$work/time"
}

count() {
	"$analyze" -f json "$1" 2>/dev/null | jq .trust.events
}

large=$(trace "$events") small=$(trace $((events / 10)))
n=$(count "$large") n_small=$(count "$small")
for ((i = 0; i < ${BENCH_TURNS:-3}; i++)); do
	spent "$analyze" "$large" >>"$work/ours"
	spent perf script -i "$small" >>"$work/perf"
done
per_second() {
	awk '{ print $1 }' "$work/$1" | median | awk -v n="$2" '{ printf "%d\n", n / $1 }'
}
peak() {
	awk '{ print $2 }' "$work/$1" | sort -g | awk 'END { printf "%d\n", $1 }'
}
ours=$(per_second ours "$n") theirs=$(per_second perf "$n_small")
echo "analyze: $n events in $(stat -c %s "$large") bytes, $ours a second of CPU; perf script of $n_small: $theirs: ratio" \
	"$(ratio "$ours" "$theirs"), target 20: $(verdict "$(ratio "$ours" "$theirs")" least 20)"
echo "analyze: at most $(peak ours) MiB, target 512: $(verdict "$(peak ours)" most 512)" \
	"(perf script, of the tenth: $(peak perf) MiB)"
