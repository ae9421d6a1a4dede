#!/bin/bash
# Goroutines that were there before the recorder came, or before a file of its recording began: as
# many as the runtime itself counts, by the go statements that its own dump names; their ends pair.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
need_recording

# begin NAME BINARY ARG...: starts it with pipes for its input and output, $in and $out.
begin() {
	mkfifo "$work/$1.in"
	"${@:2}" <"$work/$1.in" >"$work/$1.out" 2>"$work/$1.log" &
	target=$!
	exec {in}>"$work/$1.in"
	wait_for 30 grep -q ready "$work/$1.out"
}

# tell NAME LINE: one line to the program, and its answer in $answer.
tell() {
	local lines
	lines=$(wc -l <"$work/$1.out")
	echo "$2" >&"$in"
	wait_for 30 sh -c "[ \$(wc -l <'$work/$1.out') -gt $lines ]" || return 1
	answer=$(tail -n 1 "$work/$1.out")
}

# created DUMP: how many goroutines each go statement's function made, by the runtime's own dump.
created() {
	sed -nE 's/^created by ([^ ]*).*/\1/p' "$1" | grep -v '^runtime\.' | sort | uniq -c | awk '{ print $2, $1 }'
}

# by_statement KEY: the same by $report.
by_statement() {
	jq -r --arg key "$1" '.goroutines[0].statements[] | select(.of_runtime | not) |
		select(.function | startswith("runtime.") | not) | select(.[$key] > 0) |
		"\(.function) \(.[$key])"' "$report" |
		awk '{ n[$1] += $2 } END { for (f in n) print f, n[f] }' | sort
}

number() {
	jq "[.goroutines[0].statements[] | select(.of_runtime | not)[\"$1\"]] | add" "$report"
}

# attach NAME: $program is told to change while it is recorded. What comes of it is looked at later.
attach() {
	local name=$1 recorder=
	begin "$name" "$program"
	{
		tell "$name" "state $work/$name.before" && echo "before $answer"
		"$record" --goroutines -p $target -o "$work/$name.gmt" >"$work/$name.record" 2>&1 &
		recorder=$!
		wait_for 60 grep -q 'SIGINT ends it' "$work/$name.record"
		tell "$name" "end 300"
		tell "$name" "start 120"
		tell "$name" "end 60"
		tell "$name" "state $work/$name.after" && echo "after $answer"
		kill -INT $recorder
		wait $recorder
		echo "status $?"
	} >"$work/$name.facts"
	exec {in}>&-
	wait $target
}

fact() {
	sed -n "s/^$1 //p" "$facts"
}

names=()
for version in 1.15 1.19 1.27; do
	go_program $version standing || continue
	attach go-$version &
	names+=("go-$version")
	go_program $version standing -ldflags=-s\ -w || continue
	attach stripped-$version &
	names+=("stripped-$version")
	wait
done
wait
for name in "${names[@]}"; do
	facts=$work/$name.facts report=$work/$name.json
	same "$name: record's exit status" 0 "$(fact status)"
	"$analyze" -f json -o "$report" "$work/$name.gmt" 2>"$work/$name.analyze" || {
		fail "$name: it is analyzed" "$(cat "$work/$name.analyze")"
		continue
	}
	same "$name: goroutines before, by the runtime's own count" \
		"$(fact before)" "goroutines $(number before)"
	same "$name: at the end" "$(fact after)" "goroutines $(number now)"
	same "$name: before, by go statement" "$(created "$work/$name.before")" "$(by_statement before)"
	same "$name: at the end, by go statement" "$(created "$work/$name.after")" "$(by_statement now)"
	same "$name: started, and ended of these and of those before" "120 360" \
		"$(jq -r '.goroutines[0].statements[] | select(.function == "main.startWaiter") |
			"\(.started) \(.ended + .before_ended)"' "$report")"
	# Those that wait, each for its own reason.
	same "$name: what they waited for" "chan receive 500" \
		"$(jq -r '.goroutines[0].statements[] | select(.function == "main.startWaiter") |
			"\(.waits_for) \(.waiting)"' "$report")"
	same "$name: and others" "select 7" \
		"$(jq -r '.goroutines[0].statements[] | select(.function == "main.startSelect") |
			"\(.waits_for) \(.waiting)"' "$report")"
	same "$name: none of them is a leak" "" \
		"$(jq -r '.candidates[] | select(.kind == "goroutine" and (.verdict | test("leak"))) | .site.function' "$report")"
	most=$(jq '.metrics["goroutines.max"]' "$report")
	within "$name: the gate's goroutines.max" "$most" \
		"$(($(fact before | cut -d' ' -f2)))" "$(($(fact before | cut -d' ' -f2) + 40))"
done

# Ones that end while the list is read, and files that begin in the middle: each file by itself.
if go_program 1.27 standing; then
	name=churn
	begin $name "$program" -churn 4
	"$record" --goroutines --rotate=1s -p $target -d 4s -o "$work/churn" >"$work/churn.record" 2>&1
	same "churn: record's exit status" 0 $?
	exec {in}>&-
	wait $target
	for file in "$work"/churn.00000?; do
		report=$file.json
		"$analyze" -f json -o "$report" "$file" 2>"$file.log" ||
			fail "$(basename "$file"): it is analyzed" "$(cat "$file.log")"
		same "$(basename "$file"): those that stay, at its beginning and end" "500 500 40 40 7 7" \
			"$(for function in startWaiter startLocked startSelect; do
				jq -r --arg f "main.$function" '.goroutines[0].statements[] | select(.function == $f) |
					"\(.before) \(.now)"' "$report"
			done | xargs)"
		within "$(basename "$file"): of those that end at once, there are at its end" \
			"$(jq '[.goroutines[0].statements[] | select(.function == "main.startBrief").now] | add // 0' "$report")" 0 40
	done
	"$analyze" -f json -o "$work/all.json" "$work"/churn.00000? 2>"$work/all.log"
	report=$work/all.json
	same "churn: all files together" "500 500" \
		"$(jq -r '.goroutines[0].statements[] | select(.function == "main.startWaiter") | "\(.before) \(.now)"' "$report")"
	same "churn: and from a moment in it on" "500 500" \
		"$("$analyze" --from 2s -f json "$work"/churn.00000? 2>/dev/null |
			jq -r '.goroutines[0].statements[] | select(.function == "main.startWaiter") | "\(.before) \(.now)"')"
fi
COLUMNS=120 "$analyze" "$work/go-1.27.gmt" >"$work/text"
check "the text tells of them" grep -q 'were there when the recording began: 548 of the program' "$work/text"
check "and what they wait for" grep -q '500 waited at the beginning: chan receive' "$work/text"
finish
