#!/bin/sh
# Make the kernels among the seeds of the target grub: objects with each relocation that GRUB's own kernels have.
set -eu
cd "$(dirname "$0")/grub"
source=$(mktemp --suffix .c)
trap 'rm -f "$source" "$source.o"' EXIT
cat >"$source" <<'C'
long counter;
long table[2] = {1, 2};
long *where = &table[1];
const char *text = "text";
__attribute__((noinline)) void helper(long *p) { *p += 1; }
void _start(void)
{
	helper(&table[0]);
	counter += 1;
	helper(where);
}
C
common="-c -O1 -ffreestanding -fno-asynchronous-unwind-tables -fno-unwind-tables"
amd64="$common -fno-pic -fno-pie -fcf-protection=none -fno-stack-protector"
aarch64-linux-gnu-gcc $common -fno-pic -fno-pie -fasynchronous-unwind-tables -o kernel-arm64 "$source"
aarch64-linux-gnu-gcc $common -fPIC -o kernel-arm64-slots "$source"
gcc $amd64 -mcmodel=large -o kernel-x86_64 "$source"
gcc $amd64 -m32 -o "$source.o" "$source"
ld -m elf_i386 -N -Ttext=0x9000 --build-id=none -o kernel-i386 "$source.o"
aarch64-linux-gnu-strip --strip-unneeded -R .comment kernel-arm64 kernel-arm64-slots
strip --strip-unneeded -R .comment kernel-x86_64
strip -R .comment kernel-i386
