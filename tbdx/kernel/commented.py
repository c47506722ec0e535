"""Which issues anybody has said anything about: `show` asks it each time, and nearly always the answer is no.

What the cache knows holds while no file came to the folders of messages, which never change; a folder that had changed
just when it was looked at is not trusted to be the same.
"""

from __future__ import annotations

import os
import time

from tbdx.errors import BadFile, Disk
from tbdx.kernel import Kernel
from tbdx.store import cache, entities
from tbdx.store.cache import SETTLED_NS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

NAME = "commented"


def has_comments(k: Kernel, internals: Sequence[str]) -> bool:
    """Whether a message to any of these issues is here."""
    folders = [f for f in entities.folders(k.repo, "message") if os.path.isdir(f)]
    at = [os.stat(folder).st_mtime_ns for folder in folders]
    kept = cache.opened(k.repo, NAME)
    works: dict[str, None] = {}
    known: dict[str, None] = {}
    if kept is not None:
        try:
            works = kept.get("works")
            if kept.get("at") == at:
                return not works.keys().isdisjoint(internals)
            known = kept.get("names")
        except (OSError, ValueError, KeyError, EOFError, TypeError, AttributeError):
            works, known = {}, {}
        finally:
            kept.close()
    looked_ns = time.time_ns()
    for folder in folders:
        for name in entities.listed(folder, "ms"):
            about = None if name in known else _about(f"{folder}/{name}")
            if about is not None:
                works |= dict.fromkeys(about)
                known[name] = None
    settled = [ns if ns < looked_ns - SETTLED_NS else 0 for ns in at]
    sections: list[tuple[str, Any]] = [("at", settled), ("works", works), ("names", known)]
    cache.write(k.repo, NAME, sections)
    return not works.keys().isdisjoint(internals)


def _about(path: str) -> list[str] | None:
    """The issues that a message is to; None for a damaged one, which lists tell."""
    try:
        to = entities.parsed(path, "message")
    except (FileNotFoundError, BadFile, Disk):
        return None
    return [who[5:] for who in (*to["to"], *to.get("cc", ())) if who.startswith("work:")]
