"""What differs between the Talos versions of the stand-in release."""

from dataclasses import dataclass

VERSIONS = (
    "v1.3.7", "v1.6.8", "v1.7.7", "v1.8.4", "v1.9.5", "v1.10.6",
    "v1.11.5", "v1.12.4", "v1.13.2", "v1.14.0", "v1.15.0-alpha.1",
)
ARCHES = ("amd64", "arm64")

# Feature -> first version (major, minor) that has it.
SINCE = {
    "systemd_boot": (1, 5),      # imager carries stub and boot loader
    "descriptions": (1, 6),      # extension catalogue has descriptions.yaml
    "overlays": (1, 7),          # board overlays and their catalogue
    "zstd": (1, 8),              # rootfs.sqsh and initramfs; xz before
    "usr_merge": (1, 10),        # /usr/lib/modules instead of /lib/modules; one-layer imager
    "installer_base": (1, 10),   # siderolabs/installer-base instead of siderolabs/installer
    "sbom": (1, 11),             # talos.spdx.json beside the boot assets
    "talosctl": (1, 11),         # siderolabs/talosctl-all
}


@dataclass(frozen=True)
class Features:
    """The features of one version; equal for versions that share their layers."""

    systemd_boot: bool
    descriptions: bool
    overlays: bool
    zstd: bool
    usr_merge: bool
    installer_base: bool
    sbom: bool
    talosctl: bool

    @property
    def modules(self):
        return "usr/lib/modules" if self.usr_merge else "lib/modules"

    @property
    def firmware(self):
        return "usr/lib/firmware" if self.usr_merge else "lib/firmware"


def features(tag):
    """Features of a tag; gates ignore the patch level and everything after a hyphen."""
    major, minor = (int(part) for part in tag.removeprefix("v").split(".")[:2])
    return Features(**{name: (major, minor) >= since for name, since in SINCE.items()})
