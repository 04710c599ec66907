"""What can stand before a file, each in its own best configuration: the subjects of the parts."""

import base64
import os
from dataclasses import dataclass

import servers
from accounts import USER
from clients import client_headers
from servers import URI, nginx
from stage import NGINX_GROUP, BenchError, Process, free_address

NO_AUTH = "no auth"
FLOOR = "`return 204`"
HTGATE = "htgate"
SOCKETS = ("TCP", "unix socket")


@dataclass
class Subject:
    """Something that is measured in turn with others."""

    name: str
    address: str
    # The first answers the question, the last is what clients talk to.
    processes: list[Process]
    uri: str = URI
    asks: bool = True
    # Whether one request takes a hash: fewer rounds will do.
    slow: bool = False

    @property
    def url(self):
        """What clients ask for."""
        return f"http://{self.address}{self.uri}"


def site(stage):
    """A folder with the one small file."""
    folder = stage.folder / "site"
    if not folder.exists():
        folder.mkdir()
        (folder / URI.removeprefix("/")).write_text("x" * 1023 + "\n")
    return folder


def front(stage, name, http="", server="", behind=(), **traits):
    """An nginx with the file, and these lines before it."""
    address = free_address()
    block = f"{http} server {{ listen {address}; root {site(stage)}; {server} }}"
    place = stage.fresh("front")
    process = nginx(stage, place, block, [address])
    return Subject(name, address, [*behind, process], **traits)


def no_auth(stage):
    """The file, for everybody."""
    return front(stage, NO_AUTH, asks=False)


def behind_gate(stage, name, process, authority, refuse="", **traits):
    """The file behind the shipped gate. What `refuse` says comes first."""
    http, server = servers.gate(stage, stage.fresh("gate"), authority)
    return front(stage, name, f"{http} {refuse and GEO}", f"{refuse} {server}", [process],
                 **traits)


# The attackers' own addresses, for an nginx that knows them.
GEO = "geo $attacker { default ''; 127.1.0.0/16 1; }"


def behind_htgate(stage, htpasswd, *options, name=HTGATE, **traits):
    """The file behind htgate on a unix socket."""
    authority = stage.socket("htgate")
    process = servers.htgate(stage, [authority], htpasswd, *options, patience=60)
    return behind_gate(stage, name, process, authority, **traits)


def gates(stage, htpasswd, label):
    """The floor and htgate on one kind of socket, then on the other: name, process, address."""
    starts = {FLOOR: lambda addresses: servers.floor(stage, addresses),
              label: lambda addresses: servers.htgate(stage, addresses, htpasswd)}
    started = []
    for name, start in starts.items():
        addresses = (free_address(), stage.socket("gate"))
        started.append((name, start(addresses), addresses))
    return [(f"{name}, {kind}", process, addresses[number])
            for number, kind in enumerate(SOCKETS) for name, process, addresses in started]


def auth_basic(stage, htpasswd, name, **traits):
    """nginx's own."""
    return front(stage, name, server=f"auth_basic bench; auth_basic_user_file {htpasswd};",
                 **traits)


def cached_subrequest(stage, htpasswd, name, **traits):
    """auth_request to an nginx with auth_basic, its answers in a proxy_cache by the password."""
    authority = stage.socket("authority")
    (site(stage) / "allowed").touch()
    slow = nginx(stage, stage.fresh("authority"), f"""
        server {{
            listen {authority};
            root {site(stage)};
            auth_basic bench;
            auth_basic_user_file {htpasswd};
            location / {{ try_files /allowed =404; }}
        }}""", [authority])
    http = f"""
        proxy_cache_path {stage.folder}/{stage.fresh("answers")} keys_zone=answers:10m;
        upstream authority {{ server {authority}; keepalive 32; }}"""
    server = """
        auth_request /_authority;
        location = /_authority {
            internal;
            proxy_pass http://authority;
            proxy_http_version 1.1;
            proxy_set_header Connection '';
            proxy_pass_request_body off;
            proxy_set_header Content-Length '';
            proxy_cache answers;
            proxy_cache_key $http_authorization;
            proxy_cache_valid 200 1h;
        }"""
    return front(stage, name, http, server, [slow], **traits)


