#!/bin/bash
# A heap dump that the program wrote right after runtime.GC() and the events of the trace agree
# object for object: by the analyzer's own reconciliation, and by perf script and awk without it.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
need_recording

# reconcile VERSION: records the batch program and compares each of its dumps.
reconcile() {
	local version=$1 dir=$work/$1 point cycle flag=1 name
	go_program "$version" batch || return 0
	mkdir -p "$dir"
	if ! "$record" -q -o "$dir/trace.gmt" -- "$program" -out "$dir" -pause 1ms -scale 20 \
		-phases retain,slices,churn,mixed >"$dir/truth.json" 2>"$dir/record.log"; then
		fail "Go $version: recorded" "$(cat "$dir/record.log")"
		return
	fi
	perf script -i "$dir/trace.gmt" -F event,trace >"$dir/events" 2>"$dir/perf.log"
	case $version in
	1.1[5-8]) flag=0 ;;
	esac
	for point in retain churn end; do
		cycle=$(jq ".points[] | select(.name == \"$point\") | .num_gc" "$dir/truth.json")
		awk -f "$top/tests/e2e/dump-text.awk" "$dir/$point.txt" | sort >"$dir/$point.dump"
		name="Go $version, dump '$point': every bucket equal in the events and in the dump"
		if ! awk -v at="$cycle" -v flag=$flag -f "$top/tests/e2e/events.awk" \
			-f "$top/tests/e2e/survivors.awk" \
			"$dir/events" >"$dir/$point.unsorted" 2>"$dir/awk.log"; then
			fail "$name" "$(cat "$dir/awk.log")"
			continue
		fi
		sort "$dir/$point.unsorted" >"$dir/$point.trace"
		if ! [ -s "$dir/$point.dump" ]; then
			fail "$name" "the dump has no bucket"
			continue
		fi
		check "$name" diff "$dir/$point.dump" "$dir/$point.trace"
	done
	check "Go $version: analyze reconciles all dumps to 100 %" \
		analyzer_agrees "$dir" retain churn end
}

# analyzer_agrees DIR POINT...: the findings on the dumps are all good, at 100 %.
analyzer_agrees() {
	local dir=$1 point dumps=() lines
	shift
	for point in "$@"; do
		dumps+=(--pprof "$dir/$point.pb.gz")
	done
	analyzed "$dir/report.txt" "$dir/trace.gmt" "${dumps[@]}" || return 1
	lines=$(found "$dir/report.txt" ok "^Dump .*\(100 ?%\)" | wc -l)
	[ "$lines" = $# ] || {
		cat "$dir/report.txt"
		return 1
	}
}

versions=${E2E_GO:-1.15 1.19 1.27}
for version in $versions; do
	reconcile "$version"
done
finish
