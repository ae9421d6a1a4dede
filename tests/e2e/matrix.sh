#!/bin/bash
# Every version of Go that can be had, in every kind of binary: the events of the trace, the bucket
# table read from outside, and the program's own heap dump agree for each call stack; and every
# allocation is counted, against the program's own count.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
need_recording

versions=${E2E_GO_ALL:-1.15 1.19 1.21 1.22 1.23 1.24 1.25 1.26 1.27}
builds=${E2E_BUILDS:-plain stripped pie external}

# The flags of `go build` for a kind of binary.
set_flags() {
	case $1 in
	plain) flags=() ;;
	stripped) flags=(-ldflags=-s\ -w) ;;
	pie) flags=(-buildmode=pie) ;;
	external) flags=(-ldflags=-linkmode=external) ;;
	esac
}

# The events of a recording from the start, against the dump of its end.
sampled() {
	local cell=$1 version=$2 dir=$work/sampled cycle flag=1
	rm -rf "$dir"
	mkdir -p "$dir"
	if ! "$record" -q -o "$dir/trace.gmt" -- "$program" -out "$dir" -scale 10 \
		-phases retain,slices,churn >"$dir/truth.json" 2>"$dir/log"; then
		fail "$cell: recorded" "$(cat "$dir/log")"
		return
	fi
	perf script -i "$dir/trace.gmt" -F event,trace >"$dir/events" 2>/dev/null
	case $version in
	1.1[5-8]) flag=0 ;;
	esac
	cycle=$(jq '.points[] | select(.name == "end") | .num_gc' "$dir/truth.json")
	same "$cell: every death has its birth" 0 "$(awk -f "$top/tests/e2e/events.awk" -f "$top/tests/e2e/unpaired.awk" "$dir/events")"
	awk -f "$top/tests/e2e/dump-text.awk" "$dir/end.txt" | sort >"$dir/dump"
	awk -v at="$cycle" -v flag=$flag -f "$top/tests/e2e/events.awk" \
		-f "$top/tests/e2e/survivors.awk" "$dir/events" 2>&1 | sort >"$dir/alive"
	if [ -s "$dir/dump" ]; then
		check "$cell: survivors equal the heap dump, stack by stack" diff "$dir/dump" "$dir/alive"
	else
		fail "$cell: the heap dump has buckets"
	fi
	check "$cell: analyze reconciles it to 100 %" sh -c \
		"'$analyze' '$dir/trace.gmt' --pprof '$dir/end.pb.gz' | grep -F '(100%)'"
}

# The form of dump-text.awk for what table_dump prints.
table_by_stack() {
	awk '{
		key = ""
		for (i = 4; i <= NF; i++)
			key = key " " $i
		objects[key] += $1 - $2
		bytes[key] += ($1 - $2) * $3
		all_objects[key] += $1
		all_bytes[key] += $1 * $3
	}
	END {
		for (key in all_objects)
			if (all_objects[key])
				print objects[key], bytes[key], all_objects[key], all_bytes[key] key
	}'
}

# The table alone, without a breakpoint, while the program rests behind its last dump.
counters() {
	local cell=$1 dir=$work/counters i
	rm -rf "$dir"
	mkdir -p "$dir"
	mkfifo "$dir/go"
	exec 9<>"$dir/go"
	start_record "$dir/log" --heap=counters -o "$dir/trace.gmt" -- "$program" -out "$dir" \
		-scale 10 -phases retain,churn -wait "$dir/go"
	for i in 1 2 3; do
		wait_for 20 sh -c "[ \$(grep -c ^point '$dir/log.out') -ge $i ]"
		echo >&9
	done
	wait_for 20 grep -q '^point end' "$dir/log.out"
	kill -INT "$recorder"
	wait_for 20 grep -q 'recording is complete' "$dir/log"
	echo >&9
	exec 9>&-
	wait "$recorder"
	awk -f "$top/tests/e2e/dump-text.awk" "$dir/end.txt" | sort >"$dir/dump"
	"$BUILD/tests/e2e/table_dump" "$dir/trace.gmt" | table_by_stack | sort >"$dir/table"
	if [ -s "$dir/dump" ]; then
		check "$cell: the table read from outside equals the heap dump, stack by stack" \
			diff "$dir/dump" "$dir/table"
	else
		fail "$cell: the heap dump has buckets" "$(cat "$dir/log")"
	fi
}

# Every allocation between two points, against the growth of MemStats.Mallocs between them.
all() {
	local version=$1 seen counted
	go_program "$version" mallocs || return 0
	"$record" -q --heap=all -o "$work/all.gmt" -- "$program" >"$work/all.json" 2>"$work/all.log"
	seen=$(perf script -i "$work/all.gmt" -F event,trace 2>/dev/null |
		awk -v mark="len: $(jq -r .marker "$work/all.json")" '
			/sys_enter_mmap:/ && index($0, mark) { marks++ }
			marks == 1 && /:alloc[^:]*:/ { n++ }
			END { print n + 0 }')
	counted=$(jq .mallocs "$work/all.json")
	same "Go $version: every allocation is seen" "$counted" "$seen"
}

for version in $versions; do
	for build in $builds; do
		set_flags "$build"
		go_program "$version" batch "${flags[@]}" || continue
		sampled "Go $version $build" "$version"
		counters "Go $version $build"
	done
	all "$version"
done
finish
