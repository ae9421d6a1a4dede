#!/bin/bash
# Further events: page faults against what a program knows of its own, tracepoints and probes against
# perf, and what is refused.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/e2e/faults-lib.sh
. "$(dirname "$0")/faults-lib.sh"
need_recording
cd "$work" || exit 1

# --- Page faults. The last reading of the mappings, which tells whose memory it is, comes each second.
faults() {
	local version=$1 name=faults-$1 status=0 faults touched
	go_program "$version" touch || return 0
	"$record" --faults -o "$name.gmt" -- "$program" -linger 2500ms >"$name.truth" 2>"$name.record" || status=$?
	same "Go $version: the exit status" 0 $status
	check "Go $version: analyze" faults_of "$name.gmt" "$name"
	same "Go $version: analyze says nothing on standard error" "" "$(cat "$name.log")"
	faults=$(jq .faults "$name.truth")
	touched=$(jq '.touched_pages * .page_bytes' "$name.truth")
	# The kernel's own count has some of the time before the exec, the trace some of the exit.
	within "Go $version: faults against the kernel's count, $faults" \
		"$(jq '.faults[0].faults' "$name.json")" $((faults - 200)) $((faults + 200))
	same "Go $version: as many as record says" \
		"$(sed -n 's/^record: m[a-z]*-faults: //p' "$name.record" | awk '{ n += $1 } END { print n }')" \
		"$(jq '.faults[0].faults' "$name.json")"
	# Its objects lie on pages of their own, of which the runtime may touch some first; and it touches
	# its code and its variables.
	within "Go $version: first touches by main.touch, of $touched bytes" \
		"$(function_touches "$name" main.touch)" $((touched * 98 / 100)) $((touched + 65536))
	within "Go $version: first touches on the Go heap" \
		"$(first_touches "$name" go_heap)" $((touched * 98 / 100)) $((touched + (4 << 20)))
	same "Go $version: the sums by owner and by time are the whole" \
		"$(jq '.faults[0] | [.first_touch_bytes, .first_touch_bytes]' -c "$name.json")" \
		"$(jq '.faults[0] | [([.owners[].first_touch_bytes] | add), ([.timeline[].first_touch_bytes[]] | add)]' -c "$name.json")"
	within "Go $version: untouched share of what is left alone, in percent" \
		"$(awk -v a="$(untouched "$name" main.allocateUntouched untouched_est_bytes)" \
			-v b="$(untouched "$name" main.allocateUntouched est_bytes)" 'BEGIN { if (b) print 100 * a / b }')" 85 100
	within "Go $version: untouched share of what is touched, in percent" \
		"$(awk -v a="$(untouched "$name" main.allocateTouched untouched_est_bytes)" \
			-v b="$(untouched "$name" main.allocateTouched est_bytes)" 'BEGIN { if (b) print 100 * a / b }')" 0 1
	check "Go $version: the text report has them" grep -q "Go heap .* main.touch" "$name.txt"
}

for version in ${E2E_GO:-1.19 1.27}; do
	faults "$version"
done
go_program 1.19 touch || finish

# --- perf's own recording of the same: no names, and of the mappings only the hint of the heap.
if perf record -q -e page-faults -c 1 -d -g -o perf.data -- "$program" >perf.truth 2>perf.log; then
	check "a perf.data with page faults" faults_of perf.data perf
	touched=$(jq '.touched_pages * .page_bytes' perf.truth)
	within "perf.data: first touches on the Go heap, of $touched bytes" \
		"$(first_touches perf go_heap)" $((touched * 98 / 100)) $((touched + (4 << 20)))
else
	skip "a perf.data with page faults" "$(tail -n 1 perf.log)"
fi

# --- Other events, as many as perf finds in the trace, and as the program knows.
start_record other.log -e 'sched:sched_swit*,context-switches' -e "uprobe:$program:main.touch b=%ax:x64" \
	-e "p:mine $program:main.touch+0" -o other.gmt -- "$program"
wait $recorder
same "-e: the exit status" 0 $?
check "-e: analyze" faults_of other.gmt other
perf script -i other.gmt -F event 2>/dev/null | sed 's/^ *gmt_[^:]*_x://; s/^ *//; s/: *$//' >other.events
for name in sched:sched_switch context-switches main_touch mine; do
	same "-e: events $name, as perf counts them" "$(grep -cx "$name" other.events)" \
		"$(jq "[.other_events[] | select(.name == \"$name\") | .count] | add // 0" other.json)"
done
within "-e: context switches" "$(grep -cx context-switches other.events)" 1 1000000
same "-e: calls of main.touch" "$(jq .touch_calls other.log.out)" "$(grep -cx main_touch other.events)"
nothing_left "-e: no event is left" $recorder
# A filter, and the stack of a tracepoint.
"$record" -q -e 'exceptions:page_fault_user/address >= 0xc000000000/' --heap off -o filter.gmt -- "$program" \
	>filter.truth 2>filter.log
if grep -q 'no such system' filter.log; then
	skip "-e with a filter" "this kernel has no exceptions:page_fault_user"
else
	check "-e with a filter: analyze" faults_of filter.gmt filter
	touched=$(jq '.touched_pages * .page_bytes' filter.truth)
	within "-e with a filter: its page faults are used" "$(function_touches filter main.touch)" \
		$((touched * 98 / 100)) $((touched + 65536))
fi

# --- Page faults need no tracefs, and no Go.
unshare -m bash -c 'mount -t tmpfs none /sys/kernel && exec "$@"' bash \
	"$record" -q --faults --heap off -o plain.gmt -- "$program" >plain.truth 2>plain.log
same "without tracefs: the exit status" 0 $?
check "without tracefs: analyze" faults_of plain.gmt plain
touched=$(jq '.touched_pages * .page_bytes' plain.truth)
within "without tracefs: first touches by main.touch" "$(function_touches plain main.touch)" \
	$((touched * 98 / 100)) $((touched + 65536))
"$record" --faults -o c.gmt -- "$(command -v ls)" -R /usr/lib >c.out 2>c.log
same "a program that is not Go: the exit status" 0 $?
check "a program that is not Go: analyze" faults_of c.gmt c
within "a program that is not Go: faults against record's count" "$(jq '.faults[0].faults' c.json)" \
	"$(sed -n 's/^record: minor-faults: //p' c.log)" 1000000

# --- What cannot be, with the reason and the remedy.
# refused NAME PATTERN ARG...
refused() {
	local name=$1 pattern=$2 status=0
	shift 2
	"$record" "$@" -o refused.gmt -- "$program" >/dev/null 2>refused.log || status=$?
	same "$name: the exit status" 125 $status
	check "$name: the reason" grep -qE "$pattern" refused.log
	same "$name: reason and remedy" 2 "$(wc -l <refused.log)"
}
refused "a return of Go" "return address" -e "uretprobe:$program:main.touch"
refused "inside an instruction" "no instruction" -e "uprobe:$program:main.touch+1"
refused "no such function" "no function main.nope" -e "uprobe:$program:main.nope"
refused "no such tracepoint" "no tracepoint of that name" -e sched:nope
refused "a bad filter" "filter" -e 'sched:sched_switch/nope == 1/'
refused "a bad argument" "register|argument" -e "uprobe:$program:main.touch x=%nope"
if [ -e $tracing/kprobe_events ]; then
	refused "no such kernel function" "refused" --kprobe no_such_function_at_all
else
	refused "no kprobes" "no kprobes" --kprobe 'handle_mm_fault address=%si:x64'
	check "--check says that there are none" sh -c "'$record' --check | grep -q '^no .*kprobes'"
fi
finish
