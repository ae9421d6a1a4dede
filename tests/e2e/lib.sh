# Sourced by every end-to-end test. A test prints one line for each check, `ok`, `FAIL` or `skip`,
# and ends with `finish`, which prints their count. It runs by itself: tests/e2e/main.sh
#
#   check NAME COMMAND...     the command succeeds
#   same NAME WANTED GOT      both are the same text
#   within NAME GOT LOW HIGH  a number lies in a range
#   pass NAME / fail NAME DETAIL / skip NAME REASON
#
# $work is a folder of the test's own, removed at the end unless a check failed.
# shellcheck shell=bash

set -u
export LC_ALL=C
script=$(basename "$0")
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
export CACHE=${CACHE:-$top/.cache}
in_top() {
	case $1 in
	/*) echo "$1" ;;
	*) echo "$top/$1" ;;
	esac
}
BIN=$(in_top "${BIN:-bin}")
BUILD=$(in_top "${BUILD:-build}")
export BIN BUILD
export record=$BIN/record analyze=$BIN/analyze

passed=0 failed=0 skipped=0 finished=no
work=$(mktemp -d "${TMPDIR:-/tmp}/e2e-${script%.sh}.XXXXXX")
# The processes that a test leaves running are ended with it; add their PIDs here.
background=()

pass() {
	passed=$((passed + 1))
	echo "ok   $script: $1"
}

fail() {
	failed=$((failed + 1))
	echo "FAIL $script: $1"
	[ -z "${2-}" ] || sed 's/^/     | /' <<<"$2"
}

skip() {
	skipped=$((skipped + 1))
	echo "skip $script: $1: $2"
}

check() {
	local name=$1 output
	shift
	if output=$("$@" 2>&1); then
		pass "$name"
	else
		fail "$name" "$(tail -n 30 <<<"$output")"
	fi
}

same() {
	if [ "$2" = "$3" ]; then
		pass "$1"
	else
		fail "$1" "wanted $2"$'\n'"got    $3"
	fi
}

within() {
	if [ -n "$2" ] && awk -v x="$2" -v a="$3" -v b="$4" 'BEGIN { exit !(x >= a && x <= b) }'; then
		pass "$1 ($2)"
	else
		fail "$1" "got '$2', wanted from $3 to $4"
	fi
}

at_exit() {
	local pid
	for pid in "${background[@]-}"; do
		[ -z "$pid" ] || kill -KILL "$pid" 2>/dev/null
	done
	if [ $finished = no ]; then
		fail "ran to its end" "it stopped early"
		echo "end of $script: passed $passed, failed $failed, skipped $skipped"
	fi
	if [ $failed = 0 ]; then
		rm -rf "$work"
	else
		echo "     the files of $script are kept in $work"
	fi
}
trap at_exit EXIT
trap 'exit 1' INT TERM

finish() {
	finished=yes
	echo "end of $script: passed $passed, failed $failed, skipped $skipped"
	[ $failed = 0 ]
	exit
}

# shellcheck source=tests/e2e/permission.sh
. "$top/tests/e2e/permission.sh"

# Ends the test with a skip where this machine permits no recording.
need_recording() {
	local reason
	reason=$(recording_forbidden)
	if [ -n "$reason" ]; then
		skip "all checks" "$reason"
		finish
	fi
}

# go_program VERSION PROGRAM [FLAG...]: sets $program to its path. Where that Go cannot be had, it
# counts a skip and fails.
go_program() {
	local status=0
	# shellcheck disable=SC2034
	program=$("$top/tests/build-go.sh" "$@" 2>"$work/go-build.log") || status=$?
	if [ $status = 3 ]; then
		skip "$2 with Go $1" "$(tail -n 1 "$work/go-build.log")"
	elif [ $status != 0 ]; then
		fail "$2 builds with Go $1" "$(tail -n 20 "$work/go-build.log")"
	fi
	return $status
}

# clock_program VERSION: tests/programs/clock, as each Go wants it linked.
clock_program() {
	case $1 in
	1.2[3-9]) go_program "$1" clock -ldflags=-checklinkname=0 ;;
	*) go_program "$1" clock ;;
	esac
}

# record_clocks VERSION... -- ARG...: records that program with these arguments, three at a time.
# Each recording is in $work/VERSION: trace.gmt, truth.json (what it printed), stderr, and record's
# exit status in status. $recorded has the versions that there are.
record_clocks() {
	local version programs=() n=0
	recorded=()
	while [ "$1" != -- ]; do
		if clock_program "$1"; then
			recorded+=("$1")
			programs+=("$program")
		fi
		shift
	done
	shift
	for version in "${recorded[@]}"; do
		mkdir -p "$work/$version"
		(
			cd "$work/$version" || exit
			"$record" -q -o trace.gmt -- "${programs[n]}" "$@" >truth.json 2>stderr
			echo $? >status
		) &
		n=$((n + 1))
		[ $((n % 3)) != 0 ] || wait
	done
	wait
}

# The groups of dynamic events that are there now.
event_groups() {
	sed -n 's/^[pr]:\([^/ ]*\)\/.*/\1/p' $tracing/uprobe_events 2>/dev/null | sort -u
}

