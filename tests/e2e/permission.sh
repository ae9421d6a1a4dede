# shellcheck shell=bash
tracing=/sys/kernel/tracing

# Prints why this machine permits no recording; nothing where it does. It asks the kernel and perf,
# not the recorder, so that a recorder that fails is not taken for a machine that forbids.
recording_forbidden() {
	if [ "$(id -u)" != 0 ]; then
		echo "not root"
	elif ! [ -e $tracing/uprobe_events ] && ! mount -t tracefs nodev $tracing 2>/dev/null; then
		echo "tracefs cannot be mounted"
	elif ! [ -w $tracing/uprobe_events ]; then
		echo "the kernel has no uprobes, or a lockdown forbids them"
	elif ! perf stat -e task-clock true >/dev/null 2>&1; then
		echo "perf_event_open is not permitted"
	fi
}
