#!/bin/bash
# Puts a Debian kernel into $CACHE/vm/SUITE and prints the path of its image (vmlinuz).
#
#   tests/fetch-kernel.sh bullseye|bookworm|trixie|sid
#
# These are Linux 5.10, 6.1, 6.12 and the newest. The package comes from the mirror that this machine's apt uses,
# with lists of our own; nothing is installed. Safe to run twice, also at the same time. Exit status:
# 0 it is there; 3 it cannot be had (one line says why); 2 wrong usage.
set -u

suite=${1:-}
top=$(cd "$(dirname "$0")/.." && pwd)
cache=${CACHE:-$top/.cache}

unavailable() {
	echo "fetch-kernel.sh: $suite: $*" >&2
	exit 3
}

case $suite in
bullseye | bookworm | trixie | sid) ;;
*)
	echo "usage: fetch-kernel.sh bullseye|bookworm|trixie|sid" >&2
	exit 2
	;;
esac
[ "$(uname -m)" = x86_64 ] || unavailable "the kernels are for x86-64, and this is $(uname -m)"
for tool in apt-get apt-cache dpkg-deb flock; do
	command -v $tool >/dev/null || unavailable "$tool is not installed"
done

root=$cache/vm/$suite
mkdir -p "$cache/vm" || unavailable "cannot write to $cache"
if [ -e "$root/vmlinuz" ]; then
	echo "$root/vmlinuz"
	exit 0
fi
exec 8>"$cache/vm/.lock.$suite"
flock 8
if [ -e "$root/vmlinuz" ]; then
	echo "$root/vmlinuz"
	exit 0
fi
new=$cache/vm/.new.$suite
rm -rf "$new"
trap 'rm -rf "$new"' EXIT
mkdir -p "$new/apt/lists/partial" "$new/apt/cache/archives/partial" "$new/root"
: >"$new/apt/status"

# The host that the machine's own sources name, so that a mirror is used where there is one.
mirror=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null |
	grep -v '^ *#' | grep -oE 'https?://[^ ]*/debian/?( |$)' | head -n 1 | tr -d ' ')
[ -n "$mirror" ] || unavailable "no Debian archive among the machine's apt sources"
echo "deb $mirror $suite main" >"$new/apt/sources.list"
options=(
	-o Acquire::Retries=3
	-o Acquire::Languages=none
	-o Dir::Etc::SourceList="$new/apt/sources.list"
	-o Dir::Etc::SourceParts=/nonexistent
	-o Dir::State="$new/apt"
	-o Dir::State::Lists="$new/apt/lists"
	-o Dir::State::status="$new/apt/status"
	-o Dir::Cache="$new/apt/cache"
)
# Without it apt drops to a user that may not write into the cache.
[ "$(id -u)" = 0 ] && options+=(-o APT::Sandbox::User=root)
if ! reason=$(apt-get "${options[@]}" -o APT::Update::Error-Mode=any update 2>&1); then
	unavailable "apt-get update: $(grep -E '^[EW]:' <<<"$reason" | head -n 1)"
fi
# depends PACKAGE PREFIX: the first package of that name that it needs.
depends() {
	apt-cache "${options[@]}" depends "$1" | sed -n "s/^ *Depends: \($2-[^ ]*\)$/\1/p" | head -n 1
}
package=$(depends linux-image-cloud-amd64 linux-image)
[ -n "$package" ] || unavailable "this suite has no linux-image-cloud-amd64"
# Since 7.x the image is in a package of its own.
binary=$(depends "$package" linux-binary)
package=${binary:-$package}
cd "$new" || exit 1
if ! reason=$(apt-get "${options[@]}" download "$package" 2>&1); then
	unavailable "no package: $(grep -E '^E:' <<<"$reason" | head -n 1)"
fi
reason=$(dpkg-deb -x "$new"/*.deb "$new/root" 2>&1) ||
	unavailable "cannot unpack $package: $(head -n 1 <<<"$reason")"
mkdir -p "$root"
image=$(find "$new/root" -name 'vmlinuz*' -type f | head -n 1)
[ -n "$image" ] || unavailable "there is no image in $package"
mv "$image" "$root/vmlinuz"
echo "$root/vmlinuz"
