# Sourced by the tests of page faults, behind lib.sh. The program `touch` tells what it touched.
# shellcheck shell=bash

# faults_of TRACE NAME: analyzes into NAME.json and NAME.txt.
faults_of() {
	"$BIN/analyze" -f json "$1" >"$2.json" 2>"$2.log" && "$BIN/analyze" "$1" >"$2.txt" 2>>"$2.log"
}

# The first touches of the process that has the most, by owner; of all owners; of a function.
first_touches() {
	jq "[.faults | max_by(.first_touch_bytes) | .owners[] | select(.owner == \"$2\")
		| .first_touch_bytes] | add // 0" "$1.json"
}
all_first_touches() {
	jq '.faults | max_by(.first_touch_bytes) | .first_touch_bytes' "$1.json"
}
function_touches() {
	jq "[.faults | max_by(.first_touch_bytes) | .sites[] | select(.site.function == \"$2\")
		| .first_touch_bytes] | add // 0" "$1.json"
}

# heap_share NAME: of all first touches, in percent.
heap_share() {
	awk -v a="$(first_touches "$1" go_heap)" -v b="$(all_first_touches "$1")" 'BEGIN { print 100 * a / b }'
}

# untouched NAME FUNCTION FIELD: of the sampled objects of that function.
untouched() {
	jq "[.faults[].untouched[] | select(.site.function == \"$2\") | .$3] | add // 0" "$1.json"
}
