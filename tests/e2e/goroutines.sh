#!/bin/bash
# What leaks beside the Go heap: goroutines (--goroutines), threads and mappings. Programs that say
# what they keep, and the same programs keeping nothing.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
need_recording

# candidate KIND FUNCTION: the candidates of a kind at a function, from $report, as JSON lines.
candidate() {
	jq -c --arg kind "$1" --arg function "$2" \
		'.candidates[] | select(.kind == $kind and .site.function == $function)' "$report"
}

# sum KIND KEY: over all candidates of a kind.
sum() {
	jq --arg kind "$1" --arg key "$2" '[.candidates[] | select(.kind == $kind)[$key]] | add // 0' "$report"
}

fact() {
	sed -n "s/^$1 //p" "$facts"
}

is_leak() {
	grep -E '"verdict":"(leak|likely-leak)"'
}

# record_program NAME ARG...: records $program with these arguments; sets $facts and $report.
record_program() {
	facts=$work/$1.facts report=$work/$1.json
	"$record" -q --goroutines -o "$work/$1.gmt" -- "$program" "${@:2}" >"$facts" 2>"$work/$1.log" || return
	set -- "$1"
	[ ! -s "$work/$1.pb.gz" ] || set -- "$1" --pprof "$work/$1.pb.gz"
	"$analyze" -f json -o "$report" "$work/$1.gmt" "${@:2}" 2>>"$work/$1.log"
}

# Goroutines: each that was started ended or is there, in every version that places its probes in
# its own way: arguments on the stack, in registers, goexit0, gdestroy.
pids=()
versions=(1.15 1.19 1.21 1.22 1.24 1.27 system)
for version in "${versions[@]}"; do
	go_program "$version" goroutines || continue
	record_program "go-$version" -duration 5s -profile "$work/go-$version.pb.gz" &
	pids+=($!)
	[ ${#pids[@]} -lt 3 ] || {
		wait "${pids[@]}"
		pids=()
	}
done
wait
for version in "${versions[@]}"; do
	facts=$work/go-$version.facts report=$work/go-$version.json name="Go $version"
	[ -s "$facts" ] || continue
	if [ ! -s "$report" ]; then
		fail "$name: it is recorded and analyzed" "$(cat "$work/go-$version.log")"
		continue
	fi
	for site in leakRequest:leaked:leaked leakDeep:deep:deep growPool:pooled:pooled serveRequest:handled:none; do
		IFS=: read -r function made left <<<"$site"
		same "$name: births at $function" "$(fact "$made")" \
			"$(candidate goroutine "main.$function" | jq .births)"
		[ "$left" = none ] || continue
		same "$name: and all of them end" 0 "$(candidate goroutine "main.$function" | jq .live)"
	done
	same "$name: leaking goroutines are all alive" "$(fact leaked)" \
		"$(candidate goroutine main.leakRequest | jq .live)"
	same "$name: what no end was seen of before its beginning" 0 "$(sum goroutine unmatched_deaths)"
	# The runtime leaves its own goroutines out of its count: some five to eight, and the workers of
	# the collector.
	within "$name: those alive beside the runtime's $(fact goroutines)" \
		"$(($(sum goroutine live) - $(fact goroutines)))" 3 40
	check "$name: the leak is found" is_leak <<<"$(candidate goroutine main.leakRequest)"
	same "$name: its go statement's function is named" main.waitForAnswer \
		"$(candidate goroutine main.leakRequest | jq -r .starts.function |
			sed -E 's/main.leakRequest.*/main.waitForAnswer/')"
	same "$name: what ends is no leak" "" "$(candidate goroutine main.serveRequest | is_leak)"
	same "$name: a pool that fills is no leak" "" "$(candidate goroutine main.growPool | is_leak)"
	check "$name: a goroutine profile tells where they wait" grep -q \
		" $(fact leaked) of $(fact leaked) that run main.waitForAnswer wait in main.waitForAnswer (main.go:" \
		<<<"$(candidate goroutine main.leakRequest | jq -r .evidence)"
	# Each holds a buffer: they are found by the goroutine, and at the site, by the stack.
	same "$name: heap that the leaking goroutines hold" \
		"$(candidate go-heap main.waitForAnswer | jq -s 'map(.live_est_bytes) | add | round')" \
		"$(candidate goroutine main.leakRequest | jq '.held_est_bytes | round')"
done

# Mappings and threads.
go_program system resources || finish
record_program leaks -duration 6s
same "resources: exit status" 0 $?
leaked=$(fact leaked)
same "mappings that are kept" "$leaked" "$(candidate mapping main.anonymous | jq 'select(.live > 0).live')"
same "and their bytes" $((leaked * 65536)) \
	"$(candidate mapping main.anonymous | jq 'select(.live > 0).live_sampled_bytes')"
check "they are a leak" is_leak <<<"$(candidate mapping main.anonymous)"
same "mappings that are unmapped at once: all" "$leaked $leaked 0" \
	"$(candidate mapping main.anonymous | jq -r 'select(.live == 0) | "\(.births) \(.deaths) \(.live)"')"
same "windows over a file: four are left" 4 "$(candidate mapping main.slideWindow | jq .live)"
same "they are no leak" "" "$(candidate mapping main.slideWindow | is_leak)"
same "the runtime's own mappings are one site, and no leak" "steady" \
	"$(jq -r '.candidates[] | select(.kind == "mapping" and .of_runtime).verdict' "$report")"
within "threads alive, of which $leaked are kept" "$(sum thread live)" "$leaked" $((leaked + 60))
check "they are a leak" is_leak <<<"$(jq -c '.candidates[] | select(.kind == "thread" and .of_runtime)' "$report")"
check "whose goroutines keep them is said" grep -q "started in main.leakThread" "$report"
same "goroutines that keep a thread" "$leaked" "$(candidate goroutine main.leakThread | jq .locked)"

# The same program, keeping nothing.
record_program innocent -duration 5s -leak=false
same "nothing kept: exit status" 0 $?
same "nothing kept: no leak of any kind" "" \
	"$(jq -r '.candidates[] | select(.verdict == "leak" or .verdict == "likely-leak") | "\(.kind) \(.site.function)"' "$report")"

# The text report has one list for all kinds, its ranks in order.
COLUMNS=120 "$analyze" "$work/leaks.gmt" >"$work/leaks.txt"
check "the text names the kinds" sh -c "grep -q 'mapping leak, ' '$work/leaks.txt' &&
	grep -q 'thread leak, ' '$work/leaks.txt' && grep -q 'goroutine leak, ' '$work/leaks.txt'"
ranks=$(sed -nE 's/^ *([0-9]+)\. .*/\1/p' "$work/leaks.txt")
same "ranks are in order" "$(sort -n <<<"$ranks")" "$ranks"
finish
