"""The fourteen system extensions: each has one trait that a factory can get wrong.

A function fills the extension's root file system; EXTENSIONS says how it is packed and tagged.
"""

from dataclasses import dataclass
from typing import Callable

from .tree import Tree

MB = 1 << 20
REALTEK_FOLDERS = ("rtl_nic", "rtw88")
BNX2X_FILES = 6
ZONES = ("Africa", "America", "Asia", "Europe", "Pacific")
CAPABILITY = "\x01\x00\x00\x02\x00\x20\x00\x00" + "\x00" * 12      # cap_net_raw, revision 2

HELLO_SERVICE = """\
name: hello-world
container:
    entrypoint: /bin/hello
depends:
    - network:
        - addresses
restart: always
"""
GVISOR_RUNTIME = """\
[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runsc]
    runtime_type = "io.containerd.runsc.v1"
"""


@dataclass(frozen=True)
class Material:
    """What a fill function draws from, for one architecture and one set of features."""

    assets: object
    arch: str
    has: object

    def package(self, name, arch="amd64"):
        return self.assets.packages[name, arch]

    def filler(self, name, size):
        return self.assets.store.filler(name, size)

    def modules(self, tree, names, lists=False, **packing):
        """Modules and what they need beyond the base."""
        kernel = self.assets.kernels[self.arch]
        names = kernel.closure(names) - kernel.base
        kernel.add(tree, self.has.modules, names, **packing)
        if lists:
            kernel.add_lists(tree, self.has.modules, names)


def hello_world(m, tree):
    home = "usr/local/lib/containers/hello-world"
    tree.file(f"{home}/bin/hello", m.assets.busybox(m.arch), 0o755)
    tree.file("usr/local/etc/containers/hello-world.yaml", HELLO_SERVICE)


def gvisor(m, tree):
    tree.file("usr/local/bin/runsc", m.filler("runsc", 40 * MB), 0o755)
    tree.file("usr/local/bin/containerd-shim-runsc-v1", m.filler("shim", 16 * MB), 0o755)
    tree.file("etc/cri/conf.d/10-gvisor.part", GVISOR_RUNTIME)


def intel_ucode(m, tree):
    if m.arch == "amd64":
        tree.copy(m.package("intel-microcode") / "lib/firmware/intel-ucode",
                  f"{m.has.firmware}/intel-ucode")


def amd_ucode(m, tree):
    folder = f"{m.has.firmware}/amd-ucode"
    tree.copy(m.package("amd64-microcode") / "lib/firmware/amd-ucode", folder)
    tree.file(f"{folder}/README", "only microcode_amd*.bin is loaded early\n")


def realtek(m, tree):
    for name in REALTEK_FOLDERS:
        folder = m.package("firmware-realtek") / "lib/firmware" / name
        if folder.exists():
            tree.copy(folder, f"{m.has.firmware}/{name}")


def bnx2(m, tree):
    files = sorted((m.package("firmware-bnx2x") / "lib/firmware/bnx2x").iterdir())[:BNX2X_FILES]
    for path in files:
        tree.file(f"{m.has.firmware}/bnx2x/{path.name}", path)
    # the link sorts before its target: whoever moves files one by one loses it
    tree.symlink(f"{m.has.firmware}/bnx2x/bnx2x-current.fw", files[-1].name)
    m.modules(tree, ["dm_crypt", "dm_zoned"], lists=True)


def btrfs(m, tree):
    m.modules(tree, ["btrfs"], lists=True)


def nfsd(m, tree):
    m.modules(tree, ["nfsd"], pack="xz")


def drbd(m, tree):
    m.modules(tree, ["drbd"], place="extras", pack="zst")
    tree.file("usr/local/lib/modprobe.d/drbd.conf", "options drbd usermode_helper=disabled\n")


def iscsi_tools(m, tree):
    zones = m.package("tzdata", "all") / "usr/share/zoneinfo"
    for name in ZONES:
        tree.copy(zones / name, f"usr/local/share/zoneinfo/{name}")
    conf = "usr/local/etc/iscsi"
    tree.file("usr/local/sbin/iscsid", m.filler("iscsid", 300_000), 0o755,
              {"security.capability": CAPABILITY})
    tree.file(f"{conf}/iscsid.conf", "iscsid.startup = /usr/local/sbin/iscsid\n", 0o640,
              {"security.selinux": "system_u:object_r:etc_t:s0", "user.origin": "stand-in"})
    tree.symlink("usr/local/sbin/iscsiadm", "iscsid")
    tree.symlink(f"{conf}/absolute", f"/{conf}/iscsid.conf")
    tree.symlink(f"{conf}/dangling", "nowhere")


def util_linux(m, tree):
    tree.file("usr/local/bin/fstrim", m.filler("fstrim", 50_000), 0o755)
    tree.hardlink("usr/local/bin/blkdiscard", "rootfs/usr/local/bin/fstrim")
    tree.file("usr/local/bin/su", m.filler("su", 20_000), 0o4755)
    share = "usr/local/share"
    tree.file(f"{share}/secret", "for root alone\n", 0o400)
    tree.file(f"{share}/naïve name with spaces.txt", "blanks in a name\n")
    tree.file(f"{share}/{'long-' * 30}name", "a name of more than 100 bytes\n")
    tree.directory(f"{share}/empty", 0o700)


