"""The table, and schematics that nobody has seen."""

import json
import os
import random
import statistics
import time

from benchmark.client import Client

VERSION = "v1.14.0"
SMALL = ["siderolabs/hello-world-service", "siderolabs/iscsi-tools", "siderolabs/qemu-guest-agent"]
FIRST_BYTE = 0.050                      # seconds


class Bench:
    """Rows of a table, each printed when it is measured."""

    def __init__(self, service, repeat, directory):
        self.service, self.repeat, self.missed = service, repeat, 0
        self.directory = directory
        self.client = Client(service.port)
        self.count = random.Random(os.getpid()).randrange(1 << 40)

    def row(self, what, measured, reference="", goal="", met=None):
        self.missed += met is False
        verdict = {None: "", True: "met", False: "MISSED"}[met]
        print(f"{what:44} {measured:>22} {reference:>18} {goal:>12} {verdict}", flush=True)

    def last_byte(self, what, seconds, length, reference=None):
        """A time beside the reference's, which is its seconds and the factor we want."""
        beside = ["-"]
        if reference:
            theirs, factor = reference
            beside = [f"{theirs} s, {theirs / seconds:.0f}x", f">= {factor}x", theirs / seconds >= factor]
        self.row(f"{what}: last byte", f"{seconds * 1e3:.1f} ms, {length / 1e6:.0f} MB", *beside)

    def new(self, extensions=0, names=None):
        """A schematic that nobody has seen."""
        self.count += 1
        text = {"customization": {
            "extraKernelArgs": [f"bench={self.count}"],
            "systemExtensions": {"officialExtensions": names or SMALL[:extensions]}}}
        return self.client.post("/schematics", json.dumps(text).encode())["id"]

    def url(self, extensions, name):
        return f"/image/{self.new(extensions)}/{VERSION}/{name}"

    def fresh(self, extensions, name):
        """Medians of new schematics: seconds to the first and the last byte, of the processor; bytes."""
        self.client.get(self.url(extensions, name))
        times, before = [], self.service.seconds()
        for _ in range(self.repeat):
            start = time.perf_counter()
            times.append(self.client.get(self.url(extensions, name), start=start))
        cost = (self.service.seconds() - before) / self.repeat
        first, last, length = map(statistics.median, zip(*times))
        return first, last, cost, length

    def stored(self):
        """Bytes of everything that the service keeps."""
        kept = (self.directory / "data").rglob("*")
        return sum(path.stat().st_size for path in kept if path.is_file())
