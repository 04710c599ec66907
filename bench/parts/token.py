"""What a token costs beside the bare signature in it, and whether tokens cost /auth anything.

Run it with --only token. The bare signature is bench/sign/, which signs a message as long as a
token's, with the same library and key and on the same core as htgate, and does nothing else.
htgate is asked for tokens with a remembered password and without any: directly over a unix socket,
on a core of its own, and through nginx. What counts is its processor time for each token, since
the clients share the cores.
"""

import base64
import json
import os
import subprocess
from urllib.parse import urlencode

import servers
from accounts import one_user
from clients import LoadClient, client_headers, wrk
from findings import Findings, Goal, Samples, number, ratio
from measure import measured, rate, stay_on, turns
from parts.access import subrequest
from peers import Subject
from stage import CHECKOUT, BenchError, free_address
from stage import run as command

SERVICE = "registry.example.com"
RULES = """
[[access]]
users = ["*"]
repositories = ["team/**"]
actions = ["pull", "push"]
[[access]]
users = ["anonymous"]
repositories = ["public/**"]
actions = ["pull"]
"""
# In a round, so many that starting the process is little beside them.
SIGNATURES = {"ES256": 30_000, "RS256": 1_000}
PASSWORD, NOBODY = "a remembered password", "nobody's"
WITH, WITHOUT = "`/auth`, with `[token]`", "`/auth`, without"
# Many short turns: what is looked for is less than the machine's own unrest.
TURNS = 8
LEAST = 0.95


def run(stage, options):
    """Signatures, tokens and /auth in every round; then /auth alone, with tokens and without."""
    load_client, signer = LoadClient(stage), build()
    htpasswd = one_user(stage, "12")
    auth = stage.write("auth", subrequest())
    stay_on(0)
    gates = {algorithm: Gate(stage, htpasswd, algorithm) for algorithm in SIGNATURES}
    plain = Gate(stage, htpasswd)
    stay_on(1)

    def direct(name, gate, request):
        return Subject(name, gate.address, [gate.process]), lambda seconds: load_client(
            gate.address, request, seconds)

    subjects = []
    for algorithm, gate in gates.items():
        subjects += [direct(f"{algorithm}, {whose}", gate, gate.request(whose))
                     for whose in (PASSWORD, NOBODY)]
    compared = [direct(WITH, gates["ES256"], auth), direct(WITHOUT, plain, auth)]
    subjects += compared
    samples = Samples()
    for turn, (subject, load) in turns(subjects, options.rounds):
        if subject is subjects[0][0]:
            stay_on(0)
            for algorithm, gate in gates.items():
                samples.add(alone(algorithm), turn, gate.sign(signer, SIGNATURES[algorithm]))
            stay_on(1)
        seen = measured(load, subject.processes, options)
        samples.add(subject.name, turn, seen.numbers())
        options.progress("token", turn, subject.name, f"{rate(seen)}, {seen.server_us:.1f} µs each")
    for turn, (subject, load) in turns(compared, TURNS * options.rounds):
        samples.add(f"{subject.name}, in short turns", turn, load(1).numbers())

    stay_on(None)
    fronts = [gate.front(whose) for gate in gates.values() for whose in (PASSWORD, NOBODY)]
    for turn, (subject, load) in turns(fronts, options.rounds):
        seen = measured(load, subject.processes, options)
        samples.add(subject.name, turn, seen.numbers())
        options.progress("token", turn, subject.name, f"{rate(seen)}, {seen.server_us:.1f} µs each")
    return findings(samples, [subject.name for subject, _ in subjects + fronts])


def findings(samples, names):
    """The table, with each token beside its signature."""
    rows = []
    for algorithm in SIGNATURES:
        spent = samples.median(alone(algorithm), "server_us")
        rows.append([alone(algorithm), "", "", number(spent), number(1e6 / spent), ratio(1)])
    for name in names:
        spent = samples.median(name, "server_us")
        signature = alone(name.split(",")[0])
        rows.append([name, number(samples.median(name, "requests_per_second")),
                     number(samples.median(name, "p99_ms")), number(spent), number(1e6 / spent),
                     "" if "/auth" in name else ratio(samples.ratio(name, signature, "server_us"))])
    short = [f"{name}, in short turns" for name in (WITH, WITHOUT)]
    rows += [[name, number(samples.median(name, "requests_per_second")),
              number(samples.median(name, "p99_ms")), "", "", ""] for name in short]
    goals = [Goal("`/auth` requests/s with `[token]`, to without",
                  samples.ratio(*short, "requests_per_second"), least=LEAST)]
    head = ["asked for", "requests/s", "p99 ms", "htgate's processor µs each",
            "each second of one core", "to the signature alone"]
    return Findings("Tokens", samples, head, rows, goals)


