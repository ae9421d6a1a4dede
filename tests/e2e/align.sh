#!/bin/bash
# The gctrace log lies right on the trace's clock. The truth comes from the program, which prints
# the moment that gctrace counts from; and from strace, which sees the line being written.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
need_recording

# alignment TRACE LOG: offset and bound in nanoseconds, as the analyzer has them, and how it came to
# them.
alignment() {
	"$analyze" "$1" --gctrace "$2" -f json 2>"$work/analyze.log" |
		jq -r '.alignments[0] | "\(.offset_ns) \(.bound_ns) \(.method)"'
}

against_program() {
	local version=$1 flags=() dir=$work/$1 offset bound method truth error
	case $version in
	1.2[3-9]) flags=(-ldflags=-checklinkname=0) ;;
	esac
	go_program "$version" clock "${flags[@]}" || return 0
	mkdir -p "$dir"
	GODEBUG=gctrace=1 "$record" -q -o "$dir/trace.gmt" -- "$program" -duration 3s \
		>"$dir/truth.json" 2>"$dir/gc.log"
	same "Go $version: record's exit status" 0 $?
	read -r offset bound method <<<"$(alignment "$dir/trace.gmt" "$dir/gc.log")"
	# By the runtime's own start it would be compared with itself.
	same "Go $version: what it was placed by" "GC events" "$method"
	truth=$(jq .runtime_init_ns "$dir/truth.json")
	error=$(absolute "$offset" "$truth")
	within "Go $version: error of the offset, ns" "$error" 0 1000000
	within "Go $version: the printed bound holds it" "$error" 0 "$bound"
	within "Go $version: the bound itself, ns" "$bound" 0 1000000
}

absolute() {
	awk -v a="$1" -v b="$2" 'BEGIN { d = a - b; printf "%d", d < 0 ? -d : d }'
}

# strace gives the moment of the first write of each line, which comes after the end of the cycle
# that it tells of; `@` and the line's own clock phases give that end on gctrace's clock. So no
# line may seem to be written before its cycle ended, and the quickest one is soon after it.
against_strace() {
	local offset bound method
	go_program system clock || return 0
	GODEBUG=gctrace=1 strace -f -ttt -e trace=write -s 300 -o "$work/strace" \
		"$program" -duration 6s >"$work/strace.json" 2>"$work/strace-gc.log" &
	local tracer=$!
	background+=("$tracer")
	wait_for 5 pgrep -P $tracer
	local target
	target=$(pgrep -P $tracer | head -n 1)
	"$record" -q -d 4s -o "$work/strace.gmt" -p "$target" 2>"$work/strace-record.log"
	same "strace: record's exit status" 0 $?
	wait $tracer
	read -r offset bound method <<<"$(alignment "$work/strace.gmt" "$work/strace-gc.log")"
	same "strace: what it was placed by" "GC events" "$method"
	# strace has the wall clock, the program says how far that is from the monotonic one.
	local shift_ns
	shift_ns=$(jq '.wall_ns - .mono_ns' "$work/strace.json")
	awk -f "$top/tests/e2e/gctrace-writes.awk" -v offset="$offset" -v shift="$shift_ns" \
		"$work/strace" "$work/strace-gc.log" | sort -g >"$work/delays"
	within "strace: lines compared" "$(wc -l <"$work/delays")" 20 100000
	# `@` is cut to the millisecond, so a delay may seem up to a millisecond longer, never shorter.
	within "strace: the shortest delay from a cycle's end to its line, ms" \
		"$(head -n 1 "$work/delays")" -0.05 1.5
	within "strace: bound, ns" "$bound" 0 1000000
}

for version in ${E2E_GO:-1.15 1.19 1.27}; do
	against_program "$version"
done
against_strace
finish
