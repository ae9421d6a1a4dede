# Sourced by what runs the corpus: tests/corpus.sh and tests/e2e/corpus.sh. Each run of a program has
# a folder of its own, $out/VERSION/CASE, with run.json (what the program says it leaked),
# report.json (what analyze says), and result.json (how the two compare; see corpus.jq). Who sources it
# sets $top, $record, $analyze and $corpus_help, the recorder's --help.
#
# shellcheck shell=bash disable=SC2154

corpus_truth=$top/tests/programs/leaks/truth.json

# corpus_cases PATTERN...: the names that match one of them; all of them without a pattern.
corpus_cases() {
	local name pattern
	jq -r 'keys_unsorted[]' "$corpus_truth" | while read -r name; do
		[ $# -gt 0 ] || echo "$name"
		for pattern in "$@"; do
			# shellcheck disable=SC2053
			if [[ $name == $pattern ]]; then
				echo "$name"
				break
			fi
		done
	done
}

# corpus_program VERSION CASE: the path of its binary.
corpus_program() {
	"$top/tests/build-go.sh" "$1" "leaks/$(jq -r --arg name "$2" '.[$name].program' "$corpus_truth")"
}

# The options that a case needs beside --heap, where this recorder has them.
corpus_options() {
	local kind
	kind=$(jq -r --arg name "$1" '.[$name] | .kind // "heap"' "$corpus_truth")
	case $kind in
	goroutine | thread) grep -o -e '--goroutines' <<<"$corpus_help" | head -n 1 ;;
	native) grep -o -e '--native' <<<"$corpus_help" | head -n 1 ;;
	esac
}

# corpus_record DIR VERSION CASE SECONDS HEAP ATTACH: records one program, which is built, and judges
# it. With ATTACH seconds, it has run for so long when the recorder comes.
corpus_record() {
	local dir=$1 version=$2 name=$3 seconds=$4 heap=$5 attach=$6 program options pid status=0
	mkdir -p "$dir"
	program=$(corpus_program "$version" "$name") || return
	mapfile -t options < <(corpus_options "$name")
	[ "$heap" = default ] || options+=("--heap=$heap")
	if [ "$attach" = 0 ]; then
		"$record" -q "${options[@]}" -o "$dir/trace.gmt" -- "$program" -case "$name" \
			-duration "${seconds}s" >"$dir/run.json" 2>"$dir/log" </dev/null || status=$?
	else
		"$program" -case "$name" -duration "$((seconds + attach))s" >"$dir/run.json" 2>"$dir/log" &
		pid=$!
		sleep "$attach"
		"$record" -q "${options[@]}" -o "$dir/trace.gmt" -p $pid 2>>"$dir/log" </dev/null || status=$?
		wait $pid || status=$?
	fi
	[ $status = 0 ] || return $status
	corpus_judge "$dir" "$version" "$name"
}

corpus_judge() {
	local dir=$1 version=$2 name=$3
	"$analyze" "$dir/trace.gmt" -f json -o "$dir/report.json" 2>>"$dir/log" &&
		jq -c --slurpfile run "$dir/run.json" --slurpfile truths "$corpus_truth" \
			--arg version "$version" --arg name "$name" \
			-f "$top/tests/corpus.jq" "$dir/report.json" >"$dir/result.json"
}
