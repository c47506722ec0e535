"""Commands that list issues."""

from __future__ import annotations

from tbdx.cli.common import Call, limited
from tbdx.cli.output import one_line
from tbdx.core import lists as select
from tbdx.core.snapshot import rows
from tbdx.kernel import lists

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from tbdx.core.snapshot import Columns

    Issue = dict[str, Any]

HEADER = f"{'ID':<12}{'PRI':<5}{'STATUS':<16}TITLE"


def row(shown: str, priority: int, status: str, kind: str, title: str) -> str:
    """One issue in a table."""
    return f"{shown:<12}P{priority:<4}{f'{select.ICONS[status]} {status}':<16}[{kind}] {one_line(title)}"


def table(c: Call, at: Columns, which: Iterable[int], below: Callable[[int], str] | None = None) -> str:
    """The text form of a list; `below` gives another line for an issue."""
    lines = []
    shown, priority, status, kind, title = (at[name] for name in ("shown", "priority", "status", "kind", "title"))
    for n in which:
        lines.append(row(shown[n], priority[n], status[n], kind[n], title[n]))
        if c.opts.get("long"):
            description = at["text"][n].split("\0", 2)[1]
            lines += [f"      {line}" for line in description.split("\n") if description]
        if below:
            lines.append(f"      {below(n)}")
    return "\n".join([HEADER, *lines]) if lines else "No issues found"


def _texts(c: Call) -> tuple[str, ...]:
    """The group of columns that descriptions need."""
    return ("text",) if c.json or c.opts.get("long") else ()


def list_(c: Call) -> None:
    at, which = lists.select(c.kernel, c.opts, *(("json",) if c.json else _texts(c)))
    which = which[: limited(c["limit"])]
    if c["count"]:
        c.result({"count": len(which)}, str(len(which)))
    elif c.json:
        c.out.rows([at["json"][n] for n in which])
    elif c["pretty"] and which:
        c.result(None, f"{_tree(rows(at, which))}\n\n{len(which)} issue(s)")
    elif c["specs"] and which:
        c.result(None, f"{_by_spec(c, at, which)}\n\n{len(which)} issue(s)")
    else:
        c.result(None, table(c, at, which) + (f"\n\n{len(which)} issue(s)" if which else ""))


def _tree(issues: list[Issue]) -> str:
    hints = {i["id"]: i["child_order_hints"] or [] for i in issues}
    lines = []
    for depth, more, issue in select.tree(issues, hints):
        bars = "".join("│   " if m else "    " for m in more[:-1])
        bars += ("├── " if more[-1] else "└── ") if depth else ""
        state = f"{select.ICONS[issue['status']]} {issue['status']}"
        title = one_line(issue["title"])
        lines.append(f"{bars}{issue['shown']:<12}  P{issue['priority']}  {state}  [{issue['kind']}] {title}")
    return "\n".join(lines)


def _by_spec(c: Call, at: Columns, which: list[int]) -> str:
    groups: dict[str, list[int]] = {}
    for n in which:
        groups.setdefault(at["spec_path"][n] or "(no spec)", []).append(n)
    return "\n\n".join(f"{one_line(spec)}\n{table(c, at, of)}" for spec, of in groups.items())


def ready(c: Call) -> None:
    at, which = lists.ready(c.kernel, c["type"], *_texts(c))
    which = which[: limited(c["limit"])]
    if c.json:
        c.out.data([lists.described_row(at, n) for n in which])
    else:
        c.result(None, table(c, at, which))


def blocked(c: Call) -> None:
    at, found = lists.blocked(c.kernel, limited(c["limit"]), *_texts(c))
    if c.json:
        c.out.data([lists.described_row(at, n) | {"blockedBy": by} for n, by in found])
        return
    waits = dict(found)
    c.result(None, table(c, at, waits, lambda n: "blocked by: " + ", ".join(map(one_line, waits[n]))))


def stale(c: Call) -> None:
    found = lists.stale(c.kernel, c["days"], c["status"])[: limited(c["limit"])]
    if c.json:
        c.out.data([{"id": i["shown"], "days": d, "status": i["status"], "title": i["title"]} for i, d in found])
        return
    lines = [f"{i['shown']:<12}{d:<6}{i['status']:<14}{one_line(i['title'])}" for i, d in found]
    head = f"{'ISSUE':<12}{'DAYS':<6}{'STATUS':<14}TITLE"
    c.result(None, "\n".join([head, *lines]) if lines else "No stale issues")


def search(c: Call) -> None:
    query, fields = c["query"], {"status": c["status"], "field": c["field"], "exact_case": c["case_sensitive"]}
    at, found = lists.search(c.kernel, query, **fields)
    found = found[: limited(c["limit"])]
    if c.json:
        c.out.data([lists.short_row(at, n) | {"matchField": f, "match": m} for n, f, m in found])
        return
    if not found:
        c.result(None, f'No issues match "{one_line(query)}"')
        return
    texts = [
        f"{at['shown'][n]} {select.ICONS[at['status'][n]]} {one_line(at['title'][n])}\n  [{f}] {one_line(m)}"
        for n, f, m in found
    ]
    c.result(None, f"Found {len(found)} result{'s' if len(found) != 1 else ''}:\n\n" + "\n\n".join(texts))


def stats(c: Call) -> None:
    s = lists.stats(c.kernel)
    lines = ["By status:"]
    lines += [f"  {select.ICONS[name]} {name:<14}{n:>6}" for name, n in s["byStatus"].items() if name != "closed"]
    lines += [f"    {'active':<14}{s['active']:>6}", f"  ✓ {'closed':<14}{s['closed']:>6}"]
    lines += [f"    {'total':<14}{s['total']:>6}"]
    for word, key, mark in (("kind", "byKind", ""), ("priority", "byPriority", "P")):
        lines += ["", f"{f'By {word}:':<18}{'active':>8}{'closed':>8}{'total':>8}"]
        active, closed = s[f"{key}Active"], s[f"{key}Closed"]
        lines += [
            f"  {mark + name:<16}{active[name]:>8}{closed[name]:>8}{active[name] + closed[name]:>8}"
            for name in active
            if active[name] or closed[name]
        ]
    c.result(s, "\n".join(lines))
