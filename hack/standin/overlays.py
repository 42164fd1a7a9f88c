"""The two board overlays: artifacts, an installer program, a partial profile."""

import pathlib

from .tools import output, run, sha256_file
from .tree import Tree

TAG = "v0.2.0"
REPOSITORIES = {"rpi_generic": "siderolabs/sbc-raspberrypi", "rock64": "siderolabs/sbc-rockchip"}
PROFILE = """\
arch: arm64
platform: metal
secureboot: false
output:
  kind: image
  imageOptions:
    diskSize: 1306525696
    diskFormat: raw
    bootloader: grub
  outFormat: .xz
"""
SOURCE = pathlib.Path(__file__).with_name("board.c")
COMPILERS = {"amd64": "gcc", "arm64": "aarch64-linux-gnu-gcc"}
FLAGS = ("-D_GNU_SOURCE", "-Os", "-static", "-s", "-Wall", "-Werror", "-Wl,--build-id=none")
DEFINES = {"rpi_generic": (), "rock64": ("-DROCK64",)}

# u-boot-rockchip.bin is idbloader.img, written to sector 64, and u-boot.itb at sector 16384
SECTOR = 512
LOADER_SECTOR, UBOOT_SECTOR = 64, 16_384


def rpi_artifacts(packages):
    tree = Tree()
    for path in sorted((packages["raspi-firmware", "amd64"] / "usr/lib/raspi-firmware").iterdir()):
        tree.copy(path, f"artifacts/arm64/firmware/boot/{path.name}")
    tree.copy(packages["u-boot-rpi", "arm64"] / "usr/lib/u-boot/rpi_arm64/u-boot.bin",
              "artifacts/arm64/u-boot/rpi_generic/u-boot.bin")
    return tree


def rock64_artifacts(packages):
    tree = Tree()
    board = packages["u-boot-rockchip", "arm64"] / "usr/lib/u-boot/rock64-rk3328"
    loader, uboot = (board / "idbloader.img").read_bytes(), (board / "u-boot.itb").read_bytes()
    room = (UBOOT_SECTOR - LOADER_SECTOR) * SECTOR
    tree.file("artifacts/arm64/u-boot/rock64/u-boot-rockchip.bin",
              loader.ljust(room, b"\0") + uboot)
    tree.copy(board / "rk3328-rock64.dtb", "artifacts/arm64/dtb/rockchip/rk3328-rock64.dtb")
    return tree


ARTIFACTS = {"rpi_generic": rpi_artifacts, "rock64": rock64_artifacts}


def installer(store, name, arch):
    """Path of the board's installer program for one host architecture."""
    compiler = COMPILERS[arch]

    def make():
        with store.folder() as folder:
            run(compiler, *FLAGS, *DEFINES[name], "-o", folder / "installer", SOURCE)
            return store.adopt(folder / "installer")
    version = output(compiler, "--version").splitlines()[0]
    return store.path(store.remember(("board", name, version, FLAGS, sha256_file(SOURCE)), make))


def layers(assets, name, arch):
    """Artifacts (the same on every platform), then installers/ and profiles/."""
    programs = Tree()
    programs.file(f"installers/{name}", installer(assets.store, name, arch), 0o755)
    programs.file(f"profiles/{name}.yaml", PROFILE)
    artifacts = ARTIFACTS[name](assets.packages)
    return [assets.store.layer(artifacts), assets.store.layer(programs)]
