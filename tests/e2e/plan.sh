#!/bin/bash
# The probe plan on living programs: perf records the events that the plan defines, and what they say
# is compared with what the program, its gctrace and its heap profile say of the same run.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

versions=${PLAN_VERSIONS:-"1.15 1.19 1.21 1.22 1.23 1.24 1.25 1.26 1.27"}
group=plantest_$$
plan_events=$work/plan_events
plan=$work/plan

# One by one: another's events must not be touched.
remove_events() {
	local event
	sed -n "s/^[pr]:\($group\/[^ ]*\).*/\1/p" $tracing/uprobe_events 2>/dev/null |
		while read -r event; do
			echo "-:$event" >>$tracing/uprobe_events 2>/dev/null
		done
}
trap 'remove_events; at_exit' EXIT

build_helper() {
	local libs
	read -ra libs < <(pkg-config --libs libelf libdw libzstd capstone zlib libxxhash \
		libprotobuf-c)
	make -s -C "$top" "$BUILD/librecord.a" "$BUILD/libcommon.a" "$BUILD/libformats.a" &&
		${CC:-cc} -std=gnu11 -D_GNU_SOURCE -I"$top" -o "$plan_events" \
			"$top/tests/e2e/plan_events.c" "$BUILD/librecord.a" "$BUILD/libcommon.a" \
			"$BUILD/libformats.a" "${libs[@]}" -lm
}

# make_plan MODE: the plan of $program in $plan.MODE, one probe a line.
make_plan() {
	"$plan_events" "$program" "$1" >"$plan.$1" 2>"$plan.$1.lost"
}

# define_events FILE: writes the probes of a plan file into tracefs; prints what the kernel refuses.
define_events() {
	local event symbol address offset args
	while IFS=$'\t' read -r event symbol address offset _ _ _ _ args; do
		if ! echo "p:$group/$event $program:$offset $args" 2>/dev/null \
			>>$tracing/uprobe_events; then
			echo "$event at $symbol ($address): $args"
			tail -n 3 $tracing/error_log
		fi
	done <"$1"
}

# record_events FILE DATA COMMAND...: runs the command under perf with the events of a plan file.
record_events() {
	local event chain filter selected=()
	while IFS=$'\t' read -r event _ _ _ _ chain filter _; do
		if [ "$chain" = 1 ]; then
			selected+=(-e "$group:$event/call-graph=fp/")
		else
			selected+=(-e "$group:$event")
		fi
		[ "$filter" = - ] || selected+=(--filter "$filter")
	done <"$1"
	perf record -q -m 4096 -o "$2" "${selected[@]}" -- "${@:3}"
}

# extract DATA OUT: the events as lines "EVENT K=V K=V ...".
extract() {
	perf script -i "$1" -F event,trace 2>/dev/null |
		sed -nE "s/^ *$group:([A-Za-z0-9_]+): *\([0-9a-f]+\) /\1 /p" >"$2"
}

# columns FILE EVENT FIELD...: of the events whose names match, these fields as columns.
columns() {
	awk -v event="^($2)\$" -v fields="${*:3}" '
		BEGIN { n = split(fields, want, " ") }
		$1 ~ event {
			split("", value)
			for (i = 2; i <= NF; i++) {
				eq = index($i, "=")
				value[substr($i, 1, eq - 1)] = substr($i, eq + 1)
			}
			for (i = 1; i <= n; i++)
				printf "%s%s", (i > 1 ? " " : ""), value[want[i]]
			print ""
		}' "$1"
}

# count FILE EVENT: how many there are.
count() {
	grep -cE "^($2) " "$1" || true
}

# fact KEY: what the program printed.
fact() {
	awk -v key="$1" '$1 == key { print $2 }' "$work/facts"
}

# nothing_lost NAME DATA: the kernel dropped no event of this recording.
nothing_lost() {
	same "$1: no event was lost" 0 \
		"$(perf report -i "$2" --stats 2>/dev/null | awk '/LOST events/ { n += $3 } END { print n + 0 }')"
}

# The address of a symbol of $program.
address_of() {
	"$GOROOT/bin/go" tool nm "$program" | awk -v name="$1" '$3 == name { print "0x" $1 }'
}

# The addresses at which the instructions of a function begin, as Go's disassembler has it.
starts_of() {
	"$GOROOT/bin/go" tool objdump -s "^$(sed 's/[][().*+^$]/\\&/g' <<<"$1")\$" "$2" |
		awk '$2 ~ /^0x/ { print $2 }'
}

