"""A small file, asked for over and over by somebody whose password is right: what each protection
costs when nothing is wrong.

Nobody is kept on a core: nginx, what stands behind it and wrk share the machine's two.
"""

import accounts
import peers
from clients import client_headers, wrk
from findings import Chart, Findings, Goal, Samples, number, ratio
from measure import measured, rate, turns

HTGATE_12 = f"{peers.HTGATE}, cost 12"
LEAST = 0.95
# One hash each time; a round more says no more of them.
SLOW_ROUNDS = 3


def run(stage, options):
    """Every subject in every round."""
    subjects = start(stage, options.quick)
    peers.check(subjects)
    samples = Samples()
    for turn, subject in turns(subjects, options.rounds):
        if subject.slow and turn >= SLOW_ROUNDS:
            continue
        load = measured(
            lambda seconds: wrk(subject.url, client_headers(), seconds), subject.processes,
            options)
        samples.add(subject.name, turn, load.numbers())
        options.progress("warm", turn, subject.name, rate(load))

    rows, goals = [], []
    for name in (subject.name for subject in subjects):
        def to(other, name=name):
            return samples.ratio(name, other, "requests_per_second")
        floor = name.replace(HTGATE_12, peers.FLOOR)
        if floor != name:
            goals.append(Goal(f"{name}, to the floor", to(floor), least=LEAST))
        rows.append([name] + [number(samples.median(name, measure)) for measure in
                              ("requests_per_second", "p50_ms", "p99_ms", "front_us")] +
                    [ratio(to(peers.NO_AUTH)), ratio(to(floor)) if floor != name else ""])
    head = ["a file through", "requests/s", "p50 ms", "p99 ms", "processor µs/request",
            "to no auth", "to the floor"]
    chart = Chart("Warm: a small file, the right password", "requests a second",
                  [subject.name for subject in subjects],
                  {"requests/s": [samples.median(subject.name, "requests_per_second")
                                  for subject in subjects]}, logarithmic=True)
    return Findings("Warm", samples, head, rows, goals, chart=chart)


def start(stage, quick):
    """All that can stand there."""
    bcrypt = {cost: accounts.one_user(stage, cost) for cost in ("5", "10", "12")}
    subjects = [peers.no_auth(stage)]
    for name, process, address in peers.gates(stage, bcrypt["12"], HTGATE_12):
        subjects.append(peers.behind_gate(
            stage, name, process, address, asks=name.startswith(peers.HTGATE)))
    if not quick:
        for kind in ("plain", "sha"):
            users = accounts.one_user(stage, kind)
            subjects.append(peers.auth_basic(stage, users, f"`auth_basic`, {kind}"))
        subjects.append(peers.auth_basic(stage, bcrypt["5"], "`auth_basic`, cost 5", slow=True))
    subjects.append(peers.auth_basic(stage, bcrypt["10"], "`auth_basic`, cost 10", slow=True))
    if not quick:
        subjects.append(peers.auth_basic(stage, bcrypt["12"], "`auth_basic`, cost 12", slow=True))
        subjects.append(peers.apache(stage, bcrypt["10"], "Apache, cost 10", slow=True))
    return subjects + [
        peers.apache(stage, bcrypt["10"], "Apache + authn_socache, cost 10", remembers=True,
                     slow=True),
        peers.own_registry(stage, bcrypt["10"], "registry's own htpasswd, cost 10", slow=True),
        peers.caddy(stage, bcrypt["10"], "Caddy, cost 10"),
        peers.cached_subrequest(stage, bcrypt["10"], "`auth_request` + `proxy_cache`, cost 10"),
    ]
