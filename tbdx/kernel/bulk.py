"""Commands that take many issues: close, reopen, start, pause, resume. One lock, all checked before the first write.

A change raises the version by one and gives a later time; values that did not change keep their bytes.
"""

from __future__ import annotations

from tbdx.core.entity import RESOLUTIONS
from tbdx.core.typed import date_of
from tbdx.errors import Invalid, TbdxError
from tbdx.kernel import SYNC_HINT, Kernel, validate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    Issue = dict[str, Any]
    Change = Callable[[Issue], Mapping[str, Any] | str]


def change_all(
    k: Kernel,
    picks: list[tuple[str, str | None]],
    action: str,
    change: Change,
    *,
    dry: bool,
    alone: Callable[[str, str | None], dict[str, Any]] | None,
) -> dict[str, Any]:
    """Change the picked issues; `change` gives an issue's changes, or in words why it is skipped.

    All changes are worked out before the first is written. With one issue, found, the answer is `alone(id, skipped)`;
    else tbd's bulk shape.
    """
    read = {internal: k.read(internal) for _, internal in picks if internal is not None}
    plans = {internal: change(issue) for internal, (issue, _) in read.items()}
    for internal, plan in plans.items():
        if not isinstance(plan, str):
            issue = read[internal][0]
            k.check_keys(issue, plan)
            validate(issue | dict(plan), over=issue)
    results: list[dict[str, Any]] = []
    for text, found in picks:
        if found is None:
            results.append({"id": text, "action": "missing", "ok": False, "skippedReason": "not found"})
            continue
        plan = plans[found]
        if isinstance(plan, str):
            results.append({"id": k.display(found), "action": "skipped", "ok": True, "skippedReason": plan})
            continue
        if not dry:
            issue, source = read[found]
            k.save(source, issue, plan)
            k.touch()
        results.append({"id": k.display(found), "action": action, "ok": True})
    if alone is not None and len(picks) == 1 and picks[0][1] is not None:
        return alone(results[0]["id"], results[0].get("skippedReason"))
    return bulk_answer(results, action)


def bulk_answer(results: list[dict[str, Any]], action: str) -> dict[str, Any]:
    """tbd's shape for several ids."""
    count = {a: sum(r["action"] == a for r in results) for a in (action, "skipped", "missing")}
    summary = {"changed": count[action], "skipped": count["skipped"], "missing": count["missing"], "failed": 0}
    pending = count[action] > 0
    return {
        "results": results,
        "summary": summary | {"total": len(results)},
        "sync": {"pending": True, "hint": SYNC_HINT} if pending else {"pending": False},
    }


def closing_fields(k: Kernel, issue: Issue, status: str) -> dict[str, Any]:
    """What goes with a change of status: a closed issue has its time, an open one has none, and holds end."""
    out: dict[str, Any] = {}
    if status == "closed" and issue["status"] != "closed":
        out |= {"closed_at": k.now(), "close_reason": None}
        if k.config.keeps_new_keys:
            out |= {"resolution": None, "duplicate_of": None}
        out |= {name: None for name in ("hold", "hold_until") if issue.get(name)}
    elif status != "closed" and issue["status"] == "closed":
        names = ("closed_at", "close_reason", "resolution", "duplicate_of")
        out |= {name: None for name in names if name in issue or (name in names[:2])}
    return out


def close(
    k: Kernel,
    ids: Sequence[str],
    *,
    reason: str | None = None,
    resolution: str | None = None,
    duplicate_of: str | None = None,
    ignore_missing: bool = False,
    dry: bool = False,
) -> dict[str, Any]:
    """Close issues; one that is closed already stays as it is. A hold ends with the work."""
    if resolution is not None and resolution not in RESOLUTIONS:
        raise Invalid(f"Invalid resolution: {resolution}. Must be: {', '.join(RESOLUTIONS)}")
    if resolution is not None or duplicate_of is not None:
        k.needs_new_keys("close --as" if resolution else "close --duplicate-of")
    if (resolution == "duplicate") != (duplicate_of is not None) and not (resolution is None and duplicate_of):
        raise Invalid("--as duplicate and --duplicate-of <id> go together")
    with k.writing():
        original = k.needed(duplicate_of, "--duplicate-of") if duplicate_of else None
        picks = k.pick(ids, ignore_missing=ignore_missing)
        if original and original in [found for _, found in picks]:
            raise Invalid("An issue cannot be a duplicate of itself")

        def change(issue: Issue) -> Mapping[str, Any] | str:
            if issue["status"] == "closed":
                return "already closed"
            out: dict[str, Any] = {"status": "closed"} | closing_fields(k, issue, "closed")
            out["close_reason"] = reason or None
            if original:
                out |= {"resolution": "duplicate", "duplicate_of": original}
            elif resolution == "canceled":
                out["resolution"] = "canceled"
            return out

        def alone(shown: str, skipped: str | None) -> dict[str, Any]:
            return {"id": shown, "closed": True, "alreadyClosed": skipped is not None}

        return change_all(k, picks, "closed", change, dry=dry, alone=alone)


