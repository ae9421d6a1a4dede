#!/bin/bash
# A real trace, with notes, heap dumps and symbols, that is cut at 200 places, and in which 200 single
# bits are turned: analyze gives a part of it or says what is wrong, and never hangs or dies; perf
# script reads what is left or says what is wrong.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
need_recording
go_program system server || finish
cd "$work" || exit 1

port=$((20000 + $$ % 20000))
check "a trace to begin with" "$record" -q --gctrace --rotate=1h \
	--pprof "http://127.0.0.1:$port/debug/pprof/heap@1s" \
	-o whole -- "$program" -addr 127.0.0.1:$port -duration 5s
mv whole.000001 whole.gmt
"$record" -q -o - -- "$program" -duration 3s >pipe.gmt 2>pipe.log
analyzed whole.txt whole.gmt
check "it has heap dumps" grep -qE 'trust.*Dump [0-9]+.*sampled objects' whole.txt.lines
check "it has names" grep -q ' main\.' whole.txt

# random N SIZE: N different numbers below SIZE, the same with each run.
random() {
	awk -v n="$1" -v size="$2" 'BEGIN { srand(42); while (n--) printf "%d\n", rand() * size }' | sort -un
}

# judge FILE: prints what is wrong with how analyze takes it.
judge() {
	local status=0
	timeout 10 "$analyze" "$1" >"$1.txt" 2>"$1.err" || status=$?
	case $status in
	0) [ -s "$1.txt" ] || echo "$1: exit status 0 and no report" ;;
	2) grep -q '^analyze: ' "$1.err" || echo "$1: exit status 2 and no message" ;;
	124) echo "$1: takes more than 10 s" ;;
	*) echo "$1: exit status $status" ;;
	esac
}

# perf_takes FILE: the same for perf script. Whole rounds that are in the file give events.
perf_takes() {
	local status=0 events
	timeout 20 perf script -i "$1" -F event >"$1.perf" 2>"$1.perf.err" || status=$?
	events=$(wc -l <"$1.perf")
	# perf exits with small negative numbers; a signal is 128 and some more.
	if [ $status = 124 ] || { [ $status -gt 128 ] && [ $status -lt 160 ]; }; then
		echo "$1: perf script: exit status $status"
	elif [ $status != 0 ] && [ ! -s "$1.perf.err" ]; then
		echo "$1: perf script says nothing"
	elif [ $status = 0 ] && [ "$events" = 0 ] && [ ! -s "$1.perf.err" ] &&
		[ "$(stat -c %s "$1")" -gt "$2" ]; then
		echo "$1: perf script: no event"
	fi
}

# Where the first compressed record of a file has ended for certain: behind its header, tracing data
# and 64 KiB.
first_round() {
	grep -abo _SHADOW_ "$1" | head -n 1 | awk -F: '{ print $1 + 8 + 65536 }'
}

# damage TRACE TIMES: what is wrong with how it is taken goes into TRACE.cuts and TRACE.bits.
damage() {
	local trace=$1 size round at byte
	size=$(stat -c %s "$trace.gmt")
	round=$(first_round "$trace.gmt")
	for at in $(random "$2" "$size"); do
		head -c "$at" "$trace.gmt" >"$trace-cut.gmt"
		judge "$trace-cut.gmt"
		perf_takes "$trace-cut.gmt" "${round:-$size}"
	done >"$trace.cuts"
	for at in $(random "$2" "$size"); do
		cp "$trace.gmt" "$trace-bit.gmt"
		byte=$(od -An -tu1 -j "$at" -N 1 "$trace.gmt")
		# shellcheck disable=SC2059
		printf "\\x$(printf %02x $((byte ^ 1 << at % 8)))" |
			dd of="$trace-bit.gmt" bs=1 seek="$at" conv=notrunc status=none
		judge "$trace-bit.gmt"
	done >"$trace.bits"
}

damage whole 200 &
jobs=$!
damage pipe 60
wait $jobs
for trace in whole pipe; do
	same "$trace.gmt, cut at random places" "" "$(head -n 5 $trace.cuts)"
	same "$trace.gmt, single bits turned" "" "$(head -n 5 $trace.bits)"
done

