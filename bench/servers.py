"""Starts what is measured: nginx with the shipped files, htgate and the registry.

Addresses are written as htgate writes them: 127.0.0.1:PORT or unix:/PATH.
"""

import grp
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
USER, PASSWORD = "alice", "correct horse battery staple"
SHIPPED_SOCKET = "unix:/run/htgate/htgate.sock"
NGINX_GROUP = "www-data"


class BenchError(Exception):
    """One line for whoever runs this: what went wrong, and where to look."""


class Process:
    """A server that is up. Its time on the processor includes its children's."""

    def __init__(self, name, popen):
        self.name, self.popen = name, popen

    def cpu_seconds(self):
        """Nanosecond clocks of every thread: the 10 ms ticks of stat are too coarse."""
        total, pids = 0, [self.popen.pid]
        while pids:
            pid = pids.pop()
            for thread in Path(f"/proc/{pid}/task").glob("*"):
                try:
                    total += int((thread / "schedstat").read_text().split()[0])
                    pids += map(int, (thread / "children").read_text().split())
                except (FileNotFoundError, ProcessLookupError):
                    pass
        return total / 1e9


class Stage:
    """A temporary folder and the processes in it. All of it is gone when the stage is left."""

    def __init__(self, htgate):
        self.htgate_binary = Path(htgate).resolve()
        self.processes = []

    def __enter__(self):
        # Not $TMPDIR: a socket's path has room for some 100 bytes only.
        self.folder = Path(tempfile.mkdtemp(prefix="htgate-bench.", dir="/tmp"))
        # nginx's workers are somebody else if root starts this.
        self.folder.chmod(0o755)
        return self

    def __exit__(self, *_):
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        for process in self.processes:
            process.popen.terminate()
        for process in self.processes:
            try:
                process.popen.wait(5)
            except subprocess.TimeoutExpired:
                self.kill(process)
        shutil.rmtree(self.folder, ignore_errors=True)

    @staticmethod
    def kill(process):
        """With its children: an nginx worker in the midst of a hash outlives its master."""
        task = Path(f"/proc/{process.popen.pid}/task/{process.popen.pid}/children")
        children = task.read_text().split() if task.exists() else []
        process.popen.kill()
        for pid in children:
            try:
                os.kill(int(pid), signal.SIGKILL)
            except ProcessLookupError:
                pass
        process.popen.wait()

    def start(self, name, command, addresses, **options):
        """Starts a server and waits until it can be connected to."""
        log = self.folder / f"{name}.log"
        with log.open("ab") as output:
            # A session of its own: Ctrl-C ends this script, and the script ends the servers.
            popen = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                start_new_session=True, **options)
        process = Process(name, popen)
        self.processes.append(process)
        deadline = time.monotonic() + 10
        for address in addresses:
            while not accepts(address):
                if popen.poll() is not None or time.monotonic() > deadline:
                    lines = log.read_text(errors="replace").splitlines() or ["it says nothing"]
                    raise BenchError(f"{name} did not come up: {lines[-1]}")
                time.sleep(0.02)
        return process

    def write(self, name, text):
        """Puts a file into the folder; returns its path."""
        path = self.folder / name
        path.write_text(text)
        return path

    def socket(self, name):
        """The address of a unix socket that is not there yet."""
        return f"unix:{self.folder}/{name}.sock"

    def nginx(self, name, http, addresses):
        """An nginx with one worker, whose http block is given."""
        user = f"user {NGINX_GROUP};" if os.geteuid() == 0 else ""
        kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        folders = "\n".join(f"    {k}_temp_path {self.folder}/{name}.{k};" for k in kinds)
        configuration = self.write(f"{name}.conf", f"""\
{user}
worker_processes 1;
daemon off;
pid {self.folder}/{name}.pid;
error_log {self.folder}/{name}.log;
events {{ worker_connections 1024; }}
http {{
{folders}
    access_log off;
    sendfile on;
    # Reconnecting is not what is measured.
    keepalive_requests 1000000000;
    keepalive_timeout 90s;
{http}
}}
""")
        log = self.folder / f"{name}.log"
        return self.start(name, ["nginx", "-e", log, "-c", configuration], addresses)

    def htgate(self, addresses, htpasswd):
        """htgate with one answering thread, as the nginx beside it has one worker."""
        command = [self.htgate_binary, "--htpasswd", htpasswd, "--workers", "1"]
        for address in addresses:
            command += ["--listen", address]
        if os.geteuid() == 0:
            command += ["--socket-group", NGINX_GROUP]
        environment = {k: v for k, v in os.environ.items() if not k.startswith("HTGATE_")}
        return self.start("htgate", command, addresses, env=environment)

    def floor(self, addresses):
        """An nginx that answers 204 to everything: what no auth_request can be faster than."""
        listen = "".join(f"listen {address}; " for address in addresses)
        http = f"server {{ {listen} location / {{ return 204; }} }}"
        return self.nginx("floor", http, addresses)

    def registry(self, name, auth=""):
        """Debian's docker-registry on a unix socket."""
        address = self.socket(name)
        path = address.removeprefix("unix:")
        configuration = self.write(f"{name}.yml", f"""\
version: 0.1
log: {{level: error, accesslog: {{disabled: true}}}}
storage: {{filesystem: {{rootdirectory: {self.folder}/{name}.images}}}}
http: {{net: unix, addr: {path}, secret: {secrets.token_hex(32)}}}
{auth}
""")
        self.start(name, ["docker-registry", "serve", configuration], [address])
        if os.geteuid() == 0:
            os.chown(path, -1, grp.getgrnam(NGINX_GROUP).gr_gid)
            os.chmod(path, 0o660)
        return address

    def htpasswd(self, cost):
        """A file with the one user, at this bcrypt cost."""
        line = run(["htpasswd", "-nbBC", str(cost), USER, PASSWORD]).strip()
        return self.write(f"htpasswd-{cost}", line + "\n")

    def shipped(self, file, saved_as, replacements):
        """A file from nginx/ with other addresses. One that has changed too much is an error."""
        text = (CHECKOUT / "nginx" / file).read_text()
        for old, new in replacements.items():
            if old not in text:
                raise BenchError(f"nginx/{file} has no '{old}' any more; adapt bench/servers.py")
            text = text.replace(old, new)
        return self.write(saved_as, text)

    def gate(self, name, authority):
        """The shipped gate that asks this address: lines for http, and for a server."""
        http = self.shipped("htgate.conf", f"{name}.gate.conf", {SHIPPED_SOCKET: authority})
        server = self.shipped("htgate-server.conf", f"{name}.gate-server.conf", {})
        return f"include {http};", f"include {server};"

    def subrequest(self, headers):
        """The bytes that nginx sends to a gate, as the shipped files make it."""
        recorder = self.socket("recorder")
        recorded = []
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(recorder.removeprefix("unix:"))
            os.chmod(recorder.removeprefix("unix:"), 0o666)
            listener.listen()
            listener.settimeout(10)
            thread = threading.Thread(target=record, args=(listener, recorded), daemon=True)
            thread.start()
            front = free_address()
            http, server = self.gate("recorder", recorder)
            self.nginx("recorder", f"{http} server {{ listen {front}; {server} }}", [front])
            status(f"http://{front}{URI}", headers)
            thread.join()
        if not recorded:
            raise BenchError("nginx sent no subrequest to be recorded; see bench/servers.py")
        return recorded[0]


def record(listener, recorded):
    """Takes one request down and lets it pass."""
    connection, _ = listener.accept()
    with connection:
        request = b""
        while not request.endswith(b"\r\n\r\n"):
            piece = connection.recv(65536)
            if not piece:
                return
            request += piece
        connection.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")
        recorded.append(request)


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


def status(url, headers):
    """The status that a client gets."""
    command = ["curl", "-sk", "-o", "/dev/null", "-w", "%{http_code}", "--max-time", "30", url]
    for name, value in headers.items():
        command += ["-H", f"{name}: {value}"]
    return int(run(command))


# It names a file: an index redirect would run the access phase twice.
URI = "/small.txt"
