#!/bin/bash
# What plain `perf record` writes from the same probes, set by hand, is read like a trace of our
# own: as a file, compressed, through a pipe, of one thread, and with small rings. Events are
# counted against perf script.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
need_recording
go_program system batch || finish
group=gmt_plain_$$

trap 'unset_probes $group; at_exit' EXIT
set_probes $group "$program"

# The program's sampled objects, without the kinds of special record that are none.
kind=$(sed -n 's/.*filter: kind == //p' "$work/probes")

perf_count() {
	perf script -F event,trace -i "$1" 2>/dev/null | grep -cE ":$2:.*${3-}"
}

# agrees NAME FILE: births and deaths are as many as perf script prints.
agrees() {
	local name=$1 file=$2 births deaths found
	births=$(perf_count "$file" birth)
	deaths=$(perf_count "$file" death "kind=$kind ")
	within "$name: births" "$births" 50 100000
	found=$("$analyze" "$file" 2>"$work/err" | tr -d , | tr -s ' \n' ' ' |
		grep -oE '[0-9]+ births and [0-9]+ deaths' | head -n 1)
	same "$name: what analyze counts" "$births births and $deaths deaths" "$found"
	same "$name: nothing on standard error" "" "$(cat "$work/err")"
}

cd "$work" || exit 1
run=("$program" -scale 30 -pause 1ms -out "$work")
perf record -q -k mono -o file.data -e "$group:*" "${run[@]}" >/dev/null
agrees "a file" file.data
perf record -q -k mono -z -o packed.data -e "$group:*" "${run[@]}" >/dev/null
agrees "a compressed file" packed.data
perf record -q -k mono -m 2 -o small.data -e "$group:*" "${run[@]}" >/dev/null
agrees "small rings" small.data
perf record -q -k mono --per-thread -o thread.data -e "$group:*" "${run[@]}" >/dev/null
# The rest of the program's threads is missing, and with it most deaths of what this one made.
births=$(perf_count thread.data birth)
within "one thread: births" "$births" 20 100000
# shellcheck disable=SC2016
check "one thread: what analyze counts" sh -c \
	'"$1" thread.data | tr -d , | tr -s " \n" " " | grep -q " $2 births"' sh "$analyze" "$births"
perf record -q -g -o clock.data -e "$group:*" "${run[@]}" >/dev/null
agrees "another clock, with call chains" clock.data
perf record -q -k mono -e "$group:*" -o - "${run[@]}" 2>/dev/null >pipe.data
agrees "a pipe's bytes in a file" pipe.data
same "a pipe" "$("$analyze" pipe.data | tail -n +2)" "$("$analyze" - <pipe.data | tail -n +2)"
finish
