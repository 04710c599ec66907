"""Which scheduling class of the hashing threads serves both: those who are remembered, and a
newcomer whose password must be hashed?

A decision inside htgate, not a comparison with peers; run it with --only scheduling. Guesses keep
the hashing threads busy, and their class is set from outside. "apart" is htgate in a session or
control group of its own, as under systemd or in a container: the kernel shares the processor
between groups first, and a thread's class counts within its group. "together" is all in one group.
"""

import os
from statistics import median

import accounts
import peers
import servers
from clients import FOREVER, LoadClient, client_headers, guess_request, login, plain_request, wrk
from findings import Findings, Samples, number, ratio
from measure import settle

CLASSES = {
    "normal": (os.SCHED_OTHER, 0),
    "nice 19": (os.SCHED_OTHER, 19),
    "batch": (os.SCHED_BATCH, 0),
    "batch, nice 19": (os.SCHED_BATCH, 19),
    "idle": (os.SCHED_IDLE, 0),
}
GROUPS = {"apart": True, "together": False}
# Warm requests a second while newcomers log in, as one of htgate's goals has it.
WARM_RATE = 5000
# Logins when it is calm, beside as many warm requests as can be, and beside that rate of them.
CALM, SATURATED, STEADY = 5, 3, 10


def run(stage, options):
    """Every class in every round, in both groupings."""
    load_client = LoadClient(stage)
    samples = Samples()
    # In each round and grouping: some when it is calm, and some for every class.
    count = options.rounds * (CALM + len(CLASSES) * (SATURATED + STEADY))
    htpasswd = accounts.known_users(stage, "10", count)
    arguments = ["--strikes", "1000000"] if servers.htgate_knows(
        stage.htgate_binary, "--strikes") else []
    plain, guess = plain_request(stage), guess_request(stage)
    subjects = {}
    for group, apart in GROUPS.items():
        stage.own_sessions = apart
        subjects[group] = peers.behind_htgate(stage, htpasswd, *arguments)
    stage.own_sessions = True
    peers.check(list(subjects.values()))
    newcomers = {group: (f"user-{number}" for number in range(count)) for group in GROUPS}

    def logins(subject, count, group):
        seen = [login(subject.address, next(newcomers[group]), "127.2.0.1") for _ in range(count)]
        return median(seconds for _, seconds in seen) * 1e3

    for turn in range(options.rounds):
        for group, subject in subjects.items():
            def warm(seconds=options.seconds, subject=subject):
                return wrk(subject.url, client_headers(), seconds)

            warm(1)
            samples.add(group, turn, warm().numbers() | {"login_ms": logins(subject, CALM, group)})
            for name, (policy, nice) in CLASSES.items():
                set_class(subject.processes[0], policy, nice)
                attack = load_client.start(subject.address, guess, FOREVER, 2, user=accounts.USER,
                                           sources=1, tolerate="true")
                values = {}
                with attack:
                    load = warm()
                    values["saturated_rps"], values["saturated_p99_ms"] = (
                        load.requests_per_second, load.p99_ms)
                    with load_client.start(subject.address, plain, FOREVER):
                        values["saturated_login_ms"] = logins(subject, SATURATED, group)
                    steady = load_client.start(subject.address, plain, options.seconds,
                                               rate=WARM_RATE)
                    with steady:
                        values["steady_login_ms"] = logins(subject, STEADY, group)
                        load = steady.result()
                        values["steady_rps"], values["steady_p99_ms"] = (
                            load.requests_per_second, load.p99_ms)
                settle(subject.processes)
                samples.add(f"{name}, {group}", turn, values)
                options.progress("scheduling", turn, f"{name}, {group}", ", ".join(
                    f"{measure} {number(value)}" for measure, value in values.items()))

    rows = []
    for group in GROUPS:
        calm = {measure: samples.rounds(group, measure)
                for measure in ("requests_per_second", "p99_ms", "login_ms")}
        for name in CLASSES:
            def to_calm(measure, other, subject=f"{name}, {group}", calm=calm):
                ours = samples.rounds(subject, measure)
                return median(ours[n] / calm[other][n] for n in ours)
            rows.append([
                f"{name}, {group}",
                ratio(to_calm("saturated_rps", "requests_per_second")),
                ratio(to_calm("saturated_p99_ms", "p99_ms")),
                ratio(to_calm("saturated_login_ms", "login_ms")),
                ratio(to_calm("steady_login_ms", "login_ms")),
                number(samples.median(f"{name}, {group}", "steady_p99_ms"))])
        rows.append([f"calm, {group}: {number(samples.median(group, 'requests_per_second'))} "
                     f"requests/s, p99 {number(samples.median(group, 'p99_ms'))} ms, "
                     f"login {number(samples.median(group, 'login_ms'))} ms", *[""] * 5])
    head = ["hashing threads", "warm requests/s to calm", "warm p99 to calm",
            "login to calm, cores full", f"login to calm, {WARM_RATE:,} warm requests/s",
            "their p99 ms"]
    return Findings("Scheduling of the hashing threads, all busy", samples, head, rows)


def set_class(process, policy, nice):
    """Of the hashing threads of an htgate."""
    for task in process.threads():
        if (task / "comm").read_text().startswith("hash-"):
            os.sched_setscheduler(int(task.name), policy, os.sched_param(0))
            os.setpriority(os.PRIO_PROCESS, int(task.name), nice)
