"""Content-addressed cache: blobs by SHA-256, and a memo of what was made from what."""

import contextlib
import hashlib
import json
import os
import pathlib
import random
import shutil
import tempfile
import threading
import zlib
from dataclasses import dataclass

from .tools import CHUNK, run, sha256

SEED = "talos stand-in release 1"
GZIP_LEVEL = 1              # nearly all payload is compressed already
ZSTD_LEVEL = 3


@dataclass(frozen=True)
class Layer:
    """A packed image layer; digests are bare hex."""

    digest: str
    size: int
    diff_id: str
    compression: str        # gzip, zstd, none


class Hashing:
    """A binary writer that counts and hashes what passes through it."""

    def __init__(self, write):
        self.write_on, self.position, self.hash = write, 0, hashlib.sha256()

    def write(self, data):
        self.hash.update(data)
        self.position += len(data)
        self.write_on(data)
        return len(data)

    def tell(self):
        return self.position


class Store:
    """Blobs and memo below one directory; safe for several threads and processes."""

    def __init__(self, root):
        self.root = pathlib.Path(root)
        self.blobs, self.memos = self.root / "blobs", self.root / "memo"
        self.scratch = self.root / "scratch"
        for folder in (self.blobs, self.memos, self.scratch):
            folder.mkdir(parents=True, exist_ok=True)
        self.guard, self.locks = threading.Lock(), {}

    def path(self, digest):
        return self.blobs / digest

    @contextlib.contextmanager
    def folder(self):
        """A scratch directory that is gone afterwards."""
        with tempfile.TemporaryDirectory(dir=self.scratch) as folder:
            yield pathlib.Path(folder)

    def adopt(self, path):
        """Move a finished file into the store; its digest."""
        with open(path, "rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        os.replace(path, self.path(digest))
        return digest

    def put(self, data):
        """Store bytes; their digest."""
        with self.folder() as folder:
            (folder / "blob").write_bytes(data)
            return self.adopt(folder / "blob")

    def remember(self, key, make, blobs=lambda value: [value]):
        """make() gives a JSON value; it runs once per key (a tuple of strings).

        `blobs` lists the digests that a value names: a memo whose blobs are gone is void.
        """
        name = sha256(repr(key))
        path = self.memos / name
        with self.guard:
            lock = self.locks.setdefault(name, threading.Lock())
        with lock:
            if path.exists():
                value = json.loads(path.read_text())
                if all(self.path(digest).exists() for digest in blobs(value)):
                    return value
            value = make()
            with self.folder() as folder:
                (folder / "memo").write_text(json.dumps(value))
                os.replace(folder / "memo", path)
            return value

    def filler(self, name, size):
        """Path of a blob of `size` bytes that do not compress, the same on every machine."""
        def make():
            source = random.Random(f"{SEED} {name}")
            return self.put(source.randbytes(size))
        return self.path(self.remember(("filler", SEED, name, size), make))

    def command(self, key, command, source):
        """Path of the blob that a filter program makes of a file; cached by the file's digest."""
        def make():
            with self.folder() as folder:
                with open(source, "rb") as stdin, open(folder / "out", "wb") as stdout:
                    run(*command, stdin=stdin, stdout=stdout)
                return self.adopt(folder / "out")
        return self.path(self.remember(("command", *key, *map(str, command)), make))

    def layer(self, tree, compression="gzip"):
        """A tree packed as an image layer."""
        def make():
            with self.folder() as folder:
                pack = {"gzip": self._gzip, "zstd": self._zstd, "none": self._plain}[compression]
                diff_id = pack(tree, folder)
                size = (folder / "layer").stat().st_size
                return {"digest": self.adopt(folder / "layer"), "size": size, "diff_id": diff_id}
        key = ("layer", compression, tree.digest())
        return Layer(compression=compression,
                     **self.remember(key, make, lambda value: [value["digest"]]))

    @staticmethod
    def _plain(tree, folder):
        with open(folder / "layer", "wb") as file:
            raw = Hashing(file.write)
            tree.tar(raw)
        return raw.hash.hexdigest()

    @staticmethod
    def _gzip(tree, folder):
        packer = zlib.compressobj(GZIP_LEVEL, wbits=31)     # 31: gzip header, no time stamp
        with open(folder / "layer", "wb", buffering=CHUNK) as file:
            raw = Hashing(lambda data: file.write(packer.compress(data)))
            tree.tar(raw)
            file.write(packer.flush())
        return raw.hash.hexdigest()

    def _zstd(self, tree, folder):
        diff_id = self._plain(tree, folder)
        shutil.move(folder / "layer", folder / "plain")
        run("zstd", f"-{ZSTD_LEVEL}", "-q", folder / "plain", "-o", folder / "layer")
        return diff_id
