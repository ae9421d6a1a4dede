#!/bin/bash
# Runs every unit test and every end-to-end test, and prints how many checks passed, failed and were
# skipped. Give names to run some only: tests/run.sh test_map main.sh
set -u
cd "$(dirname "$0")/.." || exit 1
export CACHE=${CACHE:-$PWD/.cache} BUILD=${BUILD:-build} BIN=${BIN:-bin}
# One test may take this long, in seconds.
limit=${TEST_LIMIT:-1800}

passed=0 failed=0 skipped=0
log=$(mktemp)
trap 'rm -f "$log"' EXIT

wanted() {
	local name
	[ $# = 1 ] && return 0
	for name in "${@:2}"; do
		[ "$name" = "$1" ] && return 0
	done
	return 1
}

# Counts the lines of $log that match.
count() {
	grep -cE "$1" "$log" || true
}

# A test program of cmocka, in its TAP output; what it planned and did not reach has failed.
unit() {
	local name status=0 planned ok not_ok skips
	name=$(basename "$1")
	CMOCKA_MESSAGE_OUTPUT=TAP timeout "$limit" "$1" >"$log" 2>&1 || status=$?
	planned=$(awk -F'\\.\\.' '/^1\.\.[0-9]+$/ { n += $2 } END { print n + 0 }' "$log")
	ok=$(count '^ok [0-9]+ - ')
	skips=$(count '^(not )?ok [0-9]+ # SKIP')
	not_ok=$((planned - ok - skips))
	# A crash outside of any test, or a sanitizer's word at the exit.
	[ $status != 0 ] && [ $not_ok -le 0 ] && not_ok=1
	passed=$((passed + ok)) failed=$((failed + not_ok)) skipped=$((skipped + skips))
	if [ $not_ok -gt 0 ] || [ "$planned" = 0 ]; then
		[ "$planned" = 0 ] && failed=$((failed + 1))
		echo "FAIL unit/$name: exit status $status"
		sed 's/^/     | /' "$log"
	else
		echo "ok   unit/$name: $ok cases"
	fi
	# The name of a skipped case says why it is skipped; cmocka has no place for a reason.
	sed -n 's/^not ok [0-9]* # SKIP \(.*\)/skip unit\/'"$name"': \1/p' "$log"
}

end_to_end() {
	local name status line
	name=$(basename "$1")
	timeout --foreground "$limit" "$1" </dev/null 2>&1 | tee "$log"
	status=${PIPESTATUS[0]}
	line=$(grep "^end of $name: passed [0-9]*, failed [0-9]*, skipped [0-9]*$" "$log" | tail -n 1)
	if [ -z "$line" ]; then
		echo "FAIL $name: no count at its end, exit status $status"
		failed=$((failed + 1))
		return
	fi
	read -r p f s <<<"$(sed 's/.*passed \([0-9]*\), failed \([0-9]*\), skipped \([0-9]*\)/\1 \2 \3/' <<<"$line")"
	if [ "$status" != 0 ] && [ "$f" = 0 ]; then
		echo "FAIL $name: exit status $status"
		f=1
	fi
	passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
}

for source in tests/unit/test_*.c; do
	name=$(basename "$source" .c)
	wanted "$name" "$@" || continue
	if [ -x "$BUILD/tests/unit/$name" ]; then
		unit "$BUILD/tests/unit/$name"
	else
		echo "FAIL unit/$name: not built"
		failed=$((failed + 1))
	fi
done
for script in tests/e2e/*.sh; do
	name=$(basename "$script")
	case $name in lib.sh | real-lib.sh | permission.sh | faults-lib.sh) continue ;; esac
	wanted "$name" "$@" || continue
	end_to_end "$script"
done

echo "$passed passed, $failed failed, $skipped skipped"
[ $failed = 0 ] && [ $passed -gt 0 ]
