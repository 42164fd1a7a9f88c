"""One run of QEMU: the serial console goes to terminal and log, the verdict is returned."""

import os
import re
import select
import subprocess
import sys
import time
from dataclasses import dataclass

PASSED = rb"^PROBE-OK "
GRACE = 10                  # seconds between the last expected line and the end of QEMU
PIECE = 1 << 16


@dataclass(frozen=True)
class Verdict:
    """How a run ended."""

    passed: bool
    reason: str
    seconds: float


class Console:
    """What has come out of the serial port, line by line in search of a pattern."""

    def __init__(self, pattern, log, echo):
        self.pattern = re.compile(pattern, re.MULTILINE)
        self.log, self.echo = log, echo
        self.line, self.seen = b"", False

    def feed(self, data):
        self.log.write(data)
        self.log.flush()
        if self.echo:
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()
        *lines, self.line = (self.line + data.replace(b"\r", b"")).split(b"\n")
        # the unfinished line too: firmware need not end its last one
        self.seen = self.seen or any(self.pattern.search(line) for line in (*lines, self.line))


def run(options, timeout, log, until=None, echo=True):
    """Run QEMU until it ends by itself, or the time is over.

    Without `until`, success is PROBE-OK and then the end of QEMU with status 0: a machine that
    merely ends may have said nothing because its console was another.  With `until`, success is
    that a line matches, whereupon QEMU is stopped.
    """
    # QEMU's HTTP driver would ask a proxy for this machine's own ports
    environment = {key: value for key, value in os.environ.items()
                   if not key.lower().endswith("_proxy")}
    start = time.monotonic()
    console = Console(until.encode() if until else PASSED, log, echo)
    process = subprocess.Popen([str(option) for option in options], stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, env=environment,
                               stdin=None if sys.stdin.isatty() else subprocess.DEVNULL)
    deadline = start + timeout
    try:
        ended = follow(process, console, lambda: deadline, stop=until is not None)
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(GRACE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
    seconds = time.monotonic() - start
    if until:
        return Verdict(console.seen, f"{'' if console.seen else 'no line matched '}{until}", seconds)
    if not console.seen:
        how = "QEMU ended" if ended else f"{timeout:.0f} s passed"
        return Verdict(False, f"{how} without PROBE-OK", seconds)
    if not ended or process.returncode != 0:
        how = f"status {process.returncode}" if ended else "it did not power off"
        return Verdict(False, f"PROBE-OK, but {how}", seconds)
    return Verdict(True, "PROBE-OK", seconds)


def follow(process, console, deadline, stop):
    """Feed the console; True when QEMU ended by itself."""
    while (left := deadline() - time.monotonic()) > 0:
        ready, _, _ = select.select([process.stdout], [], [], left)
        if not ready:
            return False
        data = os.read(process.stdout.fileno(), PIECE)
        if not data:
            process.wait()
            return True
        console.feed(data)
        if stop and console.seen:
            return False
    return False
