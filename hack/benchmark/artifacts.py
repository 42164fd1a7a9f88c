"""What boots without a disk: from a schematic that nobody has seen to the last byte."""

from benchmark.table import FIRST_BYTE

# Seconds to the last byte that the reference took, and the factor we want: built from its sources, run
# natively on 2 cores over the same stand-in release with its inputs fetched; medians of 2 to 4, ±20 %.
REFERENCE = {
    ("initramfs-amd64.xz", 0): (0.97, 25),
    ("initramfs-amd64.xz", 3): (1.42, 25),
    ("metal-amd64-uki.efi", 0): (1.27, 25),
    ("metal-amd64-uki.efi", 3): None,
    ("metal-amd64.iso", 0): (6.63, 50),
    ("metal-amd64.iso", 3): None,
}


def measure(bench):
    for (name, extensions), reference in REFERENCE.items():
        first, last, cost, length = bench.fresh(extensions, name)
        bench.last_byte(f"new {name}, {extensions} extensions", last, length, reference)
        bench.row("  first byte", f"{first * 1e3:.1f} ms", "", "< 50 ms", first < FIRST_BYTE)
        bench.row("  processor time", f"{cost * 1e3:.0f} ms")
