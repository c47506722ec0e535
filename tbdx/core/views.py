"""What is to be done: pure selections over issues. Every one ends, whatever cycles the dependencies make.

An edge stands on the blocker: `{type: blocks, target: X}` in B means that X waits for B. An edge to or from an issue
that is not there blocks nobody.
"""

from __future__ import annotations

from tbdx.core.entity import KINDS, PRIORITIES, STATUSES
from tbdx.core.times import DAY_MS, to_ms

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any

    Issue = dict[str, Any]

DRAWN = 40  # levels of a tree: commands make ten at most, and a hand-made chain must not take the square of its length
ICONS = {"open": "○", "in_progress": "◐", "blocked": "●", "deferred": "○", "closed": "✓"}


def blockers(issues: Iterable[Issue]) -> dict[str, list[Issue]]:
    """id -> the issues that block it and are not closed, in the order given."""
    out: dict[str, list[Issue]] = {}
    for issue in issues:
        if issue["status"] != "closed":
            for edge in issue["dependencies"]:
                out.setdefault(edge["target"], []).append(issue)
    return out


def in_list_order(issues: Iterable[Issue], by: str = "priority") -> list[Issue]:
    """By priority, or newest first by `created` or `updated`; equal ones by id."""
    ordered = sorted(issues, key=lambda i: str(i["id"]))
    if by in ("created", "updated"):
        return sorted(ordered, key=lambda i: str(i[f"{by}_at"]), reverse=True)
    return sorted(ordered, key=lambda i: int(i["priority"]))


def ready(issues: list[Issue], *, claimed_by: str = "delegate", now: str | None = None) -> list[Issue]:
    """Open, unclaimed, not on hold, not deferred beyond `now`, and nothing open blocks it.

    `claimed_by` is the field that a claim is kept in.
    """
    waiting = blockers(issues)
    return in_list_order(
        i
        for i in issues
        if i["status"] == "open"
        and not i.get(claimed_by)
        and not i.get("hold")
        and i["id"] not in waiting
        and not (now and i.get("deferred_until") and i["deferred_until"] > now)
    )


def blocked(issues: list[Issue]) -> list[tuple[Issue, list[Issue]]]:
    """(issue, its open blockers) for all that wait or say that they do, by priority."""
    waiting = blockers(issues)
    return [
        (i, waiting.get(i["id"], []))
        for i in in_list_order(issues)
        if i["status"] != "closed" and (i["status"] == "blocked" or i["id"] in waiting)
    ]


