#!/bin/bash
# Installs what building and testing need and this machine lacks, and builds libperf.
#
#   deps.sh CACHE [PURPOSE]            install what is missing, build libperf into CACHE/libperf
#   deps.sh --check CACHE [PURPOSE]    only say what is missing (exit status 1 where something is)
#
# PURPOSE: build, demo (which builds too) or test (all there is; the default).
#
# Says one line for each thing that it installs or builds, and nothing where all is there.
set -euo pipefail

check=no
if [ "${1-}" = --check ]; then
	check=yes
	shift
fi
cache=${1:?usage: deps.sh [--check] CACHE [PURPOSE]}
case ${2:-test} in
build) purposes=build ;;
demo) purposes='build|demo' ;;
test) purposes='build|demo|test' ;;
*)
	echo "deps: no such purpose: $2" >&2
	exit 2
	;;
esac

# What is needed for what purpose, how to see that it is there, the Debian package that brings it,
# and why. The fields are separated by '|'; the test is a shell command.
needs() {
	cat <<-'TABLE'
		build|C compiler|command -v "${CC:-gcc}"|gcc libc6-dev|compiles the programs
		build|pkg-config|command -v pkg-config|pkg-config|finds the libraries
		build|protoc-c|command -v protoc-c|protobuf-c-compiler|makes the pprof reader from its schema
		build|libtracefs|pkg-config --exists libtracefs|libtracefs-dev|dynamic events
		build|libtraceevent|pkg-config --exists libtraceevent|libtraceevent-dev|event formats
		build|libelf|pkg-config --exists libelf|libelf-dev|reads binaries
		build|libdw|pkg-config --exists libdw|libdw-dev|reads debug information
		build|libzstd|pkg-config --exists libzstd|libzstd-dev|compresses the trace
		build|capstone|pkg-config --exists capstone|libcapstone-dev|decodes instructions
		build|zlib|pkg-config --exists zlib|zlib1g-dev|reads heap dumps
		build|protobuf-c|pkg-config --exists libprotobuf-c|libprotobuf-c-dev|reads heap dumps
		build|xxHash|pkg-config --exists libxxhash|libxxhash-dev|hash tables
		build|libcurl|pkg-config --exists libcurl|libcurl4-openssl-dev|fetches heap dumps
		build|jansson|pkg-config --exists jansson|libjansson-dev|reads reports to compare with
		build|kernel sources|have_kernel_sources|linux-source|libperf is built from them
		build|xz|command -v xz|xz-utils|unpacks the kernel sources
		test|cmocka|pkg-config --exists cmocka|libcmocka-dev|unit tests
		demo|go|command -v go|golang-go|test programs and the demo
		demo|perf|command -v perf|linux-perf|an independent reader of the traces in the tests
		test|strace|command -v strace|strace|an independent clock in the tests
		test|setpriv|command -v setpriv|util-linux|tests without privileges
		test|readelf|command -v readelf|binutils|tests of the binary reader
		test|musl-gcc|command -v musl-gcc|musl-tools|another C library in the tests
		test|jemalloc|ls /usr/lib/*/libjemalloc.so.2|libjemalloc2|another allocator in the tests
		test|llvm-symbolizer|command -v llvm-symbolizer|llvm|an independent reader of DWARF in the tests
		test|clang|command -v clang|clang|the second compiler, and fuzzing
		test|sanitizers of clang|have_clang_runtime|libclang-rt-dev|fuzzing
		test|pgrep|command -v pgrep|procps|tests that attach
		test|qemu|command -v qemu-system-x86_64|qemu-system-x86 seabios|tests on other kernels
		test|busybox|command -v busybox|busybox-static|tests on other kernels
		test|cpio|command -v cpio|cpio|tests on other kernels
		test|clang-format|command -v clang-format|clang-format|make format, make lint
		test|shellcheck|command -v shellcheck|shellcheck|make lint
		demo|jq|command -v jq|jq|reads what the test programs and analyze print as JSON
	TABLE
}

libperf_stamp=$cache/libperf/.complete

have_kernel_sources() {
	[ -e "$libperf_stamp" ] || [ -n "$(kernel_tarball)" ]
}

have_clang_runtime() {
	ls "$(clang -print-resource-dir)"/lib/linux/libclang_rt.fuzzer-*.a
}

# Prints the rows of the table whose test fails.
missing() {
	needs | grep -E "^($purposes)\|" | while IFS='|' read -r _ what test package why; do
		eval "$test" >/dev/null 2>&1 </dev/null || printf '%s|%s|%s\n' "$what" "$package" "$why"
	done
}

as_root() {
	if [ "$(id -u)" = 0 ]; then
		"$@"
	else
		sudo "$@"
	fi
}

install_packages() {
	local rows=$1 packages
	packages=$(cut -d'|' -f2 <<<"$rows" | tr '\n' ' ')
	if ! command -v apt-get >/dev/null; then
		echo "deps: this machine has no apt-get; please install what provides:" >&2
		sed 's/^\([^|]*\)|\([^|]*\)|\(.*\)/  \1 (in Debian: \2): \3/' <<<"$rows" >&2
		exit 1
	fi
	if [ "$(id -u)" != 0 ] && ! command -v sudo >/dev/null; then
		echo "deps: not root and no sudo; please run as root: apt-get install $packages" >&2
		exit 1
	fi
	sed 's/^\([^|]*\)|\([^|]*\)|\(.*\)/deps: installing \2: \3/' <<<"$rows"
	# The words of $packages are package names, one argument each.
	# shellcheck disable=SC2086
	run_quietly as_root env DEBIAN_FRONTEND=noninteractive apt-get -q update
	# shellcheck disable=SC2086
	run_quietly as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y \
		install --no-install-recommends $packages
}

# Runs a command with its output kept back, and shows the output where the command fails.
run_quietly() {
	local log
	log=$(mktemp)
	if ! "$@" >"$log" 2>&1 </dev/null; then
		cat "$log" >&2
		rm -f "$log"
		echo "deps: failed: $*" >&2
		exit 1
	fi
	rm -f "$log"
}

# The newest kernel source tarball on this machine.
kernel_tarball() {
	find /usr/src -maxdepth 1 -name 'linux-source-*.tar.xz' | sort -V | tail -1
}

# Unpacks the tools/ part that libperf is built from; it stays in the cache.
unpack_kernel() {
	local tarball=$1 name=$2
	[ -e "$cache/$name/.unpacked" ] && return
	echo "deps: unpacking libperf's sources from $tarball into $cache/$name"
	rm -rf "${cache:?}/$name"
	tar -C "$cache" -xf "$tarball" --wildcards \
		"$name/tools/lib/perf" "$name/tools/lib/api" "$name/tools/lib/*.[ch]" \
		"$name/tools/include" "$name/tools/build" "$name/tools/scripts" \
		"$name/tools/arch/*/include"
	touch "$cache/$name/.unpacked"
}

