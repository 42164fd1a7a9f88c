"""All images of the release, version by version."""

import concurrent.futures
import os

from . import overlays
from .extensions import EXTENSIONS
from .oci import Image, Layout
from .tools import log
from .tree import Tree
from .versions import features

REGISTRY = "ghcr.io"        # as the catalogues of a real release name their images
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
IMAGER_TOOLS, INSTALLER_BASE, INSTALLER = 8 << 20, 30 << 20, 40 << 20
TALOSCTL_SIZE = 1 << 20
ELF, MACH_O, PE = b"\x7fELF", b"\xcf\xfa\xed\xfe", b"MZ"
TALOSCTL = {
    "linux-amd64": ELF, "linux-arm64": ELF, "linux-armv7": ELF,
    "darwin-amd64": MACH_O, "darwin-arm64": MACH_O,
    "freebsd-amd64": ELF, "freebsd-arm64": ELF,
    "windows-amd64.exe": PE, "windows-arm64.exe": PE,
}


class Release:
    """Plans images as (Image without layers, function that packs one platform's layers)."""

    def __init__(self, assets):
        self.assets, self.store = assets, assets.store
        self.arches = tuple(assets.sizes)

    def tools(self, arch, has, size):
        """The programs of an imager or installer image, which nobody looks into."""
        tree, folder = Tree(), "usr/bin" if has.usr_merge else "bin"
        if has.usr_merge:
            tree.symlink("bin", "usr/bin")
        tree.file(f"{folder}/installer", self.store.filler("installer", size), 0o755)
        tree.symlink(f"{folder}/imager", "installer")
        tree.file(f"{folder}/busybox", self.assets.busybox(arch), 0o755)
        return tree

    def imager(self, has, _arch):
        """One layer, below 1.10 two; every platform has the assets of all architectures."""
        tools = self.tools(self.arches[0], has, IMAGER_TOOLS)
        self.assets.add_grub(tools)
        installs = tools if has.usr_merge else Tree()
        for arch in self.arches:
            self.assets.add_install(installs, arch, has)
        return [self.store.layer(tree) for tree in dict.fromkeys((tools, installs))]

    def installer_base(self, has, arch):
        return [self.store.layer(self.tools(arch, has, INSTALLER_BASE))]

    def installer(self, has, arch):
        """Exactly two layers: programs, boot assets."""
        install = Tree()
        self.assets.add_install(install, arch, has)
        return [self.store.layer(self.tools(arch, has, INSTALLER)), self.store.layer(install)]

    def talosctl(self, _has, _arch):
        tree = Tree()
        for name, magic in TALOSCTL.items():
            body = self.store.filler(f"talosctl {name}", TALOSCTL_SIZE).read_bytes()
            tree.file(f"talosctl-{name}", magic + body, 0o755)
        return [self.store.layer(tree)]

    def plan(self, tag):
        """[(repository, image tag, pack, docker)]: images of one version without the catalogues.

        pack(arch) gives the layers of one platform.
        """
        has, plan = features(tag), []

        def add(repository, image_tag, pack, docker=False):
            plan.append((f"siderolabs/{repository}", image_tag, pack, docker))

        add("imager", tag, lambda arch: self.imager(has, arch))
        if has.installer_base:
            add("installer-base", tag, lambda arch: self.installer_base(has, arch))
        else:
            add("installer", tag, lambda arch: self.installer(has, arch))
        if has.talosctl:
            add("talosctl-all", tag, lambda arch: self.talosctl(has, arch))
        for extension in EXTENSIONS:
            add(extension.name, extension.tag(tag, has),
                lambda arch, e=extension: e.layers(self.assets, tag, has, arch),
                docker=extension.shape == "docker")
        if has.overlays:
            for name, repository in overlays.REPOSITORIES.items():
                add(repository.removeprefix("siderolabs/"), overlays.TAG,
                    lambda arch, n=name: overlays.layers(self.assets, n, arch))
        return plan

    def config(self, repository, tag):
        """Runtime configuration; only the imager and the installers have one."""
        program = {"siderolabs/imager": "imager", "siderolabs/installer": "installer",
                   "siderolabs/installer-base": "installer"}.get(repository)
        if program is None:
            return {}
        return {"Env": [f"PATH={PATH}", f"VERSION={tag}"], "Entrypoint": [f"/bin/{program}"],
                "Labels": {"alpha.talos.dev/version": tag,
                           "org.opencontainers.image.source": "https://github.com/siderolabs/talos"}}

    def catalogues(self, tag, digests):
        """The images that list the others, by digest."""
        has, lines, descriptions = features(tag), [], []
        for extension in EXTENSIONS:
            name = f"siderolabs/{extension.name}:{extension.tag(tag, has)}"
            line = f"{REGISTRY}/{name}@{digests[name]}"
            text = "".join(f"        {part}\n" for part in extension.description.splitlines())
            lines.append(line)
            descriptions.append(f"{line}:\n    author: {extension.author}\n"
                                f"    description: |\n{text}")
        catalogue = Tree()
        catalogue.file("image-digests", "\n".join(lines) + "\n")
        if has.descriptions:
            catalogue.file("descriptions.yaml", "".join(descriptions))
        yield self._same_everywhere("siderolabs/extensions", tag, catalogue)
        if has.overlays:
            entries = "".join(
                f"  - name: {name}\n    image: {REGISTRY}/{repository}:{overlays.TAG}\n"
                f"    digest: {digests[f'{repository}:{overlays.TAG}']}\n"
                for name, repository in overlays.REPOSITORIES.items())
            catalogue = Tree()
            catalogue.file("overlays.yaml", f"overlays:\n{entries}")
            yield self._same_everywhere("siderolabs/overlays", tag, catalogue)

    def _same_everywhere(self, repository, tag, tree):
        layer = self.store.layer(tree)
        return Image(repository, tag, {arch: [layer] for arch in self.arches})

    def layout(self, versions):
        """Everything of these versions, packed and listed."""
        layout, digests, futures = Layout(self.store), {}, {}
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            for tag in versions:
                for repository, image_tag, pack, docker in self.plan(tag):
                    arches = self.arches[:1] if docker else self.arches
                    futures.setdefault((repository, image_tag, docker),
                                       {arch: pool.submit(pack, arch) for arch in arches})
            for (repository, tag, docker), platforms in futures.items():
                layers = {arch: future.result() for arch, future in platforms.items()}
                image = Image(repository, tag, layers, self.config(repository, tag), docker)
                digests[image.name] = layout.add(image)
                if repository == "siderolabs/imager":
                    log(tag)
        for tag in versions:
            for image in self.catalogues(tag, digests):
                layout.add(image)
        return layout
