#!/bin/bash
# The demo: a server that leaks, recorded for twenty seconds, then analyzed together with its
# gctrace log and its heap dumps. All files are left in demo/.
set -euo pipefail
cd "$(dirname "$0")/.."
export CACHE=${CACHE:-$PWD/.cache} BUILD=${BUILD:-build}
bin=${BIN:-bin}
seconds=${DEMO_SECONDS:-20}
version=${DEMO_GO:-system}

say() {
	printf '\n== %s\n' "$*"
}

# The same question that the tests ask; it mounts tracefs where root may.
forbidden() {
	(
		# shellcheck source=tests/e2e/permission.sh
		. tests/e2e/permission.sh
		recording_forbidden
	)
}

show() {
	local status=0
	say "$*"
	"$@" || status=$?
	[ $status = 0 ] || echo "(exit status $status)"
	return $status
}

reason=$(forbidden)
if [ -n "$reason" ]; then
	say "This machine permits no recording: $reason."
	echo "   Recording needs root, or CAP_PERFMON and access to tracefs; see README.md."
	echo "   Here is the analysis of a recording that was made elsewhere."
	show "$bin/analyze" tests/data/sample/trace.gmt --gctrace tests/data/sample/gc.log \
		--pprof tests/data/sample/heap.pb.gz
	exit
fi

program=$(tests/build-go.sh "$version" server) || {
	echo "The server of the demo cannot be built." >&2
	exit 1
}
mkdir -p demo
rm -f demo/*
: >demo/gc.log
say "GODEBUG=gctrace=1 $bin/record -o demo/trace.gmt -- server -duration ${seconds}s 2> demo/gc.log"
# The gctrace lines go to the log, what record says is shown as well.
GODEBUG=gctrace=1 "$bin/record" -o demo/trace.gmt -- "$program" -duration "${seconds}s" \
	-heap demo/heap.pb.gz -heap-every "$((seconds * 2 / 5))s" >demo/truth.json 2>demo/gc.log &
recorder=$!
tail -f --pid=$recorder -n +1 demo/gc.log 2>/dev/null | grep -v --line-buffered '^gc \|^GC forced' || true
status=0
wait $recorder || status=$?
[ $status = 0 ] || {
	echo "record ended with status $status" >&2
	exit $status
}

dumps=()
for dump in demo/heap-*.pb.gz demo/heap.pb.gz; do
	[ -e "$dump" ] && dumps+=(--pprof "$dump")
done
say "$bin/analyze demo/trace.gmt --gctrace demo/gc.log ${dumps[*]}"
"$bin/analyze" demo/trace.gmt --gctrace demo/gc.log "${dumps[@]}" | tee demo/report.txt

say "What the server says that it keeps (demo/truth.json):"
jq -r '.sites[] | "\(.function): \(.objects_kept) objects, \(.bytes_kept / 1048576 * 10 | floor | . / 10) MiB, \(.pattern)"' demo/truth.json
say "The files:"
ls -l demo
