"""Layouts of what is new, without a byte of it."""

import statistics
import time

from benchmark.table import VERSION

# three and eight without modules, then all good ones
SETS = ["hello-world-service", "realtek-firmware", "iscsi-tools", "gvisor", "intel-ucode",
        "amd-ucode", "util-linux-tools", "qemu-guest-agent", "btrfs", "nfsd", "drbd", "bnx2-bnx2x"]
ISO, INITRAMFS = "metal-amd64.iso", "initramfs-amd64.xz"
REFERENCE = 5.7                         # seconds, of the HEAD of an ISO that is not built
HEAD = 0.005                            # seconds
LAYOUT, STORED = 0.020, 64 << 10        # seconds and bytes: a new layout of prepared extensions


def measure(bench):
    sets(bench)
    heads(bench)


def sets(bench):
    """New schematics with prepared extensions: the layout alone, and what it adds to the store."""
    for count in (3, 8, 12):
        names = [f"siderolabs/{name}" for name in SETS[:count]]
        bench.client.get(f"/image/{bench.new(names=names)}/{VERSION}/{INITRAMFS}")
        times, sizes = [], []
        for _ in range(bench.repeat):
            path = f"/image/{bench.new(names=names)}/{VERSION}/{INITRAMFS}"
            before = bench.stored()
            times.append(bench.client.seconds_to_head(path))
            sizes.append(bench.stored() - before)
        seconds, new = statistics.median(times), statistics.median(sizes)
        bench.row(f"layout of a new {INITRAMFS}, {count} extensions",
                  f"{seconds * 1e3:.1f} ms, +{new / 1024:.0f} KiB", "",
                  f"<= {LAYOUT * 1e3:.0f} ms", seconds <= LAYOUT and new <= STORED)


def heads(bench):
    for extensions in (0, 3):
        fresh, created = [], []
        for _ in range(4 * bench.repeat):
            start = time.perf_counter()
            url = bench.url(extensions, ISO)
            created.append(time.perf_counter() - start)
            fresh.append(bench.client.seconds_to_head(url))
        known = [bench.client.seconds_to_head(url) for _ in range(100 * bench.repeat)]
        new, again = statistics.median(fresh), statistics.median(known)
        bench.row(f"HEAD of a new ISO, {extensions} extensions", f"{new * 1e3:.2f} ms",
                  f"{REFERENCE} s, {REFERENCE / new:.0f}x", "< 5 ms", new < HEAD)
        bench.row("  of a known one", f"{again * 1e3:.3f} ms", "", "< 5 ms", again < HEAD)
        bench.row("  POST of the schematic", f"{statistics.median(created) * 1e3:.2f} ms")
