"""64 connections guess passwords, a new one each time, as fast as the answers come; what is left
for somebody whose password is right?

Of a known and of unknown users, from one address and from one a connection. The attack and the
user's own requests share the machine with the servers. And how long does somebody else wait who
logs in for the first time meanwhile, from an address of their own?
"""

import time

import accounts
import peers
from accounts import USER
from clients import (
    ATTACKERS, FOREVER, LoadClient, client_headers, guess_request, login, wrk)
from findings import Chart, Findings, Samples, number
from measure import settle, turns

KNOWN = ("a known user, one address", USER, 1)
KINDS = (KNOWN,
         ("unknown users, one address", "*", 1),
         (f"a known user, {ATTACKERS} addresses", USER, ATTACKERS),
         (f"unknown users, {ATTACKERS} addresses", "*", ATTACKERS))
ROUNDS = 3
# Seconds that somebody waits for their first login.
PATIENCE = 10


def run(stage, options):
    """Every subject, calm and under attack, in every round."""
    load_client = LoadClient(stage)
    rounds = 1 if options.quick else min(ROUNDS, options.rounds)
    users = accounts.known_users(stage, "10", rounds)
    subjects = [
        peers.behind_htgate(stage, users, name="htgate, cost 10"),
        peers.caddy(stage, users, "Caddy, cost 10"),
        peers.auth_basic(stage, users, "`auth_basic`, cost 10"),
    ]
    if not options.quick:
        subjects += [
            peers.cached_subrequest(stage, users, "`auth_request` + `proxy_cache`, cost 10"),
            peers.apache(stage, users, "Apache, cost 10"),
            peers.apache(stage, users, "Apache + authn_socache, cost 10", remembers=True),
            peers.own_registry(stage, users, "registry's own htpasswd, cost 10"),
        ]
        for kind, words in (("5", "cost 5"), ("sha", "sha")):
            users = accounts.known_users(stage, kind, rounds)
            subjects.append(peers.auth_basic(stage, users, f"`auth_basic`, {words}"))
    peers.check(subjects)
    kinds = KINDS[:1] if options.quick else KINDS
    samples = Samples()
    skip = 0
    for turn, subject in turns(subjects, rounds):
        def warm(seconds=options.seconds, subject=subject):
            return wrk(subject.url, client_headers(), seconds, tolerate=True)

        warm(1)
        settle(subject.processes)
        samples.add(subject.name, turn, keep("calm", warm()))
        # The other kinds of attack differ little from the first: once will do.
        for name, user, sources in kinds if turn == 0 else kinds[:1]:
            settle(subject.processes)
            # Addresses that have not done anything yet.
            first, skip = skip, skip + sources
            with load_client.start(
                    subject.address, guess_request(stage, subject.uri), FOREVER, ATTACKERS,
                    user=user, sources=sources, skip=first, tolerate="true"):
                time.sleep(0.5)
                load = warm()
                values = keep(name, load)
                if name == KNOWN[0]:
                    values |= newcomer(subject, f"user-{turn}")
            samples.add(subject.name, turn, values)
            options.progress("attack", turn, f"{subject.name}: {name}",
                             f"{number(load.requests_per_second)} requests/s")
        settle(subject.processes)

    rows = []
    for subject in subjects:
        calm, attacked = (samples.median(subject.name, f"p99_ms, {kind}")
                          for kind in ("calm", KNOWN[0]))
        rows.append([subject.name] + [
            number(samples.median(subject.name, f"requests/s, {kind}"))
            for kind in ("calm", *(kind[0] for kind in kinds))] + [
                number(calm), number(attacked), number(samples.median(subject.name, "login_s"))])
    head = ["warm requests/s while guesses come for", "calm", *(kind[0] for kind in kinds),
            "p99 ms, calm", f"p99 ms, {KNOWN[0]}", f"a first login, s, {KNOWN[0]}"]
    names = [subject.name for subject in subjects]
    chart = Chart("Under attack: 64 connections guess passwords of a known user",
                  "warm requests a second", names, {
                      words: [samples.median(name, f"requests/s, {kind}") for name in names]
                      for words, kind in (("calm", "calm"), ("under attack", KNOWN[0]))},
                  logarithmic=True)
    notes = [f"A dash is no answer at all; for a first login, none within {PATIENCE} s."]
    return Findings("Under attack", samples, head, rows, notes=notes, chart=chart)


def newcomer(subject, user):
    """How long they wait until they are let in. Whoever is not, waits for no known time."""
    try:
        status, seconds = login(subject.address, user, "127.2.0.1", subject.uri, PATIENCE)
    except OSError:
        return {}
    return {"login_s": seconds} if status == 200 else {}


def keep(kind, load):
    """What is kept of a load."""
    return {f"requests/s, {kind}": load.requests_per_second, f"p99_ms, {kind}": load.p99_ms}
