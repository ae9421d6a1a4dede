#!/bin/bash
# One clock and one account. The gctrace log lies right on the trace's clock: the truth comes from
# the program, which prints the moment that gctrace counts from, and from strace, which sees the line
# being written. The GC cycles that the probes saw are those of the log, figure by figure. And what is
# said of the collector equals what runtime.MemStats and debug.ReadGCStats say in the program itself.
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
	local version=$1 dir=$work/$1 offset bound method truth error
	same "Go $version: record's exit status" 0 "$(cat "$dir/status")"
	read -r offset bound method <<<"$(alignment "$dir/trace.gmt" "$dir/stderr")"
	# By the runtime's own start it would be compared with itself.
	same "Go $version: what it was placed by" "GC events" "$method"
	truth=$(jq .runtime_init_ns "$dir/truth.json")
	error=$(absolute "$offset" "$truth")
	within "Go $version: error of the offset, ns" "$error" 0 1000000
	within "Go $version: the printed bound holds it" "$error" 0 "$bound"
	within "Go $version: the bound itself, ns" "$bound" 0 1000000
	same "Go $version: no step of the wall clock is seen where there was none" "[]" \
		"$("$analyze" "$dir/trace.gmt" -f json 2>/dev/null | jq -c .trust.clock_steps)"
}

# What a line of the log says is what the runtime counted, cut: sizes to the MiB, times to the
# millisecond or, the shorter ones, to two digits and the microsecond. Whether it was forced is read
# for the line when the world runs again: a forced cycle right behind it may have set that by then
# (work.userForced, runtime/mgc.go).
lane_against_log() {
	local version=$1 dir=$work/$1
	"$analyze" "$dir/trace.gmt" --gctrace "$dir/stderr" -f json 2>/dev/null >"$dir/both.json"
	jq -c '
		def cut(times): . as $x | $x.log - 1e-6 <= $x.lane and
			$x.lane <= $x.log / 0.9 + 0.001 * times;
		def mib(size): if size == null then 0 else (size / 1048576 | floor) end;
		(.cycles | map({key: "\(.gc)", value: .}) | from_entries) as $lane
		| def kind_may(c; log): c.procs == log.procs and
			(c.forced == log.forced or (log.forced and $lane["\(log.gc + 1)"].forced));
		.alignments[0] as $a
		| [.gctrace[] | . as $log | $lane["\($log.gc)"] as $c | {gc: $log.gc, bad: [
			(if $c == null then "no cycle" else
				(if $log.time_ns - $c.start_ns | fabs <= 500001 + $a.bound_ns then empty else "start" end),
				(if mib($c.heap_start_bytes) == mib($log.heap_start_bytes) then empty else "heap0" end),
				(if mib($c.heap_peak_bytes) == mib($log.heap_peak_bytes) then empty else "heap1" end),
				(if mib($c.heap_live_bytes) == mib($log.heap_live_bytes) then empty else "heap2" end),
				(if mib($c.goal_bytes) == mib($log.goal_bytes) then empty else "goal" end),
				(if kind_may($c; $log) then empty else "kind" end),
				(if {log: $log.mark_ms, lane: (($c.mark_term_ns - $c.mark_ns) / 1e6)} | cut(1)
					then empty else "mark" end),
				(if {log: $log.pause_ms, lane: (($c.mark_ns - $c.start_ns + $c.end_ns - $c.mark_term_ns) / 1e6)} | cut(2)
					then empty else "stops" end),
				(if {log: $log.assist_ms, lane: ($c.assist_ns / 1e6)} | cut(1) then empty else "assists" end)
			end)]}]
		| {lines: length, cycles: ($lane | length), last: (map(.gc) | max),
			bad: map(select(.bad != []))[:3]}' "$dir/both.json" >"$dir/lane"
	within "Go $version: lines that are compared with the lane" "$(jq .lines "$dir/lane")" 17 100000
	same "Go $version: lines that differ from their cycle" "[]" "$(jq -c .bad "$dir/lane")"
	same "Go $version: cycles in the lane, without the log" "$(jq .last "$dir/lane")" "$(jq .cycles "$dir/lane")"
}

