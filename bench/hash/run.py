#!/usr/bin/env python3
"""Measures one bcrypt hash: ours, other implementations, other build settings, and libxcrypt.

Each subject is a process that computes a few hashes. They take turns, in another order every
round, and what counts is the CPU time of the process. Printed are medians of the ratio to
libxcrypt in the same round, so that what else the machine does falls on all of them.
"""

import os
import statistics
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
TARGET = HERE / "target"
COST, COUNT = 8, 8
BUILDS = {
    "as htgate is built": ("release", ""),
    "16 codegen units, no LTO": ("no-lto", ""),
    "opt-level 2": ("opt-2", ""),
    "opt-level s": ("opt-s", ""),
    "this processor's instructions (not portable)": ("release", "-C target-cpu=native"),
}
SUBJECTS = {"htgate": "htgate", "bcrypt": "bcrypt 0.19", "blowfish": "blowfish 0.10 alone"}


def build():
    """The commands to run, by name."""
    commands = {}
    for build, (profile, flags) in BUILDS.items():
        target = TARGET / (profile + ("-native" if flags else ""))
        subprocess.run(
            ["cargo", "build", "-q", "--profile", profile, "--target-dir", target],
            cwd=HERE, env=os.environ | {"RUSTFLAGS": flags}, check=True)
        for subject, name in SUBJECTS.items():
            commands[name, build] = [target / profile / "hash-bench", subject]
    subprocess.run(["cc", "-O2", HERE / "libxcrypt.c", "-o", TARGET / "libxcrypt", "-lcrypt"],
                   check=True)
    commands["libxcrypt", "Debian's package"] = [TARGET / "libxcrypt"]
    return commands


def cpu_ms(command, count):
    process = subprocess.Popen([*command, str(COST), str(count)])
    _, status, usage = os.wait4(process.pid, 0)
    assert status == 0, command
    return (usage.ru_utime + usage.ru_stime) * 1000


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 21
    commands = build()
    times = {name: [] for name in commands}
    names = list(commands)
    for turn in range(rounds):
        for name in names[turn % len(names):] + names[:turn % len(names)]:
            # What starting a process takes is not the hash's.
            start = cpu_ms(commands[name], 0)
            times[name].append((cpu_ms(commands[name], COUNT) - start) / COUNT)
    reference = times["libxcrypt", "Debian's package"]
    print(f"Cost {COST}, {rounds} rounds of {COUNT} hashes each.\n")
    print("| implementation | built | ms a hash, median | of libxcrypt's |")
    print("|---|---|---|---|")
    for name, measured in times.items():
        ratio = statistics.median(one / other for one, other in zip(measured, reference))
        print(f"| {name[0]} | {name[1]} | {statistics.median(measured):.2f} | {ratio:.2f} |")


main()
