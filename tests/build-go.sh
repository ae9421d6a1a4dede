#!/bin/bash
# Builds tests/programs/PROGRAM with a version of Go and prints the path of the binary.
#
#   tests/build-go.sh VERSION PROGRAM [FLAG...]
#
# VERSION is 1.15 to 1.27, or `system` for the one on PATH. The flags go to `go build`; each set of
# them has a binary of its own. Nothing is built where the binary is newer than its source. Exit
# status: 0 it is there; 3 this Go cannot be had here (one line says why); 1 the build failed.
set -euo pipefail

version=${1:?usage: build-go.sh VERSION PROGRAM [FLAG...]}
program=${2:?usage: build-go.sh VERSION PROGRAM [FLAG...]}
shift 2
top=$(cd "$(dirname "$0")/.." && pwd)
source=$top/tests/programs/$program
build=${BUILD:-build}
case $build in
/*) ;;
*) build=$top/$build ;;
esac

if [ "$version" = system ]; then
	if ! go=$(command -v go); then
		echo "build-go.sh: no go on PATH: run 'make deps'" >&2
		exit 3
	fi
	unset GOROOT
elif [ -x "/usr/lib/go-$version/bin/go" ]; then
	export GOROOT=/usr/lib/go-$version
	go=$GOROOT/bin/go
else
	GOROOT=$("$top/tests/fetch-go.sh" "$version") || exit 3
	export GOROOT
	go=$GOROOT/bin/go
fi

flags=
[ $# = 0 ] || flags=-$(printf '%s\n' "$@" | cksum | cut -d' ' -f1)
out=$build/programs/go-$version/$program$flags
if [ ! -e "$out" ] || [ -n "$(find "$source" -newer "$out" -type f)" ]; then
	mkdir -p "$(dirname "$out")"
	# Only the standard library is used: no module, no proxy, no other toolchain. The name is
	# changed at the end, so that two builds at the same time do not disturb each other.
	(
		cd "$source"
		GO111MODULE=off GOFLAGS='' GOTOOLCHAIN=local GOPATH=$build/gopath \
			GOCACHE=${GOCACHE:-$build/gocache} "$go" build "$@" -o "$out.$$" . >&2
	) || {
		rm -f "$out.$$"
		exit 1
	}
	mv "$out.$$" "$out"
fi
echo "$out"
