#!/bin/bash
# What common/gobin reads from Go binaries against what Go's own tools, DWARF and the symbol table
# say of their unstripped twins: functions, files, lines, inlined calls, the runtime's globals and
# the layouts of its structures; for each version and way of building.
#
#   tests/e2e/pclntab.sh [VERSION...]
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

versions=("$@")
[ $# -gt 0 ] || versions=(1.15 1.19 1.21 1.22 1.23 1.24 1.25 1.26 1.27)
# The system's toolchain would be another patch than the suites', or none.
store=$CACHE/pclntab
dump=$BUILD/tests/e2e/gobin_dump
addresses=1000

export GO111MODULE=off GOFLAGS='' GOTOOLCHAIN=local GOCACHE=$CACHE/gocache

if ! [ -x "$dump" ]; then
	make -s -C "$top" "$dump" || exit 1
fi

# The newest toolchain reads the binaries of all, also where the older ones' tools do not.
truth=
for version in 1.27 1.26 1.25 1.24 1.23 1.22 1.21; do
	truth=$("$top/tests/fetch-go.sh" $version 2>/dev/null) && break
done
if [ -z "$truth" ]; then
	skip "all checks" "no recent Go can be had"
	finish
fi

symbolizer=yes
if ! command -v llvm-symbolizer >/dev/null; then
	symbolizer=no
	skip "inlined calls, and C code" "llvm-symbolizer is not installed"
fi

go_tool() {
	GOROOT=$truth "$truth/bin/go" tool "$@"
}

# build VERSION NAME FLAG...: builds tests/programs/$program; the binary's path goes to $built. Its
# name tells its source, and no path of this tree is in it, so that several trees can share them.
build() {
	local version=$1 name=$2 sum
	shift 2
	sum=$(cat "$top/tests/programs/$program"/* | cksum | cut -d' ' -f1)
	built=$store/$version/$name-$sum
	[ -e "$built" ] && return
	mkdir -p "$store/$version"
	(cd "$top/tests/programs/$program" &&
		GOROOT=$goroot "$goroot/bin/go" build -trimpath "$@" -o "$built.$$" .) \
		>"$work/build.log" 2>&1 && mv "$built.$$" "$built"
}

# Removes the section headers: what is left is what a loader sees. They are 64-bit ELF's e_shoff
# (at 40), e_shentsize, e_shnum and e_shstrndx (from 58).
without_sections() {
	cp "$1" "$2"
	dd if=/dev/zero of="$2" bs=1 seek=40 count=8 conv=notrunc status=none
	dd if=/dev/zero of="$2" bs=1 seek=58 count=6 conv=notrunc status=none
}

# Blots out the mark of the build information, as some packagers do to make builds comparable.
without_buildinfo() {
	local at
	at=$(LC_ALL=C grep -abo -m 1 $'\xff Go buildinf:' "$1" | tail -n 1 | cut -d: -f1)
	[ -n "$at" ] && dd if=/dev/zero of="$1" bs=1 seek="$at" count=14 conv=notrunc status=none
}

# random_addresses COUNT FIRST LAST: hexadecimal, the same ones in every run.
random_addresses() {
	awk -v n="$1" -v first=$((16#$2)) -v last=$((16#$3)) 'BEGIN {
		srand(1)
		for (i = 0; i < n; i++)
			printf "0x%x\n", first + int(rand() * (last - first))
	}' | sort -u
}

# Shared code of generic functions has its type arguments left out of the table, and the symbol of
# an assembly function its ABI appended.
plain_names() {
	sed -e 's/\.abi0$//' -e 's/\.abiinternal$//' -e 's/\[.*\]/[...]/' -e 's/·/./g' | sort -u
}

# functions_differ WHOLE STRIPPED: the functions of the one that the other has not, both ways.
functions_differ() {
	"$dump" functions "$2" >"$work/functions" || return
	first=$(sed -n '1s/ .*//p' "$work/functions")
	last=$(sed -n '$s/ .*//p' "$work/functions")
	# C code lies outside of Go's, or is in the table too where Go's own linker linked it.
	go_tool nm "$1" 2>&1 | sed -n 's/^ *\([0-9a-f]*\) [Tt] /\1 /p' |
		awk -v a="$first" -v b="$last" '{
			sub(/^0*/, "", $1)
			wide = sprintf("%16s", $1)
			if (wide >= sprintf("%16s", a) && wide <= sprintf("%16s", b))
				print
		}' | grep -vE ' (local\.)?runtime\.e?text$' | plain_names >"$work/nm"
	plain_names <"$work/functions" >"$work/functions.plain"
	diff "$work/nm" "$work/functions.plain"
}

# lines_differ WHOLE STRIPPED
lines_differ() {
	random_addresses $addresses "$first" "$last" >"$work/addresses"
	# A padding between functions has no line, and the linker's marks have no table of lines,
	# which the tool does not see.
	go_tool addr2line "$1" <"$work/addresses" 2>&1 |
		sed -e 's/^:-1$/?:0/' -e '/^go:textfips/{' -e 'n' -e 's/.*/?:0/' -e '}' \
			-e 's/\[.*\]/[...]/' >"$work/lines.want"
	"$dump" lines "$2" <"$work/addresses" | sed 's/\[.*\]/[...]/' >"$work/lines.got"
	diff "$work/lines.want" "$work/lines.got"
}

# One line for each address, of "function" and "file:line" fields in turn.
one_line_each() {
	awk '/^0x/ { if (NR > 1) print ""; printf "%s", $0; next } { printf "\t%s", $0 } END { print "" }'
}

# frames_differ WHOLE STRIPPED: the inlined functions, and where they are called, as DWARF has them.
# DWARF knows no padding, and up to 1.21 not what is inlined in wrappers that the compiler made. A
# few instructions belong to another line there than in the table that the runtime uses.
frames_differ() {
	[ $symbolizer = yes ] || return 0
	llvm-symbolizer --obj="$1" --inlines --functions=linkage --no-demangle --addresses \
		--output-style=GNU <"$work/addresses" |
		sed -e '/^$/d' -e 's/\[.*\]/[...]/' -e 's/\.abi0$//' -e 's/ (discriminator .*//' \
			-e 's/^??:0$/:0/' -e 's/^\(\.\/\)*//' | one_line_each >"$work/frames.want"
	"$dump" frames "$2" <"$work/addresses" | awk '
		/^0x/ { print; next }
		{
			place = $NF
			sub(/^\t/, "")
			sub(/ [^ ]*$/, "")
			print
			print place
		}' | sed -e 's/\[.*\]/[...]/' -e 's/·/./g' -e 's/^\(\.\/\)*//' |
		one_line_each >"$work/frames.got"
	paste "$work/frames.want" "$work/frames.got" | awk -F'\t' '
		/<autogenerated>/ || $2 == "??" { next }
		{
			half = NF / 2
			same = NF % 2 == 0
			for (i = 1; same && i <= half; i++) {
				if ($i == $(i + half))
					continue
				if (i % 2 == 0 || i == 1)
					same = 0
				else
					lines++
			}
			if (!same)
				print
		}
		END { if (lines > NR / 100) print lines " places differ" }'
}

# c_frames_differ WHOLE: addresses of C functions, in an unstripped file.
c_frames_differ() {
	[ $symbolizer = yes ] || return 0
	nm -S --defined-only "$1" |
		awk '$3 ~ /^[tT]$/ && $4 ~ /^(_cgo|x_cgo|leak_|borrow_)/ { print $1, $2 }' |
		while read -r address size; do
			random_addresses 10 "$address" "$(printf %x $((16#$address + 16#$size)))"
		done | sort -u >"$work/addresses"
	[ -s "$work/addresses" ] || return
	frames_differ "$1" "$1"
}

# globals_differ WHOLE STRIPPED
globals_differ() {
	"$dump" symbols "$1" >"$work/globals.want"
	"$dump" globals "$2" >"$work/globals.got"
	[ "$(wc -l <"$work/globals.want")" = 10 ] || echo "symbols are missing"
	diff "$work/globals.want" "$work/globals.got"
}

# layout_differs WHOLE
layout_differs() {
	{
		echo from_dwarf 1
		"$dump" table "$1"
	} >"$work/layout.table"
	"$dump" layout "$1" >"$work/layout.dwarf"
	diff "$work/layout.table" "$work/layout.dwarf"
}

# info_differs WANTED-VERSION FILE
info_differs() {
	"$dump" info "$2" >"$work/info"
	grep -qx "text go$1" "$work/info" || grep -E '^(text|source)' "$work/info"
	# What would be made of it if it said nothing.
	grep -qx "deduced $(cut -d. -f1,2 <<<"$1")" "$work/info" || grep ^deduced "$work/info"
	[ "${3-}" = "" ] || grep -qx "source $3" "$work/info" || grep ^source "$work/info"
}

# cell NAME VERSION WHOLE STRIPPED [CODE [SOURCE]]: CODE is the file whose globals are decoded, SOURCE
# where its version is to be found.
cell() {
	local name=$1 version=$2 whole=$3 stripped=$4 code=${5:-$4} source=${6-} all
	all=$(
		info_differs "$version" "$stripped" "$source"
		functions_differ "$whole" "$stripped"
		lines_differ "$whole" "$stripped"
		frames_differ "$whole" "$stripped"
		globals_differ "$whole" "$code"
		layout_differs "$whole"
		case $name in *cgo*) c_frames_differ "$whole" ;; esac
	)
	if [ -z "$all" ]; then
		pass "$name: $(wc -l <"$work/functions") functions, $addresses addresses"
	else
		fail "$name" "$(head -n 40 <<<"$all")"
	fi
}

