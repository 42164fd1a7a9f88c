"""Disk images of new schematics, beside the reference and beside programs that pack the same raw disk.

What a release needs once, the blobs that compress for `.xz`, is made before anything is timed.
"""

import dataclasses
import resource
import subprocess
import time

from benchmark.client import Client
from benchmark.table import FIRST_BYTE

# Bytes of the initramfs when the reference's sizes were recorded: every disk below holds it twice, and it does
# not compress.  What another release's has more is added to them.
INITRAMFS = 79_872_456
PROCESSOR = 0.2                         # seconds, of a raw.zst
TICK = 0.01                             # seconds: less is not seen


@dataclasses.dataclass
class Disk:
    """An image, what the reference took for it (see `artifacts`), and what packs the same raw disk."""

    name: str
    reference: tuple | None = None      # seconds to the last byte, and the factor we want
    bytes: tuple | None = None          # its size, and the factor we allow
    program: str = ""                   # as the table calls it
    command: str = ""                   # writes to {out}, or to standard output


DISKS = (
    Disk("metal-amd64.raw"),
    Disk("metal-amd64.raw.zst", (79, 500), (182_037_983, 1.04), "zstd -1", "zstd -1 -q -c {raw}"),
    Disk("metal-amd64.raw.xz", (46, 300), (182_544_756, 1.03), "xz -0 -T0", "xz -0 -T0 -c {raw}"),
    Disk("metal-amd64.raw.gz", (30, 150), (187_255_498, 1.03), "gzip -1", "gzip -1 -c {raw}"),
    Disk("metal-amd64.qcow2", (16.7, 100), (189_464_576, 1.03), "qemu-img, qcow2",
         "qemu-img convert -f raw -O qcow2 {raw} {out}"),
    Disk("vmware-amd64.ova", (56, 150), (184_616_960, 1.03), "qemu-img, VMDK streamOptimized",
         "qemu-img convert -f raw -O vmdk -o subformat=streamOptimized {raw} {out}"),
)


def measure(bench):
    head = bench.client.seconds_to_head
    head(bench.url(0, "metal-amd64.raw"))
    packing = head(bench.url(0, "metal-amd64.raw.xz"))
    bench.row("HEAD of the first .xz of a release", f"{packing:.1f} s")
    grown = 2 * (bench.client.get(bench.url(0, "initramfs-amd64.xz"))[2] - INITRAMFS)
    for disk in DISKS:
        first, last, cost, length = bench.fresh(0, disk.name)
        bench.last_byte(f"new {disk.name}", last, length, disk.reference)
        bench.row("  first byte", f"{first * 1e3:.1f} ms", "", "< 50 ms", first < FIRST_BYTE)
        is_zst = disk.name.endswith(".zst")
        goal = (f"<= {PROCESSOR * 1e3:.0f} ms", cost <= PROCESSOR) if is_zst else ()
        bench.row("  processor time", f"{cost * 1e3:.0f} ms", "", *goal)
        if disk.bytes:
            theirs, factor = disk.bytes
            allowed = (theirs + grown) * factor
            bench.row("  size", f"{length / (theirs + grown):.3f}x",
                      f"{theirs / 1e6:.1f}{grown / 1e6:+.1f} MB", f"<= {factor}x", length <= allowed)
        if disk.command:
            seconds, processor, size = run(bench, disk)
            bench.row(f"  {disk.program}", f"{seconds / last:.0f}x, {length / size:.3f}x its size",
                      f"{seconds:.2f} s, {size / 1e6:.1f} MB")
            bench.row("    processor time", f"{processor / max(cost, TICK):.0f}x", f"{processor:.2f} s")


def run(bench, disk):
    """Seconds, processor seconds and bytes of what a program makes of the raw disk, both in the page cache."""
    platform = disk.name.split(".", 1)[0]
    raw, out = bench.directory / f"{platform}.raw", bench.directory / "packed"
    if not raw.exists():
        with raw.open("wb") as file:
            bench.client.save(bench.url(0, raw.name), file)
    command = [word.format(raw=raw, out=out) for word in disk.command.split()]
    before, start = children(), time.perf_counter()
    with out.open("wb") as file:
        subprocess.run(command, check=True, stdout=None if "{out}" in disk.command else file)
    bench.client = Client(bench.service.port)   # the other was closed for saying nothing
    seconds, size = time.perf_counter() - start, out.stat().st_size
    out.unlink()
    return seconds, children() - before, size


def children():
    """Processor seconds of all children that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
