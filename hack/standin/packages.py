"""Debian packages: downloaded through a private apt state, unpacked, locked.

The machine's own apt configuration is not touched; only the address of its archive is taken.
"""

import concurrent.futures
import json
import os
import pathlib
import shutil

from .tools import log, output, run, sha256_file

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
DEFAULT_ARCHIVE = "http://deb.debian.org/debian"
COMPONENTS = {"bookworm": "main non-free-firmware", "trixie": "main"}

# (suite, package, architecture).  A package of architecture "all" is asked for as amd64, the
# label it has here says how the rest of the code calls it.  KERNEL is a metapackage: its one
# dependency is what gets downloaded.
KERNEL = "linux-image-cloud-"
KMOD = ("kmod", "libc6", "liblzma5", "libssl3", "libzstd1")
PACKAGES = (
    *(("bookworm", KERNEL + arch, arch) for arch in ("amd64", "arm64")),
    *(("bookworm", name, arch) for arch in ("amd64", "arm64") for name in ("busybox-static", *KMOD)),
    *(("trixie", "systemd-boot-efi", arch) for arch in ("amd64", "arm64")),
    ("bookworm", "u-boot-rpi", "arm64"),
    ("bookworm", "u-boot-rockchip", "arm64"),
    ("bookworm", "grub-pc-bin", "amd64"),
    ("bookworm", "grub-efi-amd64-bin", "amd64"),
    ("bookworm", "grub-efi-arm64-bin", "arm64"),
    ("bookworm", "intel-microcode", "amd64"),
    ("bookworm", "amd64-microcode", "amd64"),
    ("bookworm", "firmware-realtek", "amd64"),
    ("bookworm", "firmware-bnx2x", "amd64"),
    ("bookworm", "raspi-firmware", "amd64"),
    ("bookworm", "tzdata", "all"),
)


def archive():
    """The Debian archive that this machine's own apt uses."""
    targets = output("apt-get", "indextargets", "--format", "$(REPO_URI)").split()
    own = (uri for uri in targets if uri.rstrip("/").endswith("/debian"))
    return next(own, DEFAULT_ARCHIVE)


class Apt:
    """A private apt state for one suite and both architectures."""

    def __init__(self, root, suite):
        self.root, self.suite = root, suite
        for sub in ("lists/partial", "cache/archives/partial", "debs"):
            (root / sub).mkdir(parents=True, exist_ok=True)
        (root / "status").touch()
        (root / "sources.list").write_text(
            f"deb [signed-by={KEYRING}] {archive()} {suite} {COMPONENTS[suite]}\n")
        settings = {
            "APT::Architecture": "amd64",
            "Dir::State::Lists": root / "lists",
            "Dir::State::status": root / "status",
            "Dir::Cache": root / "cache",
            "Dir::Etc::sourcelist": root / "sources.list",
            "Dir::Etc::sourceparts": "/dev/null",
            "Dir::Etc::preferencesparts": "/dev/null",
            "APT::Sandbox::User": "root",
            "Acquire::Languages": "none",
            "Acquire::Retries": "3",
            "Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled": "false",
        }
        self.options = ["-qq", "-oAPT::Architectures::=amd64", "-oAPT::Architectures::=arm64",
                        *(f"-o{key}={value}" for key, value in settings.items())]

    def update(self):
        run("apt-get", *self.options, "update", stdout=-3)

    def dependency(self, name, arch):
        """The one package that a metapackage depends on."""
        for line in output("apt-cache", *self.options, "show", f"{name}:{arch}").splitlines():
            if line.startswith("Depends:"):
                return line.removeprefix("Depends:").split("(")[0].split(",")[0].strip()
        raise SystemExit(f"{name}:{arch} of {self.suite} has no dependency")

    def download(self, wanted):
        """{(name, arch): .deb} for a list of (name, arch)."""
        real = {}
        for name, arch in wanted:
            package = self.dependency(name, arch) if name.startswith(KERNEL) else name
            real[name, arch] = (package, "amd64" if arch == "all" else arch)
        debs = self.root / "debs"
        run("apt-get", *self.options, "download",
            *(f"{package}:{arch}" for package, arch in real.values()), cwd=debs, stdout=-3)
        return {key: newest(debs, *value) for key, value in real.items()}


def newest(folder, package, arch):
    """The .deb of a package that was written last (older versions may lie beside it)."""
    found = [deb for label in (arch, "all") for deb in folder.glob(f"{package}_*_{label}.deb")]
    if not found:
        raise SystemExit(f"apt-get did not download {package}:{arch}")
    return max(found, key=lambda deb: deb.stat().st_ctime_ns)


def fetch_suite(cache, suite):
    """Everything of one suite; a list of lock records."""
    apt = Apt(cache / "apt" / suite, suite)
    apt.update()
    wanted = [(name, arch) for of, name, arch in PACKAGES if of == suite]
    return [{"suite": suite, "name": name, "arch": arch, "deb": deb.name,
             "sha256": sha256_file(deb)} for (name, arch), deb in apt.download(wanted).items()]


def unpack(cache, record):
    """Directory of an unpacked .deb, named by its digest."""
    target = cache / "packages" / record["sha256"][:32]
    if not target.exists():
        working = target.with_name(f"{target.name}.{os.getpid()}")
        shutil.rmtree(working, ignore_errors=True)
        working.mkdir(parents=True)
        run("dpkg-deb", "-x", cache / "apt" / record["suite"] / "debs" / record["deb"], working)
        try:
            working.rename(target)
        except OSError:
            shutil.rmtree(working)      # another run was faster
    return target


def fetch_one(cache, suite, name, arch):
    """Directory of one more package, fetched the first time it is wanted."""
    cache = pathlib.Path(cache)
    stamp = cache / f"{suite}-{name}-{arch}.json"
    if stamp.exists():
        record = json.loads(stamp.read_text())
    else:
        apt = Apt(cache / "apt" / suite, suite)
        apt.update()
        deb = apt.download([(name, arch)])[name, arch]
        record = {"suite": suite, "deb": deb.name, "sha256": sha256_file(deb)}
    folder = unpack(cache, record)
    stamp.write_text(json.dumps(record))
    return folder


class Packages:
    """The unpacked packages: `packages[name, arch]` is a directory."""

    def __init__(self, cache, update=False):
        """Take what is cached, or with `update` (and at the first run) what apt offers now."""
        cache = pathlib.Path(cache)
        stamp = cache / "packages.json"
        records = None if update or not stamp.exists() else json.loads(stamp.read_text())
        asked = {(suite, name, arch) for suite, name, arch in PACKAGES}
        if records is None or {(r["suite"], r["name"], r["arch"]) for r in records} != asked:
            with concurrent.futures.ThreadPoolExecutor() as pool:
                suites = pool.map(lambda suite: fetch_suite(cache, suite), COMPONENTS)
                records = [record for suite in suites for record in suite]
            log("packages downloaded")
        with concurrent.futures.ThreadPoolExecutor() as pool:
            folders = pool.map(lambda record: unpack(cache, record), records)
            self.folders = {(r["name"], r["arch"]): f for r, f in zip(records, folders)}
        working = stamp.with_suffix(f".{os.getpid()}")
        working.write_text(json.dumps(records, indent=1))
        working.rename(stamp)
        self.lock = "".join(sorted(f"{r['suite']} {r['arch']} {r['deb']} sha256:{r['sha256']}\n"
                                   for r in records))

    def __getitem__(self, key):
        return self.folders[key]
