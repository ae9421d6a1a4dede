#!/bin/bash
# The other ways to record: sampling switched on from outside, every allocation, counters alone; and
# what record does with files, signals and exit statuses.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
need_recording

# --- A program without heap profiling: it says so, and --set-rate switches the sampler on.
if go_program system noprofile; then
	"$record" -o "$work/off.gmt" -- "$program" -duration 1s >"$work/off.json" 2>"$work/off.log"
	same "no profiling: exit status" 0 $?
	check "no profiling: record says that nothing is sampled" grep -qi "profiling" "$work/off.log"
	same "no profiling: no births" 0 "$(count_events "$work/off.gmt" birth)"
	"$program" -duration 5s >"$work/rate.json" &
	target=$!
	background+=("$target")
	sleep 0.5
	"$record" -q --set-rate 65536 -d 3s -o "$work/rate.gmt" -p $target 2>"$work/rate.log"
	same "--set-rate: exit status" 0 $?
	wait $target
	within "--set-rate: births" "$(count_events "$work/rate.gmt" birth)" 100 1000000
	same "--set-rate: the rate was put back" 0 "$(jq .mem_profile_rate "$work/rate.json")"
fi

go_program system batch || finish

# --- Every allocation, against the program's own count of them.
"$record" -q --heap=all -m 1024 -o "$work/all.gmt" -- "$program" -scale 5 >"$work/all.json" 2>"$work/all.log"
same "--heap=all: exit status" 0 $?
mallocs=$(jq .mallocs "$work/all.json")
within "--heap=all: allocations against $mallocs of the program's count" \
	"$(perf_events "$work/all.gmt" | grep -cE ':alloc_?[a-z]*:')" $((mallocs * 95 / 100)) $((mallocs * 105 / 100))
"$record" -q --heap=all --min-size 1024 -o "$work/large.gmt" -- "$program" -scale 5 >/dev/null 2>"$work/large.log"
smaller=$(perf_events "$work/large.gmt" | sed -n 's/.*:alloc.* size=\([0-9]*\).*/\1/p' | awk '$1 < 1024' | wc -l)
same "--min-size: no smaller allocation" 0 "$smaller"
within "--min-size: larger ones are there" "$(perf_events "$work/large.gmt" | grep -c ':alloc')" 1000 1000000

# --- The counters alone: no breakpoint.
"$record" -q --heap=counters -o "$work/counters.gmt" -- "$program" -scale 20 -pause 1ms >/dev/null 2>"$work/counters.log"
same "--heap=counters: exit status" 0 $?
same "--heap=counters: no event of the heap" "" "$(perf_events "$work/counters.gmt" | grep -E ':(birth|death|alloc)' | head -n 1)"

# --- The same where tracefs cannot be had, as in many containers: nothing but memory is read.
# shellcheck disable=SC2016
no_tracefs='for m in $(awk "\$3 == \"tracefs\" || \$3 == \"debugfs\" { print \$2 }" /proc/mounts | sort -r); do
	umount "$m"; done; exec setpriv --bounding-set -sys_admin --inh-caps -sys_admin "$@"'
without_tracefs() {
	unshare -m bash -c "$no_tracefs" bash "$@"
}
without_tracefs "$record" --heap=counters -o "$work/bare.gmt" -- "$program" -scale 20 -pause 1ms \
	>/dev/null 2>"$work/bare.log"
same "no tracefs: --heap=counters: exit status" 0 $?
check "no tracefs: it says what is left out" grep -q "GC cycles and mappings are left out" "$work/bare.log"
check "no tracefs: perf reads the trace" perf script -i "$work/bare.gmt"
# The program does the same each time; which of its objects are sampled does not depend on it.
buckets() {
	"$BUILD/tests/e2e/table_dump" "$1" | awk '{ n += $1 } END { print n }'
}
within "no tracefs: sampled objects, against those that the other way counts" \
	"$(awk -v a="$(buckets "$work/bare.gmt")" -v b="$(buckets "$work/counters.gmt")" 'BEGIN { print a / b }')" \
	0.8 1.25
