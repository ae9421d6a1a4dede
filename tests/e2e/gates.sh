#!/bin/bash
# Gates: the exit status of a build, by the report's own figures; and the comparison with an earlier
# recording, which finds what was added and nothing else.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
need_recording
go_program system batch || finish

cd "$work" || exit 1
batch() {
	"$record" -q -o "$1" -- "$program" -out . -pause 1ms -scale 20 -phases "$2" >"$1.truth"
}
batch old.gmt retain,slices,churn
batch again.gmt retain,slices,churn
batch new.gmt retain,slices,churn,mixed

# --- status NAME WANTED ARG...: analyze ends with that status; its words are in out and err.
status() {
	local name=$1 wanted=$2
	shift 2
	"$analyze" "$@" >out 2>err
	same "$name: exit status" "$wanted" $?
}
said() {
	check "$1" grep -qF -- "$2" "$3"
}

status "no gate" 0 old.gmt
status "a gate that holds" 0 old.gmt --fail-on 'trace.lost > 0' --fail-on 'rss.max > 100G'
said "it is in the report" 'ok   trace.lost > 0' out
status "a gate that does not" 1 old.gmt --fail-on 'trace.lost > 0' --fail-on 'evidence.births > 1'
said "it is in the report, with the value" \
	"evidence.births is $("$analyze" old.gmt -f json | jq .trust.births)" out
same "and nowhere else" "" "$(cat err)"
status "the same, the report in a file" 1 old.gmt -o report.txt --fail-on 'evidence.births > 1'
said "then standard error says it" "gate tripped: evidence.births > 1: evidence.births is" err
status "figures with units" 1 old.gmt --fail-on 'heap.alloc_rate > 1KB/h and trace.duration > 1ms'
status "a function of the sites" 1 old.gmt --fail-on 'sites(function ~ "^main" and alloc_rate > 0) > 1'
status "what the trace does not tell is no pass" 2 old.gmt --fail-on 'regressions() > 0'
said "it says what would tell" "regressions() needs --baseline" err
status "unless it is asked for" 0 old.gmt --fail-on 'known(evidence.align_bound)'
status "a tripped gate counts for more" 1 old.gmt --fail-on 'regressions() > 0' --fail-on 'rss.max > 1B'
status "no such figure" 2 old.gmt --fail-on 'rss.maximum > 1G'
said "it names the list" "--list-metrics" err
status "units that do not fit" 2 old.gmt --fail-on 'rss.max > 3s'
status "no condition" 2 old.gmt --fail-on 'rss.max'
printf '# of the service\n\nrss.max > 100G  # never\r\nevidence.births > 1\n' >gates.txt
status "a file of gates" 1 old.gmt --gates gates.txt -f json
same "its results" 'passed tripped' "$(jq -r '[.gates[].result] | join(" ")' out)"
same "with their places" 'gates.txt, line 4' "$(jq -r '.gates[1].source' out)"
echo 'rss.max >' >broken.txt
status "a broken file of gates" 2 old.gmt --gates broken.txt
said "it names the line" "broken.txt, line 1" err
status "the list needs no trace" 0 --list-metrics
status "and has the values of one" 0 --list-metrics old.gmt
said "as the report has them" "evidence.births  " out

# --- The values are those of other witnesses
"$analyze" old.gmt -f json >old.json
metric() {
	jq ".metrics[\"$1\"]" old.json
}
same "births, by perf" "$(perf script -i old.gmt -F event 2>/dev/null | grep -c ':birth:')" \
	"$(metric evidence.births)"
same "cycles, by the program" "$(jq .num_gc old.gmt.truth)" "$(metric gc.cycles)"
same "forced ones" "$(jq .num_forced_gc old.gmt.truth)" "$(metric gc.forced)"
within "what was allocated, by the program's own account" \
	"$(jq -n --slurpfile t old.gmt.truth --argjson r "$(metric heap.alloc_rate)" \
		--argjson d "$(metric trace.duration)" '$r * $d / ($t[0].sites | map(.bytes_allocated) | add)')" \
	0.75 1.5

# --- What is not on the heap
if go_program system goroutines; then
	"$record" -q --goroutines -o goroutines.gmt -- "$program" -duration 2s >told
	"$analyze" goroutines.gmt -f json >goroutines.json
	now() {
		jq ".metrics[\"$1\"]" goroutines.json
	}
	# The runtime itself starts a few that NumGoroutine does not count.
	within "goroutines at the end, beyond those that the program counts" \
		"$(($(now goroutines.last | cut -d. -f1) - $(awk '$1 == "goroutines" { print $2 }' told)))" 0 12
	same "RSS by owner adds up" true "$(jq '.metrics | [.["rss.max"], ([to_entries[] |
		select(.key | test("^rss[.][a-z_]*[.]max$")).value] | add)] | .[1] >= .[0]' goroutines.json)"
	status "a gate on goroutines" 1 goroutines.gmt --fail-on 'goroutines.max > 20' \
		--fail-on 'leaks(kind == "goroutine") > 0'
fi

# --- Comparison
status "the same program again" 0 again.gmt --baseline old.gmt --fail-on 'regressions() > 0'
status "a phase more" 1 new.gmt --baseline old.gmt --fail-on 'regressions() > 0' -f json
mv out changes.json
same "new sites are of that phase" "" \
	"$(jq -r '.comparison.sites[] | select(.change == "new").stack' changes.json |
		grep -vF 'main.(*work).mixed')"
within "new sites" "$(jq '[.comparison.sites[] | select(.change == "new")] | length' changes.json)" 1 50
status "the baseline as a report" 1 new.gmt --baseline old.json --fail-on 'regressions() > 0' -f json
# Its numbers have twelve digits.
rows='.comparison.sites[] | [.change, .stack, .before.births, (.q_value * 1e6 | round)]'
same "it says the same" "$(jq -c "$rows" changes.json)" "$(jq -c "$rows" out)"
status "figures of the baseline" 1 new.gmt --baseline old.json \
	--fail-on 'evidence.births > 1.01 * baseline.evidence.births'
status "a baseline that is none" 2 new.gmt --baseline gates.txt
finish
