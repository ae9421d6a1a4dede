#!/bin/bash
# Execution traces (runtime/trace) lie on the trace's clock: each cycle of the collector in them is
# one that the probes saw, at the same time within the printed bound. Those of another run, and of
# the format before Go 1.22, are refused.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
need_recording

placed() {
	local version=$1 dir=$work/$1 cycles low high
	same "Go $version: record's exit status" 0 "$(cat "$dir/status")"
	if ! "$analyze" "$dir/trace.gmt" --gotrace "$dir/execution" -f json >"$dir/report" 2>"$dir/err"; then
		fail "Go $version: the execution trace is read" "$(cat "$dir/err")"
		return 0
	fi
	same "Go $version: it is on the trace's clock, of the first process, without reservation" \
		"[true,0,null]" "$(jq -c '.executions[0] | [.placed, .process, .problem]' "$dir/report")"
	cycles=$(jq '.executions[0].cycles_matched' "$dir/report")
	within "Go $version: GC cycles that are in both" "$cycles" 10 100000
	same "Go $version: GC cycles in it that are not" 0 \
		"$(jq '.executions[0] | .cycles_compared - .cycles_matched' "$dir/report")"
	read -r low high <<<"$(jq -r '.executions[0] | "\(.clock_low_ns) \(.clock_high_ns)"' "$dir/report")"
	within "Go $version: its clock is behind by at most, ns" "$low" -1000000 64
	within "Go $version: its clock is ahead by at most, ns" "$high" -64 1000000
	# The runtime's times of each cycle, and its events of the same, in the order of its source.
	same "Go $version: cycles of which events and times are not in their order, within the bound" "[]" \
		"$(jq -c '(.executions[0]) as $e | [.cycles[] | select(.start_ns >= $e.first_ns and .end_ns <= $e.last_ns)
			| . as $c | [$e.cycles[] | select(.end_ns >= $c.mark_term_ns - 64 and .end_ns <= $c.end_ns + 64)]
			| if length == 1 and (.[0] | .begin_ns <= $c.start_ns and
				.first_stop_begin_ns >= $c.start_ns - 64 and .first_stop_begin_ns <= $c.mark_ns and
				.second_stop_begin_ns >= $c.mark_term_ns - 64 and
				.second_stop_end_ns >= $c.end_ns - 64) then empty
			else {cycle: $c, events: .} end][:2]' "$dir/report")"
	# The heap that the last cycle left, and the goal that it set, are in its events of that time.
	same "Go $version: the last goal in both" "true" "$(jq -c '
		(.executions[0].points[-1].goal_bytes) as $goal | $goal > 4000000 and $goal < 1e9' "$dir/report")"
	within "Go $version: readings of the clocks in it" "$(jq '.executions[0].clock_readings' "$dir/report")" \
		"$(case $version in 1.2[2-4]) echo 0 ;; *) echo 1 ;; esac)" 100
	COLUMNS=100 "$analyze" "$dir/trace.gmt" --gotrace "$dir/execution" >"$dir/text" 2>&1
	check "Go $version: the text report has its section" grep -q '^Execution trace ' "$dir/text"
	check "Go $version: and says how far to trust it" \
		grep -Eq "^  ok   .*: $cycles of $cycles GC cycles in it are" <(tr -s '\n ' ' ' <"$dir/text" |
			sed 's/ ok /\n  ok   /g')
}

# stranger TRACE EXECUTION: of another run.
stranger() {
	"$analyze" "$1" --gotrace "$2" -f json 2>/dev/null |
		jq -c '.executions[0] | [.placed and .cycles_matched > 0, .problem != null]'
}

# shellcheck disable=SC2086
record_clocks ${E2E_GO_TRACE:-1.22 1.23 1.24 1.25 1.26 1.27} -- -duration 1500ms -trace execution
for version in "${recorded[@]}"; do
	placed "$version"
done
if [ ${#recorded[@]} -gt 1 ]; then
	same "one of another run is not placed by its cycles, and it is said" "[false,true]" \
		"$(stranger "$work/${recorded[0]}/trace.gmt" "$work/${recorded[1]}/execution")"
	same "nor where both ran side by side" "[false,true]" \
		"$(stranger "$work/${recorded[1]}/trace.gmt" "$work/${recorded[0]}/execution")"
fi
if clock_program 1.19; then
	"$program" -duration 100ms -trace "$work/old" >/dev/null
	"$analyze" "$work/${recorded[0]}/trace.gmt" --gotrace "$work/old" >/dev/null 2>"$work/old.log"
	same "exit status with one of the format before Go 1.22" 2 $?
	check "it is refused by its format" grep -q "the format of Go 1.19" "$work/old.log"
fi
finish
