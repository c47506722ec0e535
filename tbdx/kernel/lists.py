"""Reading many: list, ready, blocked, stale, search, stats. No lock is taken and only the cache is written.

Every verb gives the columns it loaded and the places in them that were asked for.
"""

from __future__ import annotations

from tbdx.core import lists
from tbdx.core.entity import KINDS, STATUSES
from tbdx.core.snapshot import rows
from tbdx.errors import Invalid
from tbdx.kernel import Kernel
from tbdx.kernel.snapshot import load

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from tbdx.core.snapshot import Columns

    Issue = dict[str, Any]


def select(k: Kernel, o: Mapping[str, Any], *groups: str) -> tuple[Columns, list[int]]:
    """The issues that `list`'s options ask for, in order. As in tbd, an impossible status or type selects nothing."""
    more = any(o.get(name) for name in ("label", "parent", "spec", "sort", "pretty", "specs"))
    at = load(k, *(("more",) if more else ()), *groups)

    def only(name: str, value: object) -> list[int]:
        column = at[name]
        return [n for n in which if column[n] == value]

    which = list(range(len(at["id"])))
    if o.get("status"):
        which = only("status", o["status"])
    elif not o.get("all"):
        which = [n for n, status in enumerate(at["status"]) if status != "closed"]
    if o.get("deferred"):
        which = only("status", "deferred")
    if o.get("defer_before"):
        which = _deferred_before(at, which, o["defer_before"])
    if o.get("type"):
        which = only("kind", o["type"])
    if o.get("priority"):
        wanted = _priority(o["priority"])
        which = which if wanted is None else only("priority", wanted)
    if o.get("assignee"):
        which = only("assignee", o["assignee"])
    for label in o.get("label") or ():
        which = [n for n in which if label in at["labels"][n]]
    if o.get("parent"):
        parent = k.find(o["parent"])
        which = only("parent_id", parent) if parent else []
    if o.get("spec"):
        which = [n for n in which if lists.matches_spec(at["spec_path"][n], o["spec"])]
    return at, lists.in_list_order(at, which, o.get("sort") or "priority")


def _deferred_before(at: Columns, which: list[int], text: str) -> list[int]:
    from tbdx.core.times import to_ms

    limit = to_ms(text)
    if limit is None:
        raise Invalid(f"Invalid --defer-before value: {text}. Expected a date or timestamp.")
    until = at["deferred_until"]
    return [n for n in which if until[n] and (to_ms(until[n]) or 0) < limit]


def _priority(text: str) -> int | None:
    from tbdx.core.typed import priority_of

    try:
        return priority_of(text)
    except Invalid:
        return None  # tbd's: what is no priority does not filter


def short_row(at: Columns, n: int) -> Issue:
    """An issue as `search` gives it."""
    return {"id": at["shown"][n]} | {name: at[name][n] for name in ("priority", "status", "kind", "title")}


def described_row(at: Columns, n: int) -> Issue:
    """An issue as `ready` and `blocked` give it."""
    description = at["text"][n].split("\0", 2)[1]
    return short_row(at, n) | ({"description": description} if description else {})


def ready(k: Kernel, kind: str | None, *groups: str) -> tuple[Columns, list[int]]:
    """What can be begun now. Below f08 a claim is an assignee, as clients of that stamp see it."""
    if kind and kind not in KINDS:
        raise Invalid(f"Invalid type: {kind}")
    at = load(k, *groups, ready_only=True)
    found = lists.ready(at, claimed_by=k.config.claimed_by, now=k.now())
    return at, [n for n in found if not kind or at["kind"][n] == kind]


def blocked(k: Kernel, limit: int | None, *groups: str) -> tuple[Columns, list[tuple[int, list[str]]]]:
    """(issue, what blocks it, as tbd words it)."""
    at = load(k, *groups)
    shown, states, titles = at["shown"], at["status"], at["title"]
    out = []
    for n, above in lists.blocked(at)[:limit]:
        said = [f"{shown[b]} {lists.ICONS[states[b]]} {_cut(titles[b])}" for b in above]
        out.append((n, said or ["(explicitly blocked)"]))
    return at, out


def _cut(title: str) -> str:
    return title if len(title) <= 20 else title[:17] + "..."


def stale(k: Kernel, days: str | None, statuses: str | None) -> list[tuple[Issue, int]]:
    if days is not None and not days.isdigit():
        raise Invalid(f"Invalid days: {days}. Must be a whole number.")
    wanted = [s.strip() for s in (statuses or "open,in_progress").split(",") if s.strip()]
    for status in wanted:
        if status not in STATUSES:
            raise Invalid(f"Invalid status: {status}. Must be: {', '.join(STATUSES)}")
    return lists.stale(rows(load(k, "more")), k.now_ms(), int(days or 7), wanted)


def search(
    k: Kernel, query: str, *, status: str | None, field: str | None, exact_case: bool
) -> tuple[Columns, list[tuple[int, str, str]]]:
    """(issue, field, what matched), in file-name order."""
    at = load(k, "text")
    fields = (field,) if field else lists.SEARCHED
    return at, lists.search(at, query, status=status, fields=fields, exact_case=exact_case)


def stats(k: Kernel) -> dict[str, Any]:
    return lists.stats(rows(load(k)))


def label_counts(k: Kernel) -> list[tuple[str, int]]:
    """(label, how many issues have it), the most used first."""
    return lists.label_counts(rows(load(k, "more")))
