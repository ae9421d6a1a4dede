#!/bin/bash
# Puts a Go toolchain from Debian's suites into $CACHE/go/VERSION and prints its GOROOT.
#
#   tests/fetch-go.sh 1.25
#
# The machine's apt sources stay as they are (tests/debian.sh). Safe to run twice, also at the same
# time. Exit status: 0 the toolchain is there; 3 it cannot be had (one line says why); 2 wrong usage.
set -u

version=${1:-}
top=$(cd "$(dirname "$0")/.." && pwd)
cache=${CACHE:-$top/.cache}
# shellcheck source=tests/debian.sh
. "$top/tests/debian.sh"

unavailable() {
	[ -z "${new-}" ] || rm -rf "$new"
	echo "fetch-go.sh: Go $version: $*" >&2
	exit 3
}

case $version in
1.15) suite=bullseye ;;
1.19) suite=bookworm ;;
1.21 | 1.22 | 1.23) suite=bookworm-backports ;;
1.24) suite=trixie ;;
1.25 | 1.26 | 1.27) suite=trixie-backports ;;
*)
	echo "usage: fetch-go.sh 1.15|1.19|1.21|1.22|1.23|1.24|1.25|1.26|1.27" >&2
	exit 2
	;;
esac

mkdir -p "$cache/go" || unavailable "cannot write to $cache"
cache=$(cd "$cache" && pwd)
root=$cache/go/$version
goroot=$root/usr/lib/go-$version

if [ -e "$root/complete" ]; then
	echo "$goroot"
	exit 0
fi
command -v flock >/dev/null || unavailable "flock is not installed"

exec 8>"$cache/go/.lock.$version" 9>"$cache/go/.lock.$suite"
flock 8
if [ -e "$root/complete" ]; then
	echo "$goroot"
	exit 0
fi

# One apt at a time in a suite's folder.
flock 9
debian_suites "$cache/go/apt/$suite" "$suite"

new=$cache/go/.new.$version
rm -rf "$new"
mkdir -p "$new/debs" "$new/root"
if ! reason=$(cd "$new/debs" && "${debian_apt[@]}" download \
	"golang-$version-go" "golang-$version-src" 2>&1); then
	unavailable "not in $suite: $(grep -E '^E:' <<<"$reason" | head -n 1)"
fi
flock -u 9

debian_unpack "$new/debs" "$new/root"
if ! reason=$(GOROOT=$new/root/usr/lib/go-$version GOTOOLCHAIN=local \
	"$new/root/usr/lib/go-$version/bin/go" version 2>&1); then
	unavailable "it does not run here: $(head -n 1 <<<"$reason")"
fi
touch "$new/root/complete"
rm -rf "$root"
mv "$new/root" "$root" || unavailable "cannot put it into $root"
rm -rf "$new"
echo "$goroot"
