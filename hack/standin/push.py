"""Upload of an image layout to a registry on plain HTTP (OCI distribution, Docker schema 2)."""

import http.client
import json
import urllib.parse

from .oci import DOCKER, OCI, OCI_INDEX, REF_NAME
from .tools import log

TIMEOUT = 300
INDEXES = (OCI_INDEX, "application/vnd.docker.distribution.manifest.list.v2+json")
MANIFESTS = (OCI.manifest, DOCKER.manifest)


class RegistryError(Exception):
    """An answer that was not expected."""


class Registry:
    """A client of one registry, on one kept connection."""

    def __init__(self, address):
        self.address = address
        self.connection = http.client.HTTPConnection(address, timeout=TIMEOUT)
        self.homes = {}                     # digest -> a repository that has the blob

    def call(self, method, path, body=None, headers=None, expect=(200, 201, 202)):
        """(status, headers); `body` may be bytes or an open file of known length."""
        try:
            self.connection.request(method, path, body, headers or {})
            answer = self.connection.getresponse()
            text = answer.read()
        except (OSError, http.client.HTTPException) as error:
            self.connection.close()
            raise RegistryError(f"{method} http://{self.address}{path}: {error}") from error
        if answer.status not in expect:
            raise RegistryError(f"{method} http://{self.address}{path}: {answer.status} {text!r}")
        return answer.status, answer.headers

    def _target(self, location):
        """Path and query of an upload's Location, which may be absolute or relative."""
        parts = urllib.parse.urlsplit(location)
        return parts.path, dict(urllib.parse.parse_qsl(parts.query))

    def blob(self, repository, entry, path):
        """Upload a blob unless the repository has it; take it from another one if possible."""
        digest, root = entry["digest"], f"/v2/{repository}/blobs"
        if self.call("HEAD", f"{root}/{digest}", expect=(200, 404))[0] == 200:
            self.homes.setdefault(digest, repository)
            return 0
        query = {}
        if digest in self.homes:
            query = {"mount": digest, "from": self.homes[digest]}
        status, headers = self.call("POST", f"{root}/uploads/?{urllib.parse.urlencode(query)}",
                                    headers={"Content-Length": "0"})
        if status == 201:                   # mounted
            return 0
        target, query = self._target(headers["Location"])
        query["digest"] = digest
        with open(path, "rb") as file:
            self.call("PUT", f"{target}?{urllib.parse.urlencode(query)}", file, {
                "Content-Type": "application/octet-stream", "Content-Length": str(entry["size"])})
        self.homes[digest] = repository
        return entry["size"]

    def manifest(self, repository, reference, entry, path):
        self.call("PUT", f"/v2/{repository}/manifests/{reference}", path.read_bytes(),
                  {"Content-Type": entry["mediaType"]})

    def has_manifest(self, repository, reference, entry):
        status, headers = self.call("HEAD", f"/v2/{repository}/manifests/{reference}",
                                    headers={"Accept": ", ".join(INDEXES + MANIFESTS)},
                                    expect=(200, 404))
        return status == 200 and headers.get("Docker-Content-Digest") == entry["digest"]


def push_image(registry, folder, repository, reference, entry):
    """One image with everything below it; bytes sent."""
    if registry.has_manifest(repository, reference, entry):
        return 0
    path = folder / "blobs/sha256" / entry["digest"].removeprefix("sha256:")
    document, sent = json.loads(path.read_text()), 0
    for child in document.get("manifests", []):
        sent += push_image(registry, folder, repository, child["digest"], child)
    for blob in [*document.get("layers", []), *filter(None, [document.get("config")])]:
        source = folder / "blobs/sha256" / blob["digest"].removeprefix("sha256:")
        sent += registry.blob(repository, blob, source)
    registry.manifest(repository, reference, entry, path)
    return sent


def push(folder, address):
    """Push every named image of a layout."""
    registry, sent = Registry(address), 0
    images = json.loads((folder / "index.json").read_text())["manifests"]
    for entry in images:
        repository, tag = entry["annotations"][REF_NAME].rsplit(":", 1)
        sent += push_image(registry, folder, repository, tag, entry)
    log(f"pushed {len(images)} images to {address}: {sent / 1e6:.0f} MB sent")
