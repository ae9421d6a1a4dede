#!/bin/bash
# Boots a kernel with an initial file system in qemu, without acceleration, waits for its end and
# unpacks what it sends.
#
#   tests/vm/boot.sh KERNEL INITRAMFS FOLDER [SECONDS]
#
# FOLDER gets the files and the console's output (console.log). Exit status: 0 something was sent; 1
# nothing was.
set -u

kernel=${1:?usage: boot.sh KERNEL INITRAMFS FOLDER [SECONDS]} initramfs=$2 folder=$3 limit=${4:-120}
mkdir -p "$folder"
# The emulator's cmpxchg16b goes wrong now and then, and newer kernels allocate memory with it.
timeout "$limit" qemu-system-x86_64 -machine pc -accel tcg,thread=single -cpu qemu64,-cx16 -smp 1 -m 768 \
	-nodefaults -display none -no-reboot -kernel "$kernel" -initrd "$initramfs" \
	-append "console=ttyS0 quiet panic=-1 mitigations=off transparent_hugepage=never" \
	-serial "file:$folder/console.log" -serial "file:$folder/sent.tar" </dev/null
tar -xf "$folder/sent.tar" -C "$folder" 2>/dev/null
[ -s "$folder/job.log" ]
