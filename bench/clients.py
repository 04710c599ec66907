"""The clients that ask: wrk, our own load client, and single logins."""

import base64
import http.client
import re
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

from accounts import PASSWORD, USER
from servers import URI
from stage import BenchError, run

CONNECTIONS = 32
# Of those who guess.
ATTACKERS = 64
# Seconds of a load that is ended by whoever started it.
FOREVER = 3600
AGENT = ("docker/24.0.7 go/go1.20.10 git-commit/311b9ff kernel/6.1.0 os/linux arch/amd64 "
         "UpstreamClient(Docker-Client/24.0.7 \\(linux\\))")


def client_headers(password=PASSWORD, user=USER):
    """What docker sends, as far as it matters here."""
    pair = base64.b64encode(f"{user}:{password}".encode()).decode()
    return {"Authorization": f"Basic {pair}", "User-Agent": AGENT}


@dataclass
class Load:
    """What one run of a load client saw, and what it cost."""

    requests_per_second: float
    # None, if there was not a single answer.
    p50_ms: float | None
    p99_ms: float | None
    # Answers by status, and connections that the server closed; our own client tells them.
    statuses: dict = field(default_factory=dict)
    closed: int = 0
    # Shares of one core. A client near 1 is what limits the rate, and not the server.
    client_busy: float = 0
    server_busy: float = 0
    # What all other processes of the machine took.
    others_busy: float = 0
    # Processor time of each server that was named, by request.
    server_us: float = 0
    front_us: float = 0

    def numbers(self):
        """What is kept of it."""
        return {name: value for name, value in vars(self).items() if name != "statuses"}


def wrk(url, headers, seconds, tolerate=False):
    """wrk with one thread. Any answer but 2xx is an error, unless that is to be tolerated."""
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--timeout", "60s", "--latency"]
    for name, value in headers.items():
        command += ["-H", f"{name}: {value}"]
    text = run([*command, url])
    wrong = re.search(r"Non-2xx.*|Socket errors.*", text)
    if wrong and not tolerate:
        raise BenchError(f"wrk at {url} saw: {wrong[0]}")
    rate = re.search(r"Requests/sec:\s+([\d.]+)", text)
    waits = {p: float(n) * UNITS[u] for p, n, u in re.findall(r"(\d+)%\s+([\d.]+)(us|ms|s)", text)}
    # wrk prints zeros, if there was no answer.
    return Load(float(rate[1]), waits.get("50") or None, waits.get("99") or None)


UNITS = {"us": 1e-3, "ms": 1, "s": 1e3}


class LoadClient:
    """bench/load/, compiled. Its options are explained there."""

    def __init__(self, stage):
        self.binary = stage.folder / "load"
        source = Path(__file__).parent / "load" / "main.rs"
        run(["rustc", "--edition", "2024", "-O", "-o", self.binary, source])

    def __call__(self, address, request, seconds, connections=CONNECTIONS, **options):
        """Asks, and waits for the end of it."""
        return self.start(address, request, seconds, connections, **options).result()

    def start(self, address, request, seconds, connections=CONNECTIONS, **options):
        """Asks in the background."""
        options |= {"address": address, "request": request, "seconds": seconds,
                    "connections": connections}
        arguments = [f"{name}={value}" for name, value in options.items()]
        return Running(address, subprocess.Popen(
            [self.binary, *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True))


class Running:
    """A load that goes on. Leaving it by an exception ends it."""

    def __init__(self, address, popen):
        self.address, self.popen = address, popen

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.popen.kill()
        self.popen.communicate()

    def result(self):
        """What it saw, when it has ended."""
        out, error = self.popen.communicate()
        if self.popen.returncode != 0:
            words = error.strip() or "the load client was ended"
            raise BenchError(f"at {self.address}: {words}")
        seen = dict(line.split() for line in out.splitlines())
        seconds, p50, p99 = (float(seen.pop(key)) for key in ("seconds", "p50_us", "p99_us"))
        count = int(seen.pop("requests"))
        closed = int(seen.pop("closed"))
        statuses = {int(code): int(count) for code, count in seen.items()}
        p50_ms, p99_ms = (value / 1e3 if count else None for value in (p50, p99))
        return Load(count / seconds, p50_ms, p99_ms, statuses, closed)


def plain_request(stage, uri=URI):
    """The file with what a client with the right password asks."""
    return request(stage, "right", uri, client_headers()["Authorization"])


def guess_request(stage, uri=URI):
    """The file with what an attacker asks; our load client puts the guess in."""
    return request(stage, "guess", uri, "Basic {basic}")


def request(stage, name, uri, authorization):
    """A request of a client with this header."""
    return stage.write(
        f"request-{name}-{uri.strip('/').replace('/', '-')}",
        f"GET {uri} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: {AGENT}\r\n"
        f"Authorization: {authorization}\r\n\r\n")


def login(address, user, source="127.0.0.1", uri=URI, patience=60):
    """One request on a connection of its own; returns the status and the seconds it took."""
    host, port = address.rsplit(":", 1)
    connection = http.client.HTTPConnection(
        host, int(port), timeout=patience, source_address=(source, 0))
    try:
        connection.connect()
        start = time.perf_counter()
        connection.request("GET", uri, headers=client_headers(user=user))
        answer = connection.getresponse()
        answer.read()
        return answer.status, time.perf_counter() - start
    finally:
        connection.close()