# The name of this machine in the kernel tree.
kernel_arch() {
	case $(uname -m) in
	x86_64 | i?86) echo x86 ;;
	aarch64) echo arm64 ;;
	loongarch*) echo loongarch ;;
	riscv*) echo riscv ;;
	ppc*) echo powerpc ;;
	s390*) echo s390 ;;
	*) uname -m ;;
	esac
}

# CACHE/libperf: libperf.a, libapi.a, include/ (perf/, internal/) and private/include, which holds
# the kernel tools' own headers that internal/*.h include.
build_libperf() {
	local tarball name tools out=$cache/libperf
	[ -e "$libperf_stamp" ] && return
	tarball=$(kernel_tarball)
	if [ -z "$tarball" ]; then
		echo "deps: no /usr/src/linux-source-*.tar.xz to build libperf from" >&2
		exit 1
	fi
	mkdir -p "$cache"
	exec 9>"$cache/.deps.lock"
	flock 9
	[ -e "$libperf_stamp" ] && return
	name=$(basename "$tarball" .tar.xz)
	unpack_kernel "$tarball" "$name"
	tools=$cache/$name/tools
	echo "deps: building libperf from $name into $out"
	run_quietly env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL -u CFLAGS -u LDFLAGS -u DESTDIR \
		make -C "$tools/lib/api" CC=gcc libapi.a
	run_quietly env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL -u CFLAGS -u LDFLAGS -u DESTDIR \
		make -C "$tools/lib/perf" CC=gcc libperf.a
	mkdir -p "$out/include" "$out/private/include/api" "$out/private/arch"
	cp -r "$tools/lib/perf/include/perf" "$tools/lib/perf/include/internal" "$out/include/"
	(cd "$tools/include" && cp -r linux asm asm-generic uapi "$out/private/include/")
	for dir in fd fs; do
		mkdir -p "$out/private/include/api/$dir"
		cp "$tools/lib/api/$dir"/*.h "$out/private/include/api/$dir/"
	done
	cp "$tools"/lib/api/*.h "$out/private/include/api/"
	# What tools/include/asm lacks comes from the architecture.
	if [ -d "$tools/arch/$(kernel_arch)/include/asm" ]; then
		cp -rn "$tools/arch/$(kernel_arch)/include/asm/." "$out/private/include/asm/"
	fi
	# asm/*.h reach these by a relative path.
	for dir in "$tools"/arch/*/include/asm; do
		dir=${dir#"$tools/arch/"}
		mkdir -p "$out/private/arch/$dir"
		cp -r "$tools/arch/$dir/." "$out/private/arch/$dir/"
	done
	cp "$tools/lib/perf/libperf.a" "$tools/lib/api/libapi.a" "$out/"
	touch "$libperf_stamp"
}

rows=$(missing)
if [ $check = yes ]; then
	[ -z "$rows" ] && [ -e "$libperf_stamp" ] && exit 0
	[ -z "$rows" ] || sed 's/^\([^|]*\)|\([^|]*\)|\(.*\)/missing: \1 (\2): \3/' <<<"$rows"
	[ -e "$libperf_stamp" ] || echo "missing: libperf (built by make deps): rings and event sets"
	exit 1
fi
[ -z "$rows" ] || install_packages "$rows"
build_libperf
