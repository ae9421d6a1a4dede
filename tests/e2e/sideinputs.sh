#!/bin/bash
# What a recording takes beside its events. Heap dumps are fetched, kept and reconciled, and a server
# that refuses or hangs is noted and harmless. Standard error under --gctrace: every byte passes, a
# terminal stays one, GODEBUG is kept, and the trace alone holds the aligned log.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
need_recording
go_program system server || finish
server=$program
go_program system stderr || finish

# The truth is what the program was told to write, which it also writes into a file.
every_byte() {
	"$record" -q --gctrace -o "$work/bytes.gmt" -- "$program" -bytes 3000000 \
		-copy "$work/bytes.want" -status 7 >"$work/bytes.out" 2>"$work/bytes.got"
	same "the exit status is the command's" 7 $?
	check "every byte of its standard error passes, NULs and all" \
		cmp "$work/bytes.want" <(head -c 3000000 "$work/bytes.got")
	same "behind it stands nothing but what record itself says" "" \
		"$(tail -c +3000001 "$work/bytes.got" | grep -v '^record: ')"
	same "no terminal: GODEBUG has gctrace, and nothing else" \
		"terminal=false godebug=gctrace=1" "$(cat "$work/bytes.out")"
}

# While its reader sleeps the program writes it all and goes on; the reader then gets it.
slow_reader() {
	local finished reader
	mkfifo "$work/fifo"
	(
		exec <"$work/fifo"
		sleep 4
		cat >"$work/slow.got"
	) &
	reader=$!
	{
		"$record" -q --gctrace -o "$work/slow.gmt" -- "$program" -bytes 3000000 \
			-copy "$work/slow.want" -done "$work/slow.done"
	} >"$work/slow.out" 2>"$work/fifo" &
	background+=($!)
	finished=no
	wait_for 3 [ -e "$work/slow.done" ] && finished=yes
	[ -s "$work/slow.got" ] && finished="too late"
	same "a reader that sleeps does not stop the program" yes "$finished"
	wait $reader
	check "a slow reader gets every byte" cmp "$work/slow.want" "$work/slow.got"
}

# Nobody reads: what would have been written is gone, and the program is none the wiser.
no_reader() {
	"$record" -q --gctrace -o "$work/none.gmt" -- "$program" -bytes 3000000 -status 3 \
		2> >(exec true) >"$work/none.out"
	same "nobody reads: the exit status is the command's" 3 $?
}

terminal() {
	script -qec "$record -q --gctrace -o $work/pty.gmt -- $program -bytes 4000 -lines \
		-copy $work/pty.want -status 5" /dev/null >"$work/pty.out" </dev/null
	same "under a terminal: exit status" 5 $?
	same "under a terminal its standard error is one" "terminal=true godebug=gctrace=1" \
		"$(head -n 1 "$work/pty.out" | tr -d '\r')"
	tail -n +2 "$work/pty.out" | tr -d '\r' >"$work/pty.got"
	check "and shows every byte" cmp "$work/pty.want" "$work/pty.got"
	same "with each newline made one for a terminal once" "$(grep -c . "$work/pty.out")" \
		"$(grep -c $'[^\r]\r$' "$work/pty.out")"
}

placed() {
	tr -s ' \n' ' ' <"$1" | grep -o 'gctrace time [^;]*'
}

# The lines lie between bytes of others, some in the middle of a line.
lines() {
	local found
	GODEBUG=madvdontneed=1 "$record" -q --gctrace="$work/gc.log" -o "$work/lines.gmt" -- \
		"$program" -bytes 5000 -lines -cycles 40 -pause 20ms \
		>"$work/lines.out" 2>"$work/lines.err"
	same "GODEBUG of the user is kept" "terminal=false godebug=madvdontneed=1,gctrace=1" \
		"$(cat "$work/lines.out")"
	found=$(grep -ao 'gc [0-9]* @.*' "$work/lines.err")
	same "gctrace lines in standard error" 40 "$(grep -c . <<<"$found")"
	same "FILE has the same lines" "$found" "$(cat "$work/gc.log")"
	perf script -i "$work/lines.gmt" >"$work/lines.perf" 2>"$work/lines.perf.err"
	same "the trace has the same lines" "$found" \
		"$(awk -f "$top/tests/e2e/gctrace-notes.awk" "$work/lines.perf")"
	same "perf has nothing to say against it" "" "$(cat "$work/lines.perf.err")"
	"$analyze" "$work/lines.gmt" >"$work/lines.txt" 2>&1
	same "the trace alone gives the aligned log" 1 "$(tr -s ' \n' ' ' <"$work/lines.txt" |
		grep -c 'gc 1 to 40: placed by GC events, 40 of 40 lines match a cycle')"
	mkfifo "$work/report"
	cat "$work/report" >"$work/piped.txt" &
	"$analyze" "$work/lines.gmt" -o "$work/report" 2>&1
	wait $!
	check "a report into a pipe: it is written to, not replaced" \
		cmp "$work/piped.txt" "$work/lines.txt"
	"$analyze" "$work/lines.gmt" --gctrace "$work/gc.log" >"$work/by-file.txt" 2>&1
	same "as exactly as the log itself" "$(placed "$work/by-file.txt")" \
		"$(placed "$work/lines.txt")"
}