without_tracefs "$record" -o "$work/none.gmt" -- "$program" -scale 1 >/dev/null 2>"$work/none.log"
same "no tracefs: births need it: exit status" 125 $?
check "no tracefs: it says so" grep -q "tracefs is not mounted" "$work/none.log"

# --- Where only the mount of tracefs is denied, perf's own breakpoints are there.
hidden_tracefs() {
	# shellcheck disable=SC2016
	unshare -m bash -c 'mount -t tmpfs none /sys/kernel && exec "$@"' bash "$@"
}
if [ -e /sys/bus/event_source/devices/uprobe/type ]; then
	hidden_tracefs "$record" -o "$work/pmu.gmt" -- "$program" -out "$work" -scale 20 -pause 1ms \
		>"$work/pmu.json" 2>"$work/pmu.log"
	same "the uprobe PMU: exit status" 0 $?
	check "the uprobe PMU: the program ran as it does" jq -e '.num_gc > 0' "$work/pmu.json"
	"$analyze" "$work/pmu.gmt" --pprof "$work/end.pb.gz" -f json >"$work/pmu.report"
	same "the uprobe PMU: no birth or death is missing, by the runtime's counters" true \
		"$(jq -c '.checks[0] | .complete and .counted_births > 50' "$work/pmu.report")"
	same "the uprobe PMU: every object of the heap dump is there" true \
		"$(jq -c '.dumps[0] | .dump_objects > 0 and .matched_objects == .dump_objects' "$work/pmu.report")"
	within "the uprobe PMU: bytes, against what the program says it allocated" \
		"$(jq -n --slurpfile t "$work/pmu.json" --slurpfile r "$work/pmu.report" \
			'([$r[0].candidates[] | select(.kind == "go-heap").births_est_bytes] | add) / $t[0].total_alloc')" \
		0.8 1.25
	check "the uprobe PMU: perf reads the trace" perf script -i "$work/pmu.gmt"
else
	skip "the uprobe PMU" "this kernel has none"
fi

# --- Recorders that begin while others end: whoever takes an event out of tracefs, it is out.
for round in 1 2 3; do
	together=()
	for i in 1 2 3 4; do
		"$record" -o "$work/together-$i.gmt" -- "$program" -scale 1 -pause ${i}ms -out "$work" \
			>/dev/null 2>>"$work/together.log" &
		together+=($!)
	done
	wait "${together[@]}"
done
same "recorders at the same time warn of nothing (round $round)" "" "$(grep warning "$work/together.log")"

# --- What it says without recording.
check "--list names the probes" sh -c "'$record' --list -- '$program' | grep -q setprofilebucket"
check "--check says what works" sh -c "'$record' --check -- '$program' | grep -q yes"

# --- Files.
"$record" -q -o "$work/kept.gmt" -- "$program" -scale 1 >/dev/null
first=$(cksum <"$work/kept.gmt")
"$record" -q -o "$work/kept.gmt" -- "$program" -scale 2 >/dev/null
same "an old trace is kept" "$first" "$(cksum <"$work/kept.gmt.old")"
same "a trace is for its owner alone" 600 "$(stat -c %a "$work/kept.gmt")"

# --- Exit statuses and signals.
"$record" -q -o "$work/status.gmt" -- "$program" -phases none >/dev/null 2>&1
same "the exit status is the command's" 1 $?
start_record "$work/term.log" -o "$work/term.gmt" -- "$program" -scale 100 -pause 10ms
sleep 1.5
kill -TERM $recorder
wait $recorder
same "SIGTERM goes to the command" $((128 + 15)) $?
check "and the trace is whole" perf script -i "$work/term.gmt"
start_record "$work/int.log" -o "$work/int.gmt" -- "$program" -scale 20 -pause 10ms
sleep 1.5
kill -INT $recorder
wait_for 3 sh -c "! grep -q gmt_${recorder}_ $tracing/uprobe_events"
nothing_left "after SIGINT the breakpoints are gone while the command goes on" $recorder
wait $recorder
same "after SIGINT record ends with the command's status" 0 $?
check "the command's output is whole" jq -e '.num_gc > 0' "$work/int.log.out"
within "births up to SIGINT" "$(count_events "$work/int.gmt" birth)" 1 1000000
finish
