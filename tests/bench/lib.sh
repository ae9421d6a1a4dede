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
