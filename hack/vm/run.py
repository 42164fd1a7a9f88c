"""One run of QEMU: the serial console goes to terminal and log, the verdict is returned.

QEMU 7.2 sometimes (once in a hundred or two arm64 machines on a busy host) sleeps for good while the
firmware starts: all of its threads wait, before a byte of the image was read.  Such a run says nothing
about the image.  It is told from a guest that waits by the processor time, of which even an idle guest
takes some.
"""

import os
import pathlib
import re
import select
import subprocess
import sys
import time
from dataclasses import dataclass

PASSED = rb"^PROBE-OK "
GRACE = 10                  # seconds between the last expected line and the end of QEMU
PIECE = 1 << 16
STUCK = 20                  # seconds without output in which QEMU ...
STUCK_CPU = 0.05            # ... took no more processor seconds than this
TICK = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Verdict:
    """How a run ended."""

    passed: bool
    reason: str
    seconds: float
    stuck: bool = False


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
    watch = Watch(process, start + timeout)
    try:
        ended = follow(process, console, watch, stop=until is not None)
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
        return Verdict(console.seen, until if console.seen else f"no line is {until}", seconds,
                       watch.stuck)
    if not console.seen:
        how = "QEMU ended" if ended else watch.reason(timeout)
        return Verdict(False, f"{how} without PROBE-OK", seconds, watch.stuck)
    if not ended or process.returncode != 0:
        how = f"status {process.returncode}" if ended else "it did not power off"
        return Verdict(False, f"PROBE-OK, but {how}", seconds, watch.stuck)
    return Verdict(True, "PROBE-OK", seconds)


class Watch:
    """How long to wait for more: until the deadline, or until QEMU is stuck."""

    def __init__(self, process, deadline):
        self.process, self.deadline = process, deadline
        self.stuck = False
        self.heard()

    def heard(self):
        """There was output."""
        self.since, self.used = time.monotonic(), self.processor_seconds()

    def wait(self):
        """Seconds to wait; None when it is over."""
        now = time.monotonic()
        if now >= self.since + STUCK:
            if self.processor_seconds() - self.used <= STUCK_CPU:
                self.stuck = True
                return None
            self.heard()
        left = min(self.deadline, self.since + STUCK) - now
        return left if now < self.deadline else None

    def processor_seconds(self):
        try:
            stat = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text(encoding="ascii")
        except OSError:
            return 0.0
        user, system = stat.rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / TICK

    def reason(self, timeout):
        """Why the waiting is over."""
        if self.stuck:
            return f"{STUCK} s passed without output or processor time, and"
        return f"{timeout:.0f} s passed"


def follow(process, console, watch, stop):
    """Feed the console; True when QEMU ended by itself."""
    while (left := watch.wait()) is not None:
        ready, _, _ = select.select([process.stdout], [], [], left)
        if not ready:
            continue
        data = os.read(process.stdout.fileno(), PIECE)
        if not data:
            process.wait()
            return True
        watch.heard()
        console.feed(data)
        if stop and console.seen:
            return False
    return False
