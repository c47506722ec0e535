"""Changes that no event told of, as events for streams: a hand's edit, or a real tbd's.

Each is made of the issue's id and its two blobs alone, so that every watcher shows the same one. None is journaled.
"""

from __future__ import annotations

from tbdx.core.digest import hexdigest
from tbdx.core.event import VERSION
from tbdx.core.happened import drafts
from tbdx.core.ids import ulid
from tbdx.core.times import to_ms

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    Issue = Mapping[str, Any]


def events(
    before: Issue | None, after: Issue, blobs: tuple[str | None, str], claimed_by: str, project: str
) -> list[dict[str, Any]]:
    """What a change of an issue would have been called, had a tbdx made it: without writer, seq, and who did it."""
    claimed = after.get(claimed_by)
    out = []
    for n, draft in enumerate(drafts(before, after, blobs, claimed or "", claimed_by)):
        chance = hexdigest(f"{after['id']} {blobs[0]} {blobs[1]} {n}".encode())[:20]
        event_id = ulid(to_ms(after["updated_at"]) or 0, int(chance, 16)).upper()
        head = {"v": VERSION, "event_id": event_id, "ts": after["updated_at"], "project": project}
        out.append(head | {"type": draft["type"], "derived": True, "actor": {"agent_id": "unknown"}} | draft)
    return out
