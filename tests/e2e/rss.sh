#!/bin/bash
# RSS by owner: the owners add up to what /proc says at the same time, each holds what the program put
# there, mappings stand under the calls that made them, limits are those that were set, and reading
# all this costs what it may, however many mappings there are.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
need_recording

mib=1048576
head -c $((20 * mib)) /dev/zero | tr '\0' x >"$work/mapped"
holding=(-heap 30 -free 20 -stacks 200 -anonymous 16 -shared 8 -file "$work/mapped")

# holds DIR COMMAND...: runs the command, which is to be the program or record of it, until it has
# all its memory, its PID in $pid. It waits for its input, which is open in $input.
holds() {
	local dir=$1
	shift
	mkfifo "$dir/input"
	"$@" <"$dir/input" >"$dir/truth" 2>"$dir/log" &
	started=$!
	exec {input}>"$dir/input"
	wait_for 240 grep -q heap_inuse "$dir/truth" || return 1
	pid=$(jq .pid "$dir/truth")
}

# record_one DIR PROGRAM ARG...: a recording that ends, with a last reading, while the program holds
# still; what /proc says of it then.
record_one() {
	local dir=$1 input pid started
	trap - EXIT # it is run in the background
	shift
	holds "$dir" "$record" -v -o "$dir/trace.gmt" -- "$@" || return 1
	sleep 2
	kill -INT $started
	wait_for 120 grep -q 'recording is complete' "$dir/log" || return 1
	cp "/proc/$pid/smaps" "$dir/smaps"
	awk '{ print $2 * 4096 }' "/proc/$pid/statm" >"$dir/statm"
	exec {input}>&-
	wait $started
	"$analyze" "$dir/trace.gmt" -f json -o "$dir/json" 2>"$dir/analyze.log" &&
		"$analyze" "$dir/trace.gmt" >"$dir/text" 2>>"$dir/analyze.log"
}

# last NAME: a figure of the last reading.
last() {
	jq ".memory[0].last | $1" "$dir/json"
}

# near NAME GOT WANTED [SLACK]: within 1 %, and the slack in bytes.
near() {
	within "$1" "$2" $(($3 * 99 / 100 - ${4:-65536})) $(($3 * 101 / 100 + ${4:-65536}))
}

mapped_by() {
	jq "[.memory[0].mappings[] | select(.site.function == \"main.$1\" and .owner == \"$2\") |
		.last_bytes] | add | floor" "$dir/json"
}

