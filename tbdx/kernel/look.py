"""Reading: show, list, ready, blocked, stale, search, stats. No lock is taken and nothing is written."""

from __future__ import annotations

from tbdx.core import views
from tbdx.core.codec import render
from tbdx.core.entity import KINDS, STATUSES, in_json_order
from tbdx.core.times import to_ms
from tbdx.core.typed import priority_of
from tbdx.errors import BadFile, Invalid, NotFound
from tbdx.kernel import Kernel

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    Issue = dict[str, Any]


def show(k: Kernel, texts: Sequence[str], *, ignore_missing: bool = False) -> tuple[list[Issue], list[str]]:
    """(the issues, the ids that nothing was found for)."""
    picks = k.pick(texts, ignore_missing=ignore_missing)
    found = [k.read(internal)[0] for _, internal in picks if internal]
    return found, [text for text, internal in picks if internal is None]


def parent_of(k: Kernel, issue: Issue) -> Issue | None:
    """The parent, where there is one that can be read."""
    if not issue.get("parent_id"):
        return None
    try:
        return k.read(issue["parent_id"])[0]
    except (NotFound, BadFile):
        return None


def as_json(k: Kernel, issue: Issue) -> Issue:
    """An issue as `show --json` gives it."""
    return in_json_order(issue) | {"displayId": k.display(issue["id"])}


def as_text(k: Kernel, issue: Issue, issues: Sequence[Issue]) -> str:
    """An issue's file as people read it: `priority: P2`, and what it blocks and is blocked by as comments."""
    text = render(issue).replace(f"\npriority: {issue['priority']}\n", f"\npriority: P{issue['priority']}\n", 1)
    notes = ""
    if issue["dependencies"]:
        notes += f"# Blocks: {', '.join(k.display(d['target']) for d in issue['dependencies'])}\n"
    above = [i["id"] for i in issues if any(d["target"] == issue["id"] for d in i["dependencies"])]
    if above:
        notes += f"# Blocked by: {', '.join(map(k.display, above))}\n"
    return text.replace("\ndependencies:", f"\n{notes}dependencies:", 1).rstrip("\n")


def children(k: Kernel, issue: Issue) -> list[Issue]:
    """The issues whose parent this is, in the order of its hints."""
    rank = {child: n for n, child in enumerate(issue.get("child_order_hints") or [])}
    below = [i for i in k.issues() if i.get("parent_id") == issue["id"]]
    return sorted(below, key=lambda i: rank.get(i["id"], len(rank)))


def select(k: Kernel, o: Mapping[str, Any]) -> list[Issue]:
    """The issues that `list`'s options ask for, in order. As in tbd, an impossible status or type selects nothing."""
    issues = k.issues()
    if o.get("status"):
        issues = [i for i in issues if i["status"] == o["status"]]
    elif not o.get("all"):
        issues = [i for i in issues if i["status"] != "closed"]
    if o.get("deferred"):
        issues = [i for i in issues if i["status"] == "deferred"]
    if o.get("defer_before"):
        limit = to_ms(o["defer_before"])
        if limit is None:
            raise Invalid(f"Invalid --defer-before value: {o['defer_before']}. Expected a date or timestamp.")
        issues = [i for i in issues if i.get("deferred_until") and (to_ms(i["deferred_until"]) or 0) < limit]
    if o.get("type"):
        issues = [i for i in issues if i["kind"] == o["type"]]
    if o.get("priority"):
        issues = _of_priority(issues, o["priority"])
    if o.get("assignee"):
        issues = [i for i in issues if i.get("assignee") == o["assignee"]]
    issues = [i for i in issues if views.labelled(i, o.get("label") or ())]
    if o.get("parent"):
        parent = k.find(o["parent"])
        issues = [i for i in issues if parent and i.get("parent_id") == parent]
    if o.get("spec"):
        issues = [i for i in issues if views.matches_spec(i.get("spec_path"), o["spec"])]
    return views.in_list_order(issues, o.get("sort") or "priority")


def _of_priority(issues: list[Issue], text: str) -> list[Issue]:
    try:
        wanted = priority_of(text)
    except Invalid:
        return issues  # tbd's: what is no priority does not filter
    return [i for i in issues if i["priority"] == wanted]


def list_row(k: Kernel, issue: Issue) -> dict[str, Any]:
    """An issue as `list --json` gives it."""
    row: dict[str, Any] = {"id": k.display(issue["id"]), "internalId": issue["id"]}
    if issue.get("parent_id"):
        row["parentId"] = k.display(issue["parent_id"])
    row |= {n: issue[n] for n in ("priority", "status", "kind", "title")}
    row |= {n: issue[n] for n in ("description", "assignee") if issue.get(n) is not None}
    row["labels"] = issue["labels"]
    return row | {n: issue[n] for n in ("spec_path", "child_order_hints") if issue.get(n) is not None}


def short_row(k: Kernel, issue: Issue) -> dict[str, Any]:
    """An issue as `ready`, `blocked` and `search` give it."""
    return {"id": k.display(issue["id"])} | {n: issue[n] for n in ("priority", "status", "kind", "title")}


def ready(k: Kernel, kind: str | None) -> list[Issue]:
    """What can be begun now. Below f08 a claim is an assignee, as clients of that stamp see it."""
    if kind and kind not in KINDS:
        raise Invalid(f"Invalid type: {kind}")
    claimed_by = "delegate" if k.config.keeps_new_keys else "assignee"
    found = views.ready(k.issues(), claimed_by=claimed_by, now=k.now())
    return [i for i in found if not kind or i["kind"] == kind]


def blocked(k: Kernel) -> list[tuple[Issue, list[str]]]:
    """(issue, what blocks it, as tbd words it)."""
    out = []
    for issue, above in views.blocked(k.issues()):
        said = [f"{k.display(b['id'])} {views.ICONS[b['status']]} {_cut(b['title'])}" for b in above]
        out.append((issue, said or ["(explicitly blocked)"]))
    return out


def _cut(title: str) -> str:
    return title if len(title) <= 20 else title[:17] + "..."


def stale(k: Kernel, days: str | None, statuses: str | None) -> list[tuple[Issue, int]]:
    if days is not None and not days.isdigit():
        raise Invalid(f"Invalid days: {days}. Must be a whole number.")
    wanted = [s.strip() for s in (statuses or "open,in_progress").split(",") if s.strip()]
    for status in wanted:
        if status not in STATUSES:
            raise Invalid(f"Invalid status: {status}. Must be: {', '.join(STATUSES)}")
    return views.stale(k.issues(), k.now_ms(), int(days or 7), wanted)


def search(
    k: Kernel, query: str, *, status: str | None, field: str | None, exact_case: bool
) -> list[tuple[Issue, str, str]]:
    """(issue, field, what matched), in file-name order."""
    issues = [i for i in k.issues() if not status or i["status"] == status]
    fields = (field,) if field else views.SEARCHED
    return views.search(issues, query, k.display, fields=fields, exact_case=exact_case)
