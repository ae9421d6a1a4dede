#!/bin/bash
# --heap=span: a program says at which addresses the objects lay that it kept and that it dropped, and
# how many of each size class it allocated. Each sampled object must lie at one of its addresses, be
# found dead exactly where it was dropped, and the slots that the sampled spans stand for must be all
# the program's objects. What perf prints of the events is compared, and the readings in the trace.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

versions=${SPANS_VERSIONS:-"1.15 1.19 1.22 1.27"}
spans_check=$BUILD/tests/e2e/spans_check
need_recording

# in_folder FOLDER COMMAND...: runs it there; its output is in the file facts, its status in status.
in_folder() {
	mkdir -p "$1"
	(
		cd "$1" || exit
		"${@:2}" >facts 2>stderr
		echo $? >status
	)
}

# attached FOLDER PROGRAM: records the program from its middle on.
attached() {
	local pid recorder
	mkdir -p "$1"
	mkfifo "$1/go"
	"$2" -wait <>"$1/go" >"$1/facts" &
	pid=$!
	"$record" --heap=span -o "$1/trace.gmt" -p $pid 2>"$1/stderr" &
	recorder=$!
	wait_for 60 grep -q "^record: recording" "$1/stderr"
	echo >"$1/go"
	wait $recorder
	echo $? >"$1/status"
	wait $pid
}

# compare FOLDER TRACE: compares the trace with the facts; the findings are in FOLDER/found.
compare() {
	perf script -i "$2" --ns -F time,event,trace,ip,sym 2>/dev/null |
		awk -f "$top/tests/e2e/spans.awk" >"$1/events"
	"$spans_check" "$2" "$1/facts" <"$1/events" >"$1/found"
}

# found WORD: the number of it.
found() {
	awk -v word="$1" '$1 == word { print $2 }' "$folder/found"
}

# check_samples NAME LEAST: samples, their places and their ends.
check_samples() {
	within "$1: objects that are kept are sampled" "$(found kept)" "$2" 5000
	within "$1: and such as are dropped" "$(found dropped)" "$(($2 * 5))" 50000
	same "$1: each lies where the program has one" 0 "$(found misplaced)"
	within "$1: slots that the event does not tell" "$(found unknown_slots)" 0 20
	same "$1: what is kept is never found dead" 0 "$(found false_deaths)"
}

for version in $versions; do
	name="Go $version"
	go_program "$version" spans || continue
	folder=$work/$version
	attached "$folder/attached" "$program" &
	in_folder "$folder" "$record" -q --heap=span -o trace.gmt -- "$program"
	same "$name: exit status" 0 "$(cat "$folder/status")"
	same "$name: nothing to complain of" "" "$(cat "$folder/stderr")"
	compare "$folder" "$folder/trace.gmt"
	check_samples "$name" 300
	within "$name: what is dropped is found dead" "$(found dropped_alive)" 0 2
	within "$name: size classes with objects" "$(found sizes)" 10 61
	same "$name: the spans that are taken hold all objects, by size" "counted 1" \
		"$(grep -E '^(counted|size) ' "$folder/found")"
	wait
	folder=$folder/attached
	same "$name, attached: exit status" 0 "$(cat "$folder/status")"
	compare "$folder" "$folder/trace.gmt"
	check_samples "$name, attached" 100
	within "$name, attached: what is dropped is found dead" "$(found dropped_alive)" 0 2
done

# Each file of several: what a file does not tell is in the one before.
if go_program "${version:-system}" spans; then
	folder=$work/rotated
	in_folder "$folder" "$record" -q --heap=span --rotate 1s -o trace.gmt -- "$program" -pause 10ms
	same "rotated: exit status" 0 "$(cat "$folder/status")"
	n=0
	for trace in "$folder"/trace.gmt.*; do
		compare "$folder" "$trace"
		same "rotated, ${trace##*/}: what is kept is never found dead" "0 true" \
			"$(found false_deaths) $([ "$(found entries)" -gt 0 ] && echo true)"
		n=$((n + 1))
	done
	within "rotated: files" $n 2 20
fi

# A process that executes its program again, as servers do with a new configuration: its memory is
# another from then on. What ends within a second is not read in between.
if go_program "${version:-system}" spans; then
	folder=$work/again
	in_folder "$folder" "$record" -q --heap=span -o trace.gmt -- "$program" -pause 10ms -again
	same "executed again: exit status" 0 "$(cat "$folder/status")"
	compare "$folder" "$folder/trace.gmt"
	check_samples "executed again" 300
	within "executed again: what is dropped is found dead" "$(found dropped_alive)" 0 2
fi

# A program without heap profiling is recorded in this way by itself.
if go_program system noprofile; then
	"$record" -o "$work/auto.gmt" -- "$program" -duration 2s >"$work/auto.json" 2>"$work/auto.log"
	check "without heap profiling: record says what it does" \
		grep -q "of each span that is filled with objects one is followed" "$work/auto.log"
	within "without heap profiling: spans" "$(count_events "$work/auto.gmt" refill)" 100 1000000
	"$analyze" -f json "$work/auto.gmt" >"$work/auto.report"
	leak=$(jq -c '[.candidates[] | select(.site.function == "main.leakEntry")][0]' "$work/auto.report")
	same "without heap profiling: no object that is kept is taken for dead" 0 "$(jq .deaths <<<"$leak")"
	within "without heap profiling: how many are kept, against the program's count" \
		"$(jq -n --argjson l "$leak" --slurpfile t "$work/auto.json" \
			'$l.live_est_objects / $t[0].sites[0].objects_kept')" 0.8 1.25
fi
finish
