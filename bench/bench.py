"""Measures htgate beside what else could stand in its place.

A. a file through nginx, with wrk: no password, the floor (an nginx that answers 204), htgate,
   auth_basic;
B. the gates asked directly, without an nginx in front;
C. an image of 100 layers, pushed and pulled with skopeo.

All subjects take turns in every round, so that a machine that slows down slows all of them.
"""

import argparse
import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

import report
from clients import DISTURBED, LAYERS, LoadClient, Skopeo, client_headers, measured, settle, wrk
from report import Samples, goal, number, table
from servers import CHECKOUT, URI, BenchError, Process, Stage, free_address, run, status

NO_AUTH = "no auth"
FLOOR = "`return 204`"
HTGATE = "htgate, cost 12"
SOCKETS = ("TCP", "unix socket")
# Ratios that are to be reached; the negative one is not to be exceeded.
GOAL_WARM, GOAL_DIRECT, GOAL_IMAGE = 0.95, 1.0, -1.10


@dataclass
class Subject:
    """Something that is measured in turn with others."""

    name: str
    address: str
    server: Process
    front: Process = None
    asks: bool = True
    slow: bool = False


def gates(stage):
    """The floor and htgate on one kind of socket, then on the other."""
    starts = {FLOOR: stage.floor, HTGATE: lambda a: stage.htgate(a, stage.htpasswd(12))}
    started = []
    for name, start in starts.items():
        addresses = (free_address(), stage.socket(f"gate-{len(started)}"))
        started.append((name, start(addresses), addresses))
    return [(f"{name}, {kind}", process, addresses[number], name == HTGATE)
            for number, kind in enumerate(SOCKETS) for name, process, addresses in started]


def through_nginx(stage, options):
    """Part A."""
    folder = stage.folder / "site"
    folder.mkdir()
    (folder / URI.removeprefix("/")).write_text("x" * 1023 + "\n")
    subjects = []

    def front(name, http="", server="", gate=None, **traits):
        address = free_address()
        block = f"{http} server {{ listen {address}; root {folder}; {server} }}"
        process = stage.nginx(f"front-{len(subjects)}", block, [address])
        subjects.append(Subject(name, address, gate or process, process, **traits))

    import os
    pin=os.environ.get("PIN")
    if pin: stay_on(0)
    front(NO_AUTH, asks=False)
    if pin: stay_on(1)
    gs=gates(stage)
    if pin: stay_on(0)
    for name, process, address, asks in gs:
        http, server = stage.gate(f"front-{len(subjects)}", address)
        front(name, http, server, process, asks=asks)
    for cost in (5, 10):
        server = f"auth_basic bench; auth_basic_user_file {stage.htpasswd(cost)};"
        front(f"`auth_basic`, cost {cost}", server=server)

    if pin: stay_on(1)
    samples = Samples("A")
    check(subjects, "http", URI)
    for turn, subject in turns(subjects, options.rounds):
        url = f"http://{subject.address}{URI}"
        load = measured(
            lambda seconds: wrk(url, client_headers(), seconds), subject.server, options.seconds,
            subject.front)
        samples.add(subject.name, turn, vars(load))
        progress("A", turn, subject.name, rate(load))

    rows = []
    for name in (subject.name for subject in subjects):
        def ratio(other):
            return samples.ratio(name, other, "requests_per_second")
        floor = name.replace(HTGATE, FLOOR)
        is_htgate = floor != name
        rows.append([name] + [number(samples.median(name, measure)) for measure in
                              ("requests_per_second", "p50_ms", "p99_ms", "front_us")] +
                    [number(samples.median(name, "server_us")) if name.endswith(SOCKETS) else ""] +
                    [f"{ratio(NO_AUTH):.3g}", f"{ratio(floor):.3f}" if is_htgate else "",
                     goal(ratio(floor), GOAL_WARM) if is_htgate else ""])
    head = ["A. a file through nginx", "requests/s", "p50 ms", "p99 ms", "nginx µs/request",
            "gate µs/request", "to no auth", "to the floor", "goal"]
    return samples, table(head, rows)


def directly(stage, options):
    """Part B."""
    request = stage.subrequest(client_headers())
    request_file = stage.folder / "request"
    request_file.write_bytes(request)
    lines = request.decode().split("\r\n")[1:-2]
    headers = dict(line.split(": ", 1) for line in lines)
    load_client = LoadClient(stage)
    subjects, loads = [], {}
    stay_on(0)
    found = gates(stage)
    stay_on(1)
    for name, process, address, asks in found:
        subjects.append(Subject(name, address, process, asks=asks))
        loads[name] = lambda seconds, a=address: load_client(a, request_file, seconds)
    for name, process, address, asks in found[:2]:
        subjects.append(Subject(f"{name}, wrk", address, process, asks=asks))
        loads[f"{name}, wrk"] = lambda seconds, a=address: wrk(
            f"http://{a}/auth", headers, seconds)

    samples = Samples("B")
    check([s for s in subjects if s.name.endswith("wrk")], "http", "/auth", 204)
    for turn, subject in turns(subjects, options.rounds):
        load = measured(loads[subject.name], subject.server, options.seconds)
        samples.add(subject.name, turn, vars(load))
        progress("B", turn, subject.name, rate(load))

    rows = []
    for name in (subject.name for subject in subjects):
        floor = name.replace(HTGATE, FLOOR)
        ratio = samples.ratio(name, floor, "requests_per_second")
        rows.append([name] + [number(samples.median(name, measure)) for measure in
                              ("requests_per_second", "p50_ms", "p99_ms", "server_us",
                               "server_busy", "client_busy")] +
                    ([f"{ratio:.3f}", goal(ratio, GOAL_DIRECT)] if floor != name else ["", ""]))
    head = ["B. asked directly", "requests/s", "p50 ms", "p99 ms", "server µs/request",
            "server busy", "client busy", "to the floor", "goal"]
    return samples, table(head, rows)


