"""Changes of issues, as the sync branch's history has them, that no journal here tells of."""

from __future__ import annotations

from tbdx.core import codec, derived, merge
from tbdx.errors import BadFile
from tbdx.kernel import Kernel, log
from tbdx.kernel.journal import project
from tbdx.store import journal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Issue = dict[str, Any]


def since(k: Kernel, old: str | None, new: str | None) -> list[dict[str, Any]]:
    """The derived events of the commits that `new` has and `old` has not, in total order."""
    git = k.git
    if not new or old == new:
        return []
    known = old if old and git.commit_of(old) else None
    changes = [row for row in git.changed_in(known, new, merge.ISSUES) if row[0].endswith(".md")]
    told = _told(k) if changes else b""
    lacking = [(path, was, now) for path, was, now in changes if now.encode() not in told]
    if not lacking:
        return []
    data = git.blobs(blob for _, was, now in lacking for blob in (was, now) if blob)
    named = project(k)
    out = {}
    for path, was, now in lacking:
        after = _issue(path, data[now])
        before = _issue(path, data[was]) if was else None
        if after is not None:
            for event in derived.events(before, after, (was, now), k.config.claimed_by, named):
                out[event["event_id"]] = event
    return [out[name] for name in sorted(out)]


def _told(k: Kernel) -> bytes:
    return b"\n".join(journal.read(path) for source in log.sources(k).values() for path, _ in source.files())


def _issue(path: str, data: bytes) -> Issue | None:
    try:
        return codec.parse(codec.decode(data), path[len(merge.ISSUES) : -3])
    except BadFile:
        return None  # told where it is listed