# A process that goes on with the command's standard error does not hold the recorder up.
orphan() {
	local pid
	"$record" --gctrace -o "$work/orphan.gmt" -- "$program" -bytes 10 -orphan -status 4 \
		>"$work/orphan.out" 2>"$work/orphan.err"
	same "with an orphan: exit status" 4 $?
	pid=$(sed -n 's/^orphan //p' "$work/orphan.out")
	background+=("$pid")
	check "with an orphan: not waited for" kill -0 "$pid"
	same "with an orphan: said" 1 "$(grep -ac 'still has its standard error open' "$work/orphan.err")"
}

# What a recording leaves out of a running command goes on to pass.
after_recording() {
	"$record" -q -d 300ms --gctrace -o "$work/after.gmt" -- "$program" -bytes 30000 -cycles 10 \
		-pause 100ms -lines -copy "$work/after.want" -status 6 \
		>"$work/after.out" 2>"$work/after.err"
	same "a recording that ends first: exit status" 6 $?
	check "a recording that ends first: every byte passes" \
		cmp "$work/after.want" <(perl -0pe 's/gc \d+ @[^\n]*\n//g' "$work/after.err")
}

# The port of a server that takes connections and says nothing, in $port.
hanging_server() {
	perl -MIO::Socket::INET -e '$| = 1; $s = IO::Socket::INET->new(Listen => 5,
		LocalAddr => "127.0.0.1") or die; print $s->sockport, "\n"; sleep 600' >"$work/port" &
	background+=($!)
	wait_for 5 [ -s "$work/port" ]
	port=$(cat "$work/port")
}

# analyze TRACE alone says of N dumps that they agree with the trace.
dumps_agree() {
	"$analyze" "$1" >"$1.txt" 2>"$1.log"
	within "$2: dumps reconciled by the trace alone" \
		"$(tr -s ' \n' ' ' <"$1.txt" | grep -o 'heap?gc=1, dump [0-9]* of [0-9]*[^(]*(100%)' | wc -l)" \
		"$3" 100
	same "$2: nothing to say against them" "" "$(cat "$1.log")"
}

# Ports of its own for each test: the refused one is closed again, nobody else gets it soon.
fetching() {
	local url address=127.0.0.1:$((20000 + RANDOM % 10000)) port log=$work/server.err
	program=$server
	hanging_server
	url="http://$address/debug/pprof/heap?gc=1"
	"$record" --gctrace --pprof "$url@1s" --pprof "http://127.0.0.1:$port/hangs" \
		--pprof "http://127.0.0.1:1/refuses@500ms" -d 5s -o "$work/server.gmt" -- \
		"$program" -addr "$address" -duration 12s -rate 300 >"$work/server.json" 2>"$log"
	same "a server: exit status" 0 $?
	within "a server: dumps in the trace" "$(sed -n 's/^record: \([0-9]*\) heap dumps.*/\1/p' "$log")" 4 9
	same "a port where nobody listens is noted, once" 1 \
		"$(grep -c '^record: warning: no heap dump from http://127.0.0.1:1/refuses' "$log")"
	same "a server that hangs is noted" 1 \
		"$(grep -c '^record: warning: no heap dump from .*/hangs: the recording ended' "$log")"
	dumps_agree "$work/server.gmt" "a server" 3
	within "a server: aligned log in the same trace" "$(tr -s ' \n' '  ' <"$work/server.gmt.txt" | grep -o 'placed by GC events' | wc -l)" 1 1
	same "the trace has what failed" 2 "$(grep -c 'no heap dump from' "$work/server.gmt.txt")"
	perf script -i "$work/server.gmt" >"$work/perf.out" 2>"$work/perf.err"
	perf report --header-only -i "$work/server.gmt" >>"$work/perf.out" 2>>"$work/perf.err"
	same "perf has nothing to say against the dumps" "" "$(cat "$work/perf.err")"

	"$program" -addr "$address" -duration 15s -rate 300 >/dev/null 2>"$work/attached.err" &
	background+=($!)
	wait_for 5 grep -q listening "$work/attached.err"
	"$record" -d 3s --pprof "$url" -o "$work/attached.gmt" -p $! 2>"$work/attached.log"
	same "attached: exit status" 0 $?
	same "attached: one dump, at the end" 1 "$(grep -c ' 1 heap dump in' "$work/attached.log")"
	dumps_agree "$work/attached.gmt" "attached" 1
	go_program system stderr || finish
	"$record" --pprof "$url" -o "$work/early.gmt" -- "$program" -bytes 1 -status 9 \
		>"$work/early.out" 2>"$work/early.err"
	same "it ends before the dump: exit status" 9 $?
	same "it ends before the dump: said" 1 "$(grep -ac 'give an interval' "$work/early.err")"
}

every_byte
slow_reader
no_reader
terminal
lines
orphan
after_recording
fetching
"$record" --gctrace -p $$ -o "$work/attach.gmt" 2>"$work/attach.err"
same "a running program: refused" 125 $?
check "a running program: why, and what to do" grep -q -- '--gctrace -- COMMAND' "$work/attach.err"
finish
