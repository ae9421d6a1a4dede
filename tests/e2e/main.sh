#!/bin/bash
# The way of the demo: a server is recorded with its gctrace log and heap dumps, and the analysis
# names its leak first, knows its cache for a cache, and shows the time line.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
need_recording

server() {
	local version=$1 dir=$work/$1 status=0 dumps=() dump
	go_program "$version" server || return 0
	mkdir -p "$dir"
	GODEBUG=gctrace=1 "$record" -o "$dir/trace.gmt" -- "$program" -duration 20s \
		-heap "$dir/heap.pb.gz" -heap-every 7s >"$dir/truth.json" 2>"$dir/gc.log" || status=$?
	same "Go $version: the exit status is the server's" 0 $status
	check "Go $version: the server served" jq -e '.failed == 0 and .requests > 1000' "$dir/truth.json"
	for dump in "$dir"/heap*.pb.gz; do
		dumps+=(--pprof "$dump")
	done
	analyzed "$dir/report.txt" "$dir/trace.gmt" --gctrace "$dir/gc.log" "${dumps[@]}" || status=$?
	same "Go $version: analyze's exit status" 0 $status
	same "Go $version: analyze says nothing on standard error" "" "$(cat "$dir/report.txt.err")"
	judgement "$version" "$dir"
}

judgement() {
	local version=$1 dir=$2 leak cycles kept low high lines=$2/report.txt.lines
	leak=$(awk -F"\t" '$1 == "candidate" && $2 == 1 { print $3 " " $4 }' "$lines")
	check "Go $version: the leak is first, and called one" \
		grep -qE '^(likely )?leak main\.\(\*sessionStore\)\.create$' <<<"$leak"
	same "Go $version: nothing but the sessions is called a leak" "" \
		"$(awk -F"\t" '$1 == "candidate" && $3 ~ /leak/ && $4 !~ /sessionStore/' "$lines")"
	check "Go $version: no event was lost" found "$dir/report.txt" ok "none was lost"
	check "Go $version: the events are complete by the counters" \
		found "$dir/report.txt" ok "^Bucket table .*complete"
	check "Go $version: the gctrace log is placed" found "$dir/report.txt" ok "gc.log.*placed by GC events"
	same "Go $version: the dumps that agree at 100 %" 3 \
		"$(found "$dir/report.txt" ok "^Dump .*\(100 ?%\)" | wc -l)"
	cycles=$(jq .num_gc "$dir/truth.json")
	within "Go $version: GC cycles against the server's $cycles" \
		"$(awk -F"\t" '$1 == "process" { print $3 }' "$lines")" $((cycles - 1)) "$cycles"
	# A site with so many samples (kept bytes over the sampling rate) has a standard error of one over
	# their root; five of them are allowed.
	kept=$(jq ".sites[0].bytes_kept" "$dir/truth.json")
	read -r low high <<<"$(awk -v b="$kept" 'BEGIN { e = 5 * b / sqrt(b / 524288); printf "%d %d", b - e, b + e }')"
	within "Go $version: live bytes of the leak against $kept" "$(live_bytes "$dir/report.txt")" "$low" "$high"
	within "Go $version: rows of the time line" "$(grep -c "^row" "$lines")" 5 40
}

for version in ${E2E_GO:-1.19 1.27}; do
	server "$version"
done
finish
