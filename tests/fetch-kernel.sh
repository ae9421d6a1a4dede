#!/bin/bash
# Puts a Debian kernel into $CACHE/vm/SUITE and prints the path of its image (vmlinuz).
#
#   tests/fetch-kernel.sh bullseye|bookworm|trixie|sid
#
# These are Linux 5.10, 6.1, 6.12 and the newest. Nothing is installed, and the machine's apt sources
# stay as they are (tests/debian.sh). Safe to run twice, also at the same time. Exit status: 0 it is
# there; 3 it cannot be had (one line says why); 2 wrong usage.
set -u

suite=${1:-}
top=$(cd "$(dirname "$0")/.." && pwd)
cache=${CACHE:-$top/.cache}
# shellcheck source=tests/debian.sh
. "$top/tests/debian.sh"

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
command -v flock >/dev/null || unavailable "flock is not installed"

root=$cache/vm/$suite
mkdir -p "$cache/vm" || unavailable "cannot write to $cache"
exec 8>"$cache/vm/.lock.$suite"
flock 8
if [ -e "$root/vmlinuz" ]; then
	echo "$root/vmlinuz"
	exit 0
fi
debian_suites "$cache/vm/apt/$suite" "$suite"

# depends PACKAGE PREFIX: the first package of that name that it needs.
depends() {
	apt-cache "${debian_apt[@]:1}" depends "$1" | sed -n "s/^ *Depends: \($2-[^ ]*\)$/\1/p" |
		head -n 1
}
package=$(depends linux-image-cloud-amd64 linux-image)
[ -n "$package" ] || unavailable "this suite has no linux-image-cloud-amd64"
# Since 7.x the image is in a package of its own.
binary=$(depends "$package" linux-binary)
package=${binary:-$package}

new=$cache/vm/.new.$suite
rm -rf "$new"
trap 'rm -rf "$new"' EXIT
mkdir -p "$new/debs" "$new/root"
if ! reason=$(cd "$new/debs" && "${debian_apt[@]}" download "$package" 2>&1); then
	unavailable "no package: $(grep -E '^E:' <<<"$reason" | head -n 1)"
fi
debian_unpack "$new/debs" "$new/root"
image=$(find "$new/root" -name 'vmlinuz*' -type f | head -n 1)
[ -n "$image" ] || unavailable "there is no image in $package"
mkdir -p "$root"
mv "$image" "$root/vmlinuz"
echo "$root/vmlinuz"
