# Sourced by the measurements, in the project's folder.
# shellcheck shell=bash

export CACHE=${CACHE:-$PWD/.cache} BUILD=${BUILD:-build}
# shellcheck disable=SC2034
record=${BIN:-bin}/record
tracing=/sys/kernel/tracing
# shellcheck source=tests/e2e/permission.sh
. tests/e2e/permission.sh
reason=$(recording_forbidden)
if [ -n "$reason" ]; then
	echo "$(basename "$0"): this machine permits no recording: $reason" >&2
	exit 1
fi

# remove_events GROUP: the dynamic events of this measurement's own group.
remove_events() {
	local name
	for name in $(sed -n "s/^p:$1\/\([^ ]*\) .*/\1/p" $tracing/uprobe_events); do
		echo "-:$1/$name" >>$tracing/uprobe_events
	done
}

# The advice that record's filter lets pass (record/setup.c).
# shellcheck disable=SC2034
released='behavior == 4 || behavior == 8 || behavior == 9 || behavior == 21 || behavior == 24'

# own_cpu PID: the CPU time in ns that a process has taken by itself, in all its threads.
own_cpu() {
	cat "/proc/$1"/task/*/schedstat 2>/dev/null | awk '{ n += $1 } END { if (NR) print n }'
}

# watch_cpu PID: the share of one core that a process has taken by itself, once it has ended.
watch_cpu() {
	local spent last=0 begin now
	begin=$(date +%s%N)
	now=$begin
	while spent=$(own_cpu "$1") && [ "${spent:-0}" -ge "$last" ] && [ "${spent:-0}" != 0 ]; do
		last=$spent
		now=$(date +%s%N)
		sleep 0.05
	done
	awk -v spent="$last" -v wall=$((now - begin)) 'BEGIN { printf "%.4f\n", spent / wall }'
}

# verdict GOT WORD LIMIT: whether a number is "most" or "least" the limit.
verdict() {
	awk -v x="$1" -v how="$2" -v limit="$3" \
		'BEGIN { print ((how == "most" ? x <= limit : x >= limit) ? "met" : "missed") }'
}

# ratio A B: with two digits; "-" where B is 0.
ratio() {
	awk -v a="$1" -v b="$2" 'BEGIN { if (b > 0) printf "%.2f\n", a / b; else print "-" }'
}

# The median of the numbers on standard input.
median() {
	sort -g | awk '{ x[NR] = $1 } END { print NR % 2 ? x[(NR + 1) / 2] : (x[NR / 2] + x[NR / 2 + 1]) / 2 }'
}
