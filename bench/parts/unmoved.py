"""What htgate promises to users with a remembered password, while others guess (bcrypt cost 10).

At a fixed rate, from as many addresses, the attack is compared with calm. As fast as it goes, it is compared with an attack
of the same connections that nginx itself refuses, because it knows their addresses: so what the
attackers' own share of the machine takes counts against neither. That control is also run at the
rate that the attack against htgate reached, which no goal asks for: it shows what a refusal costs.
"""

import time
from dataclasses import dataclass

import accounts
import peers
import servers
from clients import ATTACKERS, LoadClient, client_headers, guess_request, wrk
from findings import Chart, Findings, Goal, Samples, number, ratio
from measure import settle

RATE = 200
LEAST_SPEED, MOST_P99_MS = 0.75, 10
# Seconds after the attack, when everything is to be as before: within what two calm rounds differ.
RECOVERY, LEAST_RECOVERED, MOST_RECOVERED_P99 = 2, 0.95, 1.25
SOURCES = {"one address": 1, f"{RATE} addresses": RATE}


@dataclass
class Duel:
    """Who attacks whom, and what it is compared with."""

    name: str
    other: str
    # No goal asks for it.
    for_information: bool = False


def run(stage, options):
    """Calm, attacked, refused and recovered, in every round."""
    load_client, guess = LoadClient(stage), guess_request(stage)
    authority = stage.socket("htgate")
    process = servers.htgate(stage, [authority], accounts.one_user(stage, "10"))
    gate = peers.behind_gate(stage, "htgate", process, authority)
    control = peers.behind_gate(stage, "nginx refuses", process, authority,
                                refuse="if ($attacker) { return 403; }")
    peers.check([gate, control])
    samples = Samples()
    skip = 0

    def warm(subject, seconds=options.seconds):
        return wrk(subject.url, client_headers(), seconds)

    def attacked(name, subject, sources, rate):
        nonlocal skip
        # Addresses that have not done anything yet.
        first, skip = skip, skip + sources
        settle([process])
        with load_client.start(subject.address, guess, options.seconds + 1, max(sources, ATTACKERS),
                               user=accounts.USER, sources=sources, skip=first, rate=rate,
                               tolerate="true") as attack:
            time.sleep(0.5)
            load = warm(subject)
            guesses = attack.result()
        samples.add(name, turn, load.numbers() | {"guesses": guesses.requests_per_second} | {
            f"answered {status}": count for status, count in guesses.statuses.items()})
        options.progress("unmoved", turn, name, f"{number(load.requests_per_second)} requests/s, "
                         f"p99 {number(load.p99_ms)} ms, guesses {guesses.statuses}")
        return guesses.requests_per_second

    duels = []
    for turn in range(options.rounds):
        for subject in (gate, control):
            warm(subject, 1)
        duels.clear()
        for words, sources in SOURCES.items():
            calm, fixed = f"calm, before {words}", f"{RATE} guesses/s, {words}"
            samples.add(calm, turn, warm(gate).numbers())
            attacked(fixed, gate, sources, RATE)
            time.sleep(RECOVERY)
            samples.add(f"2 s after {words}", turn, warm(gate).numbers())
            fast, refused = f"as fast as it goes, {words}", f"refused by nginx, {words}"
            reached = attacked(fast, gate, sources, 0)
            attacked(refused, control, sources, 0)
            same = f"refused by nginx at the same rate, {words}"
            attacked(same, control, sources, max(1, reached))
            settle([process])
            duels += [Duel(fixed, calm), Duel(fast, refused), Duel(fast, same, True),
                      Duel(f"2 s after {words}", calm)]

    rows, goals = [], []
    for duel in duels:
        speed, p99 = (samples.ratio(duel.name, duel.other, measure)
                      for measure in ("requests_per_second", "p99_ms"))
        rows.append([duel.name, duel.other] + [
            number(samples.median(name, measure)) for measure in ("requests_per_second", "p99_ms")
            for name in (duel.name, duel.other)] + [ratio(speed), ratio(p99),
                                                    number(samples.median(duel.name, "guesses"))])
        recovered = duel.name.startswith("2 s after")
        if duel.for_information:
            continue
        goals += [Goal(f"warm requests/s, {duel.name}, to {duel.other}", speed,
                       least=LEAST_RECOVERED if recovered else LEAST_SPEED),
                  Goal(f"warm p99, {duel.name}, to {duel.other}", p99, most=MOST_RECOVERED_P99)
                  if recovered else
                  Goal(f"warm p99 ms, {duel.name}", samples.median(duel.name, "p99_ms"),
                       most=MOST_P99_MS)]
    head = ["warm users while guesses come", "compared with", "requests/s", "the other's",
            "p99 ms", "the other's", "requests/s to it", "p99 to it", "guesses/s"]
    shown = [duel for duel in duels if not duel.for_information]
    chart = Chart("htgate's warm users under attack", "requests a second",
                  [duel.name for duel in shown],
                  {words: [samples.median(name, "requests_per_second") for name in names]
                   for words, names in (("htgate", [duel.name for duel in shown]),
                                        ("calm, or nginx refuses", [d.other for d in shown]))})
    return Findings("Unmoved by an attack", samples, head, rows, goals, chart=chart)
