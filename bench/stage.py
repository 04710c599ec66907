"""A temporary folder and the processes in it; all of it is gone when the stage is left.

Addresses are written as htgate writes them: 127.0.0.1:PORT or unix:/PATH.
"""

import itertools
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
# Debian's; the group that sockets are opened to, if root starts this.
NGINX_GROUP = "www-data"


class BenchError(Exception):
    """One line for whoever runs this: what went wrong, and where to look."""


class Process:
    """A server that is up. Its time on the processor includes its children's."""

    def __init__(self, name, popen):
        self.name, self.popen = name, popen

    def pids(self):
        """The process and all that descend from it."""
        found, new = [], [self.popen.pid]
        while new:
            pid = new.pop()
            found.append(pid)
            for children in Path(f"/proc/{pid}/task").glob("*/children"):
                new += map(int, read(children).split())
        return found

    def threads(self):
        """The folder in /proc of each thread."""
        return [task for pid in self.pids() for task in Path(f"/proc/{pid}/task").glob("*")]

    def cpu_seconds(self):
        """Nanosecond clocks of every thread: the 10 ms ticks of stat are too coarse."""
        spent = (read(task / "schedstat").split() for task in self.threads())
        return sum(int(fields[0]) for fields in spent if fields) / 1e9

    def memory_mb(self, field="VmHWM"):
        """Resident megabytes: the most there ever were, or with VmRSS those of now."""
        lines = read(Path(f"/proc/{self.popen.pid}/status")).splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith(field)) / 1024

    def stop(self):
        """Ends it and its children: an nginx worker that hashes outlives its master."""
        pids = self.pids()
        self.popen.terminate()
        try:
            self.popen.wait(5)
        except subprocess.TimeoutExpired:
            for pid in pids:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            self.popen.wait()


class Stage:
    """Starts servers, and ends them."""

    def __init__(self, htgate):
        self.htgate_binary = Path(htgate).resolve()
        self.processes = []
        self.numbers = itertools.count()
        # A session for each server, as every service of systemd has. The kernel shares the
        # processor between sessions first (sched_autogroup), so this decides what a thread's
        # priority means.
        self.own_sessions = True

    def __enter__(self):
        # Not $TMPDIR: a socket's path has room for some 100 bytes only.
        self.folder = Path(tempfile.mkdtemp(prefix="htgate-bench.", dir="/tmp"))
        # nginx's workers are somebody else if root starts this.
        self.folder.chmod(0o755)
        return self

    def __exit__(self, *_):
        handlers = {number: signal.signal(number, signal.SIG_IGN)
                    for number in (signal.SIGINT, signal.SIGTERM)}
        for process in self.processes:
            process.popen.terminate()
        for process in self.processes:
            process.stop()
        shutil.rmtree(self.folder, ignore_errors=True)
        for number, handler in handlers.items():
            signal.signal(number, handler)

    def start(self, name, command, addresses, patience=10, **options):
        """Starts a server and waits until it can be connected to."""
        log = self.folder / f"{name}.log"
        # Out of the terminal's reach: Ctrl-C ends this script, and the script ends the servers.
        options |= {"start_new_session": True} if self.own_sessions else {"process_group": 0}
        with log.open("ab") as output:
            popen = subprocess.Popen(
                list(map(str, command)), stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                **options)
        process = Process(name, popen)
        self.processes.append(process)
        deadline = time.monotonic() + patience
        for address in addresses:
            while not accepts(address):
                if popen.poll() is not None or time.monotonic() > deadline:
                    lines = read(log).splitlines() or ["it says nothing"]
                    raise BenchError(f"{name} did not come up: {lines[-1]}")
                time.sleep(0.02)
        return process

    def end(self, *processes):
        """Ends some before the stage is left."""
        for process in processes:
            process.stop()
            self.processes.remove(process)

    def write(self, name, text):
        """Puts a file into the folder; returns its path."""
        path = self.folder / name
        path.write_text(text)
        return path

    def fresh(self, kind):
        """A name that nothing here has yet."""
        return f"{kind}-{next(self.numbers)}"

    def socket(self, kind):
        """The address of a unix socket that is not there yet."""
        return f"unix:{self.folder}/{self.fresh(kind)}.sock"


def read(path):
    """A file's text; none if it has gone, as files in /proc do."""
    try:
        return path.read_text(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return ""


def accepts(address):
    """Whether somebody listens there."""
    try:
        if address.startswith("unix:"):
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(address.removeprefix("unix:"))
        else:
            host, port = address.rsplit(":", 1)
            socket.create_connection((host, int(port)), 1).close()
    except OSError:
        return False
    return True


def free_address():
    """A TCP address that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"127.0.0.1:{listener.getsockname()[1]}"


def run(command, **options):
    """A command to its end; returns what it prints."""
    try:
        done = subprocess.run(
            list(map(str, command)), capture_output=True, text=True, check=False,
            stdin=subprocess.DEVNULL, **options)
    except FileNotFoundError as error:
        raise BenchError(f"{command[0]} is missing; bench/bench.sh installs it") from error
    if done.returncode != 0:
        words = (done.stderr or done.stdout).strip().splitlines() or [f"exit {done.returncode}"]
        raise BenchError(f"{Path(command[0]).name} failed: {words[-1]}")
    return done.stdout
