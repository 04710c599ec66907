"""One htgate beside another in the same rounds: what a change of the program did to warm requests
and to a registry's users. `--before` names the older binary.
"""

import accounts
import peers
import servers
from clients import LoadClient, client_headers, wrk
from findings import Findings, Goal, Samples, number, ratio
from measure import measured, rate, settle, turns
from parts.images import certificate, registry_front
from skopeo import Skopeo
from stage import BenchError, free_address

LEAST = 0.97
MANY = 1_000_000
BEFORE, AFTER = "before", "after"


def run(stage, options):
    """Through nginx and directly, over both kinds of sockets, with few and many users; and images.
    """
    if options.before is None:
        raise BenchError("change compares two binaries; name the older one with --before")
    binaries = {BEFORE: options.before, AFTER: options.htgate}
    load_client = LoadClient(stage)
    request = servers.subrequest(stage, client_headers())
    recorded = stage.folder / "subrequest"
    recorded.write_bytes(request)
    one, many = accounts.one_user(stage, "10"), accounts.crowd(stage, 10, MANY)
    subjects, loads, questions = [], {}, []
    for users, size in ((one, "1 user"), (many, f"{MANY:,} users")):
        started = {}
        for age, binary in binaries.items():
            stage.htgate_binary = binary
            addresses = (free_address(), stage.socket("htgate"))
            process = servers.htgate(stage, addresses, users, patience=60)
            for kind, address in zip(peers.SOCKETS, addresses, strict=True):
                started[kind, age] = peers.behind_gate(
                    stage, f"nginx, {kind}, {size}, {age}", process, address)
                if users == one:
                    name = f"directly, {kind}, {age}"
                    direct = peers.Subject(name, address, [process])
                    started[f"directly {kind}", age] = direct
                    loads[name] = lambda seconds, a=address: load_client(a, recorded, seconds)
        for kind in dict.fromkeys(kind for kind, _ in started):
            pair = [started[kind, age] for age in binaries]
            questions.append([subject.name for subject in pair])
            subjects += pair
    samples = Samples()
    for turn, subject in turns(subjects, options.rounds):
        load = measured(loads.get(subject.name) or
                        (lambda seconds, url=subject.url: wrk(url, client_headers(), seconds)),
                        subject.processes, options)
        samples.add(subject.name, turn, load.numbers())
        options.progress("change", turn, subject.name, rate(load))

    images(stage, options, binaries, one, samples)
    rows, goals = [], []
    for before, after in questions:
        to_before = samples.ratio(after, before, "requests_per_second")
        text = after.removesuffix(f", {AFTER}")
        rows.append([text, *(number(samples.median(name, "requests_per_second"))
                             for name in (before, after)), ratio(to_before)])
        goals.append(Goal(f"warm requests/s, {text}, to before", to_before, least=LEAST))
    for act in ("push", "pull"):
        # Seconds: the other way round, so that more is better as above.
        to_before = samples.ratio(BEFORE, AFTER, f"{act}_s")
        rows.append([f"{act} of 100 layers, s",
                     *(f"{samples.median(age, f'{act}_s'):.2f}" for age in binaries),
                     ratio(to_before)])
        goals.append(Goal(f"speed of a {act} of 100 layers, to before", to_before, least=LEAST))
    head = ["warm requests/s", BEFORE, AFTER, "to before"]
    return Findings("Before and after", samples, head, rows, goals)


def images(stage, options, binaries, users, samples):
    """The shipped registry server behind each of them."""
    keys = certificate(stage)
    registry = stage.socket("registry")
    servers.registry(stage, "registry", registry)
    skopeo, fronts = Skopeo(stage), []
    for age, binary in binaries.items():
        stage.htgate_binary = binary
        authority = stage.socket("htgate")
        process = servers.htgate(stage, [authority], users)
        http, server = servers.gate(stage, f"registry-{age}", authority)
        fronts.append(registry_front(stage, age, keys, registry, http, server, [process]))
    skopeo.push_and_pull(fronts[0].address)
    for turn, subject in turns(fronts, options.rounds):
        settle(subject.processes)
        push, pull = skopeo.push_and_pull(subject.address)
        samples.add(subject.name, turn, {"push_s": push, "pull_s": pull})
        options.progress("change", turn, subject.name, f"push {push:.2f} s, pull {pull:.2f} s")
