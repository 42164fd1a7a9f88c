"""The SHA-256 of what is in a packed file, by the libraries that programs in Python use: unpack.py FORMAT FILE."""

import gzip
import hashlib
import lzma
import sys
import tarfile

PIECE = 1 << 20


def opened(kind, path):
    if kind == "zst":
        import zstandard  # not of the standard library: others need not have it
        return zstandard.open(path, "rb")
    if kind == "tar.gz":
        archive = tarfile.open(path, "r|gz")
        return archive.extractfile(archive.next())
    return {"xz": lzma.open, "gz": gzip.open}[kind](path)


digest = hashlib.sha256()
with opened(*sys.argv[1:]) as content:
    while piece := content.read(PIECE):
        digest.update(piece)
print(digest.hexdigest())