# boundaries NAME PLAN PROGRAM: every probe is at the start of an instruction of its function.
boundaries() {
	local symbol bad=
	while read -r symbol; do
		starts_of "$symbol" "$3" >"$work/starts"
		[ -s "$work/starts" ] || bad+="$symbol: not disassembled"$'\n'
		bad+=$(awk -F'\t' -v symbol="$symbol" '$2 == symbol { print $3 }' "$2" |
			grep -vxFf "$work/starts")
	done < <(cut -f2 "$2" | sort -u)
	same "$1: every probe is at the start of an instruction" "" "$bad"
}

# The cycle that the profile which was read after runtime.GC() shows (raw cycles on standard input).
profile_cycle() {
	tail -n 1 "$work/gc_end" | awk -v shift="$cycle_shift" '{ print int($2 / 2 ^ shift) }'
}

# Births and deaths against the header of the heap dump: objects and bytes in use, allocated.
check_samples() {
	local cycle wanted got
	cycle=$(profile_cycle)
	wanted=$(head -n 1 "$work/dump" |
		sed -E 's/heap profile: ([0-9]+): ([0-9]+) \[([0-9]+): ([0-9]+)\].*/\1 \2 \3 \4/')
	# An allocation is in the profile from the next cycle on, a free at once (runtime/mprof.go).
	got=$({
		columns "$events" birth size cycle | sed 's/^/+ /'
		columns "$events" death size cycle | sed 's/^/- /'
	} | awk -v now="$cycle" -v shift="$cycle_shift" '
		{ c = int($3 / 2 ^ shift) }
		$1 == "+" && c <= now - 1 { allocs++; bytes += $2 }
		$1 == "-" && c <= now { frees++; freed += $2 }
		END { printf "%d %d %d %d\n", allocs - frees, bytes - freed, allocs, bytes }')
	same "$name: births and deaths give the heap dump's header" "$wanted" "$got"

	within "$name: deaths" "$(count "$events" death)" 100 1000
	# Every death is of an object that was born, of the same size and bucket, and only once.
	same "$name: every death pairs with a birth" "" "$({
		columns "$events" 'birth|death' p size b kind
	} | awk '
		NF == 3 { if (live[$1]) print "born twice: " $0; live[$1] = $2 " " $3 }
		NF == 4 && live[$1] != $2 " " $3 { print "not born so: " $0 }
		NF == 4 { delete live[$1] }')"
	within "$name: most births belong to the main goroutine" \
		"$(columns "$events" birth goid | awk '$1 == 1 { n++ } END { print n / NR }')" 0.9 1
}

# The collector's events against the gctrace lines of the same run.
check_gc() {
	local cycles
	cycles=$(grep -c '^gc [0-9]* @' "$work/gctrace")
	within "$name: collections" "$cycles" 3 1000
	same "$name: gctrace, MemStats.NumGC" "$cycles" "$(fact numgc)"
	same "$name: gc_start, gc_mark_term and gc_end once a cycle" "$cycles $cycles $cycles" \
		"$(count "$events" gc_start) $(count "$events" gc_mark_term) $(count "$events" gc_end)"
	within "$name: sweep_done" "$(count "$events" sweep_done)" $((cycles - 3)) $((cycles + 1))
	# heap0 was read a moment before, while the world was still running.
	same "$name: the heap at gc_start is gc_end's heap0, or has grown a little" "" \
		"$(paste -d' ' <(columns "$events" gc_start live) <(columns "$events" gc_end heap0) |
			awk 'NF != 2 || $1 < $2 || $1 > $2 + 4194304')"
	same "$name: cycles are counted without a gap" "$(seq 1 "$cycles")" \
		"$(columns "$events" gc_end numgc)"
	# gc N @Ts P%: a+b+c ms clock, ... x->y->z MB, G MB goal, ... P P (forced)
	sed -nE 's/^gc ([0-9]+) @([0-9.]+)s .*%: ([0-9.]+)\+([0-9.]+)\+([0-9.]+) ms clock.* ([0-9]+)->([0-9]+)->([0-9]+) MB, ([0-9]+) MB goal.* ([0-9]+) P( \(forced\))?.*/\1 \2 \3 \4 \5 \6 \7 \8 \9 &/p' \
		"$work/gctrace" |
		awk '{ forced = / \(forced\)/; match($0, /[0-9]+ P/); p = substr($0, RSTART, RLENGTH - 2)
			print $1, $2, $3, $4, $5, $6, $7, $8, $9, p, forced }' >"$work/gclines"
	columns "$events" gc_end numgc sweep_term mark mark_term end heap0 heap1 heap2 goal procs \
		forced >"$work/gcfigures"
	same "$name: gc_end holds gctrace's figures" "" "$(paste -d' ' "$work/gclines" "$work/gcfigures" |
		awk '
		# gctrace prints two significant digits below 10 ms, then whole milliseconds.
		function clock(shown, ns) { d = shown * 1e6 - ns; return d * d <= (ns * .1 + 1e3) ^ 2 || d * d < 1e12 && ns > 1e7 }
		function mb(shown, bytes) { return shown == int(bytes / 1048576) }
		NR == 1 { at = $2 * 1e9 - $13 }
		{
			off = $2 * 1e9 - $13 - at
			if (NF != 22 || $1 != $12 || off * off > 1e12 ||
			    !clock($3, $14 - $13) || !clock($4, $15 - $14) || !clock($5, $16 - $15) ||
			    !mb($6, $17) || !mb($7, $18) || !mb($8, $19) || !mb($9, $20) ||
			    $10 != $21 || $11 != $22)
				print
		}')"
	same "$name: the sampling rate" "$(fact rate)" \
		"$(columns "$events" gc_end rate | sort -u)"
}

