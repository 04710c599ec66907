"""Writes down what was found: a table for people, every sample for programs, and the goals."""

import csv
import datetime
import os
import platform
import re
import subprocess
from pathlib import Path

import plot
from findings import number
from stage import CHECKOUT, run

GOALS = "goals.csv"
GOALS_HEAD = ["part", "goal", "measured", "limit", "met"]


def table(head, rows):
    """A Markdown table; all columns but the first are numbers."""
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def section(findings):
    """The table, what is to be said of it, and the goals."""
    parts = [table(findings.head, findings.rows)]
    if findings.notes:
        parts.append("".join(f"- {note}\n" for note in findings.notes))
    if findings.goals:
        parts.append(table(["goal", "measured", "limit", ""], [
            [goal.text, number(goal.value, 4), goal.limit, goal.verdict]
            for goal in findings.goals]))
    return "\n".join(parts)


def save(folder, name, findings, facts):
    """NAME.md, NAME.csv with every single sample, NAME.svg; and the part's lines in goals.csv."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = "".join(f"- {fact}: {value}\n" for fact, value in facts)
    picture = ""
    if findings.chart:
        (folder / f"{name}.svg").write_text(plot.svg(findings.chart))
        picture = f"![{findings.chart.title}]({name}.svg)\n\n"
    (folder / f"{name}.md").write_text(
        f"# {findings.title}\n\n{section(findings)}\n{picture}{lines}")
    with (folder / f"{name}.csv").open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["subject", "round", "measure", "value"])
        writer.writerows([f"# {fact}", "", "", value] for fact, value in facts)
        writer.writerows([s, n, m, f"{v:.6g}"] for s, n, m, v in findings.samples.rows)
    save_goals(folder, name, findings.goals)


def save_goals(folder, name, goals):
    """Replaces the lines of this part."""
    path = folder / GOALS
    others = [row for row in read_csv(path) if row["part"] != name] if path.exists() else []
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, GOALS_HEAD, lineterminator="\n")
        writer.writeheader()
        writer.writerows(others)
        for goal in goals:
            measured = "" if goal.value is None else f"{goal.value:.6g}"
            writer.writerow(dict(zip(GOALS_HEAD, [
                name, goal.text, measured, goal.limit, "yes" if goal.met else "no"], strict=True)))


def read_csv(path):
    """Its lines, each by the names in the first."""
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def circumstances(options):
    """Machine, versions and date: numbers mean nothing without them."""
    cpu = re.search(r"model name\s*:\s*(.*)", Path("/proc/cpuinfo").read_text())
    load = ", ".join(f"{value:.2f}" for value in os.getloadavg())
    git = ["git", "-C", CHECKOUT, "describe", "--tags", "--always", "--dirty"]
    grouped = Path("/proc/sys/kernel/sched_autogroup_enabled")
    return [
        ("date", f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d %H:%M} UTC"),
        ("processor", f"{cpu[1] if cpu else platform.machine()}, {os.cpu_count()} cores"),
        ("kernel", platform.release()),
        ("sched_autogroup", "on" if grouped.exists() and grouped.read_text() != "0\n" else "off"),
        ("load before", load),
        ("htgate", f"{version([options.htgate, '--version'])} ({run(git).strip()})"),
        ("nginx", version(["nginx", "-v"])),
        ("Apache", version(["apache2", "-v"])),
        ("Caddy", version(["caddy", "version"])),
        ("registry", version(["docker-registry", "--version"])),
        ("skopeo", version(["skopeo", "--version"])),
        ("wrk", version(["wrk", "-v"])),
        ("rounds", f"{options.rounds} of {options.seconds} s"),
    ]


def version(command):
    """What looks like one in the first line that a program prints."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found = re.search(r"\d+\.\d[\w.+~-]*", done.stdout + done.stderr)
    return found[0] if found else "?"
