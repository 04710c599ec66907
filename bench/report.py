"""Samples to tables: medians, and ratios within a round, for the machine is not steady."""

import csv
import datetime
import os
import platform
import re
import subprocess
from pathlib import Path
from statistics import median

from servers import CHECKOUT, run


class Samples:
    """Values by subject, measure and round."""

    def __init__(self, part):
        self.part, self.rows = part, []

    def add(self, subject, number, values):
        """What one round gave for one subject."""
        self.rows += [(subject, number, measure, value) for measure, value in values.items()]

    def rounds(self, subject, measure):
        """The values of one measure, by round."""
        return {n: v for s, n, m, v in self.rows if (s, m) == (subject, measure)}

    def median(self, subject, measure):
        """The middle one of all rounds."""
        return median(self.rounds(subject, measure).values())

    def ratio(self, subject, other, measure):
        """The middle one of the ratios in each round that both were in."""
        ours, theirs = self.rounds(subject, measure), self.rounds(other, measure)
        return median(ours[n] / theirs[n] for n in ours.keys() & theirs.keys())


def goal(value, limit):
    """Whether a ratio is as high (or low: a negative limit) as it shall be."""
    met = value >= limit if limit > 0 else value <= -limit
    return f"{'met' if met else '**not met**'} ({'≥' if limit > 0 else '≤'} {abs(limit):.2f})"


def table(head, rows):
    """A Markdown table; all columns but the first are numbers."""
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def number(value):
    """As many digits as say something."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def circumstances(htgate, options):
    """Machine, versions and date: numbers mean nothing without them."""
    cpu = re.search(r"model name\s*:\s*(.*)", Path("/proc/cpuinfo").read_text())
    load = ", ".join(f"{value:.2f}" for value in os.getloadavg())
    git = ["git", "-C", CHECKOUT, "describe", "--tags", "--always", "--dirty"]
    nginx = subprocess.run(["nginx", "-v"], capture_output=True, text=True, check=True).stderr
    wrk = subprocess.run(["wrk", "-v"], capture_output=True, text=True, check=False).stdout
    registry = run(["docker-registry", "--version"]).split()[-1]
    return [
        ("date", f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d %H:%M} UTC"),
        ("processor", f"{cpu[1] if cpu else platform.machine()}, {os.cpu_count()} cores"),
        ("kernel", platform.release()),
        ("load before", load),
        ("htgate", f"{run([htgate, '--version']).split()[-1]} ({run(git).strip()})"),
        ("nginx", nginx.strip().rsplit("/", 1)[-1]),
        ("wrk", wrk.split()[1] if wrk else "?"),
        ("registry", registry),
        ("skopeo", run(["skopeo", "--version"]).split()[-1]),
        ("rounds", f"{options.rounds} of {options.seconds} s"),
    ]


def save(sections, samples, facts):
    """latest.md for people, latest.csv with every single sample."""
    folder = CHECKOUT / "bench" / "results"
    folder.mkdir(exist_ok=True)
    lines = "".join(f"- {name}: {value}\n" for name, value in facts)
    text = f"# Measured by `make bench`\n\n{lines}\n" + "\n".join(sections)
    (folder / "latest.md").write_text(text)
    with (folder / "latest.csv").open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["part", "subject", "round", "measure", "value"])
        for part in samples:
            writer.writerows([part.part, s, n, m, f"{v:.6g}"] for s, n, m, v in part.rows)
