"""Clocks a load and those who serve it, and notices when something else got in the way."""

import os
import resource
import time
from pathlib import Path

from findings import number
from stage import BenchError

# Of one core, by whatever is not measured. What the kernel does for itself stays below.
DISTURBED = 0.15


def measured(load, processes, options):
    """Runs a load of some seconds after a short one, and clocks both sides of it.

    Once more, as often as patience has it, if something else on the machine got in the way. The
    first of the processes is the one whose time counts as the server's, the last the front's.
    """
    load(1)
    for _ in range(1 + options.patience):
        settle(processes)
        before = clocks(processes)
        start = time.perf_counter()
        result = load(options.seconds)
        elapsed = time.perf_counter() - start
        client, machine, *spent = (
            new - old for old, new in zip(before, clocks(processes), strict=True))
        result.client_busy, result.server_busy = client / elapsed, spent[0] / elapsed
        result.others_busy = (machine - client - sum(spent)) / elapsed
        requests = max(1, result.requests_per_second * elapsed)
        result.server_us, result.front_us = spent[0] * 1e6 / requests, spent[-1] * 1e6 / requests
        if result.others_busy < DISTURBED:
            break
        time.sleep(2)
    settle(processes)
    return result


def clocks(processes):
    """Seconds on the processor of the clients that have ended, of all, and of each process."""
    return [client_cpu(), machine_cpu(), *(process.cpu_seconds() for process in processes)]


def client_cpu():
    """Seconds that the clients that have ended were on the processor."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def machine_cpu():
    """Seconds that all cores were busy, and those that the host took away from them."""
    user, nice, system, _idle, _wait, irq, softirq, steal = map(
        int, Path("/proc/stat").read_text().split()[1:9])
    ticks = user + nice + system + irq + softirq + steal
    return ticks / os.sysconf("SC_CLK_TCK")


def settle(processes, patience=120):
    """Waits until the servers are idle: nginx goes on hashing for clients that have gone."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        before = sum(process.cpu_seconds() for process in processes)
        time.sleep(0.1)
        if sum(process.cpu_seconds() for process in processes) - before < 0.01:
            return
    raise BenchError(f"the servers are still busy {patience} s after their last client has gone")


def stay_on(core):
    """What is started from now on stays on this core; on any, if it is None.

    For a server that is asked directly: left to the scheduler, both sides share a core now and
    then, and the rate is half of what it was.
    """
    cores = range(os.cpu_count()) if core is None else {core % os.cpu_count()}
    os.sched_setaffinity(0, cores)


def turns(subjects, rounds):
    """Every subject in every round, to and fro: neighbours are compared, and stay neighbours."""
    for turn in range(rounds):
        for subject in subjects[::-1] if turn % 2 else subjects:
            yield turn, subject


def rate(load):
    """What progress says of a load."""
    others = f" (others took {load.others_busy:.0%})" if load.others_busy >= DISTURBED else ""
    return f"{number(load.requests_per_second)} requests/s{others}"
