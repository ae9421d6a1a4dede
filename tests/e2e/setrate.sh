#!/bin/bash
# Sampling switched on from outside, in a program whose linker left heap profiling out: every sample
# is in the trace by the runtime's own count, and the program has its own rate again afterwards, also
# where the recorder was killed.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
need_recording

versions=${E2E_GO_RATE:-1.19 1.27}
rate=16384

# complete NAME TRACE: the analyzer holds the trace against the bucket table, and neither is empty.
complete() {
	local name=$1 counted births deaths
	counted=$("$analyze" "$2" 2>&1 | tr -s ' \n' ' ' |
		sed -n 's/.*the runtime counted \([0-9,]*\) births and \([0-9,]*\) deaths, the trace holds \1 and \2: complete.*/\1 \2/p' |
		tr -d ,)
	read -r births deaths <<<"$counted"
	within "$name: births, by the bucket table complete" "${births-}" 500 10000000
	within "$name: deaths, by the bucket table complete" "${deaths-}" 100 10000000
}

# Starts the program; its PID is in $target.
start() {
	"$program" -duration "$1" >"$2" &
	target=$!
	background+=("$target")
	sleep 0.4
}

# has_rate NAME WANTED FILE: the rate that the program itself saw at its end.
has_rate() {
	same "$1" "$2" "$(jq .mem_profile_rate "$3")"
}

started() {
	local name="Go $1, command" dir=$2
	"$record" -q --set-rate $rate -o "$dir/command.gmt" -- "$program" -duration 2s \
		>"$dir/command.json" 2>"$dir/command.log"
	same "$name: exit status" 0 $?
	has_rate "$name: the program runs at the rate" $rate "$dir/command.json"
	complete "$name" "$dir/command.gmt"
	# At the rate from the start, so what was allocated tells how many are picked: a few less, since
	# the sampler counts anew behind each object that it picks.
	within "$name: births for each $rate bytes that the program allocated, in %" \
		"$(jq --argjson births "$(count_events "$dir/command.gmt" birth)" --argjson rate $rate \
			'$births * $rate * 100 / .total_alloc' "$dir/command.json")" 85 110
}

attached() {
	local name="Go $1, attached" dir=$2
	start 4s "$dir/attached.json"
	"$record" -q --set-rate $rate -d 2s -o "$dir/attached.gmt" -p $target 2>"$dir/attached.log"
	same "$name: exit status" 0 $?
	complete "$name" "$dir/attached.gmt"
	wait $target
	has_rate "$name: the program has its own rate again" 0 "$dir/attached.json"
}

# The allocations that the last reading of a table counts.
table_allocs() {
	"$BUILD/tests/e2e/table_dump" "$1" 2>/dev/null | awk '{ n += $1 } END { print n + 0 }'
}

# No breakpoint: the table alone, which has nothing in it before.
counters() {
	local name="Go $1, counters" dir=$2 first second
	start 5s "$dir/counters.json"
	"$record" -q --heap=counters --set-rate $rate -d 1500ms -o "$dir/first.gmt" -p $target 2>"$dir/first.log"
	same "$name: exit status" 0 $?
	"$record" -q --heap=counters --set-rate $rate -d 1500ms -o "$dir/second.gmt" -p $target 2>"$dir/second.log"
	same "$name: exit status of a second recording" 0 $?
	first=$(table_allocs "$dir/first.gmt")
	second=$(table_allocs "$dir/second.gmt")
	within "$name: allocations in the table" "$first" 300 10000000
	within "$name: it grows" "$second" $((first + 300)) 10000000
	same "$name: no birth is recorded" 0 "$(count_events "$dir/second.gmt" birth)"
	wait $target
	has_rate "$name: the program has its own rate again" 0 "$dir/counters.json"
}

# A recorder that is killed cannot put the rate back: the program runs on at it, until the next
# recorder, whatever it records, reads what the killed one wrote down.
killed() {
	local name="Go $1, killed" dir=$2
	start 8s "$dir/killed.json"
	start_record "$dir/killed.log" -q --set-rate $rate -o "$dir/killed.gmt" -p $target
	# What the kernel has kept is written once there is enough of it.
	check "$name: the recording has begun" \
		wait_for 5 sh -c "[ \$(stat -c %s '$dir/killed.gmt') -gt 80000 ]"
	kill -KILL $recorder
	wait $recorder 2>/dev/null
	check "$name: the program is still there" kill -0 $target
	within "$name: births up to there" "$(count_events "$dir/killed.gmt" birth)" 100 10000000
	check "$name: the next recording works" "$record" -q --heap=off -o "$dir/next.gmt" -- \
		"$program" -duration 100ms
	wait $target
	same "$name: the program ran to its end" 0 $?
	has_rate "$name: the next recorder put the rate back" 0 "$dir/killed.json"
}

for version in $versions; do
	go_program "$version" noprofile || continue
	dir=$work/$version
	mkdir -p "$dir"
	started "$version" "$dir"
	attached "$version" "$dir"
	counters "$version" "$dir"
	killed "$version" "$dir"
done
finish
