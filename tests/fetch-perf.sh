#!/bin/bash
# Puts a perf of another Debian release into $CACHE/perf/NAME, with the libraries and the loader of
# that release, and prints the path of a script that runs it.
#
#   tests/fetch-perf.sh oldest|newest|hotspot
#
# oldest is 5.10 of bullseye, newest the one in trixie-backports (7.x), hotspot the program by which
# hotspot of bookworm reads perf's files. Nothing is installed, and the machine's apt sources stay as
# they are (tests/debian.sh). Safe to run twice, also at the same time. Exit status: 0 it is there; 3
# it cannot be had (one line says why); 2 wrong usage.
set -u

name=${1:-}
top=$(cd "$(dirname "$0")/.." && pwd)
cache=${CACHE:-$top/.cache}
# shellcheck source=tests/debian.sh
. "$top/tests/debian.sh"

unavailable() {
	[ -z "${new-}" ] || rm -rf "$new"
	echo "fetch-perf.sh: $name: $*" >&2
	exit 3
}

case $name in
oldest) suites=(bullseye) package=linux-perf-5.10 program='usr/bin/perf_*' ;;
newest) suites=(trixie-backports trixie) package=linux-perf/trixie-backports program='usr/bin/perf' ;;
hotspot) suites=(bookworm) package=hotspot program='usr/lib/*/libexec/hotspot-perfparser' ;;
*)
	echo "usage: fetch-perf.sh oldest|newest|hotspot" >&2
	exit 2
	;;
esac

mkdir -p "$cache/perf" || unavailable "cannot write to $cache"
cache=$(cd "$cache" && pwd)
root=$cache/perf/$name
command -v flock >/dev/null || unavailable "flock is not installed"
exec 8>"$cache/perf/.lock.$name"
flock 8
if [ -e "$root/complete" ]; then
	echo "$root/run"
	exit 0
fi
debian_suites "$cache/perf/apt/$name" "${suites[@]}"

# The libraries it is linked with, without the interpreters of perf's scripts; of hotspot's only
# those of its reader.
needs=("$package")
[ "$name" != hotspot ] || needs=(libqt5network5 libdw1)
if ! plan=$("${debian_apt[@]}" install -s --no-install-recommends "${needs[@]}" 2>&1); then
	unavailable "not in ${suites[*]}: $(grep -E '^E:' <<<"$plan" | head -n 1)"
fi
mapfile -t libraries < <(awk '$1 == "Inst" && $2 ~ /^lib/ { print $2 }' <<<"$plan" |
	grep -vE '^(libpython.*-(stdlib|minimal)|libc-bin)$')

new=$cache/perf/.new.$name
rm -rf "$new"
mkdir -p "$new/debs" "$new/root"
if ! reason=$(cd "$new/debs" && "${debian_apt[@]}" download "$package" "${libraries[@]}" 2>&1); then
	unavailable "cannot be downloaded: $(grep -E '^E:' <<<"$reason" | head -n 1)"
fi
debian_unpack "$new/debs" "$new/root"

program=$(cd "$new/root" && find . -path "./$program" -type f | head -n 1)
loader=$(cd "$new/root" && find . -name 'ld-linux*.so.*' | head -n 1)
[ -n "$program" ] && [ -n "$loader" ] || unavailable "its packages hold no program or no loader"
paths=$(cd "$new/root" && find . -name '*.so.*' -printf "$root/root/%h\n" | sort -u | paste -sd:)
cat >"$new/run" <<-SCRIPT
	#!/bin/sh
	exec "$root/root/$loader" --library-path "$paths" "$root/root/$program" "\$@"
SCRIPT
chmod +x "$new/run"
rm -rf "$new/debs" "$root"
mv "$new" "$root" || unavailable "cannot put it into $root"
if ! reason=$("$root/run" --version 2>&1); then
	unavailable "it does not run here: $(head -n 1 <<<"$reason")"
fi
touch "$root/complete"
echo "$root/run"
