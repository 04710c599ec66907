"""Starts what is measured: nginx with the shipped files, htgate, and the registry."""

import functools
import grp
import os
import secrets
import socket
import threading
import urllib.error
import urllib.request

from stage import CHECKOUT, NGINX_GROUP, BenchError, free_address, run

SHIPPED_SOCKET = "unix:/run/htgate/htgate.sock"
# It names a file: an index redirect would run the access phase twice.
URI = "/small.txt"


def nginx(stage, name, http, addresses):
    """An nginx with one worker, whose http block is given."""
    user = f"user {NGINX_GROUP};" if os.geteuid() == 0 else ""
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    folders = "\n".join(f"    {k}_temp_path {stage.folder}/{name}.{k};" for k in kinds)
    configuration = stage.write(f"{name}.conf", f"""\
{user}
worker_processes 1;
daemon off;
pid {stage.folder}/{name}.pid;
error_log {stage.folder}/{name}.log;
events {{ worker_connections 8192; }}
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
    log = stage.folder / f"{name}.log"
    return stage.start(name, ["nginx", "-e", log, "-c", configuration], addresses)


def htgate(stage, addresses, htpasswd, *options, patience=10):
    """htgate with one answering thread, as the nginx beside it has one worker."""
    command = [stage.htgate_binary, "--htpasswd", htpasswd, "--workers", "1", *options]
    for address in addresses:
        command += ["--listen", address]
    if os.geteuid() == 0:
        command += ["--socket-group", NGINX_GROUP]
    environment = {k: v for k, v in os.environ.items()
                   if not k.startswith(("HTGATE_", "RUST_LOG"))}
    name = stage.fresh("htgate")
    return stage.start(name, command, addresses, patience, env=environment)


@functools.cache
def htgate_knows(binary, option):
    """Whether this htgate has such an option."""
    return option in run([binary, "serve", "--help"])


def floor(stage, addresses):
    """An nginx that answers 204 to everything: what no auth_request can be faster than."""
    listen = "".join(f"listen {address}; " for address in addresses)
    http = f"server {{ {listen} location / {{ return 204; }} }}"
    return nginx(stage, stage.fresh("floor"), http, addresses)


def registry(stage, name, address, auth=""):
    """Debian's docker-registry, over TCP or a unix socket."""
    path = address.removeprefix("unix:")
    network = f"net: unix, addr: {path}" if address != path else f"addr: {path}"
    configuration = stage.write(f"{name}.yml", f"""\
version: 0.1
log: {{level: error, accesslog: {{disabled: true}}}}
storage: {{filesystem: {{rootdirectory: {stage.folder}/{name}.images}}}}
http: {{{network}, secret: {secrets.token_hex(32)}}}
{auth}
""")
    process = stage.start(name, ["docker-registry", "serve", configuration], [address])
    if address != path and os.geteuid() == 0:
        os.chown(path, -1, grp.getgrnam(NGINX_GROUP).gr_gid)
        os.chmod(path, 0o660)
    return process


def shipped(stage, file, saved_as, replacements):
    """A file from nginx/ with other addresses. One that has changed too much is an error."""
    text = (CHECKOUT / "nginx" / file).read_text()
    for old, new in replacements.items():
        if old not in text:
            raise BenchError(f"nginx/{file} has no '{old}' any more; adapt bench/servers.py")
        text = text.replace(old, new)
    return stage.write(saved_as, text)


def gate(stage, name, authority):
    """The shipped gate that asks this address: lines for http, and for a server."""
    http = shipped(stage, "htgate.conf", f"{name}.gate.conf", {SHIPPED_SOCKET: authority})
    server = shipped(stage, "htgate-server.conf", f"{name}.gate-server.conf", {})
    return f"include {http};", f"include {server};"


def subrequest(stage, headers):
    """The bytes that nginx sends to a gate, as the shipped files make it."""
    recorder = stage.socket("recorder")
    path = recorder.removeprefix("unix:")
    recorded = []
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        os.chmod(path, 0o666)
        listener.listen()
        listener.settimeout(10)
        thread = threading.Thread(target=record, args=(listener, recorded), daemon=True)
        thread.start()
        front = free_address()
        http, server = gate(stage, "recorder", recorder)
        block = f"{http} server {{ listen {front}; {server} }}"
        process = nginx(stage, "recorder", block, [front])
        status(f"http://{front}{URI}", headers)
        thread.join()
    stage.end(process)
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


def status(url, headers):
    """The status that a client gets."""
    command = ["curl", "-sk", "-o", "/dev/null", "-w", "%{http_code}", "--max-time", "30", url]
    for name, value in headers.items():
        command += ["-H", f"{name}: {value}"]
    return int(run(command))


def fetch(address, path):
    """A small page over TCP, as text; quicker than a curl."""
    try:
        with urllib.request.urlopen(f"http://{address}{path}", timeout=10) as answer:
            return answer.read().decode()
    except urllib.error.URLError as error:
        raise BenchError(f"no answer from http://{address}{path}: {error.reason}") from error