def reopen(
    k: Kernel, ids: Sequence[str], *, reason: str | None = None, ignore_missing: bool = False, dry: bool = False
) -> dict[str, Any]:
    """Open closed issues again; the reason becomes a paragraph of the notes."""
    with k.writing():
        picks = k.pick(ids, ignore_missing=ignore_missing)
        if len(picks) == 1 and picks[0][1] is not None:
            issue = k.read(picks[0][1])[0]
            if issue["status"] != "closed":
                raise TbdxError(f"Issue {k.display(issue['id'])} is not closed (status: {issue['status']})")

        def change(issue: Issue) -> Mapping[str, Any] | str:
            if issue["status"] != "closed":
                return "already open" if issue["status"] == "open" else f"not closed ({issue['status']})"
            out = {"status": "open", **closing_fields(k, issue, "open")}
            if k.config.keeps_new_keys:
                out |= {"resolution": None, "duplicate_of": None}
            return out | _noted(issue, "Reopened", reason)

        return change_all(k, picks, "reopened", change, dry=dry, alone=lambda shown, _: {"id": shown, "reopened": True})


def _noted(issue: Issue, word: str, reason: str | None) -> dict[str, str]:
    """The notes with one more paragraph."""
    if not reason:
        return {}
    before = issue.get("notes")
    return {"notes": f"{before}\n\n{word}: {reason}" if before else f"{word}: {reason}"}


def start(k: Kernel, ids: Sequence[str], name: str, *, dry: bool = False) -> dict[str, Any]:
    """Claim issues for `name` and begin them. {claimed, skipped: [{id, reason}], delegate}."""
    new = k.config.keeps_new_keys
    field = "delegate" if new else "assignee"
    with k.writing():
        picks = k.pick(ids)

        def change(issue: Issue) -> Mapping[str, Any] | str:
            if issue["status"] == "closed":
                return "closed — reopen it first"
            holder = issue.get(field)
            if holder and holder != name:
                return f"already claimed by {holder}"
            if holder and issue["status"] == "in_progress":
                return "already yours"
            out: dict[str, Any] = {"status": "in_progress", field: name}
            if new:
                out |= {"hold": None, "hold_until": None, "started_at": issue.get("started_at") or k.now()}
            return out

        answer = change_all(k, picks, "claimed", change, dry=dry, alone=None)
    return {
        "claimed": [r["id"] for r in answer["results"] if r["action"] == "claimed"],
        "skipped": [
            {"id": r["id"], "reason": r["skippedReason"]} for r in answer["results"] if r["action"] == "skipped"
        ],
        field: name,
    }


def pause(
    k: Kernel,
    ids: Sequence[str],
    *,
    until: str | None = None,
    reason: str | None = None,
    ignore_missing: bool = False,
    dry: bool = False,
) -> dict[str, Any]:
    """Put work on hold; its status stays."""
    k.needs_new_keys("pause")
    end = date_of(until, "--until") if until else None
    with k.writing():
        picks = k.pick(ids, ignore_missing=ignore_missing)

        def change(issue: Issue) -> Mapping[str, Any] | str:
            if issue["status"] == "closed":
                return "closed — reopen it first"
            if issue.get("hold") == "paused":
                return "already paused"
            return {"hold": "paused", "hold_until": end, **_noted(issue, "Paused", reason)}

        return change_all(k, picks, "updated", change, dry=dry, alone=None)


def resume(
    k: Kernel, ids: Sequence[str], *, reason: str | None = None, ignore_missing: bool = False, dry: bool = False
) -> dict[str, Any]:
    """Take work off hold."""
    k.needs_new_keys("resume")
    with k.writing():
        picks = k.pick(ids, ignore_missing=ignore_missing)

        def change(issue: Issue) -> Mapping[str, Any] | str:
            if not issue.get("hold"):
                return "not on hold"
            return {"hold": None, "hold_until": None, **_noted(issue, "Resumed", reason)}

        return change_all(k, picks, "updated", change, dry=dry, alone=None)