# The program's own word and an independent sum of smaps against the last reading.
check_one() {
	local name=$1 dir=$work/$1 program=$2
	if [ ! -s "$dir/json" ]; then
		fail "$name: recorded" "$(cat "$dir/log" "$dir/analyze.log" 2>/dev/null)"
		return
	fi
	awk -v exe="$program" -v file="$work/mapped" -f "$top/tests/e2e/smaps.awk" "$dir/smaps" >"$dir/sums"
	sum() { awk -v of="$1" '$1 == of { n = $2 * 1024 } END { print n + 0 }' "$dir/sums"; }
	same "$name: owners add up to RSS in every reading" true \
		"$(jq '[.rss[] | .owners == null or (.owners | add) == .rss_bytes] | all' "$dir/json")"
	within "$name: readings by owner" "$(jq '[.rss[] | select(.owners)] | length' "$dir/json")" 2 100
	near "$name: RSS against the sum of smaps" "$(last .rss_bytes)" "$(sum rss)"
	near "$name: RSS against statm" "$(last .rss_bytes)" "$(cat "$dir/statm")" $mib
	near "$name: program" "$(last .owners.program_bytes)" "$(sum program)"
	near "$name: libraries" "$(last .owners.libraries_bytes)" "$(sum library)" 400000
	near "$name: mapped file" "$(last .owners.files_bytes)" "$(sum file)"
	near "$name: shared memory" "$(last .owners.shared_bytes)" "$(sum shared)"
	near "$name: the runtime's heap in use against its own word" "$(last .go.in_use_bytes)" \
		"$(jq .heap_inuse "$dir/truth")" $mib
	near "$name: and its free heap" "$(last .go.free_bytes)" \
		"$(jq '.heap_idle - .heap_released' "$dir/truth")" $mib
	near "$name: its stacks" "$(last .go.stacks_bytes)" "$(jq .stack_inuse "$dir/truth")" 262144
	near "$name: its metadata" "$(last .go.metadata_bytes)" "$(jq .metadata "$dir/truth")" 524288
	near "$name: Go heap" "$(last .owners.go_heap_bytes)" $((30 * mib)) $((2 * mib))
	near "$name: free in the Go heap" "$(last .owners.go_free_bytes)" $((20 * mib)) $((4 * mib))
	near "$name: stacks of goroutines" "$(last .owners.go_stacks_bytes)" \
		"$(jq .stack_inuse "$dir/truth")" $mib
	within "$name: the Go runtime's own" "$(last .owners.go_runtime_bytes)" 200000 \
		"$(jq .metadata "$dir/truth")"
	near "$name: other anonymous memory" "$(last .owners.anonymous_bytes)" $((16 * mib)) $mib
	near "$name: what mapAnonymous mapped" "$(mapped_by mapAnonymous anonymous)" $((16 * mib))
	near "$name: what mapShared mapped" "$(mapped_by mapShared shared)" $((8 * mib))
	near "$name: what mapFile mapped" "$(mapped_by mapFile files)" $((20 * mib))
	check "$name: the report says where RSS is" grep -q '^Where RSS is' "$dir/text"
	check "$name: and names the gap" grep -qE 'Go heap in use is [23][0-9](\.[0-9])? MiB of it' "$dir/text"
	same "$name: the machine's memory" $(($(awk '/^MemTotal/ { print $2 }' /proc/meminfo) * 1024)) \
		"$(jq '.memory[0].limits.machine_bytes' "$dir/json")"
}

# What C holds, in a program with C.
check_c() {
	local name=$1 dir=$work/$1
	[ -s "$dir/json" ] || return
	within "$name: C heap" "$(last .owners.c_heap_bytes)" $((66 * mib)) $((72 * mib))
	within "$name: stacks of threads" "$(last .owners.thread_stacks_bytes)" $mib $((3 * mib))
}

is_limit() {
	same "$1: $2" "$3" "$(jq -c ".memory[0].limits.$2" "$work/$1/json")"
}

# one NAME VERSION ARG... -- FLAG...: records a build with these flags in the background.
names=() programs=() waiting=()
one() {
	local name=$1 version=$2 args=()
	shift 2
	while [ "$1" != -- ]; do
		args+=("$1")
		shift
	done
	shift
	go_program "$version" memory "$@" || return 0
	mkdir "$work/$name"
	record_one "$work/$name" "$program" "${holding[@]}" "${args[@]}" >"$work/$name/out" 2>&1 &
	waiting+=($!)
	names+=("$name")
	programs+=("$program")
	# As many at a time as there are processors here.
	if [ ${#waiting[@]} -ge 2 ]; then
		wait "${waiting[@]}"
		waiting=()
	fi
}

with_c=(-c 50 -c-large 12 -threads 4)
limited=system
[[ $(go version 2>/dev/null) =~ go1\.(19|[2-9][0-9]) ]] || limited=1.27
one system $limited -limit 3000 --
one 1.15 1.15 --
one system-c system "${with_c[@]}" -- -tags c
one 1.15-c 1.15 "${with_c[@]}" -- -tags c
GOMEMLIMIT=2GiB one 1.27 1.27 --
one 1.27-c 1.27 "${with_c[@]}" -- -tags c
one 1.27-stripped 1.27 -- "-ldflags=-s -w"
one 1.15-stripped 1.15 -- "-ldflags=-s -w"
[ ${#waiting[@]} = 0 ] || wait "${waiting[@]}"
for i in "${!names[@]}"; do
	check_one "${names[$i]}" "${programs[$i]}"
	case ${names[$i]} in
	*-c) check_c "${names[$i]}" ;;
	system) is_limit system go_bytes $((3000 * mib)) ;;
	1.27) is_limit 1.27 go_bytes $((2048 * mib)) ;;
	1.15) is_limit 1.15 go_bytes null ;;
	esac
