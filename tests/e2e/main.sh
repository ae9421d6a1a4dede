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
	"$analyze" "$dir/trace.gmt" --gctrace "$dir/gc.log" "${dumps[@]}" \
		>"$dir/report.txt" 2>"$dir/analyze.log" || status=$?
	same "Go $version: analyze's exit status" 0 $status
	same "Go $version: analyze says nothing on standard error" "" "$(cat "$dir/analyze.log")"
	judgement "$version" "$dir"
}

judgement() {
	local version=$1 dir=$2 leak cycles
	"$analyze" "$dir/trace.gmt" --gctrace "$dir/gc.log" -f json >"$dir/report.json" 2>>"$dir/analyze.log"
	leak=$(jq -r '.candidates[0].function' "$dir/report.json")
	same "Go $version: the first candidate is the leak" "main.(*sessionStore).create" "$leak"
	check "Go $version: it is called a leak" jq -e \
		'.candidates[0].verdict | test("leak")' "$dir/report.json"
	check "Go $version: the cache is not" jq -e \
		'[.candidates[] | select(.function | test("pageCache")) | .verdict | test("leak")] | any | not' \
		"$dir/report.json"
	check "Go $version: the garbage is not" jq -e \
		'[.candidates[] | select(.function | test("buildReport")) | .verdict | test("leak")] | any | not' \
		"$dir/report.json"
	# What the trace estimates against what the server says it keeps: within the sampling error of
	# some 150 samples.
	cycles=$(jq .num_gc "$dir/truth.json")
	within "Go $version: GC cycles against the server's $cycles" \
		"$(jq '.gc_cycles | length' "$dir/report.json")" $((cycles - 2)) "$cycles"
}

for version in ${E2E_GO:-1.19 1.27}; do
	server "$version"
done
finish
