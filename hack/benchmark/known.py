"""What was asked for before: beside nginx, ranges, and a hundred downloads at once."""

import os
import pathlib
import random
import re
import selectors
import statistics
import time

from benchmark.client import BUFFER, Client
from benchmark.server import serve_file

NAMES = "metal-amd64.iso", "metal-amd64.raw.zst"
NGINX = 0.9                             # of its throughput
RANGES = 2000                           # a second
MEMORY = 256 << 20                      # bytes


def measure(bench):
    for name in NAMES:
        path = bench.url(0, name)
        if name.endswith(".iso"):
            nginx = serve_file(bench.client, path, bench.directory, name)
            try:
                beside(bench, nginx, path, name)
            finally:
                nginx.stop()
        else:
            bench.client.get(path)
        crowd(bench, path, name)


def beside(bench, nginx, path, name):
    """Downloads and ranges from both servers in turn; the first of ours has its digest computed."""
    servers = {"talos-forge": (bench.service, path), "nginx": (nginx, f"/{name}")}
    clients = {key: Client(server.port) for key, (server, _) in servers.items()}
    rates, costs, ranges = ({key: [] for key in servers} for _ in range(3))
    length = 0
    for round_ in range(3 * bench.repeat + 1):
        for key, (server, url) in servers.items():
            before = server.seconds()
            _, seconds, length = clients[key].get(url)
            if round_:
                rates[key].append(length / seconds / 1e9)
                costs[key].append((server.seconds() - before) / length * 1e9)
    for _ in range(bench.repeat):
        for key, (_, url) in servers.items():
            ranges[key].append(range_rate(clients[key], url, length))
    ours, theirs = (statistics.median(rates[key]) for key in servers)
    bench.row(f"download of a known {name}", f"{ours:.2f} GB/s", f"nginx {theirs:.2f}, {ours / theirs:.2f}x",
              f">= {NGINX}x", ours / theirs >= NGINX)
    ours, theirs = (statistics.mean(costs[key]) for key in servers)
    bench.row("  processor seconds per GB", f"{ours:.2f}", f"nginx {theirs:.2f}")
    ours, theirs = (statistics.median(ranges[key]) for key in servers)
    bench.row("ranges of 64 KiB on one connection", f"{ours:,.0f}/s", f"nginx {theirs:,.0f}/s",
              f">= {RANGES:,}/s", ours >= RANGES)


def crowd(bench, path, name, people=100, seconds=8):
    """Parallel downloads, first all stalled, then all reading."""
    before, idle = socket_memory(), bench.service.anonymous()
    clients = [Client(bench.service.port, receive=64 << 10) for _ in range(people)]
    for client in clients:
        client.send("GET", path)
    time.sleep(2)
    peaks = {"stalled": (bench.service.anonymous(), socket_memory() - before)}
    ready, most, sockets, total = selectors.DefaultSelector(), 0, 0, 0
    for client in clients:
        client.socket.setblocking(False)
        ready.register(client.socket, selectors.EVENT_READ)
    end = time.monotonic() + seconds
    sample = 0
    while time.monotonic() < end:
        for key, _ in ready.select(1):
            count = key.fileobj.recv_into(BUFFER)
            total += count
            if not count:
                ready.unregister(key.fileobj)
        if time.monotonic() > sample:
            most = max(most, bench.service.anonymous())
            sockets = max(sockets, socket_memory() - before)
            sample = time.monotonic() + 0.1
    peaks[f"reading, {total / seconds / 1e9:.2f} GB/s"] = (most, sockets)
    for client in clients:
        client.socket.close()
    for what, (memory, queued) in peaks.items():
        bench.row(f"{people} of {name.split('.', 1)[1]}, {what}",
                  f"{memory / 2**20:.0f}+{queued / 2**20:.0f} MiB",
                  f"idle {idle / 2**20:.0f} MiB", "< 256 MiB", memory + queued < MEMORY)


def range_rate(client, url, length, size=64 << 10, seconds=2):
    """Ranges a second at random offsets, the same for everybody."""
    offsets, done, start = random.Random(1), 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        first = offsets.randrange(length - size)
        client.get(url, f"Range: bytes={first}-{first + size - 1}\r\n", status=206)
        done += 1
    return done / (time.perf_counter() - start)


def socket_memory():
    """Bytes in all TCP buffers of the machine; those of the clients are small."""
    text = pathlib.Path("/proc/net/sockstat").read_text()
    return int(re.search(r"TCP: .* mem (\d+)", text).group(1)) * os.sysconf("SC_PAGE_SIZE")
