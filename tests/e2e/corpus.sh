#!/bin/bash
# Ten programs of the corpus, recorded side by side for a minute: of those that leak the true site
# heads the list, as a leak; of those that do not, nothing is called one. Some of them are recorded
# by the runtime's counters alone too, and by spans, as programs without heap profiling are. `make corpus` runs all.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
need_recording
# shellcheck source=tests/corpus-run.sh
. "$top/tests/corpus-run.sh"
# shellcheck disable=SC2034
corpus_help=$("$record" --help)

version=${E2E_GO_CORPUS:-1.27} seconds=45
leaks=(map-growth goroutine-channel finalizer-cycle labels fast-leak)
innocents=(lru-filling ramp-up sawtooth constant periodic-burst)

result() {
	jq -r "$2" "$work/$1/result.json" 2>&1
}

go_program "$version" leaks/go || finish
for name in "${leaks[@]}" "${innocents[@]}"; do
	corpus_record "$work/$name" "$version" "$name" $seconds default 0 &
	background+=($!)
done
for name in map-growth lru-filling; do
	for heap in counters span; do
		corpus_record "$work/$heap/$name" "$version" "$name" $seconds $heap 0 &
		background+=($!)
	done
done
wait

for name in "${leaks[@]}"; do
	check "$name: it is recorded" test -s "$work/$name/result.json"
	same "$name: the true site is the first" true "$(result "$name" .first)"
	check "$name: it is called a leak" grep -qE '^(likely-)?leak$' <<<"$(result "$name" .verdict)"
	# Of one run an interval of 95 % says too little: twice as wide must hold the truth.
	same "$name: the growth that the program counted is near the interval" true \
		"$(result "$name" '.low - (.high - .low) / 2 <= .rate and .rate <= .high + (.high - .low) / 2')"
	same "$name: nothing else is called a leak" "[]" "$(result "$name" '.wrong | tojson')"
done
for name in "${innocents[@]}"; do
	check "$name: it is recorded" test -s "$work/$name/result.json"
	check "$name: it was judged" jq -e '.judged | length > 0' "$work/$name/result.json"
	same "$name: nothing is called a leak" "[]" "$(result "$name" '.wrong | tojson')"
done
for heap in counters span; do
	same "map-growth, by $heap: the true site is the first" true "$(result $heap/map-growth .first)"
	check "map-growth, by $heap: it is called a leak" \
		grep -qE '^(likely-)?leak$' <<<"$(result $heap/map-growth .verdict)"
	check "lru-filling, by $heap: it was judged" \
		jq -e '.judged | length > 0' "$work/$heap/lru-filling/result.json"
	same "lru-filling, by $heap: nothing is called a leak" "[]" \
		"$(result $heap/lru-filling '.wrong | tojson')"
done
finish
