"""Users' files: one user with each kind of hash, and crowds of them."""

import base64
import hashlib
import os
from concurrent.futures import ThreadPoolExecutor

from stage import run

USER, PASSWORD = "alice", "correct horse battery staple"


def stored(kind):
    """A hash of the password: "plain", "sha", or a bcrypt cost."""
    if kind == "plain":
        return f"{{PLAIN}}{PASSWORD}"
    if kind == "sha":
        digest = hashlib.sha1(PASSWORD.encode(), usedforsecurity=False).digest()
        return f"{{SHA}}{base64.b64encode(digest).decode()}"
    return run(["htpasswd", "-nbBC", kind, USER, PASSWORD]).strip().split(":", 1)[1]


def one_user(stage, kind):
    """A file with the one user."""
    return stage.write(f"htpasswd-{kind}", f"{USER}:{stored(kind)}\n")


def known_users(stage, kind, count):
    """A file with the user, and so many others ("user-0" and on) with the same password, but a salt
    of their own: Caddy remembers verdicts by hash and password.
    """
    names = [USER, *(f"user-{number}" for number in range(count))]
    # Each hash is a process, and takes a core for its time.
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        hashes = pool.map(lambda _: stored(kind), names)
        text = "".join(f"{name}:{hash}\n" for name, hash in zip(names, hashes, strict=True))
    return stage.write(f"htpasswd-{kind}-and-{count}", text)


def crowd(stage, kind, count, name=None):
    """A file with so many users, the one in the middle; the others have hashes of their own, which
    are nobody's password.
    """
    lines = [f"user-{number}:{nobodys(kind)}\n" for number in range(count - 1)]
    lines.insert(len(lines) // 2, f"{USER}:{stored(kind)}\n")
    return stage.write(name or f"htpasswd-{kind}-{count}", "".join(lines))


def nobodys(kind):
    """A well-formed random hash."""
    if kind == "sha":
        return f"{{SHA}}{base64.b64encode(os.urandom(20)).decode()}"
    # 16 bytes of salt are 22 letters and 23 of digest are 31, in bcrypt's own order of letters.
    salt, digest = (base64.b64encode(os.urandom(size)).translate(BCRYPT_LETTERS).decode()
                    for size in (16, 23))
    return f"$2y${kind:02}${salt[:22]}{digest[:31]}"


BCRYPT_LETTERS = bytes.maketrans(
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
    b"./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789")
