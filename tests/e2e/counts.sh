#!/bin/bash
# perf reads the trace: `perf script` prints every birth and death with its arguments, as many of
# each as analyze counts, and as many births as the program's own heap profile says it sampled.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
need_recording

counts() {
	local version=$1 dir=$work/$1 births deaths bare sampled
	go_program "$version" batch || return 0
	mkdir -p "$dir"
	"$record" -q -o "$dir/trace.gmt" -- "$program" -scale 30 -pause 1ms -out "$dir" \
		>"$dir/truth.json" 2>"$dir/record.log"
	same "Go $version: record's exit status" 0 $?
	check "Go $version: perf script reads the trace" perf script -i "$dir/trace.gmt"
	perf script -i "$dir/trace.gmt" >/dev/null 2>"$dir/perf.log"
	same "Go $version: perf script says nothing on standard error" "" "$(cat "$dir/perf.log")"
	check "Go $version: perf report reads the trace" perf report --stdio -i "$dir/trace.gmt"
	perf script -i "$dir/trace.gmt" -F event,trace >"$dir/events" 2>/dev/null
	births=$(grep -c ':birth:' "$dir/events")
	deaths=$(grep -c ':death:' "$dir/events")
	within "Go $version: births that perf prints" "$births" 100 100000
	within "Go $version: deaths that perf prints" "$deaths" 100 100000
	bare=$(grep ':birth:' "$dir/events" | grep -vcE ' p=0x[0-9a-f]+ .*b=0x[0-9a-f]+ size=[0-9]+ .*goid=[0-9]+ cycle=[0-9]+')
	same "Go $version: births without their arguments" 0 "$bare"
	bare=$(grep ':death:' "$dir/events" | grep -vcE ' p=0x[0-9a-f]+ size=[0-9]+ .*cycle=[0-9]+')
	same "Go $version: deaths without their arguments" 0 "$bare"
	analyzed "$dir/report.txt" "$dir/trace.gmt"
	same "Go $version: analyze's exit status" 0 $?
	same "Go $version: births that analyze counts" "$births" "$(awk '$1 == "process" { n += $4 } END { print n }' "$dir/report.txt.lines")"
	same "Go $version: deaths that analyze counts" "$deaths" "$(awk '$1 == "process" { n += $5 } END { print n }' "$dir/report.txt.lines")"
	# The last dump shows all samples but those of its own cycle.
	sampled=$(awk '/^[0-9]+: [0-9]+ \[/ { sub(/\[/, "", $3); n += $3 } END { print n }' "$dir/end.txt")
	within "Go $version: births against the program's own count of $sampled" \
		"$births" "$sampled" $((sampled + 50))
}

for version in ${E2E_GO:-1.15 1.19 1.27}; do
	counts "$version"
done
finish
