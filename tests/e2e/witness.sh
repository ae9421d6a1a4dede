#!/bin/bash
# An independent witness of every birth and every death: with GODEBUG=traceallocfree=1 the runtime
# writes each object's allocation and freeing into an execution trace. Whatever the recording says of
# the sampled ones must stand there too, for the same slot of the heap, of the same size, in the same
# order, at the same time; and nothing that was sampled may be freed there and alive in the recording.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
need_recording

versions=${E2E_GO_WITNESS:-1.24 1.27}
rate=4096

# On one processor: on several, a run with such an execution trace dies now and then as it ends, with
# runtime.traceAdvance in its last stack, in each of these versions, also without a recorder; on one
# processor it was not seen to. A run that died bears no witness.
recorded() {
	local dir=$1 attempt
	for attempt in 1 2 3 4 5; do
		GOMAXPROCS=1 GODEBUG=traceallocfree=1 "$record" -q -m 1024 -o "$dir/trace.gmt" -- \
			"$program" -rate $rate -trace "$dir/execution" >"$dir/out" 2>"$dir/log" && return 0
		grep -q 'runtime.traceAdvance' "$dir/log" || return 1
		echo "     the runtime died of its own execution trace in attempt $attempt"
	done
	return 2
}

# Lines of `perf script --ns -F time,event,trace` as the program reads them.
events() {
	perf script -i "$1" --ns -F time,event,trace 2>/dev/null | awk '
		$2 ~ /:birth:$/ || $2 ~ /:death:$/ {
			split($1, time, /[.:]/)
			address = size = ""
			for (i = 3; i <= 8; i++) {
				if ($i ~ /^p=0x/) address = substr($i, 5)
				if ($i ~ /^size=/) size = substr($i, 6)
			}
			print time[1] time[2], ($2 ~ /:birth:$/ ? "birth" : "death"), address, size
		}'
}

witness() {
	local version=$1 dir=$work/$1 name births expected status=0
	go_program "$version" witness || return 0
	mkdir -p "$dir"
	recorded "$dir" || status=$?
	if [ $status = 2 ]; then
		skip "Go $version" "the runtime dies of its own execution trace"
		return 0
	elif [ $status != 0 ]; then
		fail "Go $version: recorded" "$(tail -n 20 "$dir/log")"
		return 0
	fi
	events "$dir/trace.gmt" >"$dir/events"
	if ! "$program" -rate $rate -compare "$dir/execution" <"$dir/events" >"$dir/verdict" 2>"$dir/log"; then
		fail "Go $version: the execution trace is read" "$(cat "$dir/log")"
		return 0
	fi
	births=$(jq .births "$dir/verdict")
	within "Go $version: births under the execution trace" "$births" 5000 100000
	within "Go $version: deaths under it" "$(jq .deaths "$dir/verdict")" 5000 100000
	within "Go $version: sampled before it and alive in it" "$(jq .alive_before "$dir/verdict")" 20 100000
	for name in births_without_alloc deaths_without_free frees_without_death born_while_alive \
		deaths_without_birth alive_before_but_not_there wrong_sizes execution_trace_inconsistent; do
		if [ "$(jq .$name "$dir/verdict")" = 0 ]; then
			pass "Go $version: $name: 0"
		else
			fail "Go $version: $name" "$(jq -r ".$name, .examples[]" "$dir/verdict")"
		fi
	done
	# How many the sampler must have picked of what the witness saw, by the size of each.
	read -r expected _ <<<"$(jq -r '"\(.expected_births) \(.sigma)"' "$dir/verdict")"
	within "Go $version: births within 5 sigma of ${expected%.*} expected of $(jq .allocs "$dir/verdict") allocations" \
		"$births" "$(jq '.expected_births - 5 * .sigma' "$dir/verdict")" "$(jq '.expected_births + 5 * .sigma' "$dir/verdict")"
	# The breakpoint comes first, the runtime's own event right behind it, unless the thread has to
	# wait for a processor in between. No two events of a thread have the same tick, so what is freed
	# in one go pushes the times of the execution trace a little ahead.
	for name in birth death; do
		within "Go $version: $name to its witness, median ns" "$(jq .${name}_lag_ns.median "$dir/verdict")" 0 50000
		within "Go $version: $name to its witness, 99 of 100, ns" "$(jq .${name}_lag_ns.p99 "$dir/verdict")" 0 5000000
		within "Go $version: $name to its witness, all, ns" "$(jq .${name}_lag_ns.max "$dir/verdict")" 0 1000000000
	done
}

for version in $versions; do
	witness "$version"
done
finish
