#!/bin/bash
# The JSON report says what the text report says and what perf counts, and is JSON whatever the
# trace. Its own sums agree with each other.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
need_recording
go_program system batch || finish

cd "$work" || exit 1
GODEBUG=gctrace=1 "$record" -q -o trace.gmt -- "$program" -out . -pause 1ms -scale 20 \
	-phases retain,slices,churn,mixed >truth.json 2>gc.log
same "record's exit status" 0 $?
inputs=(trace.gmt --gctrace gc.log --pprof retain.pb.gz --pprof end.pb.gz)
"$analyze" "${inputs[@]}" >report.txt 2>analyze.log
"$analyze" "${inputs[@]}" -f json >report.json 2>>analyze.log
same "analyze's exit status" 0 $?
same "nothing on standard error" "" "$(cat analyze.log)"
# Sentences are broken into lines in the text.
tr -s ' \n' '  ' <report.txt >flat.txt

# get EXPRESSION: of the report, as plain text.
get() {
	jq -r "$1" report.json
}

# told NAME WORDS: the text report says so, numbers without the commas between thousands.
told() {
	if sed 's/\([0-9]\),\([0-9]\)/\1\2/g' flat.txt | grep -qF -- "$2"; then
		pass "$1 ($2)"
	else
		fail "$1" "'$2' is not in the text report: $(cat report.txt)"
	fi
}

# --- The schema
same "the version of the schema" 1 "$(get .schema_version)"
documented=$(grep -o '^### `[a-z_]*' "$top/docs/json.md" | cut -d'`' -f2 | sort)
same "every member of the top is described" "$documented" \
	"$(get 'keys_unsorted[] | select(. != "schema_version")' | sort)"
# Keys that stand for nothing but themselves are in backquotes in the description.
same "every metric is explained" "" "$(get '.metrics | keys[]' |
	while read -r key; do "$analyze" --list-metrics | grep -q "^  $key " || echo "$key"; done)"
same "every key is described" "" "$(get 'del(.metrics[]) | [paths | .[] | strings] | unique[]' |
	while read -r key; do grep -qF "\`$key\`" "$top/docs/json.md" || echo "$key"; done)"

# --- Against perf
perf script -i trace.gmt -F event 2>/dev/null | sed 's/^ *gmt_[^:]*://; s/^ *//; s/: *$//' >events
counted() {
	grep -cx "$1" events
}
same "events but for the recorder's notes" "$(grep -cvx 'gmt:note' events)" "$(get .trust.events)"
same "births of all candidates" "$(counted birth)" "$(get '[.candidates[] | select(.kind == "go-heap").births] | add')"
same "deaths of all candidates" "$(counted death)" \
	"$(get '[.candidates[] | select(.kind == "go-heap") | .deaths + .unmatched_deaths] | add')"
same "births of all processes" "$(counted birth)" "$(get '[.processes[].births] | add')"
same "cycles" "$(counted gc_mark_term)" "$(get '.cycles | length')"
same "cycles as gctrace has them" "$(grep -o '^gc [0-9]*' gc.log | cut -d' ' -f2)" \
	"$(get '.cycles[].gc')"
same "lines of the gctrace log" "$(grep -n '^gc [0-9]' gc.log | cut -d: -f1)" "$(get '.gctrace[].line')"
calls=$(get '.mappings[0] | "\(.mmap_calls) \(.madvise_calls)"')
same "mmap and madvise calls" \
	"$(counted syscalls:sys_exit_mmap) $(counted syscalls:sys_enter_madvise)" "$calls"

# --- Against the text
told "the process" "$(get '.processes[0] | "process \(.pid) \(.exe) (\(.go_version))"')"
told "its counts" "$(get '.processes[0] |
	"\(.gc_cycles) GC cycles, \(.births) births and \(.deaths) deaths sampled at \(.sites) sites"')"
told "host and kernel" "$(get '.trace | "on \(.host) (Linux \(.kernel), \(.arch))"')"
told "the beginning" "$(get '.trace.wall_start | sub("T"; " ") | sub("\\..*"; " UTC")')"
told "events" "$(get '"\(.trust.events) events were read, none was lost"')"
told "the bucket table" "$(get '.checks[0] | "the runtime counted \(.counted_births) births and " +
	"\(.counted_deaths) deaths, the trace holds \(.seen_births) and \(.seen_deaths): complete"')"
told "the alignment" "$(get '.alignments[0] | "placed by \(.method), \(.matched) of \(.lines) lines"')"
told "the offset" "gctrace time + $(get '.alignments[0].offset_ns' | awk '{ printf "%.6f", $1 / 1e9 }')s"
for i in 0 1; do
	told "dump $i" "$(get ".dumps[$i] | \"\(.path) at\"")"
	told "dump $i" "$(get ".dumps[$i] |
		\"\(.matched_objects) of \(.dump_objects) sampled objects match\"")"
done
told "the summary" "of $(get .summary.sites) sites"
told "the collector" "$(get '.gc[0] | "gc \(.first_gc) to \(.last_gc), \(.cycles) cycles in"')"
same "anomalies" "$(grep -c '^  ! ' report.txt)" "$(get '.gc[0].anomalies | length')"
"$analyze" "${inputs[@]}" -v 2>/dev/null | tr -s ' \n' '  ' >flat.txt
while read -r evidence; do
	told "evidence" "$(sed 's/\([0-9]\),\([0-9]\)/\1\2/g' <<<"$evidence")"
