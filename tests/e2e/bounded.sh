#!/bin/bash
# A trace that is a pipe, that is bounded, that is many files, or the last minutes alone: each can be
# read by itself by analyze and perf, and files that follow one another are one recording again.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
need_recording
go_program system batch || finish
batch=$program
go_program system server || finish
cd "$work" || exit 1

# births REPORT.json: sampled births and deaths that analyze counted.
births() {
	jq -r '"\(.trust.births) \(.trust.deaths)"' "$1"
}

# said LOG: births and deaths as record's summary has them.
said() {
	sed -n 's/.* (\([0-9]*\) births, \([0-9]*\) deaths.*/\1 \2/p' "$1"
}

# complete NAME REPORT: the runtime's own counters agree with the events.
complete() {
	analyzed "$2.txt" "${@:3}"
	check "$1" found "$2.txt" ok 'Bucket table .*: complete\.$'
}

# Four recordings side by side.
"$record" -o - -- "$program" -duration 6s 2>pipe.log | "$analyze" -f json - >pipe.json 2>pipe.err &
pipe=$!
start_record rotate.log --rotate=2s -o rotated.gmt -- "$program" -duration 9s
rotate=$recorder
start_record keep.log --rotate=1s --keep 2 -o kept.gmt -- "$program" -duration 9s
keep=$recorder
start_record max.log --max-size=100K -o max.gmt -- "$batch" -scale 300 -pause 1ms
max=$recorder
start_record snapshot.log --snapshot='rss>5M' --snapshot='rss+1G/1m' --snapshot-window=8s \
	-o shot.gmt -- "$program" -duration 15s
snapshot=$recorder
sleep 7
kill -USR2 $snapshot

# --- A pipe
wait $pipe
same "analyze reads a pipe: its exit status" 0 $?
same "analyze reads a pipe: births and deaths" "$(said pipe.log)" "$(births pipe.json)"
check "a pipe has the names of the sites" jq -e '[.. | .function? // empty] | index("main.(*sessionStore).create")' pipe.json
check "what the command prints goes to standard error" grep -q '"program":"server"' pipe.log
"$record" -q -o - -- "$program" -duration 2s 2>script.log | tee pipe.data |
	perf script -i - -F event >script.out 2>script.err
check "perf script reads a pipe" grep -qE 'gmt_.*:birth:' script.out
# perf inject of 6.1 takes no tracing data from a pipe, not from perf record either.
check "perf report reads a pipe" sh -c 'perf report --stdio -i - <pipe.data 2>/dev/null | grep -q birth'
check "a terminal is refused" sh -c "script -qec \"$record -o - -- $program -duration 1s\" /dev/null | grep -q 'is a terminal'"
# A reader that goes away ends the recording, not the program.
status=0
"$record" -o - -- "$program" -duration 4s 2>epipe.log | head -c 100 >first.bytes
status=${PIPESTATUS[0]}
same "a reader that goes away: exit status" 125 $status
check "a reader that goes away: it is said" grep -qi "broken pipe" epipe.log
check "a reader that goes away: the program ran to its end" grep -q '"program":"server"' epipe.log

# --- Bounded
wait $max
same "--max-size: exit status" 0 $?
within "--max-size: the size" "$(stat -c %s max.gmt)" 102400 600000
check "--max-size: the summary says so" grep -q 'ended early: --max-size' max.log
analyzed max.txt max.gmt
check "--max-size: the report says so" found max.txt note 'ended early: --max-size'
check "--max-size: the program ran to its end" jq -e '.num_gc > 0' max.log.out

# --- Rotated
wait $rotate
same "--rotate: exit status" 0 $?
within "--rotate: how many files" "$(find . -name 'rotated.gmt.0*' | wc -l)" 3 5
"$analyze" -f json rotated.gmt.* >rotated.json
same "the files together: births and deaths" "$(said rotate.log)" "$(births rotated.json)"
complete "the files together are complete, from the start" rotated rotated.gmt.*
check "the files together: no event is out of order" sh -c '! grep -q "put in order" rotated.txt'
# A line of the report may break anywhere.
says() {
	tr -s ' \n' '  ' <"$2" | grep -qF "$1"
}
check "the files together: recorded from the start" says 'recorded from its start' rotated.txt
in_parts=0
for file in rotated.gmt.*; do
	in_parts=$((in_parts + $(count_events "$file" birth)))
done
same "perf script: births of the files together" "$(said rotate.log | cut -d' ' -f1)" "$in_parts"
complete "a file from the middle is complete by itself" middle rotated.gmt.000002
check "a file from the middle: as of an attach" says 'attached to' middle.txt
check "a file from the middle: says which it is" found middle.txt note 'number 2 of its recording'
check "a file from the middle names its sites" grep -q 'main\.' middle.txt
analyzed gap.txt rotated.gmt.000001 rotated.gmt.000003
check "a file that is missing is named" found gap.txt note 'between file 1 .* and file 3 others are missing'
check "a second recording goes on behind the first" "$record" -q --rotate=1h -o rotated.gmt -- "$program" -duration 1s
last=$(find . -name 'rotated.gmt.0*' | sort | tail -n 1)
check "its file is the next one" test "$last" = "./rotated.gmt.$(printf %06d $(($(find . -name 'rotated.gmt.0*' | wc -l))))"

wait $keep
same "--keep: exit status" 0 $?
same "--keep: how many files" 2 "$(find . -name 'kept.gmt.0*' | wc -l)"
check "--keep: the first ones are gone" test ! -e kept.gmt.000001
complete "--keep: what is left is complete" kept kept.gmt.*

# --- Snapshots
wait $snapshot
same "--snapshot: exit status" 0 $?
check "--snapshot: one for the condition" grep -qE 'shot.gmt.000001: .*rss>5M' snapshot.log
check "--snapshot: one for the signal" grep -qE 'shot.gmt.000002: .*SIGUSR2' snapshot.log
check "--snapshot: one at the end" grep -qE 'shot.gmt.000003: .*the command ended' snapshot.log
same "--snapshot: and no other" 3 "$(find . -name 'shot.gmt*' | wc -l)"
for n in 1 2 3; do
	complete "snapshot $n is complete" shot$n shot.gmt.00000$n
	check "snapshot $n: no event is out of order" sh -c "! grep -q 'put in order' shot$n.txt"
	same "snapshot $n: perf script has no complaint" "" \
		"$(perf script -i shot.gmt.00000$n -F event 2>&1 >/dev/null)"
	within "snapshot $n: births that perf sees" "$(count_events shot.gmt.00000$n birth)" 10 100000
done
check "the first one begins with the program" says 'recorded from its start' shot1.txt
check "the last one does not" says 'attached to' shot3.txt
"$analyze" -f json shot.gmt.000003 >shot3.json
within "the last one holds its window" \
	"$(jq .trace.duration_s shot3.json)" 6 16
status=0
"$analyze" shot.gmt.00000[12] >overlap.txt 2>&1 || status=$?
same "snapshots that overlap are not counted twice" 2 $status
check "and it is said" grep -q 'once more' overlap.txt

same "no event is left in tracefs" "" "$(orphaned_groups)"
finish
