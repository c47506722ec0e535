"""What a change of an issue is called: the events of one version after another.

One change is one event, of the first type that fits; `fields` tells all of it. A link to a page is an event for each.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from tbdx.core.attic import Loss

    Issue = Mapping[str, Any]
    Draft = dict[str, Any]

LONG = 400  # characters: a longer text is told by its size; the blobs hold it
_ALWAYS = ("version", "updated_at")


def drafts(
    before: Issue | None, after: Issue, blobs: tuple[str | None, str], actor: str, claimed_by: str
) -> list[Draft]:
    """[{type, refs, body}] of a new issue, or of a change; `blobs`: git's ids of its file before and now.

    `claimed_by` is the field that a claim is kept in, `actor` the name of the one who changed it.
    """
    body: dict[str, Any] = {}
    if before is None:
        kind = "work.created"
        body = {name: after[name] for name in ("title", "kind", "priority", "status") if name in after}
    else:
        names = dict.fromkeys((*before, *after))
        changed = [n for n in names if before.get(n) != after.get(n) and n not in _ALWAYS]
        kind = _kind(before, after, actor, claimed_by)
        if kind == "work.closed":
            body = {n: after[f] for n, f in (("reason", "close_reason"), ("resolution", "resolution")) if after.get(f)}
        elif kind == "work.released":
            body = {"reason": "no longer claimed"}
        body["fields"] = {n: {"before": _short(before.get(n)), "after": _short(after.get(n))} for n in changed}
    body |= {"blob": blobs[1]} | ({"was": blobs[0]} if blobs[0] else {})
    refs = {"work_id": after["id"]}
    if kind != "work.linked" or before is None:
        return [{"type": kind, "refs": refs, "body": body}]
    return [{"type": kind, "refs": refs, "body": {"url": url} | body} for url in _new_links(before, after)]


def conflicted(loss: Loss) -> Draft:
    """The event of a value that lost a merge; `attic` is the file that keeps it."""
    from tbdx.core.attic import stem_for

    body = {"field": loss.field, "attic": f"{stem_for(loss)}.yml"}
    return {"type": "work.conflicted", "refs": {"work_id": loss.entity}, "body": body}


def _kind(before: Issue, after: Issue, actor: str, claimed_by: str) -> str:
    if after["status"] == "closed" != before["status"]:
        return "work.closed"
    if before["status"] == "closed" != after["status"]:
        return "work.reopened"
    was, now = before.get(claimed_by), after.get(claimed_by)
    if now == actor != was or (now == actor and before["status"] != after["status"] == "in_progress"):
        return "work.claimed"
    if was == actor and not now:
        return "work.released"
    return "work.linked" if _new_links(before, after) else "work.updated"


def _new_links(before: Issue, after: Issue) -> list[str]:
    known = {ref["url"] for ref in before.get("refs") or ()}
    return [ref["url"] for ref in after.get("refs") or () if ref["url"] not in known]


def _short(value: Any) -> Any:
    return {"size": len(value)} if isinstance(value, str) and len(value) > LONG else value
