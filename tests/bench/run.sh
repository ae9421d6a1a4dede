#!/bin/bash
# What recording costs: a program that allocates 1 to 2 GB/s, without and with `record` in its
# default mode, in turns, on the same machine. Prints the median ratio of the two times against its
# target, the noise of the same measurement without a recorder, what CPU the recorder takes, and the
# bytes of an event against `perf record -z` of the same events.
#
#   BENCH_PAIRS=9 BENCH_ROUNDS=20 BENCH_GO=1.27 tests/bench/run.sh
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=tests/bench/lib.sh
. tests/bench/lib.sh
pairs=${BENCH_PAIRS:-9}
rounds=${BENCH_ROUNDS:-12}
version=${BENCH_GO:-system}

program=$(tests/build-go.sh "$version" allocheavy)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

plain() {
	"$program" -rounds "$rounds" | jq .seconds
}

# Prints the program's seconds; the recorder's share of one core goes to the list.
recorded() {
	local pid
	"$record" -q -o "$work/trace.gmt" -- "$program" -rounds "$rounds" >"$work/out" &
	pid=$!
	watch_cpu $pid >>"$work/shares"
	wait $pid
	jq .seconds "$work/out"
}

# Median, first and third quartile of the numbers on standard input.
quartiles() {
	sort -g | awk '{ x[NR] = $1 } function q(p,  i, f) { i = 1 + (NR - 1) * p; f = int(i)
		return f < NR ? x[f] + (i - f) * (x[f + 1] - x[f]) : x[NR] }
		END { printf "%.4f %.4f %.4f\n", q(.5), q(.25), q(.75) }'
}

echo "bench: $pairs rounds of plain, recorded, plain: $("$program" -rounds 1 | jq -r '"\(.go), \(.mb_per_s | floor) MB/s, \(.ns_per_object | floor) ns an object"')"
: >"$work/ratios"
: >"$work/noise"
: >"$work/shares"
for ((i = 1; i <= pairs; i++)); do
	a=$(plain)
	b=$(recorded)
	c=$(plain)
	awk -v a="$a" -v b="$b" -v c="$c" 'BEGIN { printf "%.5f\n", b / ((a + c) / 2) }' >>"$work/ratios"
	awk -v a="$a" -v c="$c" 'BEGIN { printf "%.5f\n", c / a }' >>"$work/noise"
	echo "  $i: plain $a s, recorded $b s, plain $c s"
done

read -r ratio low high <<<"$(quartiles <"$work/ratios")"
read -r noise noise_low noise_high <<<"$(quartiles <"$work/noise")"
read -r share _ share_high <<<"$(quartiles <"$work/shares")"
echo "slowdown: median $ratio (quartiles $low to $high), target 1.02: $(verdict "$ratio" most 1.02)"
echo "noise, plain against plain: median $noise (quartiles $noise_low to $noise_high)"
echo "CPU of record, from its start to its end: median $share of one core (third quartile $share_high), target 0.01: $(verdict "$share" most 0.01)"

# The same events by perf: its own copies of the recorder's dynamic events, as `record --list` tells
# them, with the same filters and call chains, and the same system calls.
group=gmtbench_$$
events=()

define_events() {
	local line name="" offset="" args="" filter="" chain=""
	add() {
		[ -n "$name" ] || return 0
		echo "p:$group/$name $(readlink -f "$program"):$offset $args" >>$tracing/uprobe_events
		events+=(-e "$group:$name${chain:+/call-graph=fp/}")
		[ -z "$filter" ] || events+=(--filter "$filter")
		name="" args="" filter="" chain=""
	}
	while IFS= read -r line; do
		case $line in
		'    filter: '*) filter=${line#*: } ;;
		'    with call chain') chain=yes ;;
		'    '*=*) args=${line#    } ;;
		[a-z]*' 0x'*)
			add
			read -r name _ offset _ <<<"$line"
			;;
		esac
	done <<<"$("$record" --list -- "$program")"
	add
	local call
	for call in mmap munmap mremap; do
		events+=(-e "syscalls:sys_enter_$call/call-graph=fp/" -e "syscalls:sys_exit_$call")
	done
	for call in clone clone3; do
		events+=(-e "syscalls:sys_enter_$call/call-graph=fp/"
			-e "syscalls:sys_exit_$call" --filter 'ret < 0')
	done
	events+=(-e syscalls:sys_enter_brk -e syscalls:sys_exit_brk
		-e syscalls:sys_enter_madvise --filter "$released"
		-e syscalls:sys_exit_madvise --filter 'ret < 0')
}

trap 'remove_events $group; rm -rf "$work"' EXIT

per_event() {
	local n size
	n=$(perf script -i "$1" -F event 2>/dev/null | wc -l)
	size=$(stat -c %s "$1")
	awk -v n="$n" -v size="$size" 'BEGIN { printf "%d bytes, %d events, %.1f bytes an event\n", size, n, n ? size / n : 0 }'
}

"$record" -q -o "$work/ours.gmt" -- "$program" -rounds "$rounds" >/dev/null
define_events
perf record -q -z -k CLOCK_MONOTONIC -c 1 -o "$work/perf.data" "${events[@]}" -- \
	"$program" -rounds "$rounds" >/dev/null 2>"$work/perf.log" &
pid=$!
perf_share=$(watch_cpu $pid)
wait $pid || tail -n 3 "$work/perf.log"
echo "record:         $(per_event "$work/ours.gmt")"
echo "perf record -z: $(per_event "$work/perf.data")"
echo "CPU of perf record -z on the same events: $perf_share of one core"
