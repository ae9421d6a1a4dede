#!/bin/bash
# What a breakpoint costs where `record` puts it, against the first byte of the same function, where
# other tools put it; and what recording every allocation costs against bpftrace counting the call
# stacks of the same function. Counted in the target's own CPU time, in turns with runs without any
# breakpoint, on the same machine. Prints medians against their targets.
#
#   BENCH_TURNS=3 BENCH_PLACEMENT_GO='1.19 1.27' tests/bench/placement.sh
set -euo pipefail
cd "$(dirname "$0")/../.."
export LC_ALL=C
# shellcheck source=tests/bench/lib.sh
. tests/bench/lib.sh
turns=${BENCH_TURNS:-3}
versions=${BENCH_PLACEMENT_GO:-1.19 1.27}
function=runtime.mallocgc

work=$(mktemp -d)
group=gmtplace_$$

trap 'remove_events $group; rm -rf "$work"' EXIT

# A run of the program under a command: its own CPU time, in ns.
spent() {
	"$@" 2>"$work/log" | grep '^{"program"' | jq .cpu_ns
}

# counted EVENT: the same, with the event counted and nothing else; the hits go to $work/hits.
counted() {
	spent perf stat -x, -o "$work/stat" -e "$group:$1" -- "$program"
	awk -F, '!/^#/ && $1 ~ /^[0-9]+$/ { print $1 }' "$work/stat" >"$work/hits"
}

calc() {
	awk "BEGIN { printf \"%.${2:-0}f\\n\", $1 }"
}

# Where `record` places its breakpoint, and where the function begins, as offsets in the file.
find_places() {
	read -r place at how <<<"$("$record" --list --heap=all -- "$program" 2>/dev/null |
		awk -v f="$function+" '$1 ~ /^alloc/ && index($2, f) == 1 {
			sub(/.*\+/, "", $2)
			place = $2 " " $3
			$1 = $2 = $3 = ""
			gsub(/ +/, " ")
			print place, $0
			exit
		}')"
	[ -n "${at-}" ] || return 1
	first=$(printf '0x%x' $((at - place)))
}

placement() {
	local version=$1 i plain first_cost our_cost
	if ! program=$(tests/build-go.sh "$version" mallocs 2>"$work/log"); then
		echo "placement, Go $version: skipped: $(tail -n 1 "$work/log")"
		return 0
	fi
	if ! find_places; then
		echo "placement, Go $version: skipped: record places nothing in $function"
		return 0
	fi
	echo "p:$group/first $program:$first" >>$tracing/uprobe_events
	echo "p:$group/ours $program:$at" >>$tracing/uprobe_events
	: >"$work/ours"
	: >"$work/first"
	: >"$work/ratio"
	for ((i = 0; i < turns; i++)); do
		plain=$(spent "$program")
		our_cost=$(counted ours)
		our_cost=$(calc "($our_cost - $plain) / $(cat "$work/hits")" 1)
		first_cost=$(counted first)
		first_cost=$(calc "($first_cost - $plain) / $(cat "$work/hits")" 1)
		echo "$our_cost" >>"$work/ours"
		echo "$first_cost" >>"$work/first"
		calc "$first_cost / ($our_cost > 1 ? $our_cost : 1)" 2 >>"$work/ratio"
	done
	remove_events $group
	echo "placement, Go $version, $function, $(cat "$work/hits") hits: at its first byte $(median <"$work/first") ns a hit," \
		"at +$place ($how) $(median <"$work/ours") ns"
	echo "placement, Go $version: $(median <"$work/ratio") times cheaper, target 4: $(verdict "$(median <"$work/ratio")" least 4)"
}

# Both put their breakpoints on the one function through which every allocation of Go 1.19 goes.
against_bpftrace() {
	local i plain ours theirs
	if ! command -v bpftrace >/dev/null; then
		echo "every allocation against bpftrace: skipped: bpftrace is not installed (apt-get install bpftrace)"
		return 0
	fi
	if ! program=$(tests/build-go.sh 1.19 mallocs 2>"$work/log"); then
		echo "every allocation against bpftrace: skipped: $(tail -n 1 "$work/log")"
		return 0
	fi
	: >"$work/ours"
	: >"$work/theirs"
	: >"$work/ratio"
	for ((i = 0; i < turns; i++)); do
		plain=$(spent "$program")
		ours=$(spent "$record" -q --heap=all -m 1024 -o "$work/trace.gmt" -- "$program")
		if ! theirs=$(spent timeout 60 bpftrace -c "$program" \
			-e "uprobe:$program:$function { @[ustack] = count(); }") || [ -z "$theirs" ]; then
			echo "every allocation against bpftrace: skipped: bpftrace cannot be used here: $(tail -n 1 "$work/log")"
			return 0
		fi
		ours=$((ours - plain))
		theirs=$((theirs - plain))
		calc "$ours / 1e6" 1 >>"$work/ours"
		calc "$theirs / 1e6" 1 >>"$work/theirs"
		calc "$theirs / ($ours > 1 ? $ours : 1)" 2 >>"$work/ratio"
	done
	echo "every allocation, Go 1.19, added CPU time of the program: record --heap=all $(median <"$work/ours") ms," \
		"bpftrace counting stacks $(median <"$work/theirs") ms"
	echo "every allocation: $(median <"$work/ratio") times cheaper than bpftrace, target 5: $(verdict "$(median <"$work/ratio")" least 5)"
}

for version in $versions; do
	placement "$version"
done
against_bpftrace
