"""Boot assets: what an imager image holds in usr/install/<arch>/."""

import json
import pathlib

from .kernel import Kernel
from .packages import KMOD
from .store import ZSTD_LEVEL
from .tools import output, run
from .tree import EPOCH, Tree

INIT = pathlib.Path(__file__).with_name("init")
PIECE = 4 << 20             # filler comes as files of this size, as binaries would
EMPTY_FOLDERS = ("etc/cri/conf.d", "usr/bin", "usr/local", "usr/lib/firmware", "var", "system",
                 "proc", "sys", "dev", "run", "tmp", "root")
OS_RELEASE = 'NAME="Talos"\nID=talos\nPRETTY_NAME="Talos stand-in"\n'
EFI_NAMES = {"amd64": "x64", "arm64": "aa64"}
TRIPLETS = {"amd64": "x86_64-linux-gnu", "arm64": "aarch64-linux-gnu"}
GRUB_PLATFORMS = (
    ("i386-pc", "grub-pc-bin", "amd64"),
    ("x86_64-efi", "grub-efi-amd64-bin", "amd64"),
    ("arm64-efi", "grub-efi-arm64-bin", "arm64"),
)
GRUB_SUFFIXES = (".mod", ".lst", ".img", ".o", ".sh")
SBOM = {
    "spdxVersion": "SPDX-2.3", "dataLicense": "CC0-1.0", "SPDXID": "SPDXRef-DOCUMENT",
    "name": "talos-stand-in", "documentNamespace": "https://example.invalid/talos",
    "creationInfo": {"created": "2025-07-31T22:13:20Z", "creators": ["Tool: hack/release"]},
    "packages": [],
}


class Assets:
    """Kernels, initramfs and boot loaders; `sizes` is {arch: MB of filler in the rootfs}."""

    def __init__(self, packages, store, sizes):
        self.packages, self.store, self.sizes = packages, store, sizes
        self.kernels = {arch: Kernel(packages, store, arch) for arch in sizes}
        self.mksquashfs = output("mksquashfs", "-version").split()[2]

    def busybox(self, arch):
        return self.packages["busybox-static", arch] / "bin/busybox"

    def rootfs(self, arch, has):
        """The file system below everything: modules, os-release, filler up to a real size."""
        tree = Tree()
        for path in EMPTY_FOLDERS:
            tree.directory(path)
        tree.directory(has.firmware)
        tree.file("etc/os-release", OS_RELEASE)
        tree.file("etc/extensions.yaml", "")
        tree.file("usr/bin/busybox", self.busybox(arch), 0o755)
        self.kernels[arch].add_base(tree, has.modules)
        for number in range(self.sizes[arch] * (1 << 20) // PIECE):
            tree.file(f"usr/bin/filler-{number:02}",
                      self.store.filler(f"rootfs {number}", PIECE), 0o755)
        return tree

    def squashfs(self, tree, has):
        """rootfs.sqsh: path of the blob."""
        packing = (("-comp", "zstd", "-Xcompression-level", ZSTD_LEVEL) if has.zstd
                   else ("-comp", "xz", "-Xdict-size", "100%", "-noD"))

        def make():
            with self.store.folder() as folder:
                tree.unpack(folder / "root")
                run("mksquashfs", folder / "root", folder / "image", "-all-root", "-noappend",
                    "-no-progress", "-quiet", "-mkfs-time", EPOCH, "-all-time", EPOCH, *packing,
                    stdout=-3)
                return self.store.adopt(folder / "image")
        key = ("squashfs", self.mksquashfs, packing, tree.digest())
        return self.store.path(self.store.remember(key, make))

    def initramfs(self, arch, has):
        """initramfs.xz (its name at every version): path of the blob."""
        tree = Tree()
        tree.file("init", INIT, 0o755)
        tree.file("lib/probe/busybox", self.busybox(arch), 0o755)
        for number, (name, path) in enumerate(self.kernels[arch].boot_modules()):
            tree.file(f"lib/probe/modules/{number:02}-{name}.ko", path)
        self._add_modprobe(tree, arch)
        tree.file("rootfs.sqsh", self.squashfs(self.rootfs(arch, has), has))
        packer = (("zstd", "-T0", f"-{ZSTD_LEVEL}", "-c", "-q") if has.zstd
                  else ("xz", "-C", "crc32", "-0", "-T2", "-c", "-q"))

        def make():
            with self.store.folder() as folder:
                with open(folder / "cpio", "wb") as file:
                    tree.cpio(file)
                with open(folder / "cpio", "rb") as plain, open(folder / "packed", "wb") as packed:
                    run(*packer, stdin=plain, stdout=packed)
                return self.store.adopt(folder / "packed")
        key = ("initramfs", packer, tree.digest())
        return self.store.path(self.store.remember(key, make))

    def _add_modprobe(self, tree, arch):
        """Debian's modprobe with its libraries: unlike busybox it reads the index that depmod
        would make and modules packed with zstd, so it judges both."""
        folder = "lib/probe/kmod"
        tree.file(f"{folder}/modprobe", self.packages["kmod", arch] / "bin/kmod", 0o755)
        for package in KMOD[1:]:
            root = self.packages[package, arch]
            wanted = {"libc6": ("ld-linux-*.so.?", "libc.so.6"), "libssl3": ("libcrypto.so.3",)}
            for pattern in wanted.get(package, ("*.so.?",)):
                (library,) = (path for path in root.glob(f"**/{TRIPLETS[arch]}/{pattern}"))
                name = "ld.so" if library.name.startswith("ld-") else library.name
                tree.file(f"{folder}/{name}", library.resolve(), 0o755)

    def add_install(self, tree, arch, has):
        """usr/install/<arch>/ of an imager (and of an installer below 1.10)."""
        folder, short = f"usr/install/{arch}", EFI_NAMES[arch]
        efi = self.packages["systemd-boot-efi", arch] / "usr/lib/systemd/boot/efi"
        tree.file(f"{folder}/vmlinuz", self.kernels[arch].image)
        tree.file(f"{folder}/initramfs.xz", self.initramfs(arch, has))
        if has.systemd_boot:
            tree.file(f"{folder}/systemd-stub.efi", efi / f"linux{short}.efi.stub")
            tree.file(f"{folder}/systemd-boot.efi", efi / f"systemd-boot{short}.efi")
        if has.sbom:
            tree.file(f"{folder}/talos.spdx.json", json.dumps(SBOM, indent=1))

    def add_grub(self, tree):
        """usr/lib/grub/<platform>/: modules and images that grub-mkimage and the BIOS need."""
        for platform, package, arch in GRUB_PLATFORMS:
            folder = self.packages[package, arch] / "usr/lib/grub" / platform
            for path in sorted(folder.iterdir()):
                if path.suffix in GRUB_SUFFIXES:    # not Debian's own programs and monolithic/
                    tree.file(f"usr/lib/grub/{platform}/{path.name}", path)
