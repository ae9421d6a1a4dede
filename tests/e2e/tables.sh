#!/bin/bash
# Between two quiet moments the runtime's own counters grow by exactly the births and deaths that
# the trace holds. The counters are read from heap dumps that the program wrote at those moments,
# bucket by bucket, and the analyzer's own check of the bucket table must say the same.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
need_recording

# The buckets of work that was done between the two dumps, not those of writing the dumps.
# work_stacks DUMP: the call stacks in which a function of main.(*work) occurs.
work_stacks() {
	awk '/^[0-9]+: [0-9]+ \[/ { stack = ""; for (i = 6; i <= NF; i++) if ($i != "@") stack = stack " " $i; next }
		/main\.\(\*work\)/ { print stack }' "$1" | sort -u
}

attached() {
	local version=$1 dir=$work/$1 target status=0
	go_program "$version" batch || return 0
	mkdir -p "$dir"
	mkfifo "$dir/in"
	"$program" -wait - -out "$dir" -scale 20 -pause 1ms -phases retain,mixed,slices \
		<"$dir/in" >"$dir/out" 2>"$dir/program.log" &
	target=$!
	background+=("$target")
	exec 7>"$dir/in"
	wait_for 10 grep -q '^point start$' "$dir/out"
	echo go >&7
	wait_for 30 grep -q '^point retain$' "$dir/out"
	# Quiet: the recorder attaches here and leaves at the next point.
	start_record "$dir/record.log" -o "$dir/trace.gmt" -p $target
	wait_for 10 sh -c "grep -q gmt_${recorder}_ $tracing/uprobe_events"
	sleep 1
	echo go >&7
	wait_for 60 grep -q '^point mixed$' "$dir/out"
	sleep 0.5
	kill -INT $recorder
	wait $recorder || status=$?
	same "Go $version: record's exit status after SIGINT" 0 $status
	for _ in 1 2 3; do
		echo go >&7
	done
	exec 7>&-
	wait $target
	compare "$version" "$dir"
}

compare() {
	local version=$1 dir=$2 flag=1 from to
	case $version in
	1.1[5-8]) flag=0 ;;
	esac
	# The truth is the last line; the lines before it name the points.
	tail -n 1 "$dir/out" >"$dir/truth.json"
	from=$(jq '.points[] | select(.name == "retain") | .num_gc' "$dir/truth.json")
	to=$(jq '.points[] | select(.name == "mixed") | .num_gc' "$dir/truth.json")
	work_stacks "$dir/mixed.txt" >"$dir/stacks"
	for point in retain mixed; do
		awk -f "$top/tests/e2e/dump-text.awk" "$dir/$point.txt" >"$dir/$point.buckets"
	done
	# From dumps: allocated later less allocated before, freed (allocated less in use) likewise.
	awk 'function key(    i, k) { k = ""; for (i = 5; i <= NF; i++) k = k " " $i; return k }
		FILENAME ~ /stacks$/ { wanted[$0] = 1; next }
		FILENAME ~ /retain.buckets$/ { births[key()] -= $3; deaths[key()] -= $3 - $1; next }
		{ births[key()] += $3; deaths[key()] += $3 - $1 }
		END { for (k in wanted) print births[k] + 0, deaths[k] + 0 k }' \
		"$dir/stacks" "$dir/retain.buckets" "$dir/mixed.buckets" | sort >"$dir/counted"
	perf script -i "$dir/trace.gmt" -F event,trace 2>"$dir/perf.log" |
		awk -v from="$from" -v to="$to" -v flag=$flag -v stacks="$dir/stacks" \
			-f "$top/tests/e2e/events.awk" -f "$top/tests/e2e/events-by-stack.awk" | sort >"$dir/seen"
	within "Go $version: buckets that are compared" "$(wc -l <"$dir/counted")" 3 1000
	within "Go $version: deaths that are compared" "$(awk '{ n += $2 } END { print n }' "$dir/counted")" 5 1000000
	check "Go $version: births and deaths in each bucket are its counters' growth" \
		diff "$dir/counted" "$dir/seen"
	check "Go $version: analyze reads the trace" analyzed "$dir/report.txt" "$dir/trace.gmt"
	check "Go $version: analyze finds the tables and the events equal" \
		found "$dir/report.txt" ok "^Bucket table .*complete"
}

for version in ${E2E_GO:-1.15 1.19 1.27}; do
	attached "$version"
done
finish