check_goroutines() {
	local made fn first
	made=$(fact goroutines)
	# Goroutine 1 is runtime.main: it shows where a position-independent program lies.
	first=$(columns "$events" go_create goid fn | awk '$1 == 1 { print $2 }')
	fn=$(printf '%#x' $((first + $(address_of main.main.func1) - $(address_of runtime.main))))
	columns "$events" go_create fn goid creator | grep "^$fn " >"$work/made"
	same "$name: go_create once for each go statement" "$made" "$(wc -l <"$work/made")"
	same "$name: each new goroutine has an id of its own" "$made" \
		"$(cut -d' ' -f2 "$work/made" | sort -u | wc -l)"
	if grep -qP '^go_create\t.*\tno creator' "$plan.sampled"; then
		pass "$name: go_create says that the creator is lost"
	else
		same "$name: go_create names the creator" 1 "$(cut -d' ' -f3 "$work/made" | sort -u)"
	fi
	same "$name: go_create_coro once for each iter.Pull" "$(fact coroutines)" \
		"$(columns "$events" go_create_coro goid | sort -u | wc -l)"
	columns "$events" go_create_coro goid | sed 's/^/coro /' >>"$work/made"
	same "$name: every goroutine that was made ends" "" \
		"$(comm -23 <(cut -d' ' -f2 "$work/made" | sort) <(columns "$events" go_exit goid | sort))"
}

# check_sampled SYMBOLS: yes where the program has symbols to name addresses by.
check_sampled() {
	make_plan sampled
	same "$name: every role has its place" "" "$(cat "$plan.sampled.lost")"
	same "$name: no field is lost" "" \
		"$(cut -f1,8 "$plan.sampled" | grep -vP '\t-$|^go_create\tno creator')"
	[ "$1" = no ] || boundaries "$name" "$plan.sampled" "$program"
	same "$name: the kernel takes every probe" "" "$(define_events "$plan.sampled")"
	if ! GODEBUG=gctrace=1 record_events "$plan.sampled" "$work/data" "$program" \
		-dump "$work/dump" >"$work/facts" 2>"$work/gctrace"; then
		fail "$name: the program runs under its probes" "$(tail "$work/gctrace")"
		return
	fi
	nothing_lost "$name" "$work/data"
	events=$work/events
	extract "$work/data" "$events"
	columns "$events" gc_end numgc cycle >"$work/gc_end"
	check_samples
	check_gc
	[ "$1" = no ] || check_goroutines
	within "$name: heap_grow" "$(columns "$events" heap_grow npages | awk '$1 > 0' | wc -l)" 1 1000
	within "$name: scavenge, with a size" \
		"$(columns "$events" scavenge nbytes | awk '$1 > 0 && $1 < 1e12' | wc -l)" 1 10000
	remove_events
}

