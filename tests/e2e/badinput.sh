#!/bin/bash
# Every refusal is one line that names the thing and the cause, with a remedy after it, and a status
# that is not zero; nothing is left in tracefs.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
need_recording
go_program system batch || finish
batch=$program

# refused NAME STATUS WORDS COMMAND...: it ends with STATUS, and says on standard error one line
# `$who: ...` that contains WORDS (a pattern), then at most one more line, the remedy.
refused() {
	local name=$1 wanted=$2 words=$3 status=0 lines
	shift 3
	timeout 60 "$@" >"$work/out" 2>"$work/err" </dev/null || status=$?
	lines=$(wc -l <"$work/err")
	if [ "$status" != "$wanted" ]; then
		fail "$name" "status $status, wanted $wanted"$'\n'"$(cat "$work/err")"
	elif ! head -n 1 "$work/err" | grep -q "^$who: "; then
		fail "$name" "the first line does not begin with '$who: '"$'\n'"$(cat "$work/err")"
	elif ! head -n 1 "$work/err" | grep -qiE "$words"; then
		fail "$name" "'$words' is not in the first line"$'\n'"$(cat "$work/err")"
	elif [ "$lines" -lt 1 ] || [ "$lines" -gt 2 ]; then
		fail "$name" "$lines lines"$'\n'"$(cat "$work/err")"
	else
		pass "$name"
	fi
}

cd "$work" || exit 1
chmod 755 "$work"

# --- What is to be recorded
who=record
free_pid=$(($(cat /proc/sys/kernel/pid_max) - 1))
refused "no such process" 125 "$free_pid.*(no such|not there|ended|does not exist)" \
	"$record" -p $free_pid
