"""An image of 100 layers, pushed and pulled with skopeo through TLS: what a registry's users wait.
"""

import accounts
import peers
import servers
from findings import Chart, Findings, Goal, Samples, ratio
from measure import settle, turns
from peers import Subject
from servers import nginx, shipped
from skopeo import LAYERS, Skopeo
from stage import CHECKOUT, free_address
from stage import run as command

MOST = 1.10
HTGATE_12 = f"{peers.HTGATE}, cost 12"


def run(stage, options):
    """The quick ones in every round, the slow ones once."""
    subjects = start(stage, options.quick)
    peers.check(subjects, "https")
    samples = Samples()
    skopeo = Skopeo(stage)
    skopeo.push_and_pull(subjects[0].address)
    for turn, subject in turns(subjects, options.rounds):
        if subject.slow and turn:
            continue
        settle(subject.processes)
        push, pull = skopeo.push_and_pull(subject.address)
        samples.add(subject.name, turn, {"push_s": push, "pull_s": pull})
        options.progress("images", turn, subject.name, f"push {push:.2f} s, pull {pull:.2f} s")

    rows, goals = [], []
    for name in (subject.name for subject in subjects):
        row = [name]
        for act in ("push", "pull"):
            to_open = samples.ratio(name, peers.NO_AUTH, f"{act}_s")
            row += [f"{samples.median(name, f'{act}_s'):.2f}", ratio(to_open)]
            if name == HTGATE_12:
                goals.append(Goal(f"{act} of {LAYERS} layers, to no auth", to_open, most=MOST))
        rows.append(row)
    head = [f"an image of {LAYERS} layers", "push s", "to no auth", "pull s", "to no auth"]
    chart = Chart(f"An image of {LAYERS} layers", "seconds",
                  [subject.name for subject in subjects],
                  {act: [samples.median(subject.name, f"{act}_s") for subject in subjects]
                   for act in ("push", "pull")})
    return Findings("Push and pull", samples, head, rows, goals, chart=chart)


def start(stage, quick):
    """The shipped registry server, with these gates in place of its own; and Caddy."""
    keys = certificate(stage)
    cost_10, cost_12 = accounts.one_user(stage, "10"), accounts.one_user(stage, "12")
    authority = stage.socket("htgate")
    htgate = servers.htgate(stage, [authority], cost_12)
    gate_http, gate_server = servers.gate(stage, "registry", authority)
    registry = stage.socket("registry")
    servers.registry(stage, "registry", registry)

    def front(name, server, backend=registry, behind=(), **traits):
        return registry_front(stage, name, keys, backend, gate_http, server, behind, **traits)

    subjects = [front(peers.NO_AUTH, "", asks=False),
                front(HTGATE_12, gate_server, behind=[htgate])]
    if quick:
        return subjects
    own = stage.socket("registry-own")
    own_process = servers.registry(stage, "registry-own", own, peers.registry_auth(cost_10))
    path = registry.removeprefix("unix:")
    return subjects + [
        peers.caddy(stage, cost_10, "Caddy, cost 10",
                    f"reverse_proxy unix/{path} {{\n\t\theader_up -Authorization\n\t}}",
                    f"tls {keys}/domain.crt {keys}/domain.key", uri="/v2/"),
        front("`auth_basic`, cost 10",
              f"auth_basic bench; auth_basic_user_file {cost_10};", slow=True),
        front("registry's own htpasswd, cost 10", "", own, [own_process], True, slow=True),
    ]


def certificate(stage):
    """A folder with a key and its certificate."""
    folder = stage.folder / "certificate"
    command(["sh", CHECKOUT / "compose" / "certificate.sh", folder])
    return folder


def registry_front(stage, name, keys, backend, http, server, behind, passes_password=False,
                   **traits):
    """The shipped registry server with this gate, before this registry."""
    address = free_address()
    place = stage.fresh("front")
    replacements = {
        "server registry:5000;": f"server {backend};",
        "listen 443 ssl;": f"listen {address} ssl;",
        "/etc/nginx/certs": str(keys),
        "include /etc/nginx/htgate-server.conf;": server,
        "access_log /var/log/nginx/access.log htgate;": "access_log off;",
    }
    if passes_password:
        replacements["proxy_set_header Authorization '';"] = ""
    site = shipped(stage, "registry.conf", f"{place}.site.conf", replacements)
    process = nginx(stage, place, f"{http} include {site};", [address])
    return Subject(name, address, [*behind, process], "/v2/", **traits)