# The stacks that births carry, as the kernel prints them (perf 6.1 prints no arrays), against the
# buckets of the dump: how often each stack and size was sampled.
check_stacks() {
	local instance=$tracing/instances/$group cycle
	same "$name: the kernel takes the birth probe" "" \
		"$(define_events <(grep -P '^(birth|gc_end)\t' "$plan.sampled"))"
	mkdir "$instance" && echo 16384 >"$instance/buffer_size_kb" &&
		echo 1 >"$instance/events/$group/enable"
	"$program" -dump "$work/dump" >"$work/facts"
	echo 0 >"$instance/events/$group/enable"
	sed -nE 's/^.* (birth|gc_end): \([^)]*\) /\1 /p' "$instance/trace" >"$work/trace"
	rmdir "$instance"
	columns "$work/trace" gc_end numgc cycle >"$work/gc_end"
	cycle=$(profile_cycle)
	columns "$work/trace" birth cycle size nstk stk | awk -v now="$cycle" -v shift="$cycle_shift" '
		int($1 / 2 ^ shift) <= now - 1 {
			n = split(substr($4, 2), word, ",")
			stack = ""
			for (i = 1; i <= $3 && i <= 48; i++)
				stack = stack " " word[i]
			seen[$2 stack]++
		}
		END { for (key in seen) print seen[key], key }' | sort >"$work/seen"
	sed -nE 's/^[0-9]+: [0-9]+ \[([0-9]+): ([0-9]+)\] @ (.*)/\1 \2 \3/p' "$work/dump" | awk '
		$1 > 0 {
			key = $2 / $1
			# An event has room for 48 addresses.
			for (i = 3; i <= NF && i < 3 + 48; i++)
				key = key " " $i
			seen[key] += $1
		}
		END { for (key in seen) print seen[key], key }' | sort >"$work/buckets"
	same "$name: births carry the stacks of the profile" "$(cat "$work/buckets")" \
		"$(cat "$work/seen")"
	remove_events
}

# Every allocation, against the count that the runtime keeps.
check_all() {
	make_plan all
	boundaries "$name, all" "$plan.all" "$program"
	grep -P '^alloc_' "$plan.all" >"$plan.alloc"
	same "$name, all: the kernel takes every probe" "" "$(define_events "$plan.alloc")"
	record_events "$plan.alloc" "$work/data" "$program" -n 20000 >"$work/facts"
	nothing_lost "$name, all" "$work/data"
	extract "$work/data" "$work/events"
	# What the runtime allocates after the count was taken depends on how long the end takes.
	within "$name, all: an event for each allocation, beyond MemStats.Mallocs" \
		"$(columns "$work/events" 'alloc_.*' size | awk -v n="$(fact mallocs)" '
			$1 > 0 { m++ } END { print m - n }')" 0 40
	# Once in the loop and once at the end of each goroutine; the caller is in the chain also where
	# the compiler calls the allocator without a function of the runtime between.
	same "$name, all: call chains hold the immediate caller" 20200 \
		"$(perf script -i "$work/data" -F event,ip,sym --no-inline 2>/dev/null |
			awk -v RS='' -F'\n' '
				{ caller = $3 ~ / runtime\.newobject$/ ? $4 : $3 }
				caller ~ / main\.allocWord$/ { n++ }
				END { print n + 0 }')"
	if grep -q '^alloc_SmallNoScanSC7' "$plan.all"; then
		# 80 bytes and less go past mallocgc; of those functions the ones for smaller sizes
		# are not probed.
		"$plan_events" "$program" all 50 >"$plan.min"
		same "$name, all: a smallest size" \
			"SmallNoScanSC6 size >= 50,SmallNoScanSC7 -,mallocgc size > 80" \
			"$(grep -P '^alloc_(SmallNoScan|Tiny|mallocgc)' "$plan.min" | cut -f1,7 |
				sed 's/^alloc_//; s/\t/ /; s/ && .*//' | sort | paste -sd,)"
	fi
	within "$name, all: allocations by the main goroutine" \
		"$(columns "$work/events" 'alloc_.*' goid | awk '$1 == 1 { n++ } END { print n / NR }')" \
		0.95 1
	remove_events
}

check_span() {
	make_plan span
	boundaries "$name, span" "$plan.span" "$program"
	same "$name, span: nothing is lost but goroutines where no register has them" "" \
		"$(cat "$plan.span.lost")$(awk -F'\t' '$1 ~ /^(refill|large|release)$/ && $8 != "-" &&
			$8 != "no goid: no register holds the goroutine there" { print $1, $8 }' \
			"$plan.span")"
	grep -P '^(refill|large|release)\t' "$plan.span" >"$plan.spans"
	same "$name, span: the kernel takes every probe" "" "$(define_events "$plan.spans")"
	record_events "$plan.spans" "$work/data" "$program" >"$work/facts"
	nothing_lost "$name, span" "$work/data"
	extract "$work/data" "$work/events"
	same "$name, span: each large object, with the size of its pages" \
		"$(seq 1048576 5000 1148575 | awk '{ print int(($1 + 8191) / 8192) * 8192 }')" \
		"$(columns "$work/events" large size | awk '$1 >= 1048576 && $1 < 1155072')"
	within "$name, span: span refills" "$(count "$work/events" refill)" 5000 40000
	same "$name, span: refills name a span class" 0 \
		"$(columns "$work/events" refill spanclass | awk '$1 < 2 || $1 >= 136' | wc -l)"
	# What a cache gives back it has taken; a full one is given back at the next take.
	same "$name, span: a span that goes back was taken, and has no more objects than slots" "" \
		"$(grep -E '^(refill|release) ' "$work/events" | awk '
			function field(name,    at) {
				at = index($0, " " name "=")
				rest = substr($0, at + length(name) + 2)
				sub(/ .*/, "", rest)
				return rest
			}
			$1 == "refill" {
				slots[field("s")] = field("nelems") + 0
				used[field("s")] = field("allocCount") + 0
			}
			$1 == "release" {
				s = field("s")
				n = field("allocCount") + 0
				if (!(s in slots) || n > slots[s] || n < used[s])
					print s, n, slots[s]
				n_released++
			}
			END { if (!n_released) print "none went back" }' | head -n 20)"
	remove_events
}

