"""A file system image in memory, and the three archives it can become.

Contents are bytes or paths of files that never change (unpacked packages, blobs of the store),
so a tree of a hundred megabytes costs nothing until it is written.
"""

import functools
import hashlib
import io
import os
import pathlib
import stat
import tarfile
from dataclasses import dataclass, field

from .tools import CHUNK, sha256, sha256_file

EPOCH = 1_754_000_000       # time stamp of every file
CPIO_BLOCK = 512


@functools.cache
def digest_of_path(path):
    return sha256_file(path)


@dataclass(frozen=True)
class Directory:
    mode: int = 0o755


@dataclass(frozen=True)
class File:
    source: bytes | pathlib.Path
    mode: int = 0o644
    xattrs: dict = field(default_factory=dict)

    @property
    def size(self):
        return len(self.source) if isinstance(self.source, bytes) else self.source.stat().st_size

    @property
    def digest(self):
        if isinstance(self.source, bytes):
            return sha256(self.source)
        return digest_of_path(self.source)

    def open(self):
        return io.BytesIO(self.source) if isinstance(self.source, bytes) else open(self.source, "rb")


@dataclass(frozen=True)
class Symlink:
    target: str


@dataclass(frozen=True)
class Hardlink:
    target: str


class Tree:
    """path (relative, no "./") -> Directory, File, Symlink or Hardlink."""

    def __init__(self):
        self.entries = {}

    def add(self, path, entry):
        parent = os.path.dirname(path)
        if parent and parent not in self.entries:
            self.add(parent, Directory())
        self.entries[path] = entry

    def directory(self, path, mode=0o755):
        self.add(path, Directory(mode))

    def file(self, path, source, mode=0o644, xattrs=None):
        """A file of bytes, text, or the contents of a pathlib.Path."""
        source = source.encode() if isinstance(source, str) else source
        self.add(path, File(source, mode, xattrs or {}))

    def symlink(self, path, target):
        self.add(path, Symlink(target))

    def hardlink(self, path, target):
        self.add(path, Hardlink(target))

    def copy(self, source, path):
        """A file or directory of the disk; links stay links, modes become 0755 or 0644."""
        source = pathlib.Path(source)
        if source.is_symlink():
            self.symlink(path, os.readlink(source))
        elif source.is_dir():
            self.directory(path)
            for child in sorted(source.iterdir()):
                self.copy(child, f"{path}/{child.name}")
        else:
            self.file(path, source, 0o755 if source.stat().st_mode & 0o100 else 0o644)

    def graft(self, tree, path):
        """All entries of another tree, below `path`."""
        for name, entry in tree.entries.items():
            self.add(f"{path}/{name}", entry)

    def ordered(self):
        """Entries by path, hard links after everything else."""
        return sorted(self.entries.items(),
                      key=lambda item: (isinstance(item[1], Hardlink), item[0]))

    def digest(self):
        """Names the whole content: key of everything that is made from a tree."""
        whole = hashlib.sha256()
        for path, entry in self.ordered():
            if isinstance(entry, File):
                facts = (entry.digest, oct(entry.mode), sorted(entry.xattrs.items()))
            else:
                facts = entry
            whole.update(f"{path} {type(entry).__name__} {facts}\n".encode())
        return whole.hexdigest()

    def unpack(self, root):
        """Write below a directory of the disk, for programs that need one."""
        root = pathlib.Path(root)
        root.mkdir(parents=True, exist_ok=True)
        for path, entry in self.ordered():
            target = root / path
            match entry:
                case Directory(mode):
                    target.mkdir(exist_ok=True)
                    target.chmod(mode)
                case File(mode=mode):
                    with entry.open() as data, open(target, "wb") as file:
                        while chunk := data.read(CHUNK):
                            file.write(chunk)
                    target.chmod(mode)
                case Symlink(to):
                    target.symlink_to(to)
                case Hardlink(to):
                    os.link(root / to, target)

    def tar(self, out):
        """An uncompressed image layer: owner 0, one time stamp, PAX records where needed."""
        with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
            for path, entry in self.ordered():
                info = tarfile.TarInfo(path)
                info.mtime = EPOCH
                match entry:
                    case Directory(mode):
                        info.type, info.mode, info.name = tarfile.DIRTYPE, mode, path + "/"
                        archive.addfile(info)
                    case File(mode=mode, xattrs=xattrs):
                        info.size, info.mode = entry.size, mode
                        info.pax_headers = {f"SCHILY.xattr.{k}": v for k, v in xattrs.items()}
                        with entry.open() as data:
                            archive.addfile(info, data)
                    case Symlink(to):
                        info.type, info.mode, info.linkname = tarfile.SYMTYPE, 0o777, to
                        archive.addfile(info)
                    case Hardlink(to):
                        info.type, info.mode, info.linkname = tarfile.LNKTYPE, 0o644, to
                        archive.addfile(info)

    def cpio(self, out):
        """A newc archive, its root directory first, as `find . | cpio -o -H newc` writes it."""
        number = 1
        _cpio_entry(out, number, ".", stat.S_IFDIR | 0o755, 2, EPOCH, io.BytesIO(), 0)
        for path, entry in self.ordered():
            number += 1
            match entry:
                case Directory(mode):
                    _cpio_entry(out, number, path, stat.S_IFDIR | mode, 2, EPOCH, io.BytesIO(), 0)
                case File(mode=mode):
                    with entry.open() as data:
                        _cpio_entry(out, number, path, stat.S_IFREG | mode, 1, EPOCH, data,
                                    entry.size)
                case Symlink(to):
                    _cpio_entry(out, number, path, stat.S_IFLNK | 0o777, 1, EPOCH,
                                io.BytesIO(to.encode()), len(to.encode()))
                case Hardlink():
                    raise ValueError(f"{path}: no hard links in an initramfs")
        _cpio_entry(out, 0, "TRAILER!!!", 0, 1, 0, io.BytesIO(), 0)
        out.write(bytes(-out.tell() % CPIO_BLOCK))


def _cpio_entry(out, inode, name, mode, links, mtime, data, size):
    """Header, name and data, each padded to four bytes; owner and devices are 0."""
    raw = name.encode() + b"\0"
    numbers = (inode, mode, 0, 0, links, mtime, size, 0, 0, 0, 0, len(raw), 0)
    out.write(b"070701" + b"".join(b"%08X" % number for number in numbers) + raw)
    out.write(bytes(-out.tell() % 4))
    while chunk := data.read(CHUNK):
        out.write(chunk)
    out.write(bytes(-out.tell() % 4))