# salvaged FILE [perf]: what is wrong with what --salvage makes of a file: nothing may hang or die. Of
# one that was only cut it holds as many events as analyze finds in the file itself, and perf too.
salvaged() {
	local file=$1 status=0 wanted got
	rm -f "$file.whole"
	timeout 20 "$analyze" --salvage "$file.whole" "$file" 2>"$file.err" || status=$?
	if [ $status = 2 ] && grep -q '^analyze: ' "$file.err" && [ ! -e "$file.whole" ]; then
		return
	elif [ $status != 0 ]; then
		echo "$file: exit status $status"
		return
	fi
	echo "$file" >>salvaged
	# Where no event is left that tells anything, a report is none.
	"$analyze" "$file" >/dev/null 2>&1 || return
	if [ ! "${2-}" ]; then
		"$analyze" "$file.whole" >/dev/null 2>&1 || echo "$file: what was saved is not analyzed"
		return
	fi
	wanted=$("$analyze" -f json "$file" | jq -c '[.metrics["trace.events"], .trust.births, .trust.deaths]')
	got=$("$analyze" -f json "$file.whole" | jq -c '[.metrics["trace.events"], .trust.births, .trust.deaths]')
	[ "$wanted" = "$got" ] || echo "$file: $wanted events, births, deaths; salvaged: $got"
	timeout 30 perf script -i "$file.whole" -F event >"$file.perf" 2>"$file.perf.err" ||
		echo "$file: perf script: $(head -n 1 "$file.perf.err")"
	got=$(grep -vc 'gmt:note' "$file.perf")
	[ "$(jq '.[0]' <<<"$wanted")" = "$got" ] || echo "$file: $wanted events; perf script prints $got"
	got="$(grep -cE '^ *gmt_[^:]*:birth:' "$file.perf") $(grep -cE '^ *gmt_[^:]*:death:' "$file.perf")"
	[ "$(jq -r '"\(.[1]) \(.[2])"' <<<"$wanted")" = "$got" ] || echo "$file: $wanted; perf script prints $got"
}

# header FILE: what perf says of the machine, the clocks and the command.
header() {
	perf script --header-only -i "$1" 2>/dev/null |
		grep -E '^# (hostname|os release|arch|nrcpus|total memory|cmdline|clockid|reference time)' | sort
}

for trace in whole pipe; do
	n=0
	# In the front half lie the formats, without which there is nothing to save.
	size=$(stat -c %s $trace.gmt)
	for at in $(random 12 $((size / 2))); do
		at=$((size / 2 + at)) n=$((n + 1))
		head -c "$at" $trace.gmt >"cut-$trace-$n.gmt"
		salvaged "cut-$trace-$n.gmt" perf
	done
	for at in $(random 30 "$(stat -c %s $trace.gmt)"); do
		cp $trace.gmt bit.gmt
		byte=$(od -An -tu1 -j "$at" -N 1 $trace.gmt)
		# shellcheck disable=SC2059
		printf "\\x$(printf %02x $((byte ^ 1 << at % 8)))" |
			dd of=bit.gmt bs=1 seek="$at" conv=notrunc status=none
		salvaged bit.gmt
	done
done >salvage.wrong
same "what --salvage makes of cut and damaged traces" "" "$(head -n 5 salvage.wrong)"
within "cut traces that it made whole" "$(grep -c cut- salvaged)" 16 24
within "damaged traces of which it saved a part" "$(grep -c bit salvaged)" 30 60
last=$(grep cut-whole- salvaged | tail -n 1)
same "perf says of a salvaged trace what it said of the whole one" "$(header whole.gmt)" "$(header "$last.whole")"
check "perf report reads it" sh -c "perf report --stdio -i '$last.whole' 2>/dev/null | grep -q birth"
check "it says what is missing" sh -c "'$analyze' -v '$last.whole' | tr -s ' \n' '  ' | grep -q 'nothing of what came behind them'"
check "a file that is there is not replaced" sh -c "! '$analyze' --salvage '$last.whole' '$last' 2>salvage.err && grep -q 'is there already' salvage.err"
perf record -q -o foreign.data -e 'sched:sched_switch' -- true >/dev/null 2>&1
head -c $(($(stat -c %s foreign.data) - 4000)) foreign.data >foreign-cut.data
check "of perf's own file it says that the formats are lost" sh -c "! '$analyze' --salvage foreign.whole foreign-cut.data 2>foreign.err &&
	grep -q 'formats of its tracepoints' foreign.err && [ ! -e foreign.whole ]"

# How much of the trace a cut leaves: what was written before it is there.
total=$(jq .trust.births <("$analyze" -f json whole.gmt))
head -c $(($(stat -c %s whole.gmt) * 2 / 3)) whole.gmt >cut.gmt
check "a cut trace says that it breaks off or is damaged" sh -c "'$analyze' cut.gmt | grep -qE 'breaks off|damaged'"
head -c $(($(stat -c %s pipe.gmt) * 9 / 10)) pipe.gmt >cut-pipe.gmt
perf script -i cut-pipe.gmt -F event >cut-pipe.perf 2>&1
check "perf script reads what is left of a pipe" grep -qE 'gmt_.*:birth:' cut-pipe.perf
within "births before a cut at two thirds" "$(jq .trust.births <("$analyze" -f json cut.gmt))" 10 "$total"
finish
