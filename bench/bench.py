"""Measures htgate beside what else could stand in its place, and what it promises.

All subjects take turns in every round, so that a machine that slows down slows all of them.
"""

import argparse
import importlib
import signal
import sys
import time
from pathlib import Path

import readme
import report
from measure import stay_on
from stage import CHECKOUT, BenchError, Stage

# In this order. The last ones are asked for by name: they are about decisions inside htgate.
PARTS = ("warm", "direct", "images", "users", "reload", "cold", "attack", "unmoved", "logins",
         "memory")
BY_NAME_ONLY = ("scheduling", "access", "token", "change")
RESULTS = CHECKOUT / "bench" / "results"


def main():
    """The parts that are asked for, then the goals."""
    options = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    facts = report.circumstances(options)
    goals = []
    for name in options.only or PARTS:
        start = time.monotonic()
        part = importlib.import_module(f"parts.{name}")
        stay_on(None)
        with Stage(options.htgate) as stage:
            findings = part.run(stage, options)
        report.save(options.results, name, findings, facts)
        goals += [(name, goal) for goal in findings.goals]
        took = time.monotonic() - start
        print(f"\n## {findings.title} ({took:.0f} s)\n\n{report.section(findings)}", flush=True)
    print("\nGoals:")
    for name, goal in goals:
        print(f"  {'met    ' if goal.met else 'NOT MET'}  {name}: {goal.text}: "
              f"{report.number(goal.value, 4)} ({goal.limit})")
    print(f"Written to {options.results.relative_to(CHECKOUT)}/")
    if options.update_readme:
        readme.update(options.results)
        print("README.md has the new table")


def arguments():
    """What is asked of this run."""
    parser = argparse.ArgumentParser(
        prog="bench/bench.sh", description=" ".join(__doc__.split("\n\n")[0].split()))
    parser.add_argument("--htgate", type=Path, default=CHECKOUT / "target/release/htgate")
    parser.add_argument("--before", type=Path, help="the older htgate, for --only change")
    parser.add_argument("--rounds", type=int, help="turns of every subject (5; quick: 2)")
    parser.add_argument("--seconds", type=int, help="of each load (3; quick: 1)")
    parser.add_argument("--patience", type=int, default=4,
                        help="repeats of a load that something else on the machine disturbed (4)")
    parser.add_argument("--only", choices=PARTS + BY_NAME_ONLY, action="append",
                        help="one part; may be repeated")
    parser.add_argument("--quick", action="store_true",
                        help="fewer subjects and rounds; five minutes, into results/quick/")
    parser.add_argument("--update-readme", action="store_true",
                        help="put the results into README.md, between the bench comments")
    options = parser.parse_args()
    options.rounds = options.rounds or (2 if options.quick else 5)
    options.seconds = options.seconds or (1 if options.quick else 3)
    options.results = RESULTS / "quick" if options.quick else RESULTS
    options.progress = progress
    if options.rounds < 1 or options.seconds < 1:
        parser.error("--rounds and --seconds are at least 1")
    if not options.htgate.exists():
        parser.error(f"no {options.htgate.name} there; bench/bench.sh builds it")
    return options


def progress(part, turn, name, result):
    """One line for whoever waits."""
    print(f"{part}, round {turn + 1}: {name}: {result}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    try:
        main()
    except BenchError as error:
        sys.exit(f"bench: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
