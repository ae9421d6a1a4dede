#!/bin/bash
# C memory: every function of the malloc family, counted against the program's own account, against
# glibc's and against perf's count of the same functions; thinned out, attached, stripped, linked
# statically, with other allocators, in C++ and behind cgo, where leaks are named with their callers.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
need_recording
rounds=400

# compiled NAME COMMAND...: skips what this machine cannot compile.
compiled() {
	local name=$1
	shift
	if ! command -v "$1" >/dev/null; then
		skip "$name" "no $1"
		return 1
	fi
	"$@" 2>"$work/cc.log" || {
		fail "$name is compiled" "$(tail -n 5 "$work/cc.log")"
		return 1
	}
}

family=$work/family
source=$top/tests/programs/family/family.c
compiled family gcc -O2 -g -o "$family" "$source" || finish

# recorded NAME OPTION... -- COMMAND...: records, and analyzes to $work/NAME.json; what the program
# printed is in $work/NAME.out.
recorded() {
	local name=$1
	shift
	"$record" -q -o "$work/$name.gmt" "$@" >"$work/$name.out" 2>"$work/$name.err" </dev/null ||
		fail "$name is recorded" "$(cat "$work/$name.err")"
	"$analyze" -f json "$work/$name.gmt" >"$work/$name.json" 2>>"$work/$name.err" ||
		fail "$name is analyzed" "$(cat "$work/$name.err")"
}

# What the trace says of each function of the program: made, freed, kept bytes.
by_function() {
	jq -r '[.candidates[] | select(.kind == "native") | . as $c |
		([.frames[].function | select(startswith("by_"))][0] // empty) |
		[., $c.births, $c.deaths, $c.live_sampled_bytes]]
		| group_by(.[0])[] | [.[0][0], (map(.[1]) | add), (map(.[2]) | add), (map(.[3]) | add)]
		| join(" ")' "$1" | sort
}

native() {
	jq -r ".processes[0].native.$2" "$work/$1.json"
}

# column FILE N: the sum of a column of the program's own account.
column() {
	awk -v n="$2" '/^by_/ { sum += $n } END { print sum + 0 }' "$1"
}

# ---- All of it ------------------------------------------------------------------------------

# Without caches of freed chunks glibc's own account is of the living alone.
GLIBC_TUNABLES=glibc.malloc.tcache_count=0:glibc.malloc.mxfast=0 recorded all --native -- "$family" $rounds
same "made, freed and kept by each function" "$(grep ^by_ "$work/all.out" | sort)" \
	"$(by_function "$work/all.json")"
same "nothing else was seen" "$(column "$work/all.out" 2) $(column "$work/all.out" 3) 0" \
	"$(native all births) $(native all deaths) $(native all unmatched_deaths)"
kept=$(column "$work/all.out" 4) alive=$(native all live)
same "live bytes at the end" "$kept" "$(native all live_sampled_bytes)"
within "live bytes and their headers, by glibc's account" \
	"$(awk '/^in_use/ { print $2 }' "$work/all.out")" $((kept + 8 * alive)) $((kept + 16 * alive + 4096))
same "nothing was lost" 0 "$(jq .trust.lost_events "$work/all.json" 2>/dev/null || echo '?')"

# perf counts the entries of malloc and free in another run of the same program.
# A recorder that starts meanwhile takes away what is named as its own events are.
group=count_native_$$
"$record" --list --native -- "$family" >"$work/list"
library=$(sed -n 's/^native: \(.*\), sizes from its chunks$/\1/p' "$work/list")
offset_of() {
	awk -v e="$1" '$1 == e { for (i = 2; i <= NF; i++) if ($i ~ /^0x/) { print $i; exit } }' "$work/list"
}
# shellcheck disable=SC2317
remove_counters() {
	local event
	for event in malloc free; do
		echo "-:$group/$event" >>"$tracing/uprobe_events" 2>/dev/null
	done
}
trap 'remove_counters; at_exit' EXIT
for event in malloc free; do
	echo "p:$group/$event $library:$(offset_of native_$event)" >>"$tracing/uprobe_events"