# On the check of a function whose stack grows: without its filter the event fires again after each
# growth, with it exactly once a call.
check_filter() {
	local start check calls got
	start=$(address_of main.deep)
	check=$("$GOROOT/bin/go" tool objdump -s '^main.deep$' "$program" |
		awk '$4 == "JBE" || $4 == "JLS" { print $2; exit }')
	# 200 goroutines, each 21 to 220 deep.
	calls=24100
	{
		printf 'every\tmain.deep\t%s\t%#x\t-\t0\t-\t-\tflags=%%flags:x64\n' "$check" \
			$((check - text))
		printf 'once\tmain.deep\t%s\t%#x\t-\t0\t!(flags & 0x41)\t-\tflags=%%flags:x64\n' "$check" \
			$((check - text))
	} >"$plan.filter"
	same "$name: the kernel takes the probes at $check of main.deep ($start)" "" \
		"$(define_events "$plan.filter")"
	record_events "$plan.filter" "$work/data" "$program" -n 10 >"$work/facts"
	extract "$work/data" "$work/events"
	same "$name: the filter keeps each call once" "$calls" "$(count "$work/events" once)"
	got=$(count "$work/events" every)
	within "$name: without it restarts are seen too" "$got" $((calls + 100)) $((calls * 2))
	remove_events
}

# Foreign binaries are planned as well; without a machine to run them, the places are compared with
# Go's own disassembler.
check_foreign() {
	local arch
	for arch in arm64 loong64; do
		name="Go $version $arch"
		if ! GOARCH=$arch GO111MODULE=off GOFLAGS='' GOTOOLCHAIN=local "$GOROOT/bin/go" build \
			-o "$work/foreign" "$top/tests/programs/probed/main.go" 2>"$work/go.log"; then
			skip "$name" "$(tail -n 1 "$work/go.log")"
			continue
		fi
		program=$work/foreign
		make_plan all
		same "$name: every role has its place" "" "$(cat "$plan.all.lost")"
		if "$GOROOT/bin/go" tool objdump -s '^main.main$' "$program" >/dev/null 2>&1; then
			boundaries "$name" "$plan.all" "$program"
		fi
		same "$name: no probe is at an entry" "" "$(grep -P '\tentry' "$plan.all")"
		make_plan span
		same "$name, span: every role has its place" "" "$(cat "$plan.span.lost")"
		same "$name, span: what a span is taken for, and what goes back" "large,refill,release" \
			"$(grep -oP '^(refill|large|release)(?=\t)' "$plan.span" | sort | paste -sd,)"
		same "$name, span: no field is lost" "" \
			"$(awk -F'\t' '$8 != "-" { print $1, $8 }' "$plan.span" |
				grep -E '^(refill|large|release) ')"
	done
}

need_recording
if ! build_helper >"$work/build.log" 2>&1; then
	fail "the helper builds" "$(tail "$work/build.log")"
	finish
fi
for version in $versions; do
	name="Go $version"
	go_program "$version" probed || continue
	GOROOT=$("$top/tests/fetch-go.sh" "$version") || GOROOT=$(go env GOROOT)
	export GOROOT GOTOOLCHAIN=local
	# What lies between addresses and file offsets in these non-PIE binaries.
	text=0x400000
	# Up to 1.18 the cycle is kept as it is, then with a flag in its lowest bit.
	cycle_shift=1
	[ "${version#1.}" -le 18 ] && cycle_shift=0
	check_sampled yes
	check_stacks
	check_all
	check_span
	check_filter
	name="Go $version, stripped"
	go_program "$version" probed '-ldflags=-s -w' && check_sampled no
	case $version in
	1.15 | 1.19 | 1.27)
		check_foreign
		name="Go $version, PIE"
		go_program "$version" probed -buildmode=pie && check_sampled yes
		;;
	esac
done
finish
