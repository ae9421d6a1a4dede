#!/bin/bash
# A trace is whole: where there is nothing but analyze and its libraries, no binary, no /proc and no
# /dev, its report is the same to the byte.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
need_recording

root=$work/root
mkdir -p "$root/bin" "$root/tmp"
cp "$analyze" "$root/bin/"
ldd "$analyze" | grep -oE '/[^ ]+' | while read -r library; do
	mkdir -p "$root$(dirname "$library")"
	cp -L "$library" "$root$library"
done
export COLUMNS=120 TZ=UTC0

# elsewhere VERSION: with a log and dumps of the program's own.
elsewhere() {
	local version=$1 dir=$root/$1 format
	go_program "$version" batch || return 0
	mkdir -p "$dir"
	GODEBUG=gctrace=1 "$record" -q -o "$dir/trace.gmt" -- "$program" -scale 20 -pause 1ms \
		-out "$dir" >/dev/null 2>"$dir/gc.log"
	for format in text json; do
		args=(-v -f "$format" "$version/trace.gmt" --gctrace "$version/gc.log"
			--pprof "$version/end.pb.gz")
		(cd "$root" && "$analyze" "${args[@]}") >"$work/here" 2>"$work/here.err"
		env -i COLUMNS=$COLUMNS TZ=$TZ LC_ALL=C "$(command -v chroot)" "$root" \
			/bin/analyze "${args[@]}" >"$work/there" 2>"$work/there.err"
		same "Go $version, $format: exit status" 0 $?
		check "Go $version, $format: the same report" cmp "$work/here" "$work/there"
		check "Go $version, $format: the same on standard error" cmp "$work/here.err" "$work/there.err"
	done
	# With the program's names, which were not to be had there.
	check "Go $version: it names the program's functions" \
		grep -q 'main\.(\*work)\.retainNode' "$work/there"
}

for version in ${E2E_GO:-1.19 1.27}; do
	elsewhere "$version"
done
finish
