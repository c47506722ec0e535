"""Beads' JSON Lines as issues: one line is one issue, named by Beads' own id.

What tbd's import does stands, with two defects mended: Beads' dependencies (`{issue_id, depends_on_id, type}`) are
kept, and so are parents. The values are what somebody's file says; the caller validates what comes out.
"""

from __future__ import annotations

from typing import NamedTuple

from tbdx.core.entity import KINDS, STATUSES
from tbdx.core.ids import strip_prefix
from tbdx.core.times import parse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    Issue = dict[str, Any]

CLOSED = ("done", "closed", "tombstone")


class Row(NamedTuple):
    """One issue of a file: the line it stands in, Beads' id, and all that the line says."""

    line: int
    id: str
    raw: dict[str, Any]


def read(data: bytes) -> tuple[list[Row], list[tuple[int, str]]]:
    """(the good lines, (line, why not) for each other that is not blank). Lines count from 1."""
    import msgspec

    decoder = msgspec.json.Decoder(dict[str, object])
    good: list[Row] = []
    bad: list[tuple[int, str]] = []
    for n, line in enumerate(data.removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1):
        if not line.strip():
            continue
        try:
            raw = decoder.decode(line)
        except (ValueError, RecursionError) as e:
            bad.append((n, f"not a JSON object ({_brief(e)})"))
            continue
        own, title = raw.get("id"), raw.get("title")
        if isinstance(own, str) and own.strip() and isinstance(title, str) and title.strip():
            good.append(Row(n, own.strip(), raw))
        else:
            bad.append((n, "no id" if not isinstance(own, str) or not own.strip() else "no title"))
    return good, bad


def _brief(e: Exception) -> str:
    return str(e).split("\n")[0][:100]


def latest(rows: Iterable[Row]) -> tuple[list[Row], list[Row]]:
    """(one row for each id, in the order of the file; the rows they outdo). The later time counts, then the line."""
    best: dict[str, Row] = {}
    outdone = []
    for row in rows:
        held = best.get(row.id)
        if held is not None:
            if (_time(row.raw, "updated_at") or "") < (_time(held.raw, "updated_at") or ""):
                outdone.append(row)
                continue
            outdone.append(held)
        best[row.id] = row
    return list(best.values()), outdone


def fields_of(row: Row, now: str) -> Issue:
    """The issue that a line stands for, without its own id, parent and dependencies. `now` is the import's instant."""
    raw = row.raw
    created = _time(raw, "created_at") or _time(raw, "updated_at") or now
    status = raw.get("status")
    kind = next((raw[x] for x in ("type", "issue_type") if raw.get(x) in KINDS), "task")
    out: Issue = {"type": "is", "id": "", "title": raw["title"], "kind": kind}
    out["status"] = "closed" if status in CLOSED else status if status in STATUSES else "open"
    out |= {"priority": _priority(raw.get("priority")), "version": 1}
    out |= {name: raw[name] for name in ("assignee",) if isinstance(raw.get(name), str) and raw[name]}
    labels = raw.get("labels")
    out["labels"] = list(dict.fromkeys(x for x in labels if isinstance(x, str))) if isinstance(labels, list) else []
    out |= {"dependencies": [], "parent_id": None}
    out["due_date"] = _time(raw, "due") or _time(raw, "due_at")
    out["deferred_until"] = _time(raw, "defer") or _time(raw, "defer_until")
    out |= {"created_at": created, "updated_at": _time(raw, "updated_at") or created}
    out["closed_at"] = _time(raw, "closed_at") if out["status"] == "closed" else None
    reason = raw.get("close_reason")
    out["close_reason"] = reason if out["status"] == "closed" and isinstance(reason, str) and reason else None
    out["extensions"] = {"beads": {"original_id": row.id, "imported_at": now}}
    return out | {name: raw[name] for name in ("description", "notes") if isinstance(raw.get(name), str) and raw[name]}


def _time(raw: Mapping[str, Any], name: str) -> str | None:
    """An instant as tbd writes it: UTC, milliseconds. None for what is no time."""
    text = raw.get(name)
    at = parse(text) if isinstance(text, str) and len(text) < 64 else None
    return at if at is not None and len(at) == 24 else None


def _priority(value: object) -> int:
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if isinstance(text, str) and text.upper().removeprefix("P") in ("0", "1", "2", "3", "4"):
        return int(text[-1])
    return 2


def short_of(original: str) -> str:
    """The short id that an issue of Beads keeps: what stands behind its prefix."""
    return strip_prefix(original.lower())


def links(row: Row) -> tuple[list[tuple[str, str]], str | None, list[str]]:
    """((blocker, blocked) pairs, the parent, the kinds of links that an issue has no place for), all by Beads' ids.

    Beads' own form says what an issue waits for; tbd's (`target`) what it blocks. A `parent-child` link goes from the
    child to its parent.
    """
    parent = row.raw.get("parent")
    edges: list[tuple[str, str]] = []
    other = []
    given = row.raw.get("dependencies")
    for link in given if isinstance(given, list) else ():
        if not isinstance(link, dict):
            other.append("a link that is no object")
            continue
        kind, on, of = link.get("type", "blocks"), link.get("depends_on_id"), link.get("issue_id", row.id)
        target = link.get("target")
        if kind == "blocks" and isinstance(on, str) and isinstance(of, str):
            edges.append((on.strip(), of.strip()))
        elif kind == "blocks" and isinstance(target, str):
            edges.append((row.id, target.strip()))
        elif kind == "parent-child" and isinstance(on, str) and of == row.id:
            parent = parent or on.strip()
        else:
            other.append(str(kind)[:40])
    return [edge for edge in edges if edge[0] != edge[1]], parent if isinstance(parent, str) else None, other


def parents_without_cycles(wanted: Mapping[str, str], given: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """(child -> parent, the children whose new parent is left out because it would be below them).

    `given` is how things stand, `wanted` what is to come, in order.
    """
    now = {child: parent for child, parent in given.items() if child not in wanted}
    out: dict[str, str] = {}
    dropped = []
    for child, parent in wanted.items():
        at: str | None = parent
        seen = set()
        while at is not None and at != child and at not in seen:
            seen.add(at)
            at = now.get(at)
        if at == child:
            dropped.append(child)
        else:
            now[child] = out[child] = parent
    return out, dropped
