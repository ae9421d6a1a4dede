#!/bin/bash
# Real programs, of Go 1.15 to 1.27 and stripped as their authors ship them: the plan is complete and
# made at once, and what is recorded is complete and has names.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/e2e/real-lib.sh
. "$top/tests/e2e/real-lib.sh"
need_recording
# What the programs keep in the user's folder stays here.
export HOME=$work

# lists MODE EVENT...: the plan of $program, called $name, is of this mode and holds these events.
lists() {
	local mode=$1 event begin end
	shift
	begin=${EPOCHREALTIME/./}
	check "$name: --list" "$record" --list -- "$program"
	end=${EPOCHREALTIME/./}
	# It takes 30 ms on a machine that does nothing else.
	within "$name: milliseconds it takes" $(((end - begin) / 1000)) 1 800
	"$record" --list -- "$program" >"$work/list" 2>&1
	same "$name: what it records of the heap" "$mode" "$(sed -n 's/^heap: \([a-z]*\):.*/\1/p' "$work/list")"
	for event in "$@"; do
		same "$name: a place for $event" 1 "$(grep -c "^$event  *[a-z].* 0x[0-9a-f]* " "$work/list")"
	done
	same "$name: no loss" "" "$(grep -iE 'lost: |^ *loss|no place' "$work/list")"
}

# complete: the trace of $program, called $name, is complete and its stacks have names.
complete() {
	local trace=$work/$name.gmt
	"$analyze" -v --top 100000 "$trace" >"$work/$name.txt" 2>"$work/analyze.log"
	same "$name: analyze's exit status" 0 $?
	all_recorded "$name" "$work/$name.txt"
	same "$name: the report names every site" "" "$(grep -F '[unknown]' "$work/$name.txt" | head -n 5)"
	all_named "$name" "$trace"
}

# runs COMMAND...: records a command that ends by itself.
runs() {
	"$record" -o "$work/$name.gmt" "${flags[@]}" -- "$@" >"$work/$name.out" 2>"$work/$name.log"
	same "$name: exit status" 0 $?
	complete
}

# serves URL COMMAND...: records a service from its start, asks it for something a few times once it
# listens, and ends it.
serves() {
	local url=$1 status=0
	shift
	start_record "$work/$name.log" -o "$work/$name.gmt" -- "$@"
	check "$name: it serves" wait_for 20 get -o "$work/answer" "$url"
	for _ in $(seq 50); do
		get -o "$work/answer" "$url"
	done
	sleep 2
	kill -TERM "$recorder"
	check "$name: it ends" wait_for 20 sh -c "! kill -0 $recorder"
	wait "$recorder" || status=$?
	within "$name: exit status" $status 0 $((128 + 15))
}

# births LOW: how many were recorded, by the summary of the recorder.
births() {
	within "$name: births" "$(sed -n 's/.*(\([0-9]*\) births, .*/\1/p' "$work/$name.log")" "$1" 1000000
}
deaths() {
	within "$name: deaths" "$(sed -n 's/.* births, \([0-9]*\) deaths, .*/\1/p' "$work/$name.log")" "$1" 1000000
}

sampled=(birth death gc_start gc_mark_term gc_end)
flags=()

# 60 modules of 400 functions each, and one that takes them all in.
mkdir -p "$work/js" "$work/ts/out" "$work/proto" "$work/www"
for i in $(seq 60); do
	seq 400 | sed "s/.*/export function f${i}_&(a, b) {\n\
		const x = { a: a + &, b: [b, '&', a * 2] };\n\
		return x.b.map((y) => y + x.a).filter(Boolean);\n}/" >"$work/js/m$i.js"
	echo "import * as m$i from './m$i.js';"
	echo "console.log(m$i);"
done >"$work/js/main.js"
for name in esbuild-0.8.0 esbuild-0.14.0 esbuild-0.27.0 esbuild-0.28.2; do
	real_program $name || continue
	lists sampled "${sampled[@]}"
	# It switches the collector off, and from Go 1.19 a limit switches it on again.
	GOMEMLIMIT=60MiB runs "$program" "$work/js/main.js" --bundle --outfile="$work/out.js"
	births 100
	case $name in
	esbuild-0.2*) deaths 50 ;;
	esac
	check "$name: what it made is whole" grep -q f60_400 "$work/out.js"
	check "$name: births in its parser" grep -q 'internal/\(js_\)\?parser' "$work/stacks"
done

name=tsgo
if real_program $name; then
	lists sampled "${sampled[@]}"
	sed 's/(a, b)/(a: number, b: number)/' "$work/js/m1.js" >"$work/ts/m1.ts"
	echo 'const wrong: string = 1; export { wrong };' >"$work/ts/m2.ts"
	runs "$program" --noCheck --outDir "$work/ts/out" "$work/ts/m1.ts" "$work/ts/m2.ts"
	births 30
	check "$name: what it made is whole" grep -q f1_400 "$work/ts/out/m1.js"
