"""The gates asked directly, without an nginx in front: what a subrequest costs at its other end.

The server has one core and the client the other; see measure.stay_on. Over TCP wrk asks too, for
whoever mistrusts our own client.
"""

import accounts
import peers
from clients import LoadClient, client_headers, wrk
from findings import Findings, Goal, Samples, number, ratio
from measure import measured, rate, stay_on, turns
from peers import Subject
from servers import subrequest

HTGATE_12 = f"{peers.HTGATE}, cost 12"
LEAST = 1.0


def run(stage, options):
    """What nginx sends a gate, sent by a client."""
    recorded = subrequest(stage, client_headers())
    request = stage.folder / "request"
    request.write_bytes(recorded)
    headers = dict(line.split(": ", 1) for line in recorded.decode().split("\r\n")[1:-2])
    load_client = LoadClient(stage)
    stay_on(0)
    gates = peers.gates(stage, accounts.one_user(stage, "12"), HTGATE_12)
    stay_on(1)
    subjects, loads = [], {}
    for name, process, address in gates:
        subjects.append(Subject(name, address, [process]))
        loads[name] = lambda seconds, a=address: load_client(a, request, seconds)
    for name, process, address in gates[:2]:
        subject = Subject(f"{name}, wrk", address, [process], "/auth", peers.HTGATE in name)
        subjects.append(subject)
        loads[subject.name] = lambda seconds, u=subject.url: wrk(u, headers, seconds)

    peers.check(subjects[-2:], good=204)
    samples = Samples()
    for turn, subject in turns(subjects, options.rounds):
        load = measured(loads[subject.name], subject.processes, options)
        samples.add(subject.name, turn, load.numbers())
        options.progress("direct", turn, subject.name, rate(load))

    rows, goals = [], []
    for name in (subject.name for subject in subjects):
        floor = name.replace(HTGATE_12, peers.FLOOR)
        to_floor = samples.ratio(name, floor, "requests_per_second")
        if floor != name:
            goals.append(Goal(f"{name}, to the floor", to_floor, least=LEAST))
        rows.append([name] + [number(samples.median(name, measure)) for measure in
                              ("requests_per_second", "p50_ms", "p99_ms", "server_us",
                               "server_busy", "client_busy")] +
                    [ratio(to_floor) if floor != name else ""])
    head = ["asked directly", "requests/s", "p50 ms", "p99 ms", "server µs/request", "server busy",
            "client busy", "to the floor"]
    return Findings("Asked directly", samples, head, rows, goals)
