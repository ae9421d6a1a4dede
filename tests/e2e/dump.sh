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

# What else may be given beside a trace: what `go tool pprof -proto` made of a dump, the allocs
# profile, which holds the same, goroutine profiles, dumps of other programs; in any order.
other_forms() {
	local version=$1 dir=$work/forms other=$work/${2:-} text
	clock_program "$version" || return 0
	mkdir -p "$dir"
	check "Go $version: profiles of all kinds" "$record" -q -o "$dir/trace.gmt" -- "$program" \
		-duration 1s -profiles "$dir"
	check "Go $version: heap and allocs agree with the trace, last one first" \
		analyzer_agrees "$dir" allocs heap
	if command -v go >/dev/null; then
		check "go tool pprof -proto" env PPROF_TMPDIR="$dir" go tool pprof -proto \
			-output="$dir/proto.pb.gz" "$dir/heap.pb.gz"
		check "Go $version: what it made of the dump agrees too" analyzer_agrees "$dir" proto heap
	fi
	"$analyze" "$dir/trace.gmt" --pprof "$dir/goroutine.txt" --pprof "$dir/heap.pb.gz" \
		--pprof "$dir/goroutine.pb.gz" -f json >"$dir/report.json" 2>"$dir/err"
	same "Go $version: goroutines in the two forms of the profile, and where most of them are" \
		'[[7,"main.wait",true],[7,"main.wait",true]]' "$(jq -c '[.goroutine_dumps[] |
		[.stacks[0].count, ([.stacks[0].frames[].function | select(startswith("runtime.") | not)][0]),
		([.stacks[].count] | add) == .goroutines]]' "$dir/report.json")"
	same "Go $version: as many as the text says" \
		"$(sed -n '1s/.*total //p' "$dir/goroutine.txt")" "$(jq '.goroutine_dumps[0].goroutines' "$dir/report.json")"
	same "Go $version: the dump between them is compared" true "$(jq '.dumps[0].agrees' "$dir/report.json")"
	[ -e "$other/end.pb.gz" ] || return 0
	"$analyze" "$dir/trace.gmt" --pprof "$other/end.pb.gz" --pprof "$dir/heap.pb.gz" >"$dir/text" 2>&1
	text=$(tr -s '\n ' ' ' <"$dir/text")
	check "a dump of another program is refused, with the reason" \
		grep -Eq 'Dump 1, [^:]*: not compared: [^.]*of another (program|run)' <<<"$text"
	check "and the one beside it is compared" grep -Eq 'ok Dump 2, .*match \(100 ?%\)' <<<"$text"
}

versions=${E2E_GO:-1.15 1.19 1.27}
for version in $versions; do
	reconcile "$version"
done
other_forms "${version:-1.27}" "${version:-1.27}"
finish
