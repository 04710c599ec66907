"""A file of 1,000,000 users is replaced while warm requests go on: how long until the new one is in
effect, and whether anybody feels it.

The load lasts as long as a reload takes, and begins with it. At a steady rate the wait of a late
request counts from when it was due.
"""

import os
import re
import shutil
import time

import accounts
import peers
import servers
from clients import LoadClient, client_headers, plain_request, wrk
from findings import Findings, Goal, Samples, number, ratio
from measure import settle
from stage import BenchError, free_address

USERS = 1_000_000
RATE = 5_000
MOST_SECONDS, MOST_P99_MS = 3, 10


def run(stage, options):
    """By turns: calm and reload, at a steady rate; calm and reload, as fast as it goes."""
    load_client = LoadClient(stage)
    request = plain_request(stage)
    versions = [accounts.crowd(stage, 10, USERS + extra, f"version-{extra}") for extra in (0, 1)]
    users = stage.folder / "users" / "htpasswd"
    users.parent.mkdir()
    shutil.copy(versions[0], users)
    authority, asked = stage.socket("htgate"), free_address()
    start = time.perf_counter()
    process = servers.htgate(stage, [authority, asked], users, patience=60)
    start_seconds = time.perf_counter() - start
    subject = peers.behind_gate(stage, "htgate", process, authority)
    peers.check([subject])

    def steadily(seconds):
        return load_client.start(subject.address, request, seconds, rate=RATE)

    def fully(seconds):
        return load_client.start(subject.address, request, seconds)

    current = 0

    def reload():
        """Seconds from the moved file to the new users."""
        nonlocal current
        current = 1 - current
        new = users.with_suffix(".new")
        shutil.copy(versions[current], new)
        time.sleep(0.5)
        yield
        start = time.perf_counter()
        os.replace(new, users)
        while loaded(asked) != USERS + current:
            if time.perf_counter() - start > 60:
                raise BenchError("a file of 1,000,000 users was not loaded within a minute")
            time.sleep(0.01)
        yield time.perf_counter() - start

    def once():
        steps = reload()
        next(steps)
        return next(steps)

    window = once()
    samples = Samples()
    samples.add("start", 0, {"seconds": start_seconds})
    wrk(subject.url, client_headers(), 1)
    for turn in range(options.rounds):
        for kind, begin in (("steady", steadily), ("full", fully)):
            settle(subject.processes)
            samples.add(f"{kind}, calm", turn, begin(window).result().numbers())
            steps = reload()
            next(steps)
            with begin(window) as load:
                seconds = next(steps)
                seen = load.result()
            samples.add(f"{kind}, reload", turn, seen.numbers() | {"seconds": seconds})
            options.progress("reload", turn, kind,
                             f"{seconds:.2f} s, p99 {number(seen.p99_ms)} ms")

    rows = []
    for kind, words in (("steady", f"{RATE:,} requests/s"), ("full", "as fast as it goes")):
        calm, busy = f"{kind}, calm", f"{kind}, reload"
        rows.append([words, number(samples.median(busy, "seconds")),
                     number(samples.median(calm, "requests_per_second")),
                     number(samples.median(busy, "requests_per_second")),
                     number(samples.median(calm, "p99_ms")),
                     number(samples.median(busy, "p99_ms")),
                     ratio(samples.ratio(busy, calm, "p99_ms"))])
    head = [f"{USERS:,} users loaded at", "takes s", "calm requests/s", "requests/s meanwhile",
            "calm p99 ms", "p99 ms meanwhile", "p99 to calm"]
    goals = [
        Goal("seconds until 1,000,000 new users are in effect",
             samples.median("steady, reload", "seconds"), most=MOST_SECONDS),
        *(Goal(f"warm p99 ms in the meantime, {words}",
               samples.median(f"{kind}, reload", "p99_ms"), most=MOST_P99_MS)
          for kind, words in (("steady", f"{RATE:,} requests/s"), ("full", "as fast as it goes"))),
    ]
    notes = [f"From its start to its first answer htgate took {start_seconds:.2f} s with them."]
    return Findings("Reload of 1,000,000 users", samples, head, rows, goals, notes)


def loaded(address):
    """How many users are in effect."""
    return int(re.search(r"^users: (\d+)", servers.fetch(address, "/readyz"), re.MULTILINE)[1])