# set_probes GROUP BINARY: birth, death and gc_mark_term as dynamic events of our own, at the places
# and with the arguments that record --list tells, kept by the process $holder: what nobody has open
# is taken away by the next recorder that starts. `record --list` goes to $work/probes.
set_probes() {
	local event offset args lock
	"$record" --list -- "$2" >"$work/probes"
	exec {lock}<"$tracing/uprobe_events"
	# As a recorder does it, so that none starts in between.
	flock "$lock"
	for event in birth death gc_mark_term; do
		offset=$(awk -v e="$event" '$1 == e { print $3 }' "$work/probes")
		args=$(awk -v e="$event" 'found { print; exit } $1 == e { found = 1 }' "$work/probes")
		echo "p:$1/$event $2:$offset $args" >>"$tracing/uprobe_events" ||
			fail "the probe $event is set" "p:$1/$event $2:$offset $args"
	done
	perf stat -o /dev/null -e "$1:*" -p $$ {lock}<&- 2>/dev/null &
	holder=$!
	wait_for 30 sh -c "readlink /proc/$holder/fd/* | grep -q perf_event"
	exec {lock}<&-
}

# unset_probes GROUP: takes them away again.
unset_probes() {
	local event
	if [ -n "${holder-}" ]; then
		kill "$holder"
		wait "$holder" 2>/dev/null
		holder=
	fi
	for event in $(sed -n "s/^p:$1\/\([^ ]*\) .*/\1/p" "$tracing/uprobe_events"); do
		echo "-:$1/$event" >>"$tracing/uprobe_events" 2>/dev/null
	done
}

# The groups of recorders that are no longer there.
orphaned_groups() {
	local group pid
	for group in $(event_groups | grep ^gmt_); do
		pid=${group#gmt_}
		[ -e "/proc/${pid%%_*}" ] || echo "$group"
	done
}

# nothing_left NAME PID: no dynamic event of the recorder that had this PID is left.
nothing_left() {
	local left
	left=$(event_groups | grep "^gmt_$2_" || true)
	same "$1" "" "$left"
}

# start_record LOG ARG...: runs record in the background, its standard error in LOG, its PID in
# $recorder.
start_record() {
	local log=$1
	shift
	"$record" "$@" >"$log.out" 2>"$log" &
	recorder=$!
	background+=("$recorder")
}

# wait_for SECONDS COMMAND...: until the command succeeds.
wait_for() {
	local tries=$(($1 * 10))
	shift
	while ! "$@" >/dev/null 2>&1; do
		tries=$((tries - 1))
		[ $tries -gt 0 ] || return 1
		sleep 0.1
	done
}

# The trace's events as perf prints them: one line each, `EVENT: FIELD=VALUE ...`.
perf_events() {
	perf script -i "$1" -F event,trace 2>/dev/null
}

# count_events TRACE NAME: how many events NAME of the recorder's groups perf sees.
count_events() {
	perf script -i "$1" -F event 2>/dev/null | grep -cE "^ *gmt_[^:]*:$2:" || true
}

# analyzed REPORT ARG...: runs analyze; its report goes to the file REPORT, and as lines for tests
# (report.awk) to REPORT.lines.
analyzed() {
	local report=$1 status=0
	shift
	COLUMNS=200 "$analyze" "$@" >"$report" 2>"$report.err" || status=$?
	awk -f "$top/tests/e2e/report.awk" "$report" >"$report.lines"
	return $status
}

# live_bytes REPORT: the live bytes of the first candidate, from its line "1. leak, ...: ..., live 41.2 MiB +- ...".
live_bytes() {
	awk '/^ *1\. / {
		for (i = 1; i <= NF; i++)
			if ($i == "live") {
				scale = $(i + 2) ~ /^K/ ? 1024 : $(i + 2) ~ /^M/ ? 1048576 : $(i + 2) ~ /^G/ ? 1073741824 : 1
				printf "%d\n", $(i + 1) * scale
				exit
			}
	}' "$1"
}

# found REPORT MARK PATTERN: the report has a finding with this mark that matches.
found() {
	awk -F'\t' -v mark="$2" '$1 == "trust" && $2 == mark { print $3 }' "$1.lines" | grep -E "$3" ||
		{
			cat "$1" "$1.err"
			return 1
		}
}
