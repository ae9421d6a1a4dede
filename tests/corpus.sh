#!/bin/bash
# Records the programs of the corpus (tests/programs/leaks), which leak in known ways or not at all,
# judges them, and says how often the judgement is right, by version of Go. Exit status: 0 where
# every version is as right as is demanded, 1 where one is not.
#
#   CORPUS_SECONDS  how long each is recorded (60)
#   CORPUS_ONLY     names or patterns of those to run (all)
#   CORPUS_GO       versions of Go ("1.15 1.19 1.27")
#   CORPUS_HEAP     record's --heap: sampled, span, counters, all (its default)
#   CORPUS_ATTACH   seconds that each has run before the recording begins; 0: recorded from its start
#   CORPUS_JOBS     how many are recorded side by side (24); most of them sleep
#   CORPUS_OUT      where all is kept (build/corpus); with CORPUS_AGAIN=1 the recordings that are
#                   there are analyzed again and nothing is recorded
set -u
export LC_ALL=C
top=$(cd "$(dirname "$0")/.." && pwd)
cd "$top" || exit 1
export CACHE=${CACHE:-$top/.cache} BUILD=${BUILD:-$top/build}
record=${BIN:-bin}/record analyze=${BIN:-bin}/analyze
seconds=${CORPUS_SECONDS:-60} heap=${CORPUS_HEAP:-default} attach=${CORPUS_ATTACH:-0}
jobs=${CORPUS_JOBS:-24} out=${CORPUS_OUT:-$BUILD/corpus} again=${CORPUS_AGAIN:-0}
read -ra versions <<<"${CORPUS_GO:-1.15 1.19 1.27}"
# shellcheck source=tests/corpus-run.sh
. "$top/tests/corpus-run.sh"
corpus_help=$("$record" --help)
# shellcheck disable=SC2046
mapfile -t cases < <(
	set -f
	corpus_cases ${CORPUS_ONLY:-}
)
if [ ${#cases[@]} = 0 ]; then
	echo "corpus.sh: no program is called ${CORPUS_ONLY-}" >&2
	exit 2
fi
echo "corpus.sh: ${#cases[@]} programs with Go ${versions[*]}, ${seconds} s each," \
	"$jobs side by side: about $(((${#cases[@]} * ${#versions[@]} / jobs + 1) * (seconds + attach) / 60 + 1)) min" >&2

# Built one after the other, before anything is recorded.
for version in "${versions[@]}"; do
	for program in go cgo; do
		"$top/tests/build-go.sh" "$version" leaks/$program >/dev/null || exit 1
	done
done

one() {
	local dir=$out/$heap/$1/$2
	if [ "$again" = 1 ]; then
		[ ! -e "$dir/trace.gmt" ] || corpus_judge "$dir" "$1" "$2"
	else
		rm -rf "$dir"
		corpus_record "$dir" "$1" "$2" "$seconds" "$heap" "$attach"
	fi || echo "corpus.sh: Go $1, $2: $(tail -n 1 "$dir/log")" >&2
}

running=0
for version in "${versions[@]}"; do
	for name in "${cases[@]}"; do
		if [ $running -ge "$jobs" ]; then
			wait -n
			running=$((running - 1))
		fi
		one "$version" "$name" &
		running=$((running + 1))
	done
done
wait

for version in "${versions[@]}"; do
	for name in "${cases[@]}"; do
		cat "$out/$heap/$version/$name/result.json" 2>/dev/null
	done
done >"$out/$heap/results.json"
jq -rs --argjson runs ${#cases[@]} -f "$top/tests/corpus-table.jq" "$out/$heap/results.json" |
	tee "$out/$heap/table.txt"
grep -qx 'all targets are met' "$out/$heap/table.txt"
