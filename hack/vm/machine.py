"""QEMU's command line.

Emulated processors throughout (accel=tcg): the same everywhere, and KVM is not to be had on most
build machines.
"""

import pathlib
import shutil
import subprocess
import time
import urllib.parse

from .media import MediaError, copy_sparse, is_url

PROGRAMS = {"amd64": "qemu-system-x86_64", "arm64": "qemu-system-aarch64"}
CONSOLES = {"amd64": "ttyS0", "arm64": "ttyAMA0"}
HOST = "10.0.2.2"                   # this machine, as guests of the user network see it
FIRMWARE = {
    ("amd64", False): ("/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"),
    ("amd64", True): ("/usr/share/OVMF/OVMF_CODE_4M.secboot.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"),
    ("arm64", False): ("/usr/share/AAVMF/AAVMF_CODE.fd", "/usr/share/AAVMF/AAVMF_VARS.fd"),
    ("arm64", True): ("/usr/share/AAVMF/AAVMF_CODE.fd", "/usr/share/AAVMF/AAVMF_VARS.fd"),
}
U_BOOT = "/usr/lib/u-boot/qemu_arm64/u-boot.bin"
# OVMF tries IPv4 and IPv6 PXE for a minute before HTTP; these switches turn them off
HTTP_ONLY = ("IPv4PXESupport", "IPv6PXESupport", "IPv6Support")


def quoted(value):
    """A comma inside an option's value is written twice."""
    return str(value).replace(",", ",,")


def guest_url(url):
    """The URL under which a guest reaches a server on this machine's loopback."""
    parts = urllib.parse.urlsplit(url)
    if parts.hostname not in ("127.0.0.1", "localhost", "::1"):
        return url
    port = f":{parts.port}" if parts.port else ""
    return parts._replace(netloc=HOST + port).geturl()


class Machine:
    """Options of one virtual machine; methods add to them."""

    def __init__(self, arch, folder, memory, bios=False, secure_boot=False, variables=None,
                 u_boot=False):
        if bios and arch != "amd64":
            raise MediaError("only amd64 has a BIOS")
        if u_boot and arch != "arm64":
            raise MediaError("U-Boot is there for arm64 only")
        self.arch, self.folder, self.bios = arch, folder, bios
        self.options = [PROGRAMS[arch], "-nographic", "-nodefaults", "-serial", "stdio",
                        "-m", str(memory)]
        if arch == "arm64":
            self.add("-machine", "virt,accel=tcg", "-cpu", "cortex-a72")
        elif bios:
            # pc, not q35: its CD-ROM is one that the cloud kernel has a driver for
            self.add("-machine", "pc,accel=tcg")
        else:
            self.add("-machine", f"q35,accel=tcg{',smm=on' if secure_boot else ''}")
        if secure_boot and arch == "amd64":
            self.add("-global", "driver=cfi.pflash01,property=secure,value=on")
        if not secure_boot:
            self.add("-no-reboot")      # with Secure Boot, enrolling keys ends in a reboot
        self.firmware = FIRMWARE[arch, secure_boot]
        self.u_boot = u_boot
        self.variables = variables

    def add(self, *options):
        self.options += options

    def uefi(self):
        """Firmware from flash, with variables of its own: boot loaders write there."""
        if self.bios:
            return
        if self.u_boot:
            open_installed(U_BOOT).close()
            self.add("-bios", U_BOOT)
            return
        code, template = self.firmware
        flash = self.folder / "variables.fd"
        with open_installed(self.variables or template) as variables:
            copy_sparse(variables, flash)   # of arm64's 64 MiB nearly all are zeros
        self.add("-drive", f"if=pflash,unit=0,format=raw,readonly=on,file={code}",
                 "-drive", f"if=pflash,unit=1,format=raw,file={quoted(flash)}")

    def disk(self, medium):
        """A disk whose image stays as it is."""
        self.add("-drive", f"if=none,id=disk,format={medium.format},snapshot=on,"
                           f"file={quoted(medium.where)}",
                 "-device", f"virtio-blk-pci,drive=disk,logical_block_size={medium.sector},"
                            f"physical_block_size={medium.sector}")

    def cdrom(self, medium):
        self.add("-drive", f"if=none,id=cd,media=cdrom,format=raw,readonly=on,"
                           f"file={quoted(medium.where)}")
        if self.bios:
            self.add("-device", "ide-cd,drive=cd", "-boot", "d")
        else:
            # the cloud kernel has no AHCI
            self.add("-device", "virtio-scsi-pci", "-device", "scsi-cd,drive=cd")

    def direct(self, kernel, initrd, append):
        self.add("-kernel", kernel, "-append", append)
        if initrd:
            self.add("-initrd", initrd)

    def network(self, bootfile=None, rom=True):
        """A user-mode network; `bootfile` is what DHCP tells the guest to load."""
        announced = f",bootfile={quoted(guest_url(bootfile))}" if bootfile else ""
        self.add("-netdev", f"user,id=net,ipv6=off{announced}",
                 "-device", f"virtio-net-pci,netdev=net{'' if rom else ',romfile='}")

    def http_boot(self, url):
        """The firmware's own HTTP boot."""
        for name in HTTP_ONLY:
            self.add("-fw_cfg", f"name=opt/org.tianocore/{name},string=n")
        self.add("-device", "virtio-rng-pci")       # TLS and TCP want random numbers
        self.network(url, rom=False)

    def tpm(self):
        """A TPM 2.0 made by swtpm, which ends with the machine."""
        state = self.folder / "tpm"
        state.mkdir()
        socket = state / "socket"
        subprocess.run(["swtpm", "socket", "--tpm2", "--tpmstate", f"dir={state}", "--ctrl",
                        f"type=unixio,path={socket}", "--daemon", "--terminate"], check=True)
        for _ in range(100):
            if socket.exists():
                break
            time.sleep(0.05)
        device = "tpm-tis-device" if self.arch == "arm64" else "tpm-crb"
        self.add("-chardev", f"socket,id=tpm,path={quoted(socket)}",
                 "-tpmdev", "emulator,id=tpm0,chardev=tpm", "-device", f"{device},tpmdev=tpm0")


def open_installed(path):
    try:
        return open(path, "rb")
    except FileNotFoundError:
        raise MediaError(f"{path}: not there; try hack/deps boot") from None


def check(machine, medium):
    """Fail early, with advice, when something is not installed."""
    program = machine.options[0]
    if shutil.which(program) is None:
        raise MediaError(f"{program}: not installed; try hack/deps boot")
    if medium and is_url(medium.where):
        plugins = pathlib.Path("/usr/lib").glob("*/qemu/block-curl.so")
        if not any(plugins):
            raise MediaError("QEMU cannot read URLs; try hack/deps boot (qemu-block-extra)")
