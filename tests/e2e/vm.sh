#!/bin/bash
# Other kernels, with kprobes: recorded in virtual machines, analyzed here. The page faults of a
# program, as a kprobe on handle_mm_fault has them there, are those that it has here.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/e2e/faults-lib.sh
. "$(dirname "$0")/faults-lib.sh"

for tool in qemu-system-x86_64 busybox cpio; do
	if ! command -v $tool >/dev/null; then
		skip "all checks" "$tool is not installed"
		finish
	fi
done
cd "$work" || exit 1
go_program 1.19 touch || finish
touch_program=$program
go_program 1.19 batch || finish
"$top/tests/vm/initramfs.sh" initramfs.gz "$top/tests/vm/job" "$record" "$touch_program" "$program" 2>initramfs.log
same "the initial file system is made" 0 $?

# --- Here, where recording is permitted.
here_share=
if [ -z "$(recording_forbidden)" ]; then
	"$record" -q --faults -o here.gmt -- "$touch_program" -linger 2500ms >here.truth 2>here.record
	check "here: analyze" faults_of here.gmt here
	here_share=$(heap_share here)
fi

# alike NAME WHERE: a recording in there tells of the same as here, and what the program knows.
#
# The program touches 24 MiB; the rest, some 2.5 MiB, is the runtime's own, which differs by the number
# of CPUs and by chance. Were all of that rest missing or doubled, the heap's share would move by ten
# points; half of that is allowed.
alike() {
	local name=$1 touched
	touched=$(jq '.touched_pages * .page_bytes' "$name.truth")
	within "$2: first touches by main.touch, of $touched bytes" \
		"$(function_touches "$name" main.touch)" $((touched * 98 / 100)) $((touched + 65536))
	within "$2: first touches on the Go heap" \
		"$(first_touches "$name" go_heap)" $((touched * 98 / 100)) $((touched + (4 << 20)))
	[ -n "$here_share" ] || return 0
	within "$2: the heap's share against $here_share % here" "$(heap_share "$name")" \
		"$(awk -v x="$here_share" 'BEGIN { print x - 5 }')" \
		"$(awk -v x="$here_share" 'BEGIN { print x + 5 }')"
}

# found_complete REPORT: with its lines, which are broken, joined.
found_complete() {
	tr -s ' \n' '  ' <"$1" | grep -qE 'Bucket table of process [0-9]+, [^:]*: .* complete\.'
}

results() {
	local suite=$1 version
	cd "$work/$suite" || exit 1
	version="Linux $(sed -n 1p job.log | cut -d. -f1,2)"
	same "$version: exit statuses" "kprobe: 0 faults: 0 batch: 0 refused: 125" \
		"$(grep -E '^(kprobe|faults|batch|refused): ' job.log | tr '\n' ' ' | sed 's/ $//')"
	same "$version: --check says no to nothing" "" "$(grep '^no' check.txt)"
	for name in kprobe faults batch; do
		check "$version, $name: nothing was lost" grep -q ', 0 lost$' $name.record
		check "$version, $name: analyze" faults_of $name.gmt $name
		same "$version, $name: analyze says nothing on standard error" "" "$(cat $name.log)"
	done
	alike kprobe "$version, kprobe"
	alike faults "$version, --faults"
	within "$version: untouched share of what is left alone, in percent" \
		"$(awk -v a="$(untouched kprobe main.allocateUntouched untouched_est_bytes)" \
			-v b="$(untouched kprobe main.allocateUntouched est_bytes)" 'BEGIN { if (b) print 100 * a / b }')" 85 100
	check "$version: the default mode's events are complete by the counters" \
		found_complete batch.txt
	same "$version: births and deaths in the default mode are what the counters say" "true" \
		"$(jq '[.checks[] | .valid and .counted_births == .seen_births and .counted_deaths == .seen_deaths] | all' batch.json)"
	within "$version: GC cycles against the program's $(jq .num_gc batch.truth)" \
		"$(jq '.cycles | length' batch.json)" "$(jq '.num_gc - 1' batch.truth)" "$(jq .num_gc batch.truth)"
	check "$version: a refusal has the kernel's reason" grep -q "no_such_function_at_all.*refused" refused.record
	check "$version: a recorder that is killed leaves its kprobe" grep -q 'gmt_.*handle_mm_fault' left.txt
	same "$version: the next one removes it" "" "$(cat after.txt)"
	cd "$work" || exit 1
}

# --- There, side by side.
running=()
for suite in ${VM_SUITES:-bullseye bookworm trixie}; do
	status=0
	kernel=$("$top/tests/fetch-kernel.sh" "$suite" 2>fetch.log) || status=$?
	if [ $status != 0 ]; then
		skip "the kernel of $suite" "$(tail -n 1 fetch.log)"
		continue
	fi
	"$top/tests/vm/boot.sh" "$kernel" initramfs.gz "$suite" 300 >"$suite.log" 2>&1 &
	running+=("$suite:$!")
done
for vm in "${running[@]}"; do
	if wait "${vm#*:}"; then
		pass "${vm%:*}: the machine has sent its results"
		results "${vm%:*}"
	else
		fail "${vm%:*}: the machine has sent its results" \
			"$(tail -n 20 "${vm%:*}/console.log" "${vm%:*}.log")"
	fi
done
finish
