#!/bin/bash
# Probes that somebody set with perf probe, with names of their own: analyze knows them by the
# function they sit in, and their arguments by name, register or order; it names the call stacks
# from the binary, and says what is recognised, what is not, and what is missing.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
need_recording
go_program 1.19 batch || finish
# A name of its own makes a group of its own, probe_NAME.
name=probes$$
cp "$program" "$work/$name"
program=$work/$name
group=probe_$name

trap 'unset_probes $group; at_exit' EXIT

add() {
	# -f: an event of that name may be there, in another group.
	perf probe -f -q -x "$program" "$1" >>"$work/probe.log" 2>&1 ||
		fail "perf probe sets $1" "$(tail -n 5 "$work/probe.log")"
}
cd "$work" || exit 1
add 'anew=runtime.setprofilebucket obj=%ax:x64 where=%bx:x64 size=+32(%bx):u64'
add 'gone=runtime.freeSpecial %ax:x64 %bx:x64 %cx:u64'
add 'marked=runtime.gcMarkTermination'
add 'half=runtime.freeSpecial x=%bx:x64 y=%cx:u64'
add 'mine=main.main'

said() {
	check "$1" grep -qE "$3" <(tr -s ' \n' ' ' <"$2")
}
run=("$program" -scale 30 -pause 1ms)

# ---- With the binary at hand
GODEBUG=gctrace=1 perf record -q -k mono -g -o whole.data -e "$group:*" "${run[@]}" >/dev/null 2>gc.log
analyzed whole.txt whole.data --gctrace gc.log -v
births=$(perf script -F event -i whole.data 2>/dev/null | grep -c ':anew:')
within "births that perf prints" "$births" 50 100000
same "births that analyze counts" "$births" "$(awk -F'\t' '$1 == "process" { print $4 }' whole.txt.lines)"
said "births by order of the fields" whole.txt \
	"$group:anew sits in runtime.setprofilebucket, so it is a birth; p is its field obj; b is its field where; not told: nstk, goid, cycle"
said "deaths by order of perf's own names" whole.txt \
	"$group:gone sits in runtime.freeSpecial, so it is a death; p is its field arg2; size is its field arg3"
said "what may be either argument is not guessed" whole.txt \
	"$group:half sits in runtime.freeSpecial, so it is a death: of no use without the object's address, p"
said "a probe that tells nothing" whole.txt "$group:mine sits in main.main, which tells nothing of memory"
said "GC cycles" whole.txt "$group:marked sits in runtime.gcMarkTermination"
said "the log is placed by them" whole.txt "placed by GC events"
check "sites have the program's names" grep -q 'main\.(\*work)\.retainNode' whole.txt
same "nothing is said of the clock" "" "$(grep "perf's own clock" whole.txt)"
# The same program by record: what it keeps, function by function.
"$record" -q -o own.gmt -- "${run[@]}" >/dev/null 2>&1
analyzed own.txt own.gmt -v
sites() {
	grep -oE 'main\.\(\*work\)\.(retainNode|growMap|pushWindow|churnLarge|pinSubslice)' "$1" | sort -u
}
same "the same functions as in a recording of our own" "$(sites own.txt)" "$(sites whole.txt)"

# ---- perf's own clock, and no deaths
perf record -q -g -o partial.data -e "$group:anew" -e "$group:marked" "${run[@]}" >/dev/null 2>&1
analyzed partial.txt partial.data --gctrace gc.log
said "that no death was recorded" partial.txt 'no event tells of a death'
said "that the clock is perf's own" partial.txt "have perf's own clock and not CLOCK_MONOTONIC"

# ---- Registers by name, and a binary that is gone
unset_probes $group
add 'birth=runtime.setprofilebucket ax=%ax:x64 rbx=%bx:x64'
add 'death=runtime.freeSpecial p=%bx:x64 size=%cx:u64'
perf record -q -k mono -o regs.data -e "$group:*" "${run[@]}" >/dev/null 2>&1
births=$(perf script -F event -i regs.data 2>/dev/null | grep -cE ':birth(_[0-9]+)?:')
analyzed regs.txt regs.data
same "births, arguments by register" "$births" "$(awk -F'\t' '$1 == "process" { print $4 }' regs.txt.lines)"
said "which register" regs.txt 'p is its field ax; b is its field rbx'
mv "$program" "$program.gone"
analyzed gone.txt regs.data
said "without the binary, by the name of the event" gone.txt \
	"names a function; by its name it is a birth: of no use without the object's address"
said "deaths too" gone.txt "names a function; by its name it is a death; not told: b, kind, cycle"
mv "$program.gone" "$program"
finish