def qemu_agent(m, tree):
    tree.file("usr/local/bin/qemu-ga", m.filler("qemu-ga", 700_000), 0o755)
    tree.file("usr/local/share/qemu-ga/keep", "stays\n")


def future(_, tree):
    tree.file("usr/local/share/future", "not yet\n")


def other_kernel(m, tree):
    tree.file(f"{m.has.modules}/9.9.9-other/kernel/none.ko", b"\x7fELF")


@dataclass(frozen=True)
class Extension:
    """How one extension is tagged, described and packed."""

    name: str
    version: str
    author: str
    fill: Callable
    trait: str                          # ends its description
    kernel: bool = False                # built for one Talos version, which ends the tag
    firmware: bool = False              # paths differ below 1.10: tag suffix "-lib" there
    talos: str = ">= v1.0.0"            # version constraint
    shape: str = "oci"                  # oci, docker (schema 2, no index), zstd, whiteout

    def tag(self, release, has):
        tag = f"{self.version}-{release}" if self.kernel else self.version
        return f"{tag}-lib" if self.firmware and not has.usr_merge else tag

    @property
    def description(self):
        return f"[core] {self.name} of the stand-in release.\n{self.trait}\n"

    def manifest(self, release):
        """manifest.yaml."""
        version = f"{self.version}-{release}" if self.kernel else self.version
        text = "".join(f"    {line}\n" for line in self.description.splitlines())
        return (f'version: v1alpha1\nmetadata:\n  name: {self.name}\n  version: "{version}"\n'
                f"  author: {self.author}\n  description: |\n{text}"
                f'  compatibility:\n    talos:\n      version: "{self.talos}"\n')

    def layers(self, assets, release, has, arch):
        """rootfs/ and then manifest.yaml, as packed layers."""
        rootfs, manifest = Tree(), Tree()
        self.fill(Material(assets, arch, has), rootfs)
        content = Tree()
        content.directory("rootfs")
        content.graft(rootfs, "rootfs")
        manifest.file("manifest.yaml", self.manifest(release))
        pack = assets.store.layer
        match self.shape:
            case "zstd":
                layers = [pack(content, "zstd")]
            case "whiteout":
                lower, upper = hidden_layers(assets.store)
                layers = [pack(lower, "none"), pack(content), pack(upper)]
            case _:
                layers = [pack(content)]
        return [*layers, pack(manifest)]


def hidden_layers(store):
    """A layer below with files that must vanish, and the one above that hides them."""
    lower, upper = Tree(), Tree()
    lower.file("rootfs/usr/local/bin/qemu-ga", store.filler("old qemu-ga", 100_000), 0o755)
    lower.file("rootfs/usr/local/share/gone/file", "removed by .wh.gone\n")
    lower.file("rootfs/usr/local/share/opaque/old", "removed by .wh..wh..opq\n")
    upper.file("rootfs/usr/local/share/.wh.gone", "")
    upper.file("rootfs/usr/local/share/opaque/.wh..wh..opq", "")
    upper.file("rootfs/usr/local/share/opaque/new", "new\n")
    return lower, upper


EXTENSIONS = (
    Extension("hello-world-service", "v1.0.0", "Sidero Labs", hello_world,
              "A service of a single static program."),
    Extension("gvisor", "20260810.0", "Sidero Labs", gvisor,
              "Two large programs that do not compress."),
    Extension("intel-ucode", "20251111", "Intel Corporation", intel_ucode,
              "Microcode for the early archive; empty on arm64.", firmware=True),
    Extension("amd-ucode", "20250311", "AMD", amd_ucode,
              "Microcode for the early archive, with firmware beside it.", firmware=True),
    Extension("realtek-firmware", "20230210", "Realtek", realtek,
              "Firmware in folders.", firmware=True),
    Extension("bnx2-bnx2x", "20230210", "Broadcom", bnx2,
              "Firmware, one of it a link to a later name, and modules.", kernel=True),
    Extension("btrfs", "1.0.0", "Sidero Labs", btrfs,
              "Plain modules with the build's own modules.order.", kernel=True),
    Extension("nfsd", "1.0.0", "Sidero Labs", nfsd,
              "Modules packed with xz, in a zstd layer.", kernel=True, shape="zstd"),
    Extension("drbd", "9.2.14", "LINBIT", drbd,
              "Modules packed with zstd, below extras/.", kernel=True,
              talos=">= v1.3.0 < v2.0.0"),
    Extension("iscsi-tools", "v0.2.0", "Sidero Labs", iscsi_tools,
              "Many small files, links of every kind, extended attributes."),
    Extension("util-linux-tools", "2.41.2", "Sidero Labs", util_linux,
              "A hard link, odd modes, odd names.", shape="docker"),
    Extension("qemu-guest-agent", "10.0.2", "Markus Reiter", qemu_agent,
              "Layers that hide each other's files.", shape="whiteout"),
    Extension("test-future", "1.0.0", "test", future,
              "Refused: wants a Talos version that does not exist.", talos=">= v9.9.0"),
    Extension("test-other-kernel", "1.0.0", "test", other_kernel,
              "Refused: its module belongs to another kernel.", kernel=True),
)
