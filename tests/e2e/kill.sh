#!/bin/bash
# A recorder that is killed harms nobody: the program runs on, the file is readable up to a second
# before, and the next recorder removes what the dead one left in tracefs.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
need_recording
go_program system batch || finish

"$program" -scale 100 -pause 8ms -phases mixed,mixed >"$work/truth.json" 2>"$work/program.log" &
target=$!
background+=("$target")
start_record "$work/record.log" -o "$work/trace.gmt" -p $target
wait_for 15 grep -q "SIGINT ends it" "$work/record.log"
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
check "analyze reads the file" analyzed "$work/report.txt" "$work/trace.gmt"
check "it says what is missing" found "$work/report.txt" note 'breaks off.*killed.*missing are'
check "it names the allocation sites" grep -q ' main\.' "$work/report.txt"

check "the next recording works" "$record" -o "$work/next.gmt" -- "$program" -scale 1
left=$(event_groups | grep -F "$groups" || true)
same "it removed what the killed one had left" "" "$left"

# Twenty kills at random moments: each file is read by perf and analyze up to the last flush, which
# is every second.
now() {
	awk '/^now at/ { printf "%.3f\n", $3 / 1e9; exit }' /proc/timer_list
}

# killed N AFTER: records for AFTER seconds and is killed; writes how long before that the last event
# of its file is.
killed() {
	local file=$work/killed-$1.gmt log=$work/killed-$1.log pid at
	"$record" -o "$file" -p $target >"$log" 2>&1 &
	pid=$!
	wait_for 20 grep -q "SIGINT ends it" "$log"
	sleep "$2"
	kill -KILL $pid
	at=$(now)
	wait $pid 2>/dev/null
	if ! perf script -i "$file" -F time,event >"$file.events" 2>"$file.err"; then
		echo "perf script fails"
	elif ! "$analyze" "$file" >"$file.txt" 2>"$file.err"; then
		echo "analyze fails"
	elif ! grep -q 'breaks off' "$file.txt"; then
		echo "analyze does not say that it breaks off"
	else
		awk -v at="$at" '/:birth:/ { sub(":", "", $1); last = $1 } END { printf "%.3f\n", at - last }' \
			"$file.events"
	fi >"$work/killed-$1.before"
}

if [ -r /proc/timer_list ]; then
	go_program system server || finish
	"$program" -duration 300s >"$work/server.json" 2>"$work/server.log" &
	target=$!
	background+=("$target")
	wait_for 20 grep -q listening "$work/server.log"
	RANDOM=4711
	for batch in 1 2 3 4; do
		jobs=()
		for i in 1 2 3 4 5; do
			killed $batch-$i "$((RANDOM % 3 + 1)).$((RANDOM % 900 + 100))" &
			jobs+=($!)
		done
		wait "${jobs[@]}"
	done
	cat "$work"/killed-*.before >"$work/before"
	same "files of killed recorders that perf and analyze read" 20 "$(grep -cE '^-?[0-9.]+$' "$work/before")"
	# A machine that is busy elsewhere lets a flush come late: most of them are in time.
	within "of these, with a last event within 1.2 s of the kill" "$(awk '$1 < 1.2' "$work/before" | wc -l)" 15 20
	within "the longest time that was lost, in seconds" "$(sort -g "$work/before" | tail -n 1)" 0 10
	check "the program is still there after twenty of them" kill -0 $target
	kill -KILL $target
	wait $target 2>/dev/null
	check "the next recording removes what they left" "$record" -q -o "$work/last.gmt" -- "$program" -duration 1s
	same "no event is left in tracefs" "" "$(orphaned_groups)"
else
	skip "twenty kills" "no /proc/timer_list to read the clock from"
fi
finish
