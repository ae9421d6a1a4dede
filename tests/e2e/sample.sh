#!/bin/bash
# The recording that comes with the sources (a server that leaks, Go 1.27, 20 s) is analyzed alike on
# every machine, without any privilege: the leak is first, and the figures are those of its program.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
sample=$top/tests/data/sample
report=$work/report.txt

check "analyze reads the sample" analyzed "$report" "$sample/trace.gmt" \
	--gctrace "$sample/gc.log" --pprof "$sample/heap.pb.gz"
same "nothing on standard error" "" "$(cat "$report.err")"
same "the leak is first" "leak main.(*sessionStore).create" \
	"$(awk -F'\t' '$1 == "candidate" && $2 == 1 { print $3 " " $4 }' "$report.lines")"
same "nothing else is called a leak" "" \
	"$(awk -F'\t' '$1 == "candidate" && $3 ~ /leak/ && $2 > 1' "$report.lines")"
same "GC cycles" "$(jq .num_gc "$sample/truth.json")" \
	"$(awk -F'\t' '$1 == "process" { print $3 }' "$report.lines")"
check "no event was lost" found "$report" ok "none was lost"
check "the counters prove it complete" found "$report" ok "^Bucket table .*complete"
check "the gctrace log is placed" found "$report" ok "gc.log.*placed by GC events"
check "the heap dump agrees" found "$report" ok "^Dump .*\(100 ?%\)"
# What the program says it keeps of sessions: the estimate of the trace is within 40 % of it, which
# is four times the sampling error of its 75 or so samples.
kept=$(jq '.sites[0].bytes_kept' "$sample/truth.json")
within "live bytes of the leak against $kept" "$(live_bytes "$report")" $((kept * 6 / 10)) $((kept * 14 / 10))
check "the same report twice" sh -c "
	'$analyze' '$sample/trace.gmt' >'$work/one' && '$analyze' '$sample/trace.gmt' >'$work/two' &&
	cmp '$work/one' '$work/two'"
finish
