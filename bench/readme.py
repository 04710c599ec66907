"""Puts a summary of the last results into README.md: one row for each that can stand there."""

from statistics import median

from findings import number
from report import read_csv, table
from stage import CHECKOUT, BenchError

BEGIN, END = "<!-- bench: make bench writes what follows -->", "<!-- bench: until here -->"
NONE = ""
# In words, and the subjects of the parts: warm, images, attack.
ROWS = (
    ("nothing", "no auth", "no auth", NONE),
    ("nginx `auth_basic`, cost 5", "`auth_basic`, cost 5", NONE, "`auth_basic`, cost 5"),
    ("nginx `auth_basic`, cost 10", *["`auth_basic`, cost 10"] * 3),
    ("nginx `auth_basic`, cost 12", "`auth_basic`, cost 12", NONE, NONE),
    ("registry's own htpasswd, cost 10", *["registry's own htpasswd, cost 10"] * 3),
    ("Apache + authn_socache, cost 10", "Apache + authn_socache, cost 10", NONE,
     "Apache + authn_socache, cost 10"),
    ("Caddy, cost 10", *["Caddy, cost 10"] * 3),
    ("`auth_request` + `proxy_cache`, cost 10", "`auth_request` + `proxy_cache`, cost 10", NONE,
     "`auth_request` + `proxy_cache`, cost 10"),
    ("`auth_request` to an nginx that lets everybody in", "`return 204`, unix socket", NONE, NONE),
    ("**htgate**, cost 12 (under attack: 10)", "htgate, cost 12, unix socket", "htgate, cost 12",
     "htgate, cost 10"),
)
ATTACK = "a known user, one address"


def update(results):
    """Replaces what stands between the comments."""
    path = CHECKOUT / "README.md"
    text = path.read_text()
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise BenchError(f"README.md has no '{BEGIN}' and '{END}' after it; put them where the "
                         "table shall stand")
    path.write_text(f"{before}{BEGIN}\n\n{summary(results)}\n{END}{after}")


def summary(results):
    """The table, the machine and the pictures."""
    warm, images, attack = (medians(results / f"{part}.csv")
                            for part in ("warm", "images", "attack"))
    rows = []
    for words, in_warm, in_images, in_attack in ROWS:
        attacked, p99 = (attack.get((in_attack, f"{measure}, {ATTACK}"))
                         for measure in ("requests/s", "p99_ms"))
        push = images.get((in_images, "push_s"))
        rows.append([
            words, number(warm.get((in_warm, "requests_per_second"))),
            f"{push:.1f} s" if push else NONE,
            NONE if attacked is None else number(attacked) + (f", p99 {number(p99)} ms" if p99
                                                              else "")])
    head = ["what protects a small file", "warm requests/s", "push of 100 layers",
            "requests/s for a logged-in user while 64 connections guess"]
    facts = {row["subject"]: row["value"] for row in read_csv(results / "warm.csv")}
    machine = (f"{facts['# processor']}, nginx {facts['# nginx']} with one worker, "
               f"{facts['# date'][:10]}.")
    pictures = "".join(f"![{words}](bench/results/{part}.svg)\n" for part, words in (
        ("attack", "Warm requests a second, calm and under attack"),
        ("users", "Warm requests a second by users in the file")))
    return f"{table(head, rows)}\n{machine}\n\n{pictures}"


def medians(path):
    """The middle value of each measure of each subject."""
    if not path.exists():
        raise BenchError(f"there is no {path.name} yet; run that part first")
    values = {}
    for row in read_csv(path):
        if row["measure"]:
            values.setdefault((row["subject"], row["measure"]), []).append(float(row["value"]))
    return {key: median(found) for key, found in values.items()}
