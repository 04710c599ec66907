"""An image of many small layers, and skopeo, which pushes and pulls it."""

import gzip
import hashlib
import io
import json
import os
import secrets
import shutil
import tarfile
import time

from accounts import PASSWORD, USER
from stage import BenchError, run

LAYERS = 100

def image(folder):
    """An OCI layout with many small layers of random bytes, so that nothing is there already."""
    blobs = folder / "blobs" / "sha256"
    blobs.mkdir(parents=True)

    def blob(data, kind):
        digest = hashlib.sha256(data).hexdigest()
        (blobs / digest).write_bytes(data)
        media = f"application/vnd.oci.image.{kind}"
        return {"mediaType": media, "digest": f"sha256:{digest}", "size": len(data)}

    layers, diff_ids = [], []
    for number in range(LAYERS):
        content = secrets.token_bytes(4096)
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as tar:
            entry = tarfile.TarInfo(f"layer-{number}")
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
        diff_ids.append(f"sha256:{hashlib.sha256(buffer.getvalue()).hexdigest()}")
        layers.append(blob(gzip.compress(buffer.getvalue()), "layer.v1.tar+gzip"))
    config = {
        "architecture": "amd64", "os": "linux", "config": {},
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
    }
    manifest = {
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": blob(json.dumps(config).encode(), "config.v1+json"), "layers": layers,
    }
    entry = blob(json.dumps(manifest).encode(), "manifest.v1+json")
    entry["annotations"] = {"org.opencontainers.image.ref.name": "latest"}
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    return f"oci:{folder}:latest"


class Skopeo:
    """Pushes and pulls an image, each time as if for the first time."""

    def __init__(self, stage):
        self.folder = stage.folder
        self.image = image(stage.folder / "image")

    def push_and_pull(self, address):
        """Seconds that each of the two takes, with a repository of its own."""
        port = address.rsplit(":", 1)[1]
        name = f"docker://localhost:{port}/bench/{secrets.token_hex(8)}:latest"
        pulled = self.folder / "pulled"
        push = self.copy("dest", self.image, name)
        pull = self.copy("src", name, f"dir:{pulled}")
        layers = sum(1 for file in pulled.iterdir() if len(file.name) == 64)
        shutil.rmtree(pulled)
        if layers != LAYERS + 1:
            raise BenchError(f"skopeo pulled {layers} layers from {address}, not {LAYERS + 1}")
        return push, pull

    def copy(self, side, source, destination):
        """One run. A memory of its own, or it would mount what it has pushed elsewhere before."""
        memory = self.folder / "skopeo"
        # Root's memory is a fixed folder of the system, unless it takes itself for somebody else.
        environment = os.environ | {
            "_CONTAINERS_ROOTLESS_UID": "1000", "XDG_DATA_HOME": str(memory), "HOME": str(memory)}
        start = time.perf_counter()
        run(["skopeo", "--insecure-policy", "copy", "--quiet", f"--{side}-tls-verify=false",
             f"--{side}-creds={USER}:{PASSWORD}", source, destination], env=environment)
        elapsed = time.perf_counter() - start
        shutil.rmtree(memory, ignore_errors=True)
        return elapsed