done < <(get '.candidates[:5][].evidence')
# The rows of the timeline, in its columns and units.
sed -n '/^   time /,/^  heap:/p' report.txt | awk '
	$1 == "time" {
		for (i = 1; i <= NF; i++)
			end[$i] = at = index(substr($0, at + 1), $i) + at + length($i) - 1
		next
	}
	$1 == "heap:" { exit }
	function cell(name,    text) {
		text = substr($0, end[name] - 6, 7)
		gsub(/ /, "", text)
		return text
	}
	{ print cell("GC"), cell("->live"), cell("goal"), cell("sampled"), cell("RSS") }' >rows.txt
get '.timeline[] | [.first_gc, .last_gc, .heap_live_bytes, .goal_bytes, .live_est_bytes, .rss_bytes] |
	map(. // "-") | join(" ")' | awk '
	function size(x) { return x == "-" ? x : sprintf("%.1f", x / 1048576) }
	{
		gc = $2 == "-" ? "" : $1 == $2 ? $1 : $1 "-" $2
		print gc, size($3), size($4), size($5), size($6)
	}' >rows.json
within "rows of the timeline" "$(wc -l <rows.txt)" 5 30
check "every row of the timeline is the same" diff rows.txt rows.json

# --- With itself
check "what was born, died or lives at a site adds up, by epoch and by age" jq -e '[.candidates[] |
	([.epochs[].born_objects] | add // 0) == .births and
	([.epochs[].died_objects] | add // 0) == .deaths and
	([.epochs[].alive_objects] | add // 0) == .live and
	(.deaths_by_age | add // 0) == .deaths and (.alive_by_age | add // 0) == .live] | all' report.json
check "a curve ends with what lives, but for the last cycle" jq -e '(.processes[0].epochs |
	map(.end_ns != null) | indices(true) | last) as $last | [.candidates[] |
	select(.kind == "go-heap") | ([.epochs[] | select(.epoch <= $last) | .born_objects] | add // 0) -
	([.epochs[] | select(.epoch <= $last + 1) | .died_objects] | add // 0) ==
	.series[-1].live_objects] | all' report.json
check "times rise" jq -e '[.candidates[].series | map(.time_ns) | . == sort] | all' report.json
check "ranks count from 1" jq -e '[.candidates[].rank] == [range(1; (.candidates | length) + 1)]' \
	report.json

# --- Where it goes
"$analyze" "${inputs[@]}" -f json >again.json
check "the same trace gives the same bytes" cmp report.json again.json
check "-o FILE" "$analyze" "${inputs[@]}" -f json -o file.json
check "the file holds what standard output does" cmp report.json file.json
mkfifo pipe
cat pipe >piped.json &
background+=($!)
"$analyze" "${inputs[@]}" -f json -o pipe
wait "${background[-1]}"
check "a pipe is written to and not replaced" cmp report.json piped.json
"$analyze" "${inputs[@]}" -f json 2>/dev/null >/dev/full
same "a full disk is told" 2 $?

# --- Odd ones: valid_json NAME EXPRESSION ARG...: the report on them is JSON for which it holds.
valid_json() {
	local name=$1 expression=$2
	shift 2
	if "$analyze" "$@" -f json >odd.json 2>odd.log; then
		check "$name" jq -e "$expression" odd.json
	else
		fail "$name" "$(cat odd.log)"
	fi
}
valid_json "a log alone" '.trace == null and (.gc | length) == 1 and .candidates == []' --gctrace gc.log
# However little of it is left, nothing is said that it does not tell.
head -c $(($(stat -c %s trace.gmt) * 2 / 3)) trace.gmt >cut.gmt
valid_json "a trace that breaks off" '(.trace.truncated or .trace.damage != null) and
	.trace.duration_s < 600' cut.gmt
head -c $(($(stat -c %s trace.gmt) - 100)) trace.gmt >cut.gmt
valid_json "a trace without its end" '(.trace.truncated or .trace.damage != null) and
	.trust.events > 0' cut.gmt
valid_json "a part of it" '.trace.duration_s < 1 and .trace.from_ns != null' \
	trace.gmt --from 300ms --to 900ms
"$record" -q --heap=off -o off.gmt -- "$program" -scale 1 >/dev/null 2>&1
valid_json "no heap events" '([.candidates[] | select(.kind == "go-heap")] | length) == 0 and (.processes | length) == 1' \
	off.gmt
odd=$'o"d\\d\n\xff\x1b[1m'
cp "$program" "$odd"
"$record" -q -o odd.gmt -- "./$odd" -scale 1 >/dev/null 2>&1
valid_json "a name that is no text" '.processes[0].exe | endswith("o\"d\\d\n\ufffd\u001b[1m")' odd.gmt
check "it is UTF-8" iconv -f UTF-8 -t UTF-8 -o /dev/null odd.json
same "no escape sequence gets through" 0 "$(grep -c $'\x1b' odd.json)"
: >empty
"$analyze" empty -f json >odd.json 2>odd.log
same "an empty file is refused" "2 " "$? $(cat odd.json)"
finish
