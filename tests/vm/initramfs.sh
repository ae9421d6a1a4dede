#!/bin/bash
# Makes the initial file system of a virtual machine: busybox, programs with the libraries that they
# need, and what the machine is to do.
#
#   tests/vm/initramfs.sh OUT JOB PROGRAM...
#
# JOB is a shell script; the programs are found in /bin there.
set -euo pipefail

out=${1:?usage: initramfs.sh OUT JOB PROGRAM...} job=$2
shift 2
here=$(cd "$(dirname "$0")" && pwd)
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT

mkdir -p "$root/bin"
cp "$(command -v busybox)" "$root/bin/busybox"
cp "$here/init" "$root/init"
cp "$job" "$root/job"
chmod 755 "$root/init"
for program in "$@"; do
	cp "$program" "$root/bin/"
	# A static program has none.
	for library in $(ldd "$program" 2>/dev/null | grep -oE '/[^ ]+' || true); do
		mkdir -p "$root${library%/*}"
		cp -L "$library" "$root$library"
	done
done
(cd "$root" && find . | cpio --quiet -o -H newc -R 0:0) | gzip -1 >"$out"
