"""What is to be done: pure selections over issues. Every one ends, whatever cycles the dependencies make.

Those of the hot commands take the columns of `core.snapshot` and give places in them.

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

    from tbdx.core.snapshot import Columns

    Issue = dict[str, Any]

DRAWN = 40  # levels of a tree: commands make ten at most, and a hand-made chain must not take the square of its length
ICONS = {"open": "○", "in_progress": "◐", "blocked": "●", "deferred": "○", "closed": "✓"}


def waiting(at: Columns) -> set[str]:
    """The ids of what an open issue blocks."""
    return {
        target
        for status, targets in zip(at["status"], at["blocks"], strict=True)
        if status != "closed"
        for target in targets
    }


def in_list_order(at: Columns, which: Iterable[int], by: str = "priority") -> list[int]:
    """By priority, or newest first by `created` or `updated`; equal ones by id. `which` comes in the order of ids."""
    if by in ("created", "updated"):
        return sorted(which, key=at[f"{by}_at"].__getitem__, reverse=True)
    return sorted(which, key=at["priority"].__getitem__)


def ready(at: Columns, *, claimed_by: str = "delegate", now: str | None = None) -> list[int]:
    """Open, unclaimed, not on hold, not deferred beyond `now`, and nothing open blocks it.

    `claimed_by` is the field that a claim is kept in.
    """
    waits, ids, claimed, hold, until = waiting(at), at["id"], at[claimed_by], at["hold"], at["deferred_until"]
    return in_list_order(
        at,
        [
            n
            for n, status in enumerate(at["status"])
            if status == "open"
            and not claimed[n]
            and not hold[n]
            and ids[n] not in waits
            and not (now and until[n] and until[n] > now)
        ],
    )


def blocked(at: Columns) -> list[tuple[int, list[int]]]:
    """(issue, its open blockers in the order of ids) for all that wait or say that they do, by priority."""
    above: dict[str, list[int]] = {}
    states, blocks = at["status"], at["blocks"]
    for n, targets in enumerate(blocks):
        if targets and states[n] != "closed":
            for target in targets:
                above.setdefault(target, []).append(n)
    ids = at["id"]
    found = [n for n, s in enumerate(states) if s != "closed" and (s == "blocked" or ids[n] in above)]
    return [(n, above.get(ids[n], [])) for n in in_list_order(at, found)]


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
    at: Columns, query: str, *, status: str | None = None, fields: Iterable[str] = SEARCHED, exact_case: bool = False
) -> list[tuple[int, str, str]]:
    """(issue, field, what matched) for the first field of each issue that holds the query."""
    wanted, chosen = query if exact_case else query.lower(), set(fields)
    texts = at["text"] if exact_case else [text.lower() for text in at["text"]]
    found = {n: _first(text, wanted, chosen) for n, text in enumerate(texts) if wanted in text}
    states, out = at["status"], []
    named = set(_named(at["shown"], query.lower())) if "id" in chosen else set()
    for n in sorted(named.union(found)):
        field, start = found.get(n) or (-1, 0)
        if status and states[n] != status:
            continue
        if field >= 0:
            text = at["text"][n].split("\0")[field]
            name = SEARCHED[min(field, 3)]
            shown = text if field == 0 else snippet(text, start, len(query)) if field < 3 else f"label: {text}"
            out.append((n, name, shown))
        elif n in named:
            out.append((n, "id", at["shown"][n]))
    return out


def _first(text: str, wanted: str, chosen: set[str]) -> tuple[int, int]:
    """(which of the texts that NULs divide, where in it) the first hit in a chosen field is; (-1, 0) for none."""
    at = text.find(wanted)
    while at >= 0:
        which = text.count("\0", 0, at)
        if SEARCHED[min(which, 3)] in chosen:
            return which, at - text.rfind("\0", 0, at) - 1
        after = text.find("\0", at)
        at = text.find(wanted, after) if after >= 0 else -1
    return -1, 0


def _named(shown: list[str], wanted: str) -> list[int]:
    """The issues whose id begins with what is wanted, or whose short id holds it."""
    if "-" in wanted:
        return [n for n, text in enumerate(shown) if text.startswith(wanted)]
    return [n for n, text in enumerate(shown) if wanted in text and wanted in (text.partition("-")[2] or text)]


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
