#!/bin/bash
# A recorder that is killed harms nobody: the program runs on, the file is readable up to there, and
# the next recorder removes what the dead one left in tracefs.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
need_recording
go_program system batch || finish

"$program" -scale 100 -pause 5ms -phases mixed,mixed >"$work/truth.json" 2>"$work/program.log" &
target=$!
background+=("$target")
start_record "$work/record.log" -o "$work/trace.gmt" -p $target
sleep 4
groups=$(event_groups | grep "^gmt_${recorder}_" || true)
check "the recorder had events in tracefs" test -n "$groups"
kill -KILL $recorder
wait $recorder 2>/dev/null

sleep 0.5
check "the program is still there after the recorder was killed" kill -0 $target
status=0
wait $target || status=$?
same "the program ran to its end" 0 $status
check "the program's own account is whole" jq -e '.num_gc > 0' "$work/truth.json"

check "perf script reads the file" perf script -i "$work/trace.gmt"
births=$(count_events "$work/trace.gmt" birth)
within "births up to there" "$births" 5 100000
check "analyze reads the file" "$analyze" "$work/trace.gmt"

check "the next recording works" "$record" -o "$work/next.gmt" -- "$program" -scale 1
left=$(event_groups | grep -F "$groups" || true)
same "it removed what the killed one had left" "" "$left"
finish