# twins NAME FLAG...: $whole and its stripped twin, which Go's linker makes. They share their text,
# but not their data: the build information holds the flags.
twins() {
	local name=$1
	shift
	build "$version" "$name" "$@" || return
	whole=$built
	build "$version" "$name-stripped" "$@" '-ldflags=-s -w' || return
	stripped=$built
}

# strip_twin NAME FLAG...: the twin is made by strip.
strip_twin() {
	local name=$1
	shift
	build "$version" "$name" "$@" || return
	whole=$built
	stripped=$work/stripped
	strip -o "$stripped" "$whole"
}

not_built() {
	fail "Go $version $1" "$(tail -n 5 "$work/build.log")"
}

# foreign ARCH NAME FLAG...
foreign() {
	local arch=$1 name=$2
	shift 2
	program=noprofile
	if GOARCH=$arch CGO_ENABLED=0 twins "${name// /-}" "$@"; then
		cell "Go $version $name" "$patch" "$whole" "$stripped" "$whole"
	elif grep -q 'unsupported GOOS/GOARCH' "$work/build.log"; then
		skip "Go $version $name" "this version does not know it"
	else
		not_built "$name"
	fi
}

test_version() {
	patch=$(GOROOT=$goroot "$goroot/bin/go" version | sed 's/.*version go\([^ ]*\) .*/\1/')
	program=allocheavy
	if CGO_ENABLED=0 twins plain; then
		cell "Go $version plain" "$patch" "$whole" "$whole"
		cell "Go $version stripped" "$patch" "$whole" "$stripped" "$whole"
		strip -o "$work/stripped" "$whole"
		without_sections "$work/stripped" "$work/headless"
		without_buildinfo "$work/headless"
		cell "Go $version without section headers and build information" "$patch" \
			"$whole" "$work/headless" "$work/headless" runtime.buildVersion
	else
		not_built plain
	fi
	if CGO_ENABLED=0 strip_twin pie -buildmode=pie; then
		cell "Go $version PIE" "$patch" "$whole" "$stripped"
	else
		not_built PIE
	fi
	program=cgo
	if strip_twin cgo -ldflags=-linkmode=external; then
		cell "Go $version cgo, external" "$patch" "$whole" "$stripped"
	else
		not_built "cgo, external"
	fi
	if strip_twin cgo-pie -buildmode=pie -ldflags=-linkmode=external; then
		without_sections "$stripped" "$work/headless"
		cell "Go $version cgo, external, PIE, without section headers" "$patch" "$whole" \
			"$work/headless"
	else
		not_built "cgo, external, PIE"
	fi
	foreign arm64 arm64
	foreign arm64 "arm64 PIE" -buildmode=pie
	foreign loong64 loong64
}

