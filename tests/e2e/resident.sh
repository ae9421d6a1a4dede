#!/bin/bash
# Mappings that are kept: what of them is in RAM is known, and is what they are ranked by; address
# space that nobody touches is not memory.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
need_recording
go_program system reserve || finish

# of FUNCTION KEY: of the candidate there that has mappings alive.
of() {
	jq --arg function "main.$1" --arg key "$2" '[.candidates[] | select(.live > 0 and
		.kind == "mapping" and any(.frames[]; .function == $function))][0][$key]' "$report"
}

# The last reading is of the recording's end, when the program is still there.
for name in apart beside; do
	beside=
	[ $name = apart ] || beside=-beside
	"$record" -q -d 6s -o "$work/$name.gmt" -- "$program" -duration 7s $beside >"$work/$name.facts" 2>"$work/$name.log" &
done
wait
for name in apart beside; do
	report=$work/$name.json
	"$analyze" -f json -o "$report" "$work/$name.gmt" 2>>"$work/$name.log" || {
		fail "$name: it is recorded and analyzed" "$(cat "$work/$name.log")"
		continue
	}
	live=$(of touch live_sampled_bytes)
	within "$name: of what is written to, all $live bytes are in RAM" "$(of touch resident_bytes)" \
		$((live * 85 / 100)) "$live"
	live=$(of reserve live_sampled_bytes)
	within "$name: of what is reserved, $live bytes, nothing" "$(of reserve resident_bytes)" \
		0 $((live / 100))
	within "$name: the growth of address space by it, times that in RAM" \
		"$(jq -n "$(of reserve mapped_growth_bytes_per_hour) / ($(of reserve growth_bytes_per_hour) + 1)")" \
		100 1e99
	check "$name: it is ranked behind what is written to, and behind the leak on the heap" test \
		"$(of reserve rank)" -gt "$(of touch rank)" -a "$(of reserve rank)" -gt \
		"$(jq '[.candidates[] | select(.kind == "go-heap" and .site.function == "main.keep").rank][0]' "$report")"
	COLUMNS=200 "$analyze" "$work/$name.gmt" >"$work/$name.txt"
	check "$name: the text says what is in RAM" grep -qE 'mapping leak, .* in RAM, \+.* of address space' "$work/$name.txt"
done
finish
