"""Commands that list issues."""

from __future__ import annotations

from tbdx.cli.common import Call, limited
from tbdx.cli.output import one_line
from tbdx.core import views

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    Issue = dict[str, Any]

HEADER = f"{'ID':<12}{'PRI':<5}{'STATUS':<16}TITLE"


def row(shown: str, issue: Issue) -> str:
    """One issue in a table."""
    state = f"{views.ICONS[issue['status']]} {issue['status']}"
    return f"{shown:<12}P{issue['priority']:<4}{state:<16}[{issue['kind']}] {one_line(issue['title'])}"


def table(c: Call, issues: Iterable[Issue], below: Any = None) -> str:
    """The text form of a list; `below` gives more lines for an issue."""
    lines = []
    for issue in issues:
        lines.append(row(c.kernel.display(issue["id"]), issue))
        if c.opts.get("long") and issue.get("description"):
            lines += [f"      {line}" for line in issue["description"].split("\n")]
        if below:
            lines.append(f"      {below(issue)}")
    return "\n".join([HEADER, *lines]) if lines else "No issues found"


def list_(c: Call) -> None:
    from tbdx.kernel import look

    k = c.kernel
    issues = look.select(k, c.opts)[: limited(c["limit"])]
    if c["count"]:
        c.result({"count": len(issues)}, str(len(issues)))
    elif c.json:
        c.out.data([look.list_row(k, i) for i in issues])
    elif c["pretty"] and issues:
        c.result(None, f"{_tree(c, issues)}\n\n{len(issues)} issue(s)")
    elif c["specs"] and issues:
        c.result(None, f"{_by_spec(c, issues)}\n\n{len(issues)} issue(s)")
    else:
        c.result(None, table(c, issues) + (f"\n\n{len(issues)} issue(s)" if issues else ""))


def _tree(c: Call, issues: list[Issue]) -> str:
    hints = {i["id"]: i.get("child_order_hints") or [] for i in issues}
    lines = []
    for depth, more, issue in views.tree(issues, hints):
        bars = "".join("│   " if m else "    " for m in more[:-1])
        bars += ("├── " if more[-1] else "└── ") if depth else ""
        state = f"{views.ICONS[issue['status']]} {issue['status']}"
        shown = c.kernel.display(issue["id"])
        lines.append(f"{bars}{shown:<12}  P{issue['priority']}  {state}  [{issue['kind']}] {one_line(issue['title'])}")
    return "\n".join(lines)


def _by_spec(c: Call, issues: list[Issue]) -> str:
    groups: dict[str, list[Issue]] = {}
    for issue in issues:
        groups.setdefault(issue.get("spec_path") or "(no spec)", []).append(issue)
    return "\n\n".join(f"{one_line(spec)}\n{table(c, of)}" for spec, of in groups.items())


def ready(c: Call) -> None:
    from tbdx.kernel import look

    issues = look.ready(c.kernel, c["type"])[: limited(c["limit"])]
    if c.json:
        c.out.data([look.short_row(c.kernel, i) | _described(i) for i in issues])
    else:
        c.result(None, table(c, issues))


def _described(issue: Issue) -> dict[str, str]:
    return {"description": issue["description"]} if issue.get("description") else {}


def blocked(c: Call) -> None:
    from tbdx.kernel import look

    rows = look.blocked(c.kernel)[: limited(c["limit"])]
    if c.json:
        c.out.data([look.short_row(c.kernel, i) | _described(i) | {"blockedBy": by} for i, by in rows])
        return
    waits = {i["id"]: by for i, by in rows}
    said = table(c, [i for i, _ in rows], lambda i: "blocked by: " + ", ".join(map(one_line, waits[i["id"]])))
    c.result(None, said)


def stale(c: Call) -> None:
    from tbdx.kernel import look

    rows = look.stale(c.kernel, c["days"], c["status"])[: limited(c["limit"])]
    display = c.kernel.display
    if c.json:
        c.out.data([{"id": display(i["id"]), "days": d, "status": i["status"], "title": i["title"]} for i, d in rows])
        return
    lines = [f"{display(i['id']):<12}{d:<6}{i['status']:<14}{one_line(i['title'])}" for i, d in rows]
    head = f"{'ISSUE':<12}{'DAYS':<6}{'STATUS':<14}TITLE"
    c.result(None, "\n".join([head, *lines]) if lines else "No stale issues")


def search(c: Call) -> None:
    from tbdx.kernel import look

    found = look.search(c.kernel, c["query"], status=c["status"], field=c["field"], exact_case=c["case_sensitive"])[
        : limited(c["limit"])
    ]
    if c.json:
        c.out.data([look.short_row(c.kernel, i) | {"matchField": f, "match": m} for i, f, m in found])
        return
    if not found:
        c.result(None, f'No issues match "{one_line(c["query"])}"')
        return
    texts = [
        f"{c.kernel.display(i['id'])} {views.ICONS[i['status']]} {one_line(i['title'])}\n  [{f}] {one_line(m)}"
        for i, f, m in found
    ]
    c.result(None, f"Found {len(found)} result{'s' if len(found) != 1 else ''}:\n\n" + "\n\n".join(texts))


def stats(c: Call) -> None:
    s = views.stats(c.kernel.issues())
    lines = ["By status:"]
    lines += [f"  {views.ICONS[name]} {name:<14}{n:>6}" for name, n in s["byStatus"].items() if name != "closed"]
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
