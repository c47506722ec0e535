"""What a project is called in events: the place of its remote, whichever way that is written."""

from __future__ import annotations


def normalised(url: str) -> str | None:
    """`host/owner/repo` of a remote's address; None for one on this machine, which means nothing to others.

    `https://user@github.com:443/o/r.git`, `git@github.com:o/r` and `ssh://git@github.com/o/r/` are the same.
    """
    scheme, there, rest = url.partition("://")
    if not there:
        host, colon, path = url.partition(":")
        if not colon or "/" in host or len(host) < 2:  # a path, or a drive's letter
            return None
    else:
        if scheme.lower() not in ("http", "https", "ssh", "git", "git+ssh", "ssh+git"):
            return None
        host, _, path = rest.partition("/")
        host = host.rpartition("@")[2]  # who, and with what password, comes first
        host = host.partition(":")[0] if "]" not in host else host
    host = host.rpartition("@")[2].lower()
    path = path.strip("/").removesuffix(".git").strip("/")
    text = f"{host}/{path}"
    return text if host and path and text.isprintable() and " " not in text else None
