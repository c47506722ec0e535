"""What lists need of every issue, in columns sorted by id: small to keep, quick to load, one issue replaced in place.

A column is a list with one value an issue; columns that are needed together stand in one group and are loaded together.
Values are plain, so that `marshal` holds them.
"""

from __future__ import annotations

import sys

from tbdx.core.jsontext import safe_dumps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    Issue = dict[str, Any]
    Columns = dict[str, list[Any]]

# `blocks` holds the targets of the dependencies; `json` is the row of `list --json` as bytes; `text` holds what is
# searched, joined by NUL, which no issue contains: title, description, notes, labels.
GROUPS: dict[str, tuple[str, ...]] = {
    "hot": ("id", "shown", "title", "status", "priority", "kind", "assignee", "delegate", "hold", "deferred_until")
    + ("blocks",),
    "more": ("labels", "parent_id", "spec_path", "child_order_hints", "created_at", "updated_at"),
    "json": ("json",),
    "text": ("text",),
}
_PLAIN = (*GROUPS["hot"], *GROUPS["more"])
_SHARED = ("id", "status", "kind", "assignee", "delegate", "hold", "parent_id")  # the same text many times: kept once


def columns() -> Columns:
    """All columns, empty."""
    return {name: [] for group in GROUPS.values() for name in group}


def cells(issue: Issue, display: Callable[[str], str]) -> Issue:
    """What an issue has in each column; `display` gives the id that people see for an internal one."""
    made = _plain(issue, display)
    made["json"] = safe_dumps([list_row(issue, made["shown"], display)], 2)[2:-2].encode()
    texts = (issue["title"], issue.get("description") or "", issue.get("notes") or "", *issue["labels"])
    made["text"] = "\0".join(texts)
    return made


def _plain(issue: Issue, display: Callable[[str], str]) -> Issue:
    made: Issue = {name: issue.get(name) for name in _PLAIN}
    for name in _SHARED:
        if made[name] is not None:
            made[name] = sys.intern(made[name])
    made["shown"] = display(issue["id"])
    made["blocks"] = [sys.intern(edge["target"]) for edge in issue["dependencies"]]
    return made


def of(issues: Iterable[Issue], display: Callable[[str], str]) -> Columns:
    """The columns of the groups hot and more for issues in memory."""
    made = [_plain(issue, display) for issue in sorted(issues, key=lambda i: str(i["id"]))]
    return {name: [row[name] for row in made] for name in _PLAIN}


def list_row(issue: Issue, shown: str, display: Callable[[str], str]) -> Issue:
    """An issue as `list --json` gives it."""
    row: Issue = {"id": shown, "internalId": issue["id"]}
    if issue.get("parent_id"):
        row["parentId"] = display(issue["parent_id"])
    row |= {n: issue[n] for n in ("priority", "status", "kind", "title")}
    row |= {n: issue[n] for n in ("description", "assignee") if issue.get(n) is not None}
    row["labels"] = issue["labels"]
    return row | {n: issue[n] for n in ("spec_path", "child_order_hints") if issue.get(n) is not None}


def place(ids: list[str], internal: str) -> tuple[int, bool]:
    """(where an id stands or would stand, whether it is there)."""
    from bisect import bisect_left

    n = bisect_left(ids, internal)
    return n, n < len(ids) and ids[n] == internal


def put(at: Columns, made: Issue) -> None:
    """Replace an issue, or add it where its id belongs."""
    n, there = place(at["id"], made["id"])
    for name, column in at.items():
        if there:
            column[n] = made[name]
        else:
            column.insert(n, made[name])


def drop(at: Columns, internal: str) -> None:
    """Take an issue out, if it is there."""
    n, there = place(at["id"], internal)
    if there:
        for column in at.values():
            del column[n]


def rows(at: Columns, which: list[int] | None = None) -> list[Issue]:
    """Issues as mappings of the columns that are loaded, those of `which` in its order or all."""
    names = list(at)
    if which is None:
        return [dict(zip(names, values, strict=True)) for values in zip(*at.values(), strict=True)]
    return [{name: column[n] for name, column in at.items()} for n in which]