def images(stage, options):
    """Part C."""
    certificate = stage.folder / "certificate"
    run(["sh", CHECKOUT / "compose" / "certificate.sh", certificate])
    gate_address = stage.socket("htgate")
    htgate = stage.htgate([gate_address], stage.htpasswd(12))
    gate_http, gate_server = stage.gate("registry", gate_address)
    htpasswd = stage.htpasswd(10)
    open_registry = stage.registry("registry")
    own_registry = stage.registry(
        "registry-own", f"auth: {{htpasswd: {{realm: bench, path: {htpasswd}}}}}")
    subjects = []

    def front(name, server, registry=open_registry, passes_password=False, **traits):
        address = free_address()
        place = f"nginx-{len(subjects)}"
        replacements = {
            "server registry:5000;": f"server {registry};",
            "listen 443 ssl;": f"listen {address} ssl;",
            "/etc/nginx/certs": str(certificate),
            "include /etc/nginx/htgate-server.conf;": server,
            "access_log /var/log/nginx/access.log htgate;": "access_log off;",
        }
        if passes_password:
            replacements["proxy_set_header Authorization '';"] = ""
        site = stage.shipped("registry.conf", f"{place}.site.conf", replacements)
        process = stage.nginx(place, f"{gate_http} include {site};", [address])
        subjects.append(Subject(name, address, htgate, process, **traits))

    basic = f"auth_basic bench; auth_basic_user_file {htpasswd};"
    front(NO_AUTH, "", asks=False)
    front(HTGATE, gate_server)
    front("`auth_basic`, cost 10", basic, slow=True)
    front("registry's own htpasswd, cost 10", "", own_registry, passes_password=True, slow=True)

    samples = Samples("C")
    skopeo = Skopeo(stage)
    check(subjects, "https", "/v2/")
    skopeo.push_and_pull(subjects[0].address)
    for turn, subject in turns(subjects, max(3, options.rounds)):
        if subject.slow and turn >= (3 if options.full else 1):
            continue
        push, pull = skopeo.push_and_pull(subject.address)
        samples.add(subject.name, turn, {"push_s": push, "pull_s": pull})
        progress("C", turn, subject.name, f"push {push:.2f} s, pull {pull:.2f} s")
        settle([subject.server, subject.front])

    rows = []
    for name in (subject.name for subject in subjects):
        row = [name]
        for measure in ("push_s", "pull_s"):
            ratio = samples.ratio(name, NO_AUTH, measure)
            row += [f"{samples.median(name, measure):.2f}", f"{ratio:.2f}",
                    goal(ratio, GOAL_IMAGE) if name == HTGATE else ""]
        rows.append(row)
    head = [f"C. an image of {LAYERS} layers", "push s", "to no auth", "goal",
            "pull s", "to no auth", "goal"]
    return samples, table(head, rows)


def check(subjects, scheme, uri, good=200):
    """Before anything is measured: the right password passes, a wrong one does not."""
    for subject in subjects:
        url = f"{scheme}://{subject.address}{uri}"
        wanted = (good, 401 if subject.asks else good)
        seen = (status(url, client_headers()), status(url, client_headers("wrong")))
        if seen != wanted:
            raise BenchError(
                f"{subject.name} answers {seen[0]} to the right password and {seen[1]} to a wrong "
                f"one, and should {wanted[0]} and {wanted[1]}")


def stay_on(core):
    """What is started from now on stays there. Left to the scheduler, both sides share a core now
    and then, and the rate is half of what it was.
    """
    os.sched_setaffinity(0, {core % os.cpu_count()})


def turns(subjects, rounds):
    """Every subject in every round, to and fro: neighbours are compared, and stay neighbours."""
    for turn in range(rounds):
        for subject in subjects[::-1] if turn % 2 else subjects:
            yield turn, subject


def rate(load):
    """What progress says of a load."""
    others = f" (others took {load.others_busy:.0%})" if load.others_busy >= DISTURBED else ""
    return f"{number(load.requests_per_second)} requests/s{others}"


def progress(part, turn, name, result):
    """One line for whoever waits."""
    print(f"{part}, round {turn + 1}: {name}: {result}", file=sys.stderr, flush=True)


PARTS = {"A": through_nginx, "B": directly, "C": images}


def main():
    """The parts that are asked for, then the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--htgate", type=Path, default=CHECKOUT / "target/release/htgate")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3, help="of each load")
    parser.add_argument("--only", choices=PARTS, action="append", help="may be repeated")
    parser.add_argument("--full", action="store_true", help="3 rounds of the slow images, not 1")
    options = parser.parse_args()
    if options.rounds < 1 or options.seconds < 1:
        parser.error("--rounds and --seconds are at least 1")
    if not options.htgate.exists():
        parser.error(f"no {options.htgate.name} there; bench/bench.sh builds it")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    facts = report.circumstances(options.htgate, options)
    sections, samples = [], []
    for part in options.only or PARTS:
        os.sched_setaffinity(0, range(os.cpu_count()))
        with Stage(options.htgate) as stage:
            sampled, section = PARTS[part](stage, options)
        samples.append(sampled)
        sections.append(section)
        print(f"\n{section}", flush=True)
    report.save(sections, samples, facts)
    print("Written to bench/results/latest.md and latest.csv")


if __name__ == "__main__":
    try:
        main()
    except BenchError as error:
        sys.exit(f"bench: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
