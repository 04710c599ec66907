"""Asks what servers.py has started: wrk, our own load client, and skopeo with an image."""

import base64
import gzip
import hashlib
import io
import json
import os
import re
import resource
import secrets
import shutil
import tarfile
import time
from dataclasses import dataclass
from pathlib import Path

from servers import PASSWORD, USER, BenchError, run

CONNECTIONS = 32
LAYERS = 100


def client_headers(password=PASSWORD):
    """What docker sends, as far as it matters here."""
    pair = base64.b64encode(f"{USER}:{password}".encode()).decode()
    return {
        "Authorization": f"Basic {pair}",
        "User-Agent": "docker/24.0.7 go/go1.20.10 git-commit/311b9ff kernel/6.1.0 os/linux "
                      "arch/amd64 UpstreamClient(Docker-Client/24.0.7 \\(linux\\))",
    }


@dataclass
class Load:
    """What one run of a load client saw, and what it cost."""

    requests_per_second: float
    p50_ms: float
    p99_ms: float
    # Shares of one core. A client near 1 is what limits the rate, and not the server.
    client_busy: float = 0
    server_busy: float = 0
    # What all other processes of the machine took.
    others_busy: float = 0
    # Processor time of each server that was named, by request.
    server_us: float = 0
    front_us: float = 0


def wrk(url, headers, seconds):
    """wrk with one thread. Any answer but 2xx is an error."""
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--timeout", "60s", "--latency"]
    for name, value in headers.items():
        command += ["-H", f"{name}: {value}"]
    text = run([*command, url])
    wrong = re.search(r"Non-2xx.*|Socket errors.*", text)
    if wrong:
        raise BenchError(f"wrk at {url} saw: {wrong[0]}")
    rate = re.search(r"Requests/sec:\s+([\d.]+)", text)
    waits = {p: float(n) * UNITS[u] for p, n, u in re.findall(r"(\d+)%\s+([\d.]+)(us|ms|s)", text)}
    # What it has not had a single answer to, it has no percentiles of either.
    return Load(float(rate[1]), waits.get("50", 0), waits.get("99", 0))


UNITS = {"us": 1e-3, "ms": 1, "s": 1e3}


class LoadClient:
    """bench/load.rs, compiled: wrk's like, for unix sockets."""

    def __init__(self, stage):
        self.binary = stage.folder / "load"
        source = Path(__file__).with_name("load.rs")
        run(["rustc", "--edition", "2024", "-O", "-o", self.binary, source])

    def __call__(self, address, request_file, seconds):
        text = run([self.binary, address, request_file, CONNECTIONS, seconds])
        count, elapsed, p50, p99 = map(float, text.split())
        return Load(count / elapsed, p50 / 1e3, p99 / 1e3)


def measured(load, server, seconds, front=None):
    """Runs a load of some seconds after a short one, and clocks both sides of it.

    Once more, and at most four times, if something else on the machine got in the way.
    """
    servers = [process for process in (server, front) if process]
    load(1)
    for _ in range(1 + PATIENCE):
        settle(servers)
        before = [client_cpu(), machine_cpu(), *(process.cpu_seconds() for process in servers)]
        start = time.perf_counter()
        result = load(seconds)
        elapsed = time.perf_counter() - start
        after = [client_cpu(), machine_cpu(), *(process.cpu_seconds() for process in servers)]
        client, machine, *spent = (new - old for old, new in zip(before, after, strict=True))
        result.client_busy, result.server_busy = client / elapsed, spent[0] / elapsed
        result.others_busy = (machine - client - sum(spent)) / elapsed
        requests = max(1, result.requests_per_second * elapsed)
        result.server_us, result.front_us = spent[0] * 1e6 / requests, spent[-1] * 1e6 / requests
        if result.others_busy < DISTURBED:
            break
        time.sleep(5)
    settle(servers)
    return result


# Of one core. What the kernel does for itself stays below.
DISTURBED = 0.15
PATIENCE = 4


def client_cpu():
    """Seconds that the clients that have ended were on the processor."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def machine_cpu():
    """Seconds that all cores were busy, and those that the host took away from them."""
    user, nice, system, _idle, _wait, irq, softirq, steal = map(
        int, Path("/proc/stat").read_text().split()[1:9])
    ticks = user + nice + system + irq + softirq + steal
    return ticks / os.sysconf("SC_CLK_TCK")


def settle(servers):
    """Waits until the servers are idle: nginx goes on hashing for clients that have gone."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        before = sum(server.cpu_seconds() for server in servers)
        time.sleep(0.1)
        if sum(server.cpu_seconds() for server in servers) - before < 0.01:
            return
    raise BenchError("the servers are still busy a minute after their last client has gone")


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