def alone(algorithm):
    """The name of the bare signature."""
    return f"{algorithm}, the signature alone"


def build():
    """The bare signature, compiled as htgate is, with what is compiled for it already."""
    target = CHECKOUT / "target"
    command(["cargo", "build", "-q", "--release", "--locked", "--target-dir", target],
            cwd=CHECKOUT / "bench" / "sign")
    return target / "release" / "sign-bench"


class Gate:
    """An htgate that signs tokens, or one that does not."""

    def __init__(self, stage, htpasswd, algorithm=None):
        self.stage, self.algorithm = stage, algorithm
        self.address = stage.socket("htgate")
        name = stage.fresh("tokens")
        settings = RULES
        if algorithm:
            self.folder = stage.folder / name
            command([stage.htgate_binary, "token", "init", self.folder, "--algorithm", algorithm])
            settings = (f"[token]\nkey = '{self.folder}/token.key'\n"
                        f"certificate = '{self.folder}/token.crt'\nservice = '{SERVICE}'\n{RULES}")
        config = stage.write(f"{name}.toml", settings)
        self.process = servers.htgate(stage, [self.address], htpasswd, "--config", config)

    def request(self, whose):
        """What nginx sends for a client that wants a token."""
        lines = "".join(f"{name}: {value}\r\n" for name, value in (
            headers(whose) | {"X-Real-IP": "127.0.0.1"}).items())
        return self.stage.write(
            self.stage.fresh("request"),
            f"GET /token?{query(whose)} HTTP/1.1\r\nHost: htgate\r\n{lines}\r\n")

    def front(self, whose):
        """The shipped token location before it, and a load for that."""
        address, name = free_address(), self.stage.fresh("front")
        http = servers.shipped(self.stage, "htgate.conf", f"{name}.http.conf",
                               {servers.SHIPPED_SOCKET: self.address})
        location = servers.shipped(self.stage, "htgate-token.conf", f"{name}.token.conf", {})
        block = f"include {http}; server {{ listen {address}; include {location}; }}"
        process = servers.nginx(self.stage, name, block, [address])
        subject = Subject(f"{self.algorithm}, {whose}, through nginx", address,
                          [self.process, process], f"/auth/token?{query(whose)}")
        return subject, lambda seconds: wrk(subject.url, headers(whose), seconds)

    def sign(self, signer, count):
        """The time of the bare signature, for a message as long as that of a token."""
        key = self.folder / "token.der"
        pem = (self.folder / "token.key").read_text().splitlines()
        key.write_bytes(base64.b64decode("".join(line for line in pem if "-----" not in line)))
        length = len(self.token().rpartition(".")[0])

        def spent(count):
            process = subprocess.Popen(list(map(str, [signer, self.algorithm, key, length, count])),
                                       stdin=subprocess.DEVNULL)
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            if process.returncode != 0:
                raise BenchError("bench/sign failed; it says why above")
            return usage.ru_utime + usage.ru_stime

        # What starting the process takes is not the signatures'.
        return {"server_us": (spent(count) - spent(0)) * 1e6 / count}

    def token(self):
        """One, as a client gets it."""
        path = self.address.removeprefix("unix:")
        sent = [part for name, value in headers(PASSWORD).items()
                for part in ("-H", f"{name}: {value}")]
        answer = command(["curl", "-s", "--fail", "--unix-socket", path, *sent,
                          f"http://htgate/token?{query(PASSWORD)}"])
        return json.loads(answer)["token"]


def headers(whose):
    """A client's, with its password or without."""
    sent = client_headers()
    if whose == NOBODY:
        del sent["Authorization"]
    return sent


def query(whose):
    """One scope, which is granted."""
    scope = ("repository:public/app:pull" if whose == NOBODY else "repository:team/app:pull,push")
    return urlencode({"service": SERVICE, "scope": scope})
