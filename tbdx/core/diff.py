"""What changed between two states of an issue, in the shape that tbd's `changes` reports.

Only the fields below are reported: not `version` and `updated_at`, which change with every edit, nor keys that no
version of tbd knows. An absent field is null, so a key that appears with the value null is no change.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

# tbd's order, which is neither the file's nor that of `show --json`
FIELDS = tuple(
    (
        "title kind status priority description notes spec_path docs refs assignee delegate labels dependencies"
        " parent_id child_order_hints due_date deferred_until hold hold_until started_at created_by created_at"
        " closed_at close_reason resolution duplicate_of extensions"
    ).split()
)
WITH_HUNKS = ("description", "notes")
CONTEXT = 3
HUNK_LINES = 2_000  # a text with more lines gets `hunks_omitted`: the report is for reading
MOST_EDITS = 500  # beyond so many the texts have little in common: one block out, one block in


def changed_fields(before: dict[str, Any] | None, after: dict[str, Any] | None) -> list[dict[str, Any]]:
    """`[{field, before, after, hunks? | hunks_omitted?}]`, in tbd's order; None: there is no issue."""
    old, new = before or {}, after or {}
    out = []
    for field in FIELDS:
        was, now = old.get(field), new.get(field)
        if not _same(was, now):
            out.append({"field": field, "before": was, "after": now} | _hunks_of(field, was, now))
    return out


def compare(
    before: Mapping[str, dict[str, Any]], after: Mapping[str, dict[str, Any]]
) -> list[tuple[str, str, list[dict[str, Any]]]]:
    """`[(id, created | updated | deleted, fields)]` by id, without the issues that have nothing to report."""
    out = []
    for of in sorted(before.keys() | after.keys()):
        was, now = before.get(of), after.get(of)
        fields = [] if was is now else changed_fields(was, now)
        if fields:
            out.append((of, "created" if was is None else "deleted" if now is None else "updated", fields))
    return out


def hunks(before: str, after: str, context: int = CONTEXT) -> list[dict[str, Any]]:
    """A unified diff as `[{old_start, old_count, new_start, new_count, lines: [{type, text}]}]`; lines count from 1.

    As in a unified diff, an empty side starts at the line before it. An empty text has no lines.
    """
    old, new = _lines(before), _lines(after)
    out: list[dict[str, Any]] = []
    old_done = 0  # old lines already in a hunk
    for a1, a2, b1, b2 in edits(old, new):
        lead = max(a1 - context, 0)
        if out and lead <= old_done + context:
            hunk = out[-1]
            hunk["lines"] += _marked("context", old[old_done:a1])
        else:
            _close(out, old, old_done, context)
            hunk = {"old_start": lead, "old_count": 0, "new_start": b1 - (a1 - lead), "new_count": 0}
            hunk["lines"] = _marked("context", old[lead:a1])
            out.append(hunk)
        hunk["lines"] += _marked("remove", old[a1:a2]) + _marked("add", new[b1:b2])
        old_done = a2
    _close(out, old, old_done, context)
    return out


def _close(out: list[dict[str, Any]], old: list[str], old_done: int, context: int) -> None:
    """Give the last hunk its trailing context and its counts."""
    if out:
        hunk = out[-1]
        hunk["lines"] += _marked("context", old[old_done : old_done + context])
        hunk["old_count"] = sum(line["type"] != "add" for line in hunk["lines"])
        hunk["new_count"] = sum(line["type"] != "remove" for line in hunk["lines"])
        hunk["old_start"] += hunk["old_count"] > 0
        hunk["new_start"] += hunk["new_count"] > 0


def _marked(kind: str, lines: list[str]) -> list[dict[str, str]]:
    return [{"type": kind, "text": line} for line in lines]


def _hunks_of(field: str, was: Any, now: Any) -> dict[str, Any]:
    if field not in WITH_HUNKS:
        return {}
    before, after = was or "", now or ""
    if max(before.count("\n"), after.count("\n")) >= HUNK_LINES:
        return {"hunks_omitted": True}
    return {"hunks": hunks(before, after)}


def _lines(text: str) -> list[str]:
    return text.removesuffix("\n").split("\n") if text else []


def _same(a: Any, b: Any) -> bool:
    """Equal as JSON: the order of keys says nothing, 1 is not true."""
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(_same(value, b[key]) for key, value in a.items())
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(_same, a, b))
    return bool(a == b) and isinstance(a, bool) == isinstance(b, bool)


def edits(old: list[str], new: list[str]) -> list[tuple[int, int, int, int]]:
    """(a1, a2, b1, b2) for each run where old[a1:a2] became new[b1:b2], in order, never touching one another."""
    start, a_end, b_end = 0, len(old), len(new)
    while start < min(a_end, b_end) and old[start] == new[start]:
        start += 1
    while start < min(a_end, b_end) and old[a_end - 1] == new[b_end - 1]:
        a_end, b_end = a_end - 1, b_end - 1
    if start == a_end == b_end:
        return []
    kept = [] if start in (a_end, b_end) else _common(old[start:a_end], new[start:b_end])
    out = []
    a, b = start, start
    for x, y in [*((x + start, y + start) for x, y in kept), (a_end, b_end)]:
        if (a, b) != (x, y):
            out.append((a, x, b, y))
        a, b = x + 1, y + 1
    return out


def _common(old: list[str], new: list[str]) -> list[tuple[int, int]]:
    """The pairs of lines that a shortest edit script keeps (Myers, 1986); none when the script is over MOST_EDITS."""
    n, m = len(old), len(new)
    reach = {1: 0}  # diagonal -> how far into `old` so many edits get on it
    trail: list[dict[int, int]] = []
    for d in range(min(n + m, MOST_EDITS) + 1):
        trail.append(reach.copy())
        for k in range(-d, d + 1, 2):
            down = k == -d or (k != d and reach[k - 1] < reach[k + 1])
            x = reach[k + 1] if down else reach[k - 1] + 1
            while x < n and x - k < m and old[x] == new[x - k]:
                x += 1
            reach[k] = x
            if x >= n and x - k >= m:
                return _walk_back(trail, n, m)
    return []


def _walk_back(trail: list[dict[int, int]], x: int, y: int) -> list[tuple[int, int]]:
    pairs = []
    for d in range(len(trail) - 1, -1, -1):
        reach, k = trail[d], x - y
        down = k == -d or (k != d and reach[k - 1] < reach[k + 1])
        from_k = k + 1 if down else k - 1
        from_x = reach[from_k]
        while x > from_x + (not down):
            x, y = x - 1, y - 1
            pairs.append((x, y))
        x, y = from_x, from_x - from_k
    return pairs[::-1]