done
perf stat -x, -o "$work/stat" -e "$group:malloc,$group:free" -- "$family" $rounds >/dev/null 2>&1
same "calls of malloc and free, by perf stat" \
	"$(awk -F, '/malloc|free/ { printf "%s ", $1 }' "$work/stat")" \
	"$(count_events "$work/all.gmt" native_malloc) $(count_events "$work/all.gmt" native_free) "
remove_counters

# ---- A part of it ---------------------------------------------------------------------------

recorded thin --native=8 -- "$family" 4000
made=$(column "$work/thin.out" 2) kept=$(column "$work/thin.out" 4)
same "thinned: every death has its birth" 0 "$(native thin unmatched_deaths)"
within "thinned: allocations recorded of $made" "$(native thin births)" $((made / 13)) $((made / 5))
# Chunks of one page are kept or left together: the error is larger than of single ones.
error=$(jq '[.candidates[] | select(.kind == "native").live_bytes_error | . * .] | add | sqrt | . * 4 | floor' \
	"$work/thin.json")
within "thinned: bytes alive, estimated, against $kept" "$(native thin live_est_bytes)" \
	$((kept - error)) $((kept + error))
check "thinned: the estimate is worth having" [ "$error" -lt $((kept / 2)) ]
recorded large --native --min-size 100K -- "$family" $rounds
same "none but the large" 0 "$(native large unmatched_deaths)"
check "none but the large: their sizes" jq -e \
	'[.candidates[] | select(.kind == "native").min_size_bytes] | length > 0 and min >= 102400' \
	"$work/large.json"

# ---- Joined while it runs --------------------------------------------------------------------

mkfifo "$work/in"
"$family" $rounds wait <"$work/in" >"$work/attach.out" &
pid=$!
background+=("$pid")
exec 9>"$work/in"
wait_for 60 grep -q half "$work/attach.out"
start_record "$work/attach.log" --native -o "$work/attach.gmt" -p $pid
wait_for 60 grep -q recording "$work/attach.log"
echo >&9
wait_for 60 grep -q 'done' "$work/attach.out"
kill -INT "$recorder"
wait "$recorder"
echo >&9
exec 9>&-
"$analyze" -f json "$work/attach.gmt" >"$work/attach.json"
same "attached: what was made since" $(($(column "$work/attach.out" 2) / 2)) "$(native attach births)"
same "attached: frees of what was there before" $((7 * rounds / 4)) "$(native attach unmatched_deaths)"
same "attached: all of it is freed" 0 "$(native attach live)"

# ---- Other programs and allocators -----------------------------------------------------------

strip -o "$work/stripped" "$family"
recorded bare --native -- "$work/stripped" $rounds
same "stripped: made, freed, kept bytes" \
	"$(column "$work/bare.out" 2) $(column "$work/bare.out" 3) $(column "$work/bare.out" 4)" \
	"$(native bare births) $(native bare deaths) $(native bare live_sampled_bytes)"
if compiled "linked statically" gcc -O2 -g -static -o "$work/static" "$source"; then
	recorded static --native -- "$work/static" $rounds
	same "linked statically: made, freed and kept by each function" \
		"$(grep ^by_ "$work/static.out" | sort)" "$(by_function "$work/static.json")"
fi
if compiled musl musl-gcc -O2 -g -o "$work/musl" "$source"; then
	recorded musl --native -- "$work/musl" $rounds
	# musl has no call frame information: who calls strdup and posix_memalign is not known there.
	same "musl: made, freed and kept by each function" \
		"$(grep ^by_ "$work/musl.out" | grep -vE "strdup|posix" | sort)" \
		"$(by_function "$work/musl.json")"
	same "musl: made, freed and kept in all" \
		"$(column "$work/musl.out" 2) $(column "$work/musl.out" 3) $(column "$work/musl.out" 4)" \
		"$(native musl births) $(native musl deaths) $(native musl live_sampled_bytes)"
	recorded musl-thin --native=8 -- "$work/musl" 40
	same "musl is not thinned out" "$(column "$work/musl-thin.out" 2)" "$(native musl-thin births)"