done

# A control group of the test's own, where one can be made.
if [ -e /sys/fs/cgroup/memory/memory.limit_in_bytes ]; then
	group=/sys/fs/cgroup/memory/e2e-rss-$$ limit=memory.limit_in_bytes
else
	group=/sys/fs/cgroup/e2e-rss-$$ limit=memory.max
fi
if [ -e "$(dirname $group)/cgroup.procs" ] && mkdir $group 2>/dev/null &&
	echo 1G >$group/$limit 2>/dev/null && go_program 1.27 memory; then
	mkdir "$work/group"
	(
		echo $BASHPID >$group/cgroup.procs
		record_one "$work/group" "$program" -heap 10
	) >"$work/group/out" 2>&1
	is_limit group cgroup_bytes $((1024 * mib))
	is_limit group lowest '"cgroup"'
	check "group: the report names it" grep -q "The lowest limit is 1.00 GiB (the limit of the" "$work/group/text"
else
	skip "a control group's limit" "none can be made here"
fi
rmdir "$group" 2>/dev/null

# What a target starts: the same program again, whose bucket table is complete too, and another one.
go_program 1.15 memory && other=$program
if go_program 1.27 memory; then
	for child in "$program" "${other-}"; do
		[ -n "$child" ] || continue
		dir=$work/child-$(basename "$(dirname "$child")") name="a child, $(basename "$(dirname "$child")")"
		mkdir "$dir"
		(record_one "$dir" "$program" -heap 5 -child "$child") >"$dir/out" 2>&1
		if [ ! -s "$dir/json" ]; then
			fail "$name: recorded" "$(cat "$dir/log" "$dir/out")"
			continue
		fi
		within "$name: its Go heap" "$(jq '[.memory[].last.owners.go_heap_bytes] | max' "$dir/json")" \
			$((25 * mib)) $((26 * mib))
		same "$name: its owners add up" true \
			"$(jq '[.rss[] | .owners == null or (.owners | add) == .rss_bytes] | all' "$dir/json")"
		same "$name: recorded from its start" true \
			"$(jq '(.processes | length) == 2 and all(.processes[]; .attached | not)' "$dir/json")"
		[ "$child" != "$program" ] || same "$name: its bucket table is complete" true \
			"$(jq '(.checks | length) == 2 and all(.checks[]; .valid and .complete)' "$dir/json")"
	done
fi

# So many mappings that a reading takes long: then there are few of them.
if go_program 1.27 memory; then
	mkdir "$work/many"
	if holds "$work/many" "$program" -many 60000; then
		dir=$work/many
		"$record" -v --heap=off -d 5s -o "$dir/trace.gmt" -p "$pid" 2>"$dir/record.log"
		cp "/proc/$pid/smaps" "$dir/smaps"
		"$analyze" "$dir/trace.gmt" -f json -o "$dir/json" 2>"$dir/analyze.log"
		near "60,000 mappings: RSS against the sum of smaps" "$(last .rss_bytes)" \
			"$(awk '/^Rss:/ { n += $2 * 1024 } END { print n }' "$dir/smaps")"
		same "60,000 mappings: owners add up" true \
			"$(jq '[.rss[] | .owners == null or (.owners | add) == .rss_bytes] | all' "$dir/json")"
		# The first and the last reading are made whatever they cost; the time for those between is theirs.
		read -r readings cpu <<<"$(sed -n 's/.*: \([0-9]*\) readings of RSS by owner, \([0-9.]*\) ms of CPU/\1 \2/p' "$dir/record.log")"
		within "60,000 mappings: readings" "$readings" 2 1000
		check "60,000 mappings: $readings readings took $cpu ms of CPU, of 5 s" \
			awk -v n="$readings" -v cpu="$cpu" 'BEGIN { exit !((n - 2) * cpu / n <= 0.005 * 5000 + cpu / n) }'
		within "60,000 mappings: bytes of the trace" "$(stat -c %s "$dir/trace.gmt")" 1 3000000
		exec {input}>&-
		wait $started
	else
		fail "60,000 mappings: the program runs" "$(cat "$work/many/log")"
	fi
fi
finish
