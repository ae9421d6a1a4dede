#!/bin/bash
# The trace is a perf.data file: perf of several releases opens each kind of our file without a
# complaint, and prints the same samples that analyze reads from it, with the same times, addresses
# and arguments. And what these perfs write is read the same way.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
need_recording
build_id=0123456789abcdef0123456789abcdef01234567
go_program system batch -ldflags "-B 0x$build_id" || finish
group=gmt_compat_$$
trap 'unset_probes $group; at_exit' EXIT

# The perf of this release, and the oldest and the newest that Debian has.
declare -A perfs=([system]=perf)
for name in oldest newest; do
	if perfs[$name]=$("$top/tests/fetch-perf.sh" $name 2>"$work/fetch.log"); then
		pass "the $name perf: $(${perfs[$name]} --version)"
	else
		unset "perfs[$name]"
		skip "the $name perf" "$(tail -n 1 "$work/fetch.log")"
	fi
done

unpacks() {
	${perfs[$1]} version --build-options | grep -q 'zstd: .*\[ on'
}

# ---- The same samples ------------------------------------------------------------------------

# What a perf prints, and what analyze reads. 6.1 prints addresses relative to what is mapped.
theirs() {
	local digits=16
	[ "$1" = system ] && digits=3
	${perfs[$1]} script --ns --no-inline --max-stack 1024 -F pid,tid,cpu,time,event,ip,trace \
		-i "$2" 2>>"$2.$1.err" | awk -v digits=$digits -f "$top/tests/e2e/perf-samples.awk" | sort
}

ours() {
	local digits=16
	[ "$1" = system ] && digits=3
	"$BUILD/tests/e2e/samples_dump" "$2" | awk -v digits=$digits '{
		n = split($5, all, ";")
		$5 = ""
		for (i = 1; i <= n; i++) {
			x = all[i]
			$5 = $5 (i > 1 ? ";" : "") (length(x) > digits ? substr(x, length(x) - digits + 1) : x)
		}
		print
	}' | sort
}

# same_samples NAME PERF FILE: and at least so many births.
same_samples() {
	local name=$1 perf=$2 file=$3 births
	theirs "$perf" "$file" >"$file.$perf.theirs"
	ours "$perf" "$file" >"$file.$perf.ours"
	births=$(grep -c ':birth ' "$file.$perf.theirs")
	if [ "$births" -lt "${4:-20}" ]; then
		fail "$name: births" "$births: $(tail -n 3 "$file.$perf.err")"
	elif cmp -s "$file.$perf.theirs" "$file.$perf.ours"; then
		pass "$name: $(wc -l <"$file.$perf.ours") samples are the same, $births of them births"
	else
		fail "$name: the same samples" "$(diff "$file.$perf.theirs" "$file.$perf.ours" | head -n 10)"
	fi
}

# ---- Our files -------------------------------------------------------------------------------

cd "$work" || exit 1
run=("$program" -scale 10 -pause 1ms -rate 65536)
"$record" -q -o regular.gmt -- "${run[@]}" >/dev/null 2>regular.log &
one=$!
"$record" -q -z 0 -o unpacked.gmt -- "${run[@]}" >/dev/null 2>unpacked.log &
two=$!
"$record" -q -o - -- "${run[@]}" >pipe.gmt 2>pipe.log &
three=$!
"$program" -scale 1000 -pause 5ms -rate 65536 -phases mixed >/dev/null 2>&1 &
target=$!
background+=("$target")
start_record killed.log -q -o killed.gmt -p $target
# The killed one has what was on disk a second ago.
wait_for 20 test -s killed.gmt
sleep 3
kill -KILL "$recorder"
wait "$recorder" 2>/dev/null
kill $target
wait $one $two $three

# opens NAME PERF FILE: every way to look into it, with nothing on standard error.
opens() {
	local what problems=
	for what in script "report --stdio" "evlist -v" buildid-list "report --header-only"; do
		# It cannot pass over the formats in a pipe, in those of perf's own neither.
		[ "$what $3" != "buildid-list pipe.gmt" ] || continue
		# shellcheck disable=SC2086 # a command and its option
		${perfs[$2]} $what -i "$3" >out.txt 2>err.txt </dev/null ||
			problems+="$what: exit status $?"$'\n'
		[ ! -s err.txt ] || problems+="$what: $(head -n 3 err.txt)"$'\n'
		# A file that was cut has no build ids yet.
		[ -s out.txt ] || [ "$what $3" = "buildid-list killed.gmt" ] ||
			problems+="$what: prints nothing"$'\n'
	done
	same "$1: perf opens it in every way" "" "$problems"
}

for perf in "${!perfs[@]}"; do
	for kind in regular unpacked killed pipe; do
		name="$kind, the $perf perf"
		if [ $kind != unpacked ] && ! unpacks "$perf"; then
			skip "$name" "it was built without zstd"
			continue
		fi
		opens "$name" "$perf" $kind.gmt
		same_samples "$name" "$perf" $kind.gmt
	done
done
same "perf names the build id of the program" "$build_id" \
	"$(perf buildid-list -i regular.gmt | grep -F "$program" | cut -d' ' -f1)"
check "perf names the build id of the kernel" \
	sh -c 'perf buildid-list -i regular.gmt | grep -E "^[0-9a-f]{40} \[kernel.kallsyms\]$"'

# ---- Files of perf ---------------------------------------------------------------------------

set_probes $group "$program"
calls=(-e "syscalls:sys_enter_mmap" -e "syscalls:sys_exit_mmap")

# writes NAME PERF FILE OPTION...: the program recorded by that perf, into a file or through a pipe.
writes() {
	local name=$1 perf=$2 file=$3
	shift 3
	if [ "${file%.pipe}" = "$file" ]; then
		${perfs[$perf]} record -q -o "$file" -e "$group:*" "$@" "${run[@]}" >/dev/null 2>"$file.log"
	else
		${perfs[$perf]} record -q -o - -e "$group:*" "$@" "${run[@]}" 2>"$file.log" >"$file"
	fi
	same_samples "$name" "$perf" "$file" "${least:-5}"
}

# Older perfs do not read what newer ones write, so each reads its own.
for perf in "${!perfs[@]}"; do
	writes "the $perf perf's file" "$perf" "$perf.data" -k mono "${calls[@]}"
	writes "the $perf perf's pipe" "$perf" "$perf.pipe" -k mono
	unpacks "$perf" || continue
	writes "the $perf perf's compressed file" "$perf" "$perf-z.data" -z -k mono -g "${calls[@]}"
	writes "the $perf perf's compressed pipe" "$perf" "$perf-z.pipe" -z -k mono
done
writes "perf with its own clock" system clock.data
# What the other threads do is missing: how much that is, the scheduler decides.
least=0 writes "one thread" system thread.data --per-thread -k mono
writes "the whole machine" system all.data -a -k mono -g
# What the newest perf compresses into is record 83, COMPRESSED2; before 6.16 it was 81.
records() {
	${perfs[$1]} report --stats -i "$2" 2>/dev/null | grep -oE 'COMPRESSED2? events'
}
[ -z "${perfs[newest]-}" ] ||
	same "what the newest perf compresses into" "COMPRESSED2 events" "$(records newest newest-z.data)"
same "what the system's perf compresses into" "COMPRESSED events" "$(records system system-z.data)"
finish