fi
jemalloc=$(ldconfig -p | awk '/libjemalloc\.so/ { print $NF; exit }')
if [ -z "$jemalloc" ]; then
	skip "jemalloc" "not installed"
else
	LD_PRELOAD=$jemalloc recorded jemalloc --native -- "$family" $rounds
	same "jemalloc: made and freed by each function but posix_memalign" \
		"$(grep ^by_ "$work/jemalloc.out" | grep -v posix | cut -d' ' -f1-3 | sort)" \
		"$(by_function "$work/jemalloc.json" | cut -d' ' -f1-3)"
	check "jemalloc: what is not seen is said" grep -q '"[^"]*posix_memalign: this allocator' "$work/jemalloc.json"
fi
if compiled C++ g++ -O2 -g -o "$work/newdelete" "$top/tests/programs/newdelete/newdelete.cpp"; then
	recorded cpp --native -- "$work/newdelete" 500
	same "C++: new and delete, by the functions that call them" \
		"shop::borrow(int) 500 500 shop::open_session(int) 500 0" \
		"$(jq -r '[.candidates[] | select(.kind == "native") | . as $c | .frames[].function |
			select(startswith("shop::")) | [., $c.births, $c.deaths] | join(" ")] | sort | join(" ")' \
			"$work/cpp.json")"
fi

# ---- cgo --------------------------------------------------------------------------------------

# stack FILE FUNCTION: the stack of the candidate that has this function in it.
stack() {
	jq -r --arg f "$2" '[.candidates[] | select(.kind == "native") | [.frames[].function] |
		select(index($f))][0] | join(" ")' "$1"
}

if go_program system cgo; then
	leaking=$program
	go_program system cgocache && caching=$program
	"$record" -q --native -o "$work/leak.gmt" -- "$leaking" -steps 4000 -pause 12ms >"$work/leak.out" 2>"$work/leak.err" &
	leak=$!
	"$record" -q --native -o "$work/cache.gmt" -- "$caching" -duration 6s >"$work/cache.out" 2>"$work/cache.err" &
	wait $leak $!
	analyzed "$work/leak.txt" "$work/leak.gmt"
	"$analyze" -f json "$work/leak.gmt" >"$work/leak.json"
	"$analyze" -f json "$work/cache.gmt" >"$work/cache.json"
	first=$(jq -r '[.candidates[] | select(.kind == "native")][0] |
		[.verdict, .unit, .births, .deaths] | join(" ")' "$work/leak.json")
	same "cgo: the leak is called one" "leak allocations 4000 0" "$first"
	same "cgo: the C function, then who called it" \
		"leak_buffer main._Cfunc_leak_buffer main.main" \
		"$(jq -r '[.candidates[] | select(.kind == "native")][0] |
			[.frames[].function | select(test("^runtime|^_cgo") | not)] | join(" ")' "$work/leak.json")"
	check "cgo: the report says so" grep -q "^ *[12]\. native leak" "$work/leak.txt"
	check "cgo: and with what is missing" grep -q "the free that is missing" "$work/leak.txt"
	check "cgo: behind strdup, with no frame pointer left" grep -qx \
		"strdup leak_name.* main._Cfunc_leak_name main.main .*" <<<"$(stack "$work/leak.json" strdup)"
	check "cgo: what was freed is no leak" jq -e '[.candidates[] |
		select(.kind == "native" and any(.frames[]; .function == "borrow_and_return")) |
		.verdict] | all(. != "leak" and . != "likely-leak")' "$work/leak.json"
	check "cgo: the time line has C memory" grep -q "native" "$work/leak.txt"
	check "a cache in C is not called a leak" jq -e '[.candidates[] | select(.kind == "native") |
		.verdict] | length > 0 and all(. != "leak" and . != "likely-leak")' "$work/cache.json"
	check "a cache in C: its Go caller" grep -q "main.render" <<<"$(stack "$work/cache.json" put)"
fi

# ---- What is refused --------------------------------------------------------------------------

"$record" -q -o "$work/none.gmt" -- "$family" 10 >"$work/none.out" 2>&1
same "without --native a C program is refused" 125 $?
check "with the remedy" grep -q -e --native "$work/none.out"
finish
