"""OCI manifests, and the image layout on disk that holds them."""

import hashlib
import json
import os
import shutil
from dataclasses import dataclass, field

from .store import Layer
from .tools import sha256

CREATED = "2025-07-31T22:13:20Z"            # tree.EPOCH as text
REF_NAME = "org.opencontainers.image.ref.name"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"


@dataclass(frozen=True)
class MediaTypes:
    manifest: str
    config: str
    layers: dict


OCI = MediaTypes(
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.oci.image.config.v1+json",
    {"gzip": "application/vnd.oci.image.layer.v1.tar+gzip",
     "zstd": "application/vnd.oci.image.layer.v1.tar+zstd",
     "none": "application/vnd.oci.image.layer.v1.tar"})
DOCKER = MediaTypes(
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.container.image.v1+json",
    {"gzip": "application/vnd.docker.image.rootfs.diff.tar.gzip",
     "none": "application/vnd.docker.image.rootfs.diff.tar"})


@dataclass(frozen=True)
class Image:
    """One tagged image: an index over its platforms, or with Docker's types a bare manifest."""

    repository: str
    tag: str
    platforms: dict                             # architecture -> [Layer]
    config: dict = field(default_factory=dict)
    docker: bool = False

    @property
    def name(self):
        return f"{self.repository}:{self.tag}"


def encode(value):
    return json.dumps(value, separators=(",", ":")).encode()


def descriptor(media_type, data, **more):
    return {"mediaType": media_type, "size": len(data), "digest": f"sha256:{sha256(data)}", **more}


class Layout:
    """Collects images; `write` makes the directory."""

    def __init__(self, store):
        self.store = store
        self.layers, self.documents, self.names = {}, {}, {}

    def add(self, image):
        """Take an image in; its digest, "sha256:...". """
        types = DOCKER if image.docker else OCI
        children = [self._manifest(types, arch, layers, image.config)
                    for arch, layers in image.platforms.items()]
        if image.docker:
            (top,) = children
            top = {key: top[key] for key in ("mediaType", "size", "digest")}
        else:
            top = self._document(OCI_INDEX, {
                "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": children})
        self.names[image.name] = top
        return top["digest"]

    def _document(self, media_type, value):
        data = encode(value)
        self.documents[sha256(data)] = data
        return descriptor(media_type, data)

    def _manifest(self, types, arch, layers, config):
        entries = [self._layer(types, layer) for layer in layers]
        settings = self._document(types.config, {
            "architecture": arch, "os": "linux", "created": CREATED, "config": config,
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{x.diff_id}" for x in layers]},
            "history": [{"created": CREATED, "created_by": "hack/release"} for _ in layers]})
        manifest = self._document(types.manifest, {
            "schemaVersion": 2, "mediaType": types.manifest,
            "config": settings, "layers": entries})
        return {**manifest, "platform": {"architecture": arch, "os": "linux"}}

    def _layer(self, types, layer: Layer):
        self.layers[layer.digest] = layer
        return {"mediaType": types.layers[layer.compression], "size": layer.size,
                "digest": f"sha256:{layer.digest}"}

    def write(self, folder):
        """Write what is missing, remove blobs that no image has any more; bytes written."""
        blobs, written = folder / "blobs/sha256", 0
        blobs.mkdir(parents=True, exist_ok=True)
        for digest, layer in self.layers.items():
            target = blobs / digest
            if not (target.exists() and target.stat().st_size == layer.size):
                # a copy, not a link: whoever damages the layout must not damage the cache
                place(target, lambda path, digest=digest: shutil.copyfile(
                    self.store.path(digest), path))
                written += layer.size
        for digest, data in self.documents.items():
            if not (blobs / digest).exists():
                place(blobs / digest, lambda path, data=data: path.write_bytes(data))
                written += len(data)
        for path in blobs.iterdir():
            if path.name not in self.layers and path.name not in self.documents:
                path.unlink()
        place(folder / "oci-layout",
              lambda path: path.write_bytes(encode({"imageLayoutVersion": "1.0.0"})))
        manifests = [{**top, "annotations": {REF_NAME: name}}
                     for name, top in sorted(self.names.items())]
        index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": manifests}
        place(folder / "index.json", lambda path: path.write_bytes(
            json.dumps(index, indent=1).encode() + b"\n"))
        return written


def place(target, write):
    """Write a file under another name and move it into place."""
    working = target.with_name(f".{target.name}.{os.getpid()}")
    write(working)
    os.replace(working, target)


def damaged(folder):
    """Digests of blobs that an existing layout names but does not hold whole."""
    wrong = []
    for digest, size in contents(folder):
        path = folder / "blobs/sha256" / digest
        if not path.exists() or path.stat().st_size != size:
            wrong.append(digest)
    return wrong


def contents(folder):
    """(hex digest, size) of everything below index.json; documents that are gone end a branch."""
    todo = list(json.loads((folder / "index.json").read_text())["manifests"])
    while todo:
        entry = todo.pop()
        digest = entry["digest"].removeprefix("sha256:")
        yield digest, entry["size"]
        path = folder / "blobs/sha256" / digest
        if entry["mediaType"] in (OCI_INDEX, OCI.manifest, DOCKER.manifest) and path.exists():
            data = path.read_bytes()
            if hashlib.sha256(data).hexdigest() == digest:
                document = json.loads(data)
                todo += document.get("manifests", [])
                todo += document.get("layers", [])
                todo += [document["config"]] if "config" in document else []
