"""Running programs, logging, hashing: what every other module needs."""

import hashlib
import os
import subprocess
import sys
import time

START = time.monotonic()
CHUNK = 1 << 20


def log(*words):
    """One line on standard error, with the seconds since the start."""
    print(f"[{time.monotonic() - START:6.1f}s]", *words, file=sys.stderr, flush=True)


def run(*command, **options):
    """Run a program in the C locale and UTC; a failure ends the script with its own message."""
    options.setdefault("check", True)
    environment = dict(os.environ, LC_ALL="C", TZ="UTC")
    command = [str(word) for word in command]
    try:
        return subprocess.run(command, env=environment, **options)
    except FileNotFoundError:
        raise SystemExit(f"{command[0]}: not installed; try hack/deps release") from None
    except subprocess.CalledProcessError as error:
        text = (error.stderr or b"") if options.get("capture_output") else b""
        if isinstance(text, bytes):
            text = text.decode(errors="replace")
        raise SystemExit(f"{' '.join(command)}: exit status {error.returncode} {text}") from None


def output(*command, **options):
    """Standard output of a program, as text."""
    return run(*command, capture_output=True, text=True, **options).stdout


def sha256(data):
    """Hex SHA-256 of bytes or text."""
    return hashlib.sha256(data.encode() if isinstance(data, str) else data).hexdigest()


def sha256_file(path):
    """Hex SHA-256 of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
