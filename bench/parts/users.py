"""Files of 1 to 1,000,000 users, and the warm speed of one of them, who stands in the middle.

nginx and Apache read the file from its beginning for every request, so they get {SHA}, whose
hashing costs next to nothing, and the search is what is left. Caddy has its users in its
configuration, which is not made for crowds.
"""

import accounts
import peers
from clients import client_headers, wrk
from findings import Chart, Findings, Goal, Samples, number
from measure import measured, rate, turns

SIZES = (1, 1_000, 100_000, 1_000_000)
LEAST = 0.97


def run(stage, options):
    """Every protection with every size, in every round."""
    sizes = (SIZES[0], SIZES[-1]) if options.quick else SIZES
    names, subjects = [], []
    for size in sizes:
        bcrypt, sha = accounts.crowd(stage, 10, size), accounts.crowd(stage, "sha", size)
        started = [peers.behind_htgate(stage, bcrypt, name="htgate, cost 10"),
                   peers.auth_basic(stage, sha, "`auth_basic`, sha")]
        if not options.quick:
            started.append(peers.apache(stage, sha, "Apache + authn_socache, sha", remembers=True))
            if size <= 1_000:
                started.append(peers.caddy(stage, bcrypt, "Caddy, cost 10"))
        names += [subject.name for subject in started if subject.name not in names]
        for subject in started:
            subject.name = label(subject.name, size)
        subjects += started
    peers.check(subjects)
    samples = Samples()
    for turn, subject in turns(subjects, options.rounds):
        load = measured(lambda seconds: wrk(subject.url, client_headers(), seconds),
                        subject.processes, options)
        memory = subject.processes[0].memory_mb("VmRSS")
        samples.add(subject.name, turn, load.numbers() | {"memory_mb": memory})
        options.progress("users", turn, subject.name, rate(load))

    def speed(name, size):
        return samples.median(label(name, size), "requests_per_second")

    rows = [[name] + [number(speed(name, size)) for size in sizes] for name in names]
    rows.append(["htgate's memory, MB"] + [
        number(samples.median(label(names[0], size), "memory_mb")) for size in sizes])
    to_one = samples.ratio(label(names[0], sizes[-1]), label(names[0], 1), "requests_per_second")
    goals = [Goal("warm speed with 1,000,000 users, to that with one", to_one, least=LEAST)]
    chart = Chart("Users in the file, and warm speed", "requests a second",
                  [f"{size:,} users" for size in sizes],
                  {name: [speed(name, size) for size in sizes] for name in names},
                  logarithmic=True)
    head = ["warm requests/s", *(f"{size:,} user{'s' * (size > 1)}" for size in sizes)]
    return Findings("Many users", samples, head, rows, goals, chart=chart)


def label(name, size):
    """What samples are kept under."""
    return f"{name}, {size} users"