# real_program NAME: one that others built, in their way.
real_program() {
	local file want got
	if ! file=$("$top/tests/fetch-real.sh" "$1" 2>"$work/fetch.log"); then
		skip "$1" "$(tail -n 1 "$work/fetch.log")"
		return
	fi
	"$dump" info "$file" >"$work/info"
	got=$(sed -n 's/^text //p' "$work/info")
	# Where the build information was taken out, Go's tool knows no version; we have one still.
	want=$(GOROOT=$truth "$truth/bin/go" version "$file" 2>/dev/null | sed 's/.*: //')
	same "$1: version" "${want:-go$(sed -n 's/^deduced //p' "$work/info").${got##*.}}" "$got"
	"$dump" functions "$file" | sed 's/^[^ ]* //' >"$work/functions"
	same "$1: what sampling needs" 2 \
		"$(grep -cE '^runtime\.(setprofilebucket|free[sS]pecial)$' "$work/functions")"
	same "$1: globals" 10 "$("$dump" globals "$file" | wc -l)"
}

for version in "${versions[@]}"; do
	if goroot=$("$top/tests/fetch-go.sh" "$version" 2>"$work/fetch.log"); then
		test_version
	else
		skip "Go $version" "$(tail -n 1 "$work/fetch.log")"
	fi
done
if [ $# = 0 ]; then
	for name in prometheus etcd caddy syncthing esbuild-0.8.0 esbuild-0.14.0 esbuild-0.27.0 \
		esbuild-0.28.2 tsgo buf lefthook; do
		real_program $name
	done
fi
finish
