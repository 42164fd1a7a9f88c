"""Kernel and modules of Debian's cloud kernel."""

import functools
import lzma
import os
import threading

from .packages import KERNEL
from .store import ZSTD_LEVEL
from .tools import output, run, sha256_file
from .tree import Tree

# What the root file system carries: enough to boot wherever the tests boot, and the drivers of
# BASE_FOLDERS, so that a module index has realistic work.  Dependencies are added.
BASE_MODULES = """
loop squashfs overlay virtio_ring virtio virtio_pci_modern_dev virtio_pci_legacy_dev virtio_pci
virtio_blk virtio_net virtio_scsi virtio_console virtio-rng 9p 9pnet_virtio virtiofs
scsi_common scsi_mod cdrom sr_mod sd_mod libata ata_piix ata_generic isofs efivarfs vfat
nls_cp437 nls_iso8859-1 nls_ascii nls_utf8 xfs ext4 fuse nvme nvme-fabrics nvme-tcp dm-mod
dm-crypt dm-thin-pool dm-snapshot raid1 raid10 raid456 bonding vxlan geneve bridge veth dummy
macvlan ipvlan tun ena gve mlx4_en mlx5_core mlxfw hv_netvsc hv_storvsc hv_balloon xen-netfront
xen-blkfront vmw_balloon vmxnet3 vmw_pvscsi tcp_bbr tls nf_tables nft_compat ip_vs ip_vs_rr
ip_set xt_conntrack br_netfilter 8021q nbd rbd ceph nfs tpm_tis tpm_crb
""".split()
BASE_FOLDERS = ("net/netfilter", "net/ipv4", "net/ipv6", "net/sched", "crypto",
                "drivers/net/ethernet")
# Left to the extensions of the same names.
NOT_IN_BASE = ("btrfs", "nfsd", "drbd")

# /init loads these from the initramfs itself, in this order: Talos has them built in.
BOOT_MODULES = """
tpm_tis_core tpm_tis loop squashfs overlay virtio_ring virtio virtio_pci_modern_dev
virtio_pci_legacy_dev virtio_pci virtio_blk scsi_common scsi_mod cdrom sr_mod virtio_scsi
sd_mod libata ata_piix isofs efivarfs
""".split()

BUILTIN_LISTS = ("modules.builtin", "modules.builtin.modinfo")


def module_name(path):
    """kernel/fs/foo-bar.ko.xz -> foo_bar, as the kernel calls it."""
    return os.path.basename(path).split(".")[0].replace("-", "_")


class Kernel:
    """The kernel of one architecture; module names have underscores throughout."""

    def __init__(self, packages, store, arch):
        package = packages[KERNEL + arch, arch]
        (self.image,) = package.glob("boot/vmlinuz-*")
        self.version = self.image.name.removeprefix("vmlinuz-")
        self.folder = package / "lib/modules" / self.version
        self.store, self.lock = store, threading.Lock()
        if not (self.folder / "modules.dep").exists():
            run("depmod", "-b", package, self.version)
        self.paths, self.needs = {}, {}
        for line in (self.folder / "modules.dep").read_text().splitlines():
            path, needs = line.split(":", 1)
            self.paths[module_name(path)] = path
            self.needs[module_name(path)] = [module_name(need) for need in needs.split()]
        self.base = self._base()

    def closure(self, names):
        """The named modules and all that they need; built-in and unknown names are dropped."""
        found, todo = set(), [module_name(name) for name in names]
        while todo:
            name = todo.pop()
            if name in self.paths and name not in found:
                found.add(name)
                todo.extend(self.needs[name])
        return found

    def _base(self):
        drivers = (name for name, path in self.paths.items()
                   if path.removeprefix("kernel/").startswith(BASE_FOLDERS))
        return self.closure({*map(module_name, BASE_MODULES), *drivers} - set(NOT_IN_BASE))

    def boot_modules(self):
        """Files that /init loads, in order."""
        return [(name, self.folder / self.paths[name]) for name in BOOT_MODULES
                if name in self.paths]

    def add(self, tree, below, names, place=None, pack=None):
        """Put modules at below/<version>/; `place` instead of their own folder; `pack` xz or zst."""
        for name in sorted(names):
            path, source = self.paths[name], self.folder / self.paths[name]
            if place:
                path = f"{place}/{os.path.basename(path)}"
            if pack:
                path, source = f"{path}.{pack}", self._packed(source, pack)
            tree.file(f"{below}/{self.version}/{path}", source)

    def _packed(self, source, pack):
        """Path of a compressed module."""
        def make():
            data = source.read_bytes()
            if pack == "xz":
                return self.store.put(lzma.compress(data, check=lzma.CHECK_CRC32, preset=1))
            # kmod refuses frames that do not state the size of their content
            size = f"--stream-size={len(data)}"
            with self.store.folder() as folder:
                run("zstd", f"-{ZSTD_LEVEL}", "-q", size, source, "-o", folder / "packed")
                return self.store.adopt(folder / "packed")
        return self.store.path(self.store.remember(("module", pack, sha256_file(source)), make))

    def add_lists(self, tree, below, names):
        """modules.order of the given modules, and the lists of what is built in."""
        order = [path for path in (self.folder / "modules.order").read_text().split()
                 if module_name(path) in names]
        folder = f"{below}/{self.version}"
        tree.file(f"{folder}/modules.order", "".join(path + "\n" for path in order))
        for name in BUILTIN_LISTS:
            tree.file(f"{folder}/{name}", self.folder / name)

    @functools.cached_property
    def _base_index(self):
        """[(name, digest)] of depmod's files for the base modules."""
        modules = Tree()
        self.add(modules, "lib/modules", self.base)
        self.add_lists(modules, "lib/modules", self.base)

        def make():
            with self.store.folder() as root:
                modules.unpack(root)
                run("depmod", "-b", root, self.version)
                files = sorted((root / "lib/modules" / self.version).glob("modules.*"))
                return [(file.name, self.store.adopt(file)) for file in files]
        depmod = output("depmod", "--version").split()[2]
        return self.store.remember(("depmod", depmod, modules.digest()), make,
                                   lambda value: [digest for _, digest in value])

    def add_base(self, tree, below):
        """The base modules with their index."""
        self.add(tree, below, self.base)
        with self.lock:
            index = self._base_index
        for name, digest in index:
            tree.file(f"{below}/{self.version}/{name}", self.store.path(digest))
