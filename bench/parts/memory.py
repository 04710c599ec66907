"""1,000,000 distinct wrong passwords from 100,000 addresses, sent straight to htgate: how much does
it keep of them?

The hash is a cheap one, so that the run ends.
"""

import accounts
import servers
from clients import FOREVER, LoadClient, plain_request
from findings import Findings, Goal, Samples, number
from stage import BenchError

GUESSES, ADDRESSES = 1_000_000, 100_000
KIND = "sha"
QUICK = 20
CONNECTIONS = 8
MOST_MB = 64
# With the default each address has just as many strikes as it needs.
SUBJECTS = {"htgate": [], "htgate, half of them throttled": ["--strikes", "5"]}


def run(stage, options):
    """Once for each: memory is not a matter of luck."""
    share = QUICK if options.quick else 1
    guesses, addresses = GUESSES // share, ADDRESSES // share
    load_client = LoadClient(stage)
    request = stage.write(
        "guess", "GET /auth HTTP/1.1\r\nHost: htgate\r\nAuthorization: Basic {basic}\r\n"
        "X-Real-IP: {address}\r\nX-Original-Method: GET\r\nX-Original-URI: /\r\n\r\n")
    samples, rows, goals = Samples(), [], []
    for name, settings in SUBJECTS.items():
        address = stage.socket("htgate")
        process = servers.htgate(stage, [address], accounts.one_user(stage, KIND), *settings)
        # An error, if this htgate does not verify such hashes.
        load_client(address, plain_request(stage, "/auth"), 10, 1, requests=1)
        before = process.memory_mb("VmRSS")
        load = load_client(address, request, FOREVER, CONNECTIONS, requests=guesses,
                           user=accounts.USER, addresses=addresses, tolerate="true")
        answered = sum(load.statuses.values())
        if answered < guesses:
            raise BenchError(f"{name} answered {answered:,} of {guesses:,} guesses")
        after, most = process.memory_mb("VmRSS"), process.memory_mb()
        samples.add(name, 0, {"before_mb": before, "after_mb": after, "most_mb": most} |
                    {f"answered {status}": count for status, count in load.statuses.items()})
        options.progress("memory", 0, name, f"{number(most)} MB")
        rows.append([name, number(before), number(after), number(most), ", ".join(
            f"{status}: {count:,}" for status, count in load.statuses.items())])
        goals.append(Goal(f"resident memory at most, MB, {name}", most, most=MOST_MB))
    head = [f"{guesses:,} wrong passwords from {addresses:,} addresses", "MB before", "after",
            "at most", "answers"]
    return Findings("Memory under attack", samples, head, rows, goals)