def stale(issues: Iterable[Issue], now_ms: int, days: int, statuses: Iterable[str]) -> list[tuple[Issue, int]]:
    """(issue, whole days since its last update), the longest silent first."""
    wanted = set(statuses)
    rows = [(i, (now_ms - (to_ms(i["updated_at"]) or 0)) // DAY_MS) for i in issues if i["status"] in wanted]
    return sorted((r for r in rows if r[1] >= days), key=lambda r: (-r[1], str(r[0]["id"])))


def matches_spec(spec: str | None, wanted: str) -> bool:
    """A spec path matches itself, any of its tails at a slash, and so its bare file name."""
    return spec is not None and (spec == wanted or spec.endswith("/" + wanted.removeprefix("./")))


def labelled(issue: Issue, labels: Iterable[str]) -> bool:
    return all(label in issue["labels"] for label in labels)


SEARCHED = ("title", "description", "notes", "labels", "id")


def search(
    issues: Iterable[Issue],
    query: str,
    display: Callable[[str], str],
    *,
    fields: Iterable[str] = SEARCHED,
    exact_case: bool = False,
) -> list[tuple[Issue, str, str]]:
    """(issue, field, what matched) for the first field of each issue that holds the query."""
    wanted = query if exact_case else query.lower()

    def has(text: str) -> int:
        return (text if exact_case else text.lower()).find(wanted)

    chosen = [f for f in SEARCHED if f in set(fields)]
    out = []
    for issue in issues:
        for field in chosen:
            found = _found(issue, field, has, wanted, len(query), display)
            if found is not None:
                out.append((issue, field, found))
                break
    return out


def _found(
    issue: Issue, field: str, has: Callable[[str], int], wanted: str, size: int, display: Callable[[str], str]
) -> str | None:
    if field == "labels":
        return next((f"label: {label}" for label in issue["labels"] if has(label) >= 0), None)
    if field == "id":
        shown = display(issue["id"])
        short = shown.partition("-")[2] or shown
        hit = shown.lower().startswith(wanted.lower()) if "-" in wanted else wanted.lower() in short
        return shown if hit else None
    text = issue.get(field) or ""
    at = has(text)
    if at < 0:
        return None
    return text if field == "title" else snippet(text, at, size)


def snippet(text: str, at: int, size: int) -> str:
    """The hit with 20 characters before and 40 after it, on one line."""
    start, end = max(0, at - 20), min(len(text), at + size + 40)
    body = text[start:end].replace("\n", " ")
    return ("..." if start else "") + body + ("..." if end < len(text) else "")


def stats(issues: list[Issue]) -> dict[str, Any]:
    closed = [i for i in issues if i["status"] == "closed"]
    active = [i for i in issues if i["status"] != "closed"]

    def count(of: list[Issue], field: str, values: Iterable[Any]) -> dict[str, int]:
        return {str(v): sum(i[field] == v for i in of) for v in values}

    return {
        "total": len(issues),
        "active": len(active),
        "closed": len(closed),
        "byStatus": count(issues, "status", STATUSES),
        "byKindActive": count(active, "kind", KINDS),
        "byKindClosed": count(closed, "kind", KINDS),
        "byPriorityActive": count(active, "priority", PRIORITIES),
        "byPriorityClosed": count(closed, "priority", PRIORITIES),
    }


def label_counts(issues: Iterable[Issue]) -> list[tuple[str, int]]:
    counts: dict[str, int] = {}
    for issue in issues:
        for label in issue["labels"]:
            counts[label] = counts.get(label, 0) + 1
    return sorted(counts.items(), key=lambda row: (-row[1], row[0]))


def tree(issues: list[Issue], hints: Mapping[str, list[str]]) -> list[tuple[int, list[bool], Issue]]:
    """(depth, for each level whether more siblings follow, issue): parents above children, each issue once.

    Children stand in the order of their parent's hints, then in the order given. A cycle of parents has no top; its
    members are listed from the first one given. Below DRAWN levels the depth goes on and the marks
    do not.
    """
    present = {i["id"] for i in issues}
    children: dict[str, list[Issue]] = {}
    tops = []
    for issue in issues:
        parent = str(issue.get("parent_id"))
        if parent in present and parent != issue["id"]:
            children.setdefault(parent, []).append(issue)
        else:
            tops.append(issue)
    for parent, listed in children.items():
        rank = {child: n for n, child in enumerate(hints.get(parent) or [])}
        listed.sort(key=lambda i: rank.get(i["id"], len(rank)))
    out: list[tuple[int, list[bool], Issue]] = []
    seen: set[str] = set()
    for top in [*tops, *issues]:  # the second round reaches only what lies in a cycle
        stack: list[tuple[Issue, int, list[bool]]] = [(top, 0, [])]
        while stack:
            issue, depth, more = stack.pop()
            if issue["id"] in seen:
                continue
            seen.add(issue["id"])
            out.append((depth, more, issue))
            below = children.get(issue["id"], [])
            last = len(below) - 1
            above = more[: DRAWN - 1]
            stack.extend((child, depth + 1, [*above, n < last]) for n, child in reversed(list(enumerate(below))))
    return out


def cycles(edges: Mapping[str, Iterable[str]]) -> list[list[str]]:
    """Every group of nodes that reach each other, smallest member first; a node that points at itself is one."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    open_nodes: list[str] = []
    on_stack: set[str] = set()
    found: list[list[str]] = []
    for root in sorted(edges):
        if root in index:
            continue
        work = [(root, iter(sorted(set(edges.get(root, ())))))]
        index[root] = low[root] = len(index)
        open_nodes.append(root)
        on_stack.add(root)
        while work:
            node, rest = work[-1]
            for target in rest:
                if target not in index:
                    index[target] = low[target] = len(index)
                    open_nodes.append(target)
                    on_stack.add(target)
                    work.append((target, iter(sorted(set(edges.get(target, ()))))))
                    break
                if target in on_stack:
                    low[node] = min(low[node], index[target])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[node])
                if low[node] == index[node]:
                    group = []
                    while True:
                        member = open_nodes.pop()
                        on_stack.discard(member)
                        group.append(member)
                        if member == node:
                            break
                    if len(group) > 1 or node in edges.get(node, ()):
                        found.append(sorted(group))
    return sorted(found)


def ancestors(issue_id: str, parent_of: Callable[[str], str | None], limit: int = 1000) -> list[str]:
    """The chain of parents above an issue, up to where it ends, repeats, or reaches `limit`."""
    chain: list[str] = []
    at = parent_of(issue_id)
    while at is not None and at not in chain and len(chain) < limit:
        chain.append(at)
        at = parent_of(at)
    return chain
