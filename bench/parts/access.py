"""What access rules cost a remembered login: none, a thousand, and a thousand that all apply.

Run it with --only access. First htgate is asked directly over a unix socket, on a core of its own:
beside the rate, which the load client limits as well, its processor time for each request counts.
Then a file is asked for through nginx, as users do, which is what the goal is about.
"""

import peers
import servers
from accounts import USER, one_user
from clients import LoadClient, client_headers, wrk
from findings import Findings, Goal, Samples, number, ratio
from measure import measured, rate, stay_on, turns
from peers import Subject

# What a docker client asks for most.
URI = "/v2/team/app/blobs/sha256:" + "0" * 64
RULES = 1000
NONE, NO_RULES = "no rules", "# none\n"
LEAST = 0.95
TURNS = 6


def run(stage, options):
    """Every set of rules in every round; in each the last rule allows the request."""
    load_client = LoadClient(stage)
    request = stage.write("request", subrequest())
    htpasswd = one_user(stage, "12")
    stay_on(0)
    subjects = []
    for name, rules in kinds().items():
        address = stage.socket("htgate")
        config = stage.write(f"{stage.fresh('rules')}.toml", rules)
        process = servers.htgate(stage, [address], htpasswd, "--config", config)
        subjects.append(Subject(name, address, [process]))
    stay_on(1)
    samples = Samples()
    for turn, subject in turns(subjects, options.rounds):
        load = measured(lambda seconds: load_client(subject.address, request, seconds),
                        subject.processes, options)
        samples.add(subject.name, turn, load.numbers())
        options.progress("access", turn, subject.name, rate(load))

    rows = []
    for name in (subject.name for subject in subjects):
        rows.append([name, number(samples.median(name, "requests_per_second")),
                     ratio(samples.ratio(name, NONE, "requests_per_second")),
                     number(samples.median(name, "server_us")),
                     ratio(samples.ratio(NONE, name, "server_us"))])
    stay_on(None)
    fronts = [front(stage, htpasswd, name, rules) for name, rules in paths().items()]
    peers.check(fronts)
    # Many short turns: what is looked for is less than the machine's own unrest.
    for turn, subject in turns(fronts, TURNS * options.rounds):
        samples.add(subject.name, turn, wrk(subject.url, client_headers(), 1).numbers())
    for subject in fronts:
        rows.append([subject.name, number(samples.median(subject.name, "requests_per_second")),
                     ratio(samples.ratio(subject.name, fronts[0].name, "requests_per_second")),
                     "", ""])
    rate_kept = samples.ratio(fronts[1].name, fronts[0].name, "requests_per_second")
    goals = [Goal(f"warm requests/s, {fronts[1].name}, to {fronts[0].name}", rate_kept,
                  least=LEAST)]
    head = ["a remembered login", "requests/s", "to no rules", "processor µs/request",
            "no rules to this"]
    return Findings("Access rules", samples, head, rows, goals)


def front(stage, htpasswd, name, rules):
    """nginx before an htgate with these rules."""
    authority = stage.socket("htgate")
    config = stage.write(f"{stage.fresh('rules')}.toml", rules)
    process = servers.htgate(stage, [authority], htpasswd, "--config", config)
    return peers.behind_gate(stage, name, process, authority)


def paths():
    """Sets of rules for a site, by name."""
    def allow(user, path):
        return f"[[access]]\nusers = ['{user}']\npaths = ['{path}']\nmethods = ['*']\n"
    others = "".join(allow(f"user-{n}", f"/part-{n}/**") for n in range(RULES - 1))
    return {f"through nginx, {NONE}": NO_RULES,
            f"through nginx, {RULES} rules": others + allow(USER, "/**")}


def kinds():
    """Sets of rules by name."""
    others = range(RULES - 1)
    last = rule([USER], ["team/*"])
    return {
        NONE: NO_RULES,
        f"{RULES} rules, each for another user":
            "".join(rule([f"user-{n}"], ["team/*"]) for n in others) + last,
        f"{RULES} rules, all for one user":
            "".join(rule([USER], [f"team-{n}/*", f"**/part-{n}"]) for n in others) + last,
        f"{RULES} rules, all for everybody":
            "".join(rule(["*"], [f"*/{n}", f"team/app-{n}/**"]) for n in others) + last,
    }


def rule(users, repositories):
    """One [[access]]."""
    return (f"[[access]]\nusers = {users}\nrepositories = {repositories}\n"
            "actions = ['pull', 'push']\n")


def subrequest():
    """What nginx asks for a client that pulls a layer."""
    headers = client_headers() | {
        "X-Real-IP": "127.0.0.1", "X-Original-Method": "GET", "X-Original-URI": URI,
        "X-Original-Server": "registry.example", "X-Original-Content-Type": "none",
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"GET /auth HTTP/1.1\r\nHost: htgate\r\n{lines}\r\n"
