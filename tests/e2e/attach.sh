#!/bin/bash
# Attaching: all threads that are there are recorded, those that are born later too, and nothing
# stays behind in the process or in tracefs.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
need_recording
go_program system threads || finish

mkfifo "$work/in"
"$program" <"$work/in" >"$work/threads.json" 2>"$work/program.log" &
target=$!
background+=("$target")
exec 7>"$work/in"
check "the program started" wait_for 5 grep -q first "$work/threads.json"
sleep 0.5

start_record "$work/record.log" -o "$work/trace.gmt" -p $target -d 6s
sleep 2
echo second >&7
check "record ends by itself after its duration" wait_for 15 sh -c "! kill -0 $recorder"
status=0
wait $recorder || status=$?
same "record's exit status" 0 $status
nothing_left "no event is left in tracefs" $recorder
check "the program is still there" kill -0 $target

perf script -i "$work/trace.gmt" -F tid,event 2>"$work/perf.log" |
	awk '$2 ~ /:birth:$/ { n[$1]++ } END { for (tid in n) print tid, n[tid] }' >"$work/births"
for set in first second; do
	# A sample is rare for each thread by itself, so each must have some, not many.
	for tid in $(jq "select(.set == \"$set\") | .threads[]" "$work/threads.json"); do
		births=$(awk -v tid="$tid" '$1 == tid { print $2 }' "$work/births")
		within "births on a thread of the $set set" "${births:-0}" 1 1000000
	done
done

# The marks of the breakpoints are gone: the program goes on with the instructions of its file.
exec 7>&-
status=0
wait $target || status=$?
same "the program ran to its end" 0 $status
check "analyze reads the trace" "$analyze" "$work/trace.gmt"

# Two recorders on one process do not disturb each other.
mkfifo "$work/in2"
"$program" <"$work/in2" >"$work/threads2.json" 2>>"$work/program.log" &
target=$!
background+=("$target")
exec 7>"$work/in2"
wait_for 5 grep -q first "$work/threads2.json"
start_record "$work/one.log" -o "$work/one.gmt" -p $target -d 6s
one=$recorder
sleep 1
start_record "$work/two.log" -o "$work/two.gmt" -p $target -d 3s
two=$recorder
wait $two
same "the second recorder's exit status" 0 $?
wait $one
same "the first recorder's exit status" 0 $?
exec 7>&-
wait $target
same "the program's exit status" 0 $?
for name in one two; do
	within "births seen by recorder $name" "$(count_events "$work/$name.gmt" birth)" 20 1000000
done
nothing_left "nothing of the first is left" $one
nothing_left "nothing of the second is left" $two
finish
