#!/bin/bash
# Puts a Go toolchain from Debian's suites into $CACHE/go/VERSION and prints its GOROOT.
#
#   tests/fetch-go.sh 1.25
#
# The machine's apt sources stay as they are: the mirror and its keyring are taken from them, and
# everything apt writes lies in the cache. Safe to run twice, also at the same time. Exit status:
# 0 the toolchain is there; 3 it cannot be had (one line says why); 2 wrong usage.
set -u

version=${1:-}
top=$(cd "$(dirname "$0")/.." && pwd)
cache=${CACHE:-$top/.cache}

unavailable() {
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
for tool in apt-get dpkg-deb flock; do
	command -v $tool >/dev/null || unavailable "$tool is not installed"
done

# The address of the Debian archive, as apt itself reads it from either format of sources.
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 2>/dev/null |
	grep -E '/debian/?$' | head -n 1)
[ -n "$mirror" ] || unavailable "no Debian archive among the machine's apt sources"

# The keyring that the machine's sources name, and those that Debian ships beside it: the keys of
# older releases move from one to the other as they retire.
keyrings=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list \
	/etc/apt/sources.list.d/*.sources 2>/dev/null |
	sed -n -e 's/^Signed-By: *//Ip' -e 's/^deb .*signed-by=\([^] ]*\).*/\1/p' |
	grep -E '^/.*debian' | head -n 1)
for ring in debian-archive-keyring debian-archive-removed-keys; do
	ring=/usr/share/keyrings/$ring.gpg
	case ",$keyrings," in *",$ring,"*) continue ;; esac
	[ -e "$ring" ] && keyrings=${keyrings:+$keyrings,}$ring
done

apt=$cache/go/apt/$suite
mkdir -p "$apt/lists/partial" "$apt/archives/partial" "$apt/etc"
: >>"$apt/status"

options=(
	-o "Dir::Etc=$apt/etc"
	-o "Dir::Etc::SourceList=$apt/sources.list"
	-o Dir::Etc::SourceParts=/dev/null
	-o Dir::Etc::Preferences=/dev/null
	-o Dir::Etc::PreferencesParts=/dev/null
	-o "Dir::State=$apt"
	-o "Dir::State::Lists=$apt/lists"
	-o "Dir::State::status=$apt/status"
	-o "Dir::Cache=$apt"
	-o "Dir::Cache::archives=$apt/archives"
	-o Acquire::Languages=none
	-o Acquire::Retries=3
)
# Without it apt drops to a user that may not write into the cache.
[ "$(id -u)" = 0 ] && options+=(-o APT::Sandbox::User=root)
# The signature of an old release outlives the date in its Release file.
[ "$suite" = bullseye ] && options+=(-o Acquire::Check-Valid-Until=false)

exec 8>"$cache/go/.lock.$version" 9>"$cache/go/.lock.$suite"
flock 8
if [ -e "$root/complete" ]; then
	echo "$goroot"
	exit 0
fi

# One apt at a time in a suite's folder; its lists are good for a day.
flock 9
echo "deb ${keyrings:+[signed-by=$keyrings] }$mirror $suite main" >"$apt/sources.list.new"
if ! cmp -s "$apt/sources.list.new" "$apt/sources.list" ||
	[ -z "$(find "$apt/updated" -mtime -1 2>/dev/null)" ]; then
	mv "$apt/sources.list.new" "$apt/sources.list"
	if ! reason=$(apt-get "${options[@]}" -o APT::Update::Error-Mode=any update 2>&1); then
		unavailable "apt-get update for $suite:" \
			"$(grep -E '^[EW]:' <<<"$reason" | head -n 1)"
	fi
	touch "$apt/updated"
fi
rm -f "$apt/sources.list.new"

new=$cache/go/.new.$version
rm -rf "$new"
mkdir -p "$new/debs" "$new/root"
if ! reason=$(cd "$new/debs" && apt-get "${options[@]}" download \
	"golang-$version-go" "golang-$version-src" 2>&1); then
	rm -rf "$new"
	unavailable "not in $suite: $(grep -E '^E:' <<<"$reason" | head -n 1)"
fi
flock -u 9

for deb in "$new"/debs/*.deb; do
	if ! reason=$(dpkg-deb -x "$deb" "$new/root" 2>&1); then
		rm -rf "$new"
		unavailable "cannot unpack $(basename "$deb"): $(head -n 1 <<<"$reason")"
	fi
done
if ! reason=$(GOROOT=$new/root/usr/lib/go-$version GOTOOLCHAIN=local \
	"$new/root/usr/lib/go-$version/bin/go" version 2>&1); then
	rm -rf "$new"
	unavailable "it does not run here: $(head -n 1 <<<"$reason")"
fi
touch "$new/root/complete"
rm -rf "$root"
mv "$new/root" "$root" || unavailable "cannot put it into $root"
rm -rf "$new"
echo "$goroot"