# figures FILE: what is said of the collector, in the program's words.
figures() {
	jq -c '.gc[0] | {num_gc: .cycles, num_forced: .forced,
		pause_total_ns: .pause_total_ns,
		gc_cpu_fraction: (.runtime_cpu_percent * 1e9 | round)}' "$1"
}

account_against_program() {
	local version=$1 dir=$work/$1 said
	"$analyze" "$dir/trace.gmt" -f json 2>/dev/null >"$dir/lane.json"
	same "Go $version: cycles, forced ones, stops and CPU share as in MemStats" \
		"$(jq -c '{num_gc, num_forced, pause_total_ns,
			gc_cpu_fraction: (.gc_cpu_fraction * 1e9 | round)}' "$dir/truth.json")" \
		"$(figures "$dir/lane.json")"
	# A ring of the last 256: cycle n stands at (n + 255) % 256.
	same "Go $version: each cycle's stops as in MemStats.PauseNs" 0 "$(jq -s '
		(.[1].pause_ns | length) as $n | .[1] as $m
		| [.[0].cycles[] | select(.gc > $m.num_gc - 256 and .pause_ns != $m.pause_ns[(.gc + 255) % 256])]
		| length' "$dir/lane.json" "$dir/truth.json")"
	# It takes the cycle before or after where we interpolate; one is 6 % of the fewest.
	said=$(jq -s -c '.[0].gc[0] as $g | .[1].gcstats_pause_quantiles_ns as $q
		| [.[1].num_gc <= 256, $g.cycle_pause_max_ns == $q[100],
			$g.cycle_pause_p50_ns >= $q[44] and $g.cycle_pause_p50_ns <= $q[56],
			$g.cycle_pause_p99_ns >= $q[93] and $g.cycle_pause_p99_ns <= $q[100]]' \
		"$dir/lane.json" "$dir/truth.json")
	same "Go $version: quantiles of the stops as in ReadGCStats" "[true,true,true,true]" "$said"
	# From the log alone: each stop cut to two digits or the microsecond, the share to a percent.
	# The runtime's own total also has the time in which the world starts again, and lacks that
	# between its reading the clock and stopping the world; where a thread has to wait for a CPU
	# then, that is as long as a stop.
	"$analyze" "$dir/trace.gmt" --gctrace "$dir/stderr" -f json 2>/dev/null >"$dir/log.json"
	same "Go $version: the same from the log, as far as it is printed" "[true,true,true,true]" "$(jq -s -c '
		.[0].gc[0] as $g | .[1] as $m | $m.gcstats_pause_quantiles_ns[100] as $longest
		| [$g.cycles == $m.num_gc, $g.forced >= $m.num_forced and $g.forced <= 2 * $m.num_forced,
			$g.pause_total_ns <= $m.pause_total_ns + 1000 * $m.num_gc + $longest and
			$m.pause_total_ns <= $g.pause_total_ns / 0.9 + 2000 * $m.num_gc + $longest,
			$g.runtime_cpu_percent <= $m.gc_cpu_fraction and $m.gc_cpu_fraction < $g.runtime_cpu_percent + 0.01]' \
		"$dir/log.json" "$dir/truth.json")"
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

# So few cycles that the ring of MemStats holds them all.
# shellcheck disable=SC2086
GOGC=400 GODEBUG=gctrace=1 record_clocks ${E2E_GO:-1.15 1.19 1.21 1.22 1.23 1.24 1.25 1.26 1.27} -- \
	-duration 2s
for version in "${recorded[@]}"; do
	against_program "$version"
	lane_against_log "$version"
	account_against_program "$version"
done
against_strace
finish