refused "a PID that is none" 125 "twelve" "$record" -p twelve
refused "no such command" 127 "no-such-command" "$record" -- ./no-such-command
refused "no such command on PATH" 127 "no-such-command" "$record" -- no-such-command
echo "not executable" >plain
refused "a command that is not executable" 126 "plain" "$record" -- ./plain
printf '#!/bin/sh\necho hi\n' >script && chmod +x script
refused "a command that is not ELF" 125 "script.*ELF" "$record" -- ./script
refused "a command that is not Go" 125 "true.*Go" "$record" -- /bin/true
head -c 3000 "$batch" >cut-binary && chmod +x cut-binary
refused "a binary that is cut off" 125 "cut-binary" "$record" -- ./cut-binary
version=$("$batch" -scale 0 | jq -r .go)
old=go1.12.9
old=${old:0:${#version}}
LC_ALL=C sed "s/$version/$old/g" "$batch" >too-old && chmod +x too-old
refused "a Go that is too old" 125 "too-old.*1\.12" "$record" -- ./too-old
refused "nothing to record" 125 "nothing|command|process" "$record"
refused "an unknown option" 125 "no-such-option" "$record" --no-such-option -- "$batch"
refused "a bad duration" 125 "soon" "$record" -d soon -- "$batch"

# --- What the machine allows
install -m 755 "$record" "$work/record"
install -m 755 "$batch" "$work/batch"
refused "no permission" 125 "permi|root|privilege" \
	setpriv --reuid=65534 --regid=65534 --clear-groups "$work/record" -o /tmp/none.gmt -- "$work/batch"
refused "no tracefs" 125 "trac(efs|ing)" unshare -m sh -c \
	'mount -t tmpfs none /sys/kernel/tracing && mount -t tmpfs none /sys/kernel/debug &&
	exec "$0" -o /tmp/none.gmt -e syscalls:sys_enter_openat -- "$1"' "$record" "$batch"

# --- Where it is written
refused "an output folder that is not there" 125 "none/trace.gmt" \
	"$record" -o none/trace.gmt -- "$batch" -scale 1
refused "an output that is a folder" 125 "folder" sh -c \
	'mkdir -p folder; exec "$0" -o folder -- "$1" -scale 1' "$record" "$batch"
# The program goes on when the disk is full, and what was written is readable.
mkdir small
refused "a disk that is full" 125 "space|full" unshare -m sh -c \
	'mount -t tmpfs -o size=200k none small &&
	"$0" -q -o small/trace.gmt -- "$1" -rate 4096 -scale 60 -pause 2ms >truth; status=$?
	cp small/trace.gmt cut-by-disk.gmt; exit $status' "$record" "$batch"
check "the program ran to its end on a full disk" jq -e '.num_gc > 0' truth
check "what was written before the disk was full is readable" analyzed cut-by-disk.txt cut-by-disk.gmt
check "the report says what is missing" found cut-by-disk.txt note 'breaks off.*disk was full.*missing are'
check "perf reads it too" sh -c 'perf script -i cut-by-disk.gmt -F event | grep -q :birth:'
# So it is with a row of files, and no file is left that says nothing.
refused "a disk that is full between two files" 125 "space|full" unshare -m sh -c \
	'mount -t tmpfs -o size=120k none small &&
	"$0" -q --rotate=1s -o small/row.gmt -- "$1" -scale 60 -pause 5ms >row.truth; status=$?
	cp small/row.gmt.* .; exit $status' "$record" "$batch"
check "the program ran to its end there, too" jq -e '.num_gc > 0' row.truth
for file in row.gmt.*; do
	check "$file is readable" "$analyze" "$file"
done
same "no event is left in tracefs" "" "$(orphaned_groups)"

# --- What is analyzed
who=analyze
check "a good trace to begin with" env GODEBUG=gctrace=1 "$record" -q -o good.gmt -- "$batch" -out . -pause 1ms
refused "no such trace" 2 "none.gmt.*no such file" "$analyze" none.gmt
refused "a trace that is a folder" 2 "folder" "$analyze" folder
: >empty.gmt
refused "an empty trace" 2 "empty.gmt.*(empty|no perf.data|short|cut)" "$analyze" empty.gmt
refused "a trace that is none" 2 "plain.*perf" "$analyze" plain
head -c 60 good.gmt >header.gmt
refused "a trace cut within its header" 2 "header.gmt" "$analyze" header.gmt
perf record -q -e dummy -o other.data true 2>/dev/null
refused "a perf.data without anything of Go" 2 "other.data" "$analyze" other.data
echo "nothing of the kind" >other.log
refused "a gctrace log that is none" 2 "other.log" "$analyze" good.gmt --gctrace other.log
refused "a gctrace log that is not there" 2 "none.log" "$analyze" good.gmt --gctrace none.log
refused "a heap dump that is none" 2 "plain" "$analyze" good.gmt --pprof plain
refused "a heap dump that is not there" 2 "none.pb.gz" "$analyze" good.gmt --pprof none.pb.gz
head -c 200 end.pb.gz >cut.pb.gz
refused "a heap dump that is cut off" 2 "cut.pb.gz" "$analyze" good.gmt --pprof cut.pb.gz
refused "an unknown option" 2 "no-such-option" "$analyze" --no-such-option good.gmt
refused "no trace at all" 2 "trace" "$analyze"

# A trace that was cut short is read up to there.
size=$(stat -c %s good.gmt)
head -c $((size * 2 / 3)) good.gmt >cut.gmt
check "a trace cut in its middle is read up to there" "$analyze" cut.gmt
# The log of another program does not match, and the report says so.
cat >another.log <<-'LOG'
	gc 1 @0.500s 0%: 0.017+0.97+0.003 ms clock, 0.035+0/0.035/1.0+0.006 ms cpu, 34->34->31 MB, 47 MB goal, 0 MB stacks, 0 MB globals, 2 P
	gc 2 @90.018s 0%: 0.017+0.97+0.003 ms clock, 0.035+0/0.035/1.0+0.006 ms cpu, 134->134->131 MB, 147 MB goal, 0 MB stacks, 0 MB globals, 2 P
	gc 3 @170.018s 0%: 0.017+0.97+0.003 ms clock, 0.035+0/0.035/1.0+0.006 ms cpu, 334->334->331 MB, 447 MB goal, 0 MB stacks, 0 MB globals, 2 P
LOG
"$analyze" good.gmt --gctrace another.log >report.txt 2>&1 || true
check "the gctrace log of another program is named as such" grep -iE 'another.log.*(not|no |other|none)' report.txt
finish
