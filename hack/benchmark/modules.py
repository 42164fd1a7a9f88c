"""Indexes of kernel modules: extensions in new orders, then in one that is known."""

import itertools
import statistics
import time

from benchmark.table import VERSION

# each with kernel modules, so that every order of some of them has an index of its own
MODULES = ["siderolabs/btrfs", "siderolabs/nfsd", "siderolabs/drbd", "siderolabs/bnx2-bnx2x"]
INITRAMFS = "initramfs-amd64.xz"
INDEX = 0.300                           # seconds: a new initramfs with an index that nobody has made


def measure(bench):
    def get(names):
        before, start = bench.stored(), time.perf_counter()
        path = f"/image/{bench.new(names=names)}/{VERSION}/{INITRAMFS}"
        _, seconds, _ = bench.client.get(path, start=start)
        return seconds, bench.stored() - before
    orders = [list(order) for order in itertools.permutations(MODULES, 3)][:bench.repeat]
    for name in MODULES:
        get([name])
    for what, tries, goal in (("new index", orders, INDEX),
                              ("known index", [orders[0]] * bench.repeat, None)):
        times, new = zip(*map(get, tries))
        seconds = statistics.median(times)
        # orders may differ and their indexes not: those are stored once
        bench.row(f"new {INITRAMFS}, 3 with modules, {what}",
                  f"{seconds * 1e3:.1f} ms, <= +{max(new) / 1024:.0f} KiB", "",
                  f"<= {goal * 1e3:.0f} ms" if goal else "", seconds <= goal if goal else None)