fi

name=buf
if real_program $name; then
	lists sampled "${sampled[@]}"
	{
		echo 'syntax = "proto3"; package test;'
		seq 3000 | sed 's/.*/message M& { string s = 1; repeated int32 n = 2; map<string, M&> m = 3; }/'
	} >"$work/proto/test.proto"
	runs "$program" build -o "$work/proto.bin" "$work/proto"
	births 20
	check "$name: what it made is whole" grep -q M3000 "$work/proto.bin"
fi

# No heap profiling is linked into this one.
name=lefthook
if real_program $name; then
	lists span refill large gc_start gc_mark_term gc_end
	check "$name: --list says that nothing is sampled" grep -q 'heap profiling is not linked in' "$work/list"
	mkdir -p "$work/hooks"
	git init -q "$work/hooks"
	{
		printf 'pre-commit:\n  jobs:\n'
		seq 20 | sed 's/.*/    - run: echo &/'
	} >"$work/hooks/lefthook.yml"
	# The rate is set some milliseconds after the start: what it does has to take longer.
	flags=(--set-rate=4096)
	cd "$work/hooks" || exit 1
	runs "$program" run pre-commit --force
	cd "$top" || exit 1
	flags=()
	births 60
fi

name=prometheus
if real_program $name; then
	lists sampled "${sampled[@]}"
	port=$(free_port)
	printf 'global: {scrape_interval: 1s}\nscrape_configs: [{job_name: self, static_configs: [{targets: ["127.0.0.1:%s"]}]}]\n' \
		"$port" >"$work/prometheus.yml"
	serves "http://127.0.0.1:$port/metrics" "$program" --config.file="$work/prometheus.yml" \
		--storage.tsdb.path="$work/tsdb" --web.listen-address="127.0.0.1:$port"
	complete
	births 20
fi

name=etcd
if real_program $name; then
	lists sampled "${sampled[@]}"
	port=$(free_port) peer=$(free_port)
	serves "http://127.0.0.1:$port/metrics" "$program" --data-dir "$work/etcd" \
		--listen-client-urls "http://127.0.0.1:$port" --advertise-client-urls "http://127.0.0.1:$port" \
		--listen-peer-urls "http://127.0.0.1:$peer" --initial-advertise-peer-urls "http://127.0.0.1:$peer" \
		--initial-cluster "default=http://127.0.0.1:$peer"
	complete
	births 20
fi

name=caddy
if real_program $name; then
	lists sampled "${sampled[@]}"
	port=$(free_port)
	cp "$work/js/m1.js" "$work/www"
	printf '{\n\tadmin off\n}\nhttp://127.0.0.1:%s {\n\troot * %s\n\tencode gzip\n\tfile_server\n}\n' "$port" "$work/www" >"$work/Caddyfile"
	serves "http://127.0.0.1:$port/m1.js" "$program" run --config "$work/Caddyfile" --adapter caddyfile
	complete
	births 3
fi

name=syncthing
if real_program $name; then
	lists sampled "${sampled[@]}"
	port=$(free_port)
	"$program" generate --home "$work/sync" --no-default-folder >"$work/generate.log" 2>&1
	# Nothing but this machine is asked for anything.
	sed -i -E -e 's/(<(globalAnnounce|localAnnounce|relays|nat|crashReporting)Enabled>)true/\1false/' \
		-e 's/(<urAccepted>)0/\1-1/' -e 's/(<autoUpgradeIntervalH>)12/\10/' \
		-e "s,<listenAddress>default,<listenAddress>tcp://127.0.0.1:$(free_port)," \
		-e 's,<stunServer>default,<stunServer>127.0.0.1:9,' \
		"$work/sync/config.xml"
	# With the second variable it is one process.
	STNOUPGRADE=1 STMONITORED=yes serves "http://127.0.0.1:$port/" "$program" serve \
		--home "$work/sync" --no-browser --gui-address="127.0.0.1:$port"
	complete
	births 3
	# Without it, it starts itself once more, as a child that does the work.
	name=syncthing-child
	STNOUPGRADE=1 serves "http://127.0.0.1:$port/" "$program" serve \
		--home "$work/sync" --no-browser --gui-address="127.0.0.1:$port"
	"$analyze" -v --top 100000 "$work/$name.gmt" >"$work/$name.txt" 2>"$work/analyze.log"
	within "$name: processes with births" "$(grep -c '^process [0-9]* /' "$work/$name.txt")" 2 3
	check "$name: the child's database has a name" grep -q 'memdb.New' "$work/$name.txt"
	same "$name: the report names every site" "" "$(grep -F '[unknown]' "$work/$name.txt" | head -n 5)"
fi
finish
