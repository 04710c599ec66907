"""The morning after a restart: 500 users log in at once, each from an address of their own, and
then ask once more. Who is told to come again later does so when told.
"""

import asyncio
import time
from statistics import median, quantiles

import accounts
import peers
from clients import client_headers
from findings import Chart, Findings, Samples, number
from measure import settle, turns
from stage import BenchError

USERS, QUICK_USERS = 500, 50
SLOW_ROUNDS = 1
PATIENCE = 600


def run(stage, options):
    """Each time with servers that know nobody yet."""
    count = QUICK_USERS if options.quick else USERS
    users = accounts.known_users(stage, "10", count)
    starts = {
        "htgate": lambda name: peers.behind_htgate(stage, users, name=name),
        "Caddy": lambda name: peers.caddy(stage, users, name),
        "`auth_request` + `proxy_cache`": lambda name: peers.cached_subrequest(stage, users, name),
        "`auth_basic`": lambda name: peers.auth_basic(stage, users, name),
    }
    samples = Samples()
    for turn, name in turns(list(starts), options.rounds):
        if turn >= SLOW_ROUNDS and name != "htgate":
            continue
        subject = starts[name](name)
        seen = asyncio.run(everybody(subject, count))
        firsts, alls, refused = (list(values) for values in zip(*seen, strict=True))
        samples.add(name, turn, {
            "p50_s": median(firsts), "p99_s": quantiles(firsts, n=100, method="inclusive")[98],
            "last_s": max(firsts), "all_s": max(alls), "refused": sum(refused)})
        options.progress("cold", turn, name, f"the last is in after {max(firsts):.1f} s")
        settle(subject.processes)
        stage.end(*subject.processes)

    measures = ("p50_s", "p99_s", "last_s", "all_s", "refused")
    rows = [[name] + [number(samples.median(name, measure)) for measure in measures]
            for name in starts]
    head = [f"{count} users at once, cost 10", "in: p50 s", "in: p99 s", "the last s",
            "second request, the last s", "told to come again"]
    chart = Chart(f"{count} users log in at once after a restart", "seconds", list(starts), {
        "the last is in": [samples.median(name, "last_s") for name in starts],
        "and has asked again": [samples.median(name, "all_s") for name in starts]})
    return Findings("Cold start", samples, head, rows, chart=chart)


async def everybody(subject, count):
    """What each saw: seconds until let in, and until the second answer; how often refused."""
    users = [User(subject, number) for number in range(count)]
    for user in users:
        await user.connect()
    start = time.perf_counter()
    try:
        async with asyncio.timeout(PATIENCE):
            return await asyncio.gather(*(user.work(start) for user in users))
    except TimeoutError as error:
        raise BenchError(
            f"{subject.name} has not let all of {count} users in after {PATIENCE} s") from error
    finally:
        for user in users:
            user.writer.close()


class User:
    """One who logs in."""

    def __init__(self, subject, number):
        self.subject, self.name = subject, f"user-{number}"
        self.source = f"127.3.{number // 250}.{number % 250 + 1}"
        lines = "".join(f"{k}: {v}\r\n" for k, v in client_headers(user=self.name).items())
        self.request = f"GET {subject.uri} HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n".encode()
        self.reader = self.writer = None

    async def connect(self):
        """From the user's own address."""
        host, port = self.subject.address.rsplit(":", 1)
        self.reader, self.writer = await asyncio.open_connection(
            host, int(port), local_addr=(self.source, 0))

    async def work(self, start):
        """Logs in, and asks once more."""
        times, refused = [], 0
        while len(times) < 2:
            status, headers = await self.ask()
            if status == 200:
                times.append(time.perf_counter() - start)
            elif status in (429, 503):
                refused += 1
                await asyncio.sleep(float(headers.get("retry-after", 1)))
            else:
                raise BenchError(f"{self.name} was answered {status} and should be let in")
            # nginx ends a connection after a subrequest's 5xx.
            if headers.get("connection") == "close":
                self.writer.close()
                await self.connect()
        return *times, refused

    async def ask(self):
        """One request; its answer's status and headers."""
        self.writer.write(self.request)
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode().lower()
        headers = dict(line.split(": ", 1) for line in head.split("\r\n")[1:-2])
        await self.reader.readexactly(int(headers.get("content-length", 0)))
        return int(head.split()[1]), headers
