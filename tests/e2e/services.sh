#!/bin/bash
# Services under load, recorded from their start and joined while they run: the trace, the gctrace
# log and the heap dumps from their own endpoint agree.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/e2e/real-lib.sh
. "$top/tests/e2e/real-lib.sh"
need_recording
export HOME=$work
# How long each service works, in seconds.
seconds=${E2E_SERVICE_SECONDS:-14}

# Sets $command and $url for the service $name, with data of its own.
service() {
	local peer data=$work/$cell.data
	mkdir -p "$data"
	port=$(free_port)
	url=http://127.0.0.1:$port
	case $name in
	prometheus)
		printf 'global: {scrape_interval: 1s}\nscrape_configs: [{job_name: self, static_configs: [{targets: ["127.0.0.1:%s"]}]}]\n' \
			"$port" >"$data/prometheus.yml"
		command=("$program" --config.file="$data/prometheus.yml" --storage.tsdb.path="$data/tsdb"
			--web.listen-address="127.0.0.1:$port")
		;;
	etcd)
		peer=http://127.0.0.1:$(free_port)
		command=("$program" --enable-pprof --data-dir "$data/etcd"
			--listen-client-urls "$url" --advertise-client-urls "$url"
			--listen-peer-urls "$peer" --initial-advertise-peer-urls "$peer"
			--initial-cluster "default=$peer")
		;;
	esac
}

# work_for SECONDS: requests one after the other, each followed by the next, at most 4000.
work_for() {
	local end=$((SECONDS + $1)) i=0 now key value
	value=$(head -c 20000 /dev/zero | base64 -w 0)
	while [ $SECONDS -lt $end ] && [ $i -lt 4000 ]; do
		i=$((i + 1))
		case $name in
		prometheus)
			now=$EPOCHSECONDS
			get -o "$work/answer" -G "$url/api/v1/query_range" -d step=1 \
				-d start=$((now - 300)) -d end="$now" \
				--data-urlencode 'query=sum by (handler) (rate({__name__=~".+"}[10s]))'
			get -o "$work/answer" "$url/metrics"
			;;
		etcd)
			key=$(base64 -w 0 <<<"key-$i")
			get -o "$work/answer" -d "{\"key\":\"$key\",\"value\":\"$value\"}" "$url/v3/kv/put"
			;;
		esac && answered=$((answered + 1))
	done
}

# heap_dump FILE [QUERY]: from the service's own endpoint.
heap_dump() {
	check "$cell: heap dump $1" get -o "$work/$cell.$1" "$url/debug/pprof/heap${2-}"
	dumps+=(--pprof "$work/$cell.$1")
}

# Three dumps: as they come, behind a cycle that the request asks for, and as text, which has the
# counts as they are.
load() {
	dumps=() answered=0
	work_for $((seconds / 3))
	heap_dump first.pb.gz
	work_for $((seconds / 3))
	heap_dump second.pb.gz '?gc=1'
	work_for $((seconds / 3))
	heap_dump third.txt '?debug=1'
	within "$cell: requests answered" $answered 20 100000
}

# Ends the process and waits for the recorder.
end_of() {
	kill -TERM "$1"
	check "$cell: it ends" wait_for 90 sh -c "! kill -0 $1"
}

# agrees: what analyze says of the trace, the log and the dumps.
agrees() {
	local report=$work/$cell.txt text inuse lines bound
	"$analyze" "$work/$cell.gmt" --gctrace "$work/$cell.gc.log" "${dumps[@]}" >"$report" 2>"$work/$cell.analyze.log"
	same "$cell: analyze's exit status" 0 $?
	text=$(tr -s ' \n' ' ' <"$report")
	all_recorded "$cell" "$report"
	all_named "$cell" "$work/$cell.gmt"
	# Of each: the percentage, how many match, of how many, those born before the recording.
	sed -E 's/Dump ([0-9]+), /\n&/g' <<<"$text" | sed -nE \
		'/^Dump /{s/,//g; s/[^:]*: ([0-9]+) of ([0-9]+) sampled objects match \(([0-9]+)%\) [0-9.]+ [KMG]?i?B(; beside them born before the recording: ([0-9]+))?.*/\3 \1 \2 \5/p}' \
		>"$work/$cell.dumps"
	same "$cell: every dump matches in all of its sampled objects" 3 \
		"$(awk '$1 == 100 && $2 == $3' "$work/$cell.dumps" | wc -l)"
	inuse=$(awk 'NR == 3 { print $2 + $4 }' "$work/$cell.dumps")
	same "$cell: no object of the last dump is left out" \
		"$(sed -n 's/^heap profile: \([0-9]*\): .*/\1/p' "$work/$cell.third.txt")" "$inuse"
	within "$cell: sampled objects of the last dump" "$inuse" 5 100000
	lines=$(grep -oE 'placed by GC events, [0-9,]+ of [0-9,]+ lines match a cycle' <<<"$text")
	within "$cell: lines of the GC log that match a cycle" "$(awk '{ print $5 }' <<<"$lines")" 5 10000
	[ "$mode" = command ] &&
		same "$cell: all lines match" "$(grep -c '^gc [0-9]* @' "$work/$cell.gc.log")" "$(awk '{ print $5 }' <<<"$lines")"
	bound=$(grep -oE "is the trace's clock, \+- [0-9.]+(ns|us|ms|s)" <<<"$text" | awk '{
		unit = $NF
		sub(/[0-9.]+/, "", unit)
		print $NF * (unit == "ns" ? 1e-3 : unit == "us" ? 1 : unit == "ms" ? 1e3 : 1e6) }')
	within "$cell: bound of the clock's offset, in us" "$bound" 0 1000
}

from_start() {
	service
	GODEBUG=gctrace=1 "$record" -q -o "$work/$cell.gmt" -- "${command[@]}" \
		>"$work/$cell.out" 2>"$work/$cell.gc.log" &
	recorder=$!
	background+=("$recorder")
	check "$cell: it serves" wait_for 20 get -o "$work/answer" "$url/metrics"
	load
	end_of $recorder
	wait $recorder
	agrees
}

joined() {
	local target status=0
	service
	GODEBUG=gctrace=1 "${command[@]}" >"$work/$cell.out" 2>"$work/$cell.gc.log" &
	target=$!
	background+=("$target")
	check "$cell: it serves" wait_for 20 get -o "$work/answer" "$url/metrics"
	# There is something to find, and cycles that the recording has not seen.
	work_for 3
	start_record "$work/$cell.log" -o "$work/$cell.gmt" -p $target
	check "$cell: the recording began" wait_for 20 grep -q 'record: recording' "$work/$cell.log"
	load
	kill -INT "$recorder"
	check "$cell: the recording ends" wait_for 20 sh -c "! kill -0 $recorder"
	wait "$recorder" || status=$?
	same "$cell: record's exit status" 0 $status
	nothing_left "$cell: no event is left in tracefs" "$recorder"
	check "$cell: it still serves" get -o "$work/answer" "$url/metrics"
	end_of $target
	wait $target
	agrees
}

for name in prometheus etcd; do
	real_program $name || continue
	mode=command cell=$name-from-start
	from_start
	mode=attach cell=$name-joined
	joined
done
finish
