"""What is booted: kind and architecture of a file or URL, and disks made around programs."""

import gzip
import lzma
import mmap
import os
import pathlib
import re
import shutil
import struct
import subprocess
import tarfile
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass, replace

SECTOR, LARGE_SECTOR = 512, 4096
GPT_MAGIC = b"EFI PART"
TAR_MAGIC_OFFSET = 257
ISO_MAGIC_OFFSET = 0x8001               # "CD001" of the first volume descriptor
HEAD = 0x9000
PIECE = 1 << 20
SEARCHED = 1 << 28                      # bytes searched for a boot loader's name
PE_MACHINES = {0x8664: "amd64", 0xAA64: "arm64"}
LOADERS = {"amd64": "BOOTX64.EFI", "arm64": "BOOTAA64.EFI"}
ESP_SLACK, ESP_LEAST = 8 << 20, 64 << 20
COMPRESSED = {b"\x28\xb5\x2f\xfd": "zstd", b"\xfd7zXZ\x00": "xz", b"\x1f\x8b": "gzip"}
DISK_MAGICS = {b"QFI\xfb": "qcow2", b"KDMV": "vmdk", b"conectix": "vpc", b"vhdxfile": "vhdx"}
TIMEOUT = 600                           # a cold artifact is first prepared


class MediaError(Exception):
    """Something that cannot be booted."""


@dataclass(frozen=True)
class Medium:
    """A thing to boot from."""

    where: str                          # path or URL
    kind: str                           # iso, disk, uki, ipxe
    arch: str | None
    format: str = "raw"                 # of a disk, as QEMU calls it
    sector: int = SECTOR                # bytes, of a disk

    @property
    def remote(self):
        return is_url(self.where)


def is_url(where):
    return where.startswith(("http://", "https://"))


def head(where):
    """The first bytes of a file or URL."""
    if not is_url(where):
        with open(where, "rb") as file:
            return file.read(HEAD)
    request = urllib.request.Request(where, headers={"Range": f"bytes=0-{HEAD - 1}"})
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(request, timeout=TIMEOUT) as answer:
            return answer.read(HEAD)
    except urllib.error.HTTPError as error:
        text = error.read(HEAD).decode(errors="replace").strip().partition("\n")[0]
        raise MediaError(f"{where}: {error.code} {error.reason}: {text}") from None
    except OSError as error:
        raise MediaError(f"{where}: {error}") from None


def pe_arch(data):
    """Architecture of a PE file's first bytes, or None."""
    if data[:2] != b"MZ":
        return None
    (offset,) = struct.unpack_from("<I", data, 0x3C)
    if data[offset:offset + 4] != b"PE\0\0":
        return None
    return PE_MACHINES.get(struct.unpack_from("<H", data, offset + 4)[0])


def named_arch(where):
    """Architecture that a file name or URL says."""
    words = re.split(r"[^a-z0-9_]+", urllib.parse.urlsplit(where).path.lower())
    found = {arch for arch, names in {"amd64": ("amd64", "x86_64"), "arm64": ("arm64", "aarch64")}
             .items() if any(name in words for name in names)}
    return found.pop() if len(found) == 1 else None


def loader_arch(path):
    """Architecture whose removable-media boot loader stands in a FAT directory of the image.

    Both may: an image with GRUB for every platform; then the name has to tell.
    """
    short_names = {arch: "{:<8}{:<3}".format(*name.split(".")).encode()
                   for arch, name in LOADERS.items()}
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        found = [arch for arch, name in short_names.items() if data.find(name, 0, SEARCHED) >= 0]
    return found[0] if len(found) == 1 else None


def identify(where, folder):
    """The medium behind a path or URL; a compressed disk is unpacked into `folder` first."""
    data = head(where)
    for magic, program in COMPRESSED.items():
        if data.startswith(magic):
            if is_url(where):
                raise MediaError(f"{where}: {program} cannot be booted over HTTP; fetch it first")
            unpacked = unpack(where, program, folder)
            medium = identify(str(unpacked), folder)
            return replace(medium, arch=medium.arch or named_arch(where))
    if data[TAR_MAGIC_OFFSET:].startswith(b"ustar") and not is_url(where):
        return identify(str(member(where, folder)), folder)
    if data.startswith(b"#!ipxe"):
        return Medium(where, "ipxe", named_arch(where))
    if data[ISO_MAGIC_OFFSET:].startswith(b"CD001"):
        return Medium(where, "iso", image_arch(where))
    if arch := pe_arch(data):
        return Medium(where, "uki", arch)
    for magic, name in DISK_MAGICS.items():
        if data.startswith(magic):
            return Medium(where, "disk", image_arch(where), name)
    if data[SECTOR - 2:SECTOR] == b"\x55\xaa":
        # a GUID partition table is in sector 1
        large = data[LARGE_SECTOR:].startswith(GPT_MAGIC)
        return Medium(where, "disk", image_arch(where), sector=LARGE_SECTOR if large else SECTOR)
    raise MediaError(f"{where}: neither ISO, disk, UKI nor iPXE script")


def image_arch(where):
    named = named_arch(where)
    return named if named or is_url(where) else loader_arch(where)


def unpack(path, program, folder):
    """A compressed disk as a sparse file."""
    target = folder / "disk.raw"
    if program == "zstd":
        subprocess.run(["zstd", "-d", "-q", "--sparse", path, "-o", target], check=True)
        return target
    with {"xz": lzma.open, "gzip": gzip.open}[program](path) as source:
        copy_sparse(source, target)
    return target


def copy_sparse(source, path):
    """Copy an open file; runs of zeros take no room."""
    with open(path, "wb") as file:
        while piece := source.read(PIECE):
            if piece.count(0) == len(piece):
                file.seek(len(piece), os.SEEK_CUR)
            else:
                file.write(piece)
        file.truncate()


def member(path, folder):
    """The disk inside a tar file or OVA."""
    with tarfile.open(path) as archive:
        for entry in archive:
            if entry.name.endswith((".vmdk", ".raw", ".vhd", ".qcow2")):
                target = folder / f"member{pathlib.PurePath(entry.name).suffix}"
                copy_sparse(archive.extractfile(entry), target)
                return target
    raise MediaError(f"{path}: a tar file without a disk image")


def esp(folder, arch, files):
    """A FAT disk with files: {path inside: source}; the loader's name stands for itself."""
    image = folder / "esp.img"
    size = sum(pathlib.Path(source).stat().st_size for source in files.values())
    with open(image, "wb") as file:
        file.truncate(max(ESP_LEAST, size + size // 64 + ESP_SLACK))
    run = dict(check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["mkfs.vfat", "-F", "32", "-n", "ESP", image], **run)
    folders = {parent for path in files for parent in pathlib.PurePosixPath(path).parents} - {
        pathlib.PurePosixPath(".")}
    for parent in sorted(folders):
        subprocess.run(["mmd", "-i", image, f"::{parent}"], **run)
    for path, source in files.items():
        subprocess.run(["mcopy", "-i", image, source, f"::{path}"], **run)
    return Medium(str(image), "disk", arch)


def loader_path(arch):
    """Where firmware looks for the boot loader of a removable medium."""
    return f"EFI/BOOT/{LOADERS[arch]}"


def need(program):
    """Fail early, with advice, when a program is not installed."""
    if shutil.which(program) is None:
        raise MediaError(f"{program}: not installed; try hack/deps boot")
