"""A newcomer, whose right password (bcrypt cost 10) has to be hashed, logs in while others attack.

Warm users ask 5,000 times a second meanwhile. First one address attacks, and each login comes from
a new address; then 1,000 addresses attack, and logins come from new addresses, all at once, and
from addresses that had a success before, one after the other.
"""

import concurrent.futures
import itertools
import time
from statistics import median

import accounts
import peers
from clients import ATTACKERS, FOREVER, LoadClient, guess_request, login, plain_request
from findings import Findings, Goal, Samples, number
from measure import settle

LOGINS = 20
ROUNDS = 3
WARM_RATE = 5_000
MANY = 1_000
HASHES = 3
# What a waiting password is given, by htgate's default, and some time for the way.
DEADLINE = 10.5


def run(stage, options):
    """Twenty logins in each situation, in every round."""
    rounds = 1 if options.quick else min(ROUNDS, options.rounds)
    load_client = LoadClient(stage)
    plain, guess = plain_request(stage), guess_request(stage)
    samples = Samples()
    for turn in range(rounds):
        # A new one each time: nobody is remembered, and no address has a past.
        count = 6 * LOGINS
        users = accounts.known_users(stage, "10", count)
        subject = peers.behind_htgate(stage, users)
        peers.check([subject])
        names = (f"user-{number}" for number in range(count))
        addresses = (f"127.2.{number // 250}.{number % 250 + 1}" for number in itertools.count())

        def newcomer(source=None, subject=subject, names=names, addresses=addresses):
            return login(subject.address, next(names), source or next(addresses))

        def attack(connections, sources, skip, subject=subject):
            return load_client.start(
                subject.address, guess, FOREVER, connections, user=accounts.USER, sources=sources,
                skip=skip, tolerate="true")

        def note(name, seen, turn=turn):
            good = [seconds for status, seconds in seen if status == 200]
            busy = sum(1 for status, seconds in seen if status == 503 and seconds <= DEADLINE)
            late = len(seen) - busy - sum(1 for seconds in good if seconds <= DEADLINE)
            values = {"let_in": len(good), "busy": busy, "late_or_refused": late}
            if good:
                values |= {"median_s": median(good), "most_s": max(good)}
            samples.add(name, turn, values)
            options.progress("logins", turn, name, ", ".join(
                f"{measure} {number(value)}" for measure, value in values.items()))

        returning = [next(addresses) for _ in range(LOGINS)]
        note("calm", [newcomer(source) for source in returning])
        with load_client.start(subject.address, plain, FOREVER, rate=WARM_RATE):
            time.sleep(0.5)
            note("warm users alone", [newcomer() for _ in range(LOGINS)])
            with attack(ATTACKERS, 1, 0):
                time.sleep(1)
                note("one address attacks", [newcomer() for _ in range(LOGINS)])
            # What still waited is hashed by then, or given up.
            time.sleep(2)
            with attack(MANY, MANY, 1):
                time.sleep(2)
                note(f"{MANY:,} attack, after a success",
                     [newcomer(source) for source in returning])
                with concurrent.futures.ThreadPoolExecutor(LOGINS) as pool:
                    note(f"{MANY:,} attack, new addresses",
                         list(pool.map(lambda _: newcomer(), range(LOGINS))))
        settle(subject.processes)
        stage.end(*subject.processes)

    names = list(dict.fromkeys(row[0] for row in samples.rows))
    hash_time = samples.median("calm", "median_s")
    rows = [[name] + [number(samples.median(name, measure)) for measure in
                      ("let_in", "busy", "late_or_refused", "median_s", "most_s")] +
            [number(samples.ratio(name, "calm", "median_s"))] for name in names]
    head = [f"{LOGINS} logins, cost 10", "let in", "busy", "late or refused", "median s", "most s",
            "hash times"]
    one, returning, new = (name for name in names if "attack" in name)
    goals = [
        Goal(f"a login while {one}, in hash times", samples.ratio(one, "calm", "median_s"),
             most=HASHES),
        Goal(f"a login while {returning}, in hash times",
             samples.ratio(returning, "calm", "median_s"), most=HASHES),
        Goal(f"logins while {new}, neither in time nor told to come again",
             samples.median(new, "late_or_refused"), most=0),
    ]
    notes = [f"A hash time is a calm login: {number(hash_time * 1e3)} ms.",
             f"Warm users ask {WARM_RATE:,} times a second in all rows but the first."]
    return Findings("A newcomer's login", samples, head, rows, goals, notes)
