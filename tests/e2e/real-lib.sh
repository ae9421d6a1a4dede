# Sourced by the end-to-end tests that record real programs.
# shellcheck shell=bash
#
# top and work are of lib.sh.
# shellcheck disable=SC2154

# real_program NAME: sets $program to its path. Where it cannot be had, it counts a skip and fails.
real_program() {
	local status=0
	# shellcheck disable=SC2034
	program=$("$top/tests/fetch-real.sh" "$1" 2>"$work/fetch.log") || status=$?
	if [ $status = 3 ]; then
		skip "$1" "$(sed -n '$s/^fetch-real.sh: //p' "$work/fetch.log")"
	elif [ $status != 0 ]; then
		fail "$1 is fetched" "$(tail -n 5 "$work/fetch.log")"
	fi
	return $status
}

# A port of 127.0.0.1 that nothing listens on.
free_port() {
	local port
	while :; do
		port=$((20000 + RANDOM % 12000))
		(exec 3<>/dev/tcp/127.0.0.1/$port) 2>/dev/null || break
	done
	echo $port
}

# Requests go to this machine alone, and none takes long.
get() {
	curl -sf --noproxy '*' --max-time 5 "$@"
}

# all_recorded NAME REPORT: the report says that nothing was lost, and that the bucket table of every
# process of the program that it names agrees with the events.
all_recorded() {
	local text processes
	# Lines are wrapped.
	text=$(tr -s ' \n' ' ' <"$2")
	processes=$(grep -oE "process [0-9]+ $(realpath "$program") \(" <<<"$text" | sort -u | wc -l)
	check "$1: nothing was lost" grep -qE 'events were read, none was lost' <<<"$text"
	same "$1: the bucket table is complete in each process" "$processes" \
		"$(grep -oE 'Bucket table of process [0-9]+, [^:]*: the runtime counted ([0-9,]+) births and ([0-9,]+) deaths, the trace holds \1 and \2: complete' <<<"$text" | wc -l)"
}

# all_named NAME TRACE: every frame of every sampled stack has the name of its function.
all_named() {
	check "$1: the stacks are read" "$BUILD/tests/e2e/stack_names" "$2"
	"$BUILD/tests/e2e/stack_names" "$2" >"$work/stacks"
	within "$1: stacks with a name in every frame" \
		"$(grep -vcF '[unknown]' "$work/stacks")" 3 1000000
	same "$1: frames without a name" "" "$(grep -F '[unknown]' "$work/stacks" | head -n 5)"
}
