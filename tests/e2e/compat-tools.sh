#!/bin/bash
# Tools that read perf's files and perf script's output take the trace: hotspot, by the program with
# which it reads (that of Debian 12 does not know compression: -z 0), and speedscope, by the importer
# in its npm package. The Firefox Profiler has no package with its importer.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
need_recording
go_program system batch || finish
if ! command -v node >/dev/null; then
	skip "all checks" "node is not installed"
	finish
fi

cd "$work" || exit 1
"$record" -q -z 0 -o trace.gmt -- "$program" -scale 20 -pause 1ms -out "$work" >/dev/null 2>&1
perf script -F event -i trace.gmt 2>/dev/null | grep -v '^ *$' >events
births=$(grep -c ':birth:' events)
within "births" "$births" 50 100000

# tool FILE KEY: a number that importers.mjs printed.
told() {
	awk -v key="$2" '$1 == key { print $2 }' "$1"
}

if parser=$("$top/tests/fetch-perf.sh" hotspot 2>fetch.log); then
	"$parser" --input trace.gmt --output stream 2>parser.log
	same "hotspot: exit status of its reader" 0 $?
	node "$top/tests/e2e/importers.mjs" hotspot stream >hotspot.txt 2>&1 || cat hotspot.txt
	same "hotspot: samples of tracepoints and probes" "$(grep -vc 'gmt:note' events)" \
		"$(told hotspot.txt samples)"
	within "hotspot: of them with a call stack" "$(told hotspot.txt stacks)" "$births" 100000
	check "hotspot: names of the program" grep -aq 'main\.(\*work)\.retainNode' stream
else
	skip hotspot "$(tail -n 1 fetch.log)"
fi

# fetch_speedscope: into $CACHE/npm; prints the path of its script.
fetch_speedscope() {
	local folder=$CACHE/npm/speedscope-1.25.0
	if [ ! -e "$folder/package" ]; then
		command -v npm >/dev/null || return 1
		mkdir -p "$folder.$$" &&
			(cd "$folder.$$" && npm pack --silent speedscope@1.25.0 >/dev/null 2>&1 &&
				tar -xzf speedscope-1.25.0.tgz) &&
			{ mv "$folder.$$" "$folder" 2>/dev/null || rm -rf "$folder.$$"; }
	fi
	find "$folder/package/dist/release" -name 'speedscope-*.js' 2>/dev/null | grep . | head -n 1
}
if library=$(fetch_speedscope) && [ -n "$library" ]; then
	# One kind of event, as speedscope wants it: paragraphs of a line and a stack.
	perf script -F comm,pid,tid,time,event,ip,sym,dso -i trace.gmt 2>/dev/null |
		awk '/ [0-9]+\.[0-9]+: / { keep = /:birth: *$/ } keep || !NF' | cat -s >births.txt
	node "$top/tests/e2e/importers.mjs" speedscope "$library" births.txt >speedscope.txt 2>&1 ||
		cat speedscope.txt
	names=$(awk 'NF && !/ [0-9]+\.[0-9]+: / { sub(/ \([^()]*\)$/, ""); $1 = ""; print substr($0, 2) }' births.txt | sort -u)
	within "functions in the stacks of births" "$(wc -l <<<"$names")" 20 100000
	same "speedscope: the same functions" "$names" "$(sed -n 's/^frame //p' speedscope.txt | sort -u)"
	# Everything, as a user pipes it in.
	perf script -i trace.gmt 2>/dev/null >all.txt
	check "speedscope: all of perf script's output" \
		node "$top/tests/e2e/importers.mjs" speedscope "$library" all.txt
else
	skip speedscope "its package cannot be had from npm"
fi
finish
