"""Measures what access rules cost a remembered login: none, a thousand, and a thousand at once.

The gates are asked directly over a unix socket, by turns, so that a machine that slows down slows
all of them. Besides the rate, which the load client limits as well, the processor time of htgate
for each request is taken.
"""

import argparse
import sys
from pathlib import Path

from bench import progress, rate, stay_on, turns
from clients import LoadClient, client_headers, measured
from report import Samples, goal, number, table
from servers import CHECKOUT, USER, BenchError, Stage

# What a docker client asks for most.
URI = "/v2/team/app/blobs/sha256:" + "0" * 64
RULES = 1000
NONE = "no rules"
GOAL = 0.95


class Gate:
    """An htgate with some rules."""

    def __init__(self, stage, name, rules):
        self.name = name
        self.address = stage.socket(f"gate-{len(stage.processes)}")
        config = stage.write(f"{name.replace(' ', '-')}.toml", rules)
        htpasswd = stage.htpasswd(12)
        command = [stage.htgate_binary, "--htpasswd", htpasswd, "--workers", "1",
                   "--listen", self.address, "--config", config]
        self.process = stage.start(name, command, [self.address])


def rule(users, repositories):
    """One [[access]]."""
    return f"[[access]]\nusers = {users}\nrepositories = {repositories}\nactions = ['pull', 'push']\n"


def kinds():
    """Sets of rules that all allow the request; in each the last rule does."""
    names = range(RULES - 1)
    last = rule([USER], ["team/*"])
    return {
        NONE: "",
        f"{RULES} rules, each for another user": "".join(
            rule([f"user-{n}"], ["team/*"]) for n in names) + last,
        f"{RULES} rules, all for one user": "".join(
            rule([USER], [f"team-{n}/*", f"**/part-{n}"]) for n in names) + last,
        f"{RULES} rules, all for everybody": "".join(
            rule(["*"], [f"*/{n}", f"team/app-{n}/**"]) for n in names) + last,
    }


def request():
    """What nginx asks for a client that pulls a layer."""
    headers = client_headers() | {
        "X-Real-IP": "127.0.0.1", "X-Original-Method": "GET", "X-Original-URI": URI,
        "X-Request-ID": "0" * 32,
    }
    lines = [f"{name}: {value}\r\n" for name, value in headers.items()]
    return "GET /auth HTTP/1.1\r\nHost: htgate\r\n" + "".join(lines) + "\r\n"


def main():
    """A table, and an error where rules cost more than they may."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--htgate", type=Path, default=CHECKOUT / "target/release/htgate")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3, help="of each load")
    options = parser.parse_args()
    if not options.htgate.exists():
        parser.error(f"no {options.htgate} there; build it with 'cargo build --release'")
    samples = Samples("access")
    with Stage(options.htgate) as stage:
        load_client = LoadClient(stage)
        request_file = stage.write("request", request())
        stay_on(0)
        gates = [Gate(stage, name, rules) for name, rules in kinds().items()]
        stay_on(1)
        for turn, gate in turns(gates, options.rounds):
            def load(seconds, gate=gate):
                return load_client(gate.address, request_file, seconds)
            result = measured(load, gate.process, options.seconds)
            samples.add(gate.name, turn, vars(result))
            progress("access", turn, gate.name, rate(result))
    rows, met = [], True
    for name in (gate.name for gate in gates):
        ratio = samples.ratio(name, NONE, "requests_per_second")
        cpu = samples.ratio(NONE, name, "server_us")
        met = met and ratio >= GOAL and cpu >= GOAL
        rows.append([name, number(samples.median(name, "requests_per_second")), f"{ratio:.3f}",
                     number(samples.median(name, "server_us")), f"{cpu:.3f}",
                     goal(min(ratio, cpu), GOAL)])
    head = ["htgate, a remembered login", "requests/s", "to no rules", "µs/request",
            "no rules to this", "goal"]
    print(table(head, rows))
    return 0 if met else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except BenchError as error:
        sys.exit(f"bench: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