def apache(stage, htpasswd, name, remembers=False, **traits):
    """Apache with mpm_event. With authn_socache it remembers the users' lines, not the verdicts."""
    address = free_address()
    place = stage.fresh("apache")
    modules = ["mpm_event", "authn_core", "authz_core", "authz_user", "auth_basic", "authn_file"]
    provider, cache = "file", ""
    if remembers:
        modules += ["socache_shmcb", "authn_socache"]
        provider, cache = "socache file", "AuthnCacheProvideFor file\nAuthnCacheTimeout 3600\n"
    loads = "".join(f"LoadModule {module}_module {APACHE_MODULES}/mod_{module}.so\n"
                    for module in modules)
    user = f"User {NGINX_GROUP}\nGroup {NGINX_GROUP}\n" if os.geteuid() == 0 else ""
    configuration = stage.write(f"{place}.conf", f"""\
{loads}{user}ServerRoot {stage.folder}
DefaultRuntimeDir {stage.folder}
PidFile {stage.folder}/{place}.pid
ErrorLog {stage.folder}/{place}.log
ServerName localhost
Listen {address}
KeepAlive On
KeepAliveTimeout 90
MaxKeepAliveRequests 0
# Room for all connections of a bench at once.
ThreadLimit 64
ServerLimit 20
MaxRequestWorkers 1280
DocumentRoot {site(stage)}
<Directory {site(stage)}>
AuthType Basic
AuthName bench
AuthBasicProvider {provider}
{cache}AuthUserFile {htpasswd}
Require valid-user
</Directory>
""")
    command = ["apache2", "-f", configuration, "-DFOREGROUND"]
    process = stage.start(place, command, [address])
    return Subject(name, address, [process], **traits)


APACHE_MODULES = "/usr/lib/apache2/modules"


def caddy(stage, htpasswd, name, then="file_server", tls="", **traits):
    """Caddy, which has its users in its configuration, and remembers verdicts."""
    address = free_address()
    port = address.rsplit(":", 1)[1]
    place = stage.fresh("caddy")
    lines = [line.split(":") for line in htpasswd.read_text().splitlines()]
    users = "".join(f"\t\t{user} {base64.b64encode(hash.encode()).decode()}\n"
                    for user, hash in lines)
    configuration = stage.write(f"{place}.caddyfile", f"""\
{{
	admin off
	auto_https off
}}
{"https" if tls else "http"}://localhost:{port}, {"https" if tls else "http"}://{address} {{
	bind 127.0.0.1
	root * {site(stage)}
	{tls}
	basicauth {{
{users}	}}
	{then}
}}
""")
    command = ["caddy", "run", "--adapter", "caddyfile", "--config", configuration]
    environment = os.environ | {"HOME": str(stage.folder), "XDG_DATA_HOME": str(stage.folder),
                                "XDG_CONFIG_HOME": str(stage.folder)}
    process = stage.start(place, command, [address], patience=30, env=environment)
    return Subject(name, address, [process], **traits)


def own_registry(stage, htpasswd, name, **traits):
    """The registry's own htpasswd, asked for the one page that every client asks for first."""
    address = free_address()
    process = servers.registry(
        stage, stage.fresh("registry"), address, registry_auth(htpasswd))
    return Subject(name, address, [process], uri="/v2/", **traits)


def registry_auth(htpasswd):
    """Lines of the registry's configuration."""
    return f"auth: {{htpasswd: {{realm: bench, path: {htpasswd}}}}}"


def check(subjects, scheme="http", good=200):
    """Before anything is measured: the right password passes, a wrong one does not."""
    for subject in subjects:
        url = f"{scheme}://{subject.address}{subject.uri}"
        wanted = (good, 401 if subject.asks else good)
        seen = (servers.status(url, client_headers()),
                servers.status(url, client_headers("wrong")))
        if seen != wanted:
            raise BenchError(
                f"{subject.name} answers {seen[0]} to the right password of {USER} and {seen[1]} "
                f"to a wrong one, and should {wanted[0]} and {wanted[1]}")
