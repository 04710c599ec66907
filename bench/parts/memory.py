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


def run(stage, options):
    """Once: memory is not a matter of luck."""
    share = QUICK if options.quick else 1
    guesses, addresses = GUESSES // share, ADDRESSES // share
    load_client = LoadClient(stage)
    address = stage.socket("htgate")
    process = servers.htgate(stage, [address], accounts.one_user(stage, KIND))
    # An error, if this htgate does not verify such hashes.
    load_client(address, plain_request(stage, "/auth"), 10, 1, requests=1)
    request = stage.write(
        "guess", "GET /auth HTTP/1.1\r\nHost: htgate\r\nAuthorization: Basic {basic}\r\n"
        "X-Real-IP: {address}\r\nX-Original-Method: GET\r\nX-Original-URI: /\r\n\r\n")
    samples = Samples()
    before = process.memory_mb("VmRSS")
    load = load_client(address, request, FOREVER, CONNECTIONS, requests=guesses, user=accounts.USER,
                       addresses=addresses, tolerate="true")
    answered = sum(load.statuses.values())
    if answered < guesses:
        raise BenchError(f"htgate answered {answered:,} of {guesses:,} guesses")
    after, most = process.memory_mb("VmRSS"), process.memory_mb()
    samples.add("htgate", 0, {"before_mb": before, "after_mb": after, "most_mb": most} |
                {f"answered {status}": count for status, count in load.statuses.items()})
    options.progress("memory", 0, "htgate", f"{number(most)} MB")
    rows = [["htgate", number(before), number(after), number(most),
             ", ".join(f"{status}: {count:,}" for status, count in load.statuses.items())]]
    head = [f"{guesses:,} wrong passwords from {addresses:,} addresses", "MB before", "after",
            "at most", "answers"]
    goals = [Goal("resident memory at most, MB", most, most=MOST_MB)]
    return Findings("Memory under attack", samples, head, rows, goals)
