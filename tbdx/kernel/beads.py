"""Taking issues in from Beads' JSON Lines, and comparing what was taken in with its source.

An imported issue is known again by `extensions.beads.original_id`. The repository's prefix stays what it is; tbd
changes it to the file's.
"""

from __future__ import annotations

import os

from tbdx.core import beads, codec
from tbdx.core.attic import Loss
from tbdx.core.beads import Row
from tbdx.core.entity import blocks
from tbdx.errors import BadFile, NotFound, TbdxError
from tbdx.kernel import Kernel, attic
from tbdx.kernel import validate as check
from tbdx.kernel.copies import Held, load
from tbdx.kernel.work import write_new
from tbdx.store import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    Issue = dict[str, Any]

LARGEST = 1 << 28  # bytes of one JSON Lines file
MOST_SAID = 20  # lines that are complained of one by one
COMPARED = (
    *("title", "kind", "status", "priority", "assignee", "labels", "due_date", "deferred_until"),
    *("closed_at", "close_reason", "description", "notes"),
)


class Plan:
    """What an import does: whole issues to write, and edges that others get. By internal id."""

    def __init__(self, held: Mapping[str, Held], now: str) -> None:
        self.held, self.now = held, now
        self.known: dict[str, str] = {}  # Beads' id -> internal id, of what is here and of what comes
        for internal, (issue, _) in held.items():
            own = _beads_of(issue).get("original_id")
            if isinstance(own, str):
                self.known.setdefault(own, internal)
        self.issues: dict[str, Issue] = {}
        self.rows: dict[str, Row] = {}
        self.edges: dict[str, list[str]] = {}
        self.bad: list[tuple[int, str]] = []


def import_jsonl(k: Kernel, path: str, merge: bool = False, dry: bool = False) -> dict[str, int]:
    """Bring the issues of a file in; {imported, skipped, merged, total}, `total` being the good lines.

    An issue that is here already is merged when the file's is newer, or with `merge`: it takes the values that the
    file states, its version rises, and what was edited here since its import goes to the attic. A line that cannot be
    used is said by its number. Raises NotFound, BadFile, Disk.
    """
    good, bad = beads.read(_bytes_of(k, path))
    with k.writing():
        k.names.load()
        rows, outdone = beads.latest(good)
        held, damaged = load(k, k.repo)
        plan = Plan(held, k.now())
        plan.bad += bad + [(row.line, f"{row.id} has another line, and that one counts") for row in outdone]
        for row in rows:
            _plan_row(k, plan, row, damaged, merge)
        _plan_links(plan)
        _say(k, path, plan.bad)
        merged = sum(internal in held for internal in plan.issues)
        if not dry:
            _write(k, plan)
    imported, skipped = len(plan.issues) - merged, len(good) - len(plan.issues)
    return {"imported": imported, "skipped": skipped, "merged": merged, "total": len(good)}


def _plan_row(k: Kernel, plan: Plan, row: Row, damaged: set[str], merge: bool) -> None:
    fields = beads.fields_of(row, plan.now)
    internal = plan.known.get(row.id)
    if internal is not None:
        old = plan.held[internal].issue
        if not merge and fields["updated_at"] <= old["updated_at"]:
            return
        fields = _onto(k, old, fields)
    elif "is-" + k.names.ulid_of.get(beads.short_of(row.id), "") in damaged:
        plan.bad.append((row.line, f"{row.id}: its issue file here is damaged"))
        return
    else:
        internal = k.new_id()
        fields["id"] = internal
    try:
        check(fields)
    except TbdxError as e:
        plan.bad.append((row.line, f"{row.id}: {e.message}"))
        return
    plan.known[row.id] = internal
    plan.issues[internal], plan.rows[internal] = fields, row


def _onto(k: Kernel, old: Issue, fields: Issue) -> Issue:
    """An issue of ours with what a line says of it. What the line does not say stays: absent is not deleted."""
    said = {name: value for name, value in fields.items() if value not in (None, []) or name not in old}
    said |= {name: fields[name] for name in ("closed_at", "close_reason")}
    extensions = old.get("extensions") or {}
    known = {**_beads_of(old), **fields["extensions"]["beads"]}
    new = old | said | {"id": old["id"], "version": old["version"] + 1, "extensions": {**extensions, "beads": known}}
    if fields["updated_at"] < old["updated_at"]:
        new["updated_at"] = k.next_time(old["updated_at"])
    gone = ("hold", "hold_until") if new["status"] == "closed" else ("resolution", "duplicate_of")
    return new | {name: None for name in gone if new.get(name)}


def _plan_links(plan: Plan) -> None:
    """Parents and edges of the planned issues, where both ends are here or come."""
    wanted: dict[str, str] = {}
    for internal, row in plan.rows.items():
        edges, parent, other = beads.links(row)
        for blocker, blocked in edges:
            ends = plan.known.get(blocker), plan.known.get(blocked)
            if ends[0] and ends[1]:
                plan.edges.setdefault(ends[0], []).append(ends[1])
            else:
                plan.bad.append((row.line, f"{blocked} waits for {blocker}: not both are here"))
        if parent is not None and parent in plan.known:
            wanted[internal] = plan.known[parent]
        elif parent is not None:
            plan.bad.append((row.line, f"{row.id}: its parent {parent} is not here"))
        plan.bad += [(row.line, f"{row.id}: links of type {kind} have no place here") for kind in dict.fromkeys(other)]
    given = {x: h.issue["parent_id"] for x, h in plan.held.items() if h.issue.get("parent_id")}
    parents, dropped = beads.parents_without_cycles(wanted, given)
    for internal in dropped:
        row = plan.rows[internal]
        plan.bad.append((row.line, f"{row.id}: its parent is below it; the parent is left out"))
    for internal, issue in plan.issues.items():
        if internal in parents:
            issue["parent_id"] = parents[internal]
        kept = [d for d in issue["dependencies"] if d["target"] not in plan.issues]
        issue["dependencies"] = _with(kept, plan.edges.pop(internal, []))


def _with(dependencies: list[Any], targets: list[str]) -> list[Any]:
    return dependencies + [e for e in map(blocks, dict.fromkeys(targets)) if e not in dependencies]


def _write(k: Kernel, plan: Plan) -> None:
    for internal in [i for i in plan.issues if i not in plan.held]:  # short ids are on disk before the issues are
        wanted = beads.short_of(plan.rows[internal].id)
        if k.give_short(internal, wanted) != wanted:
            k.say("notice", f"short id {wanted} is taken here: {plan.rows[internal].id} is {k.display(internal)}")
    k.names.save()
    for n, (internal, issue) in enumerate(plan.issues.items(), 1):
        k.step("importing", n, len(plan.issues))
        held = plan.held.get(internal)
        if held is not None:
            attic.keep(k, k.repo.data, _losses(held.issue, issue), held.issue)
            k.put(issue, codec.rewrite(held.text, issue), held.issue, held.text)
        else:
            write_new(k, issue)
    for internal, targets in plan.edges.items():  # of issues that stay as they are otherwise
        issue, text = plan.held[internal]
        dependencies = _with(issue["dependencies"], targets)
        if dependencies != issue["dependencies"]:
            k.save(text, issue, {"dependencies": dependencies})


def _losses(old: Issue, new: Issue) -> list[Loss]:
    """What an edit here since the last import said and the file does not; the file's own earlier values are no loss."""
    imported_at = _beads_of(old).get("imported_at")
    if isinstance(imported_at, str) and old["updated_at"] <= imported_at:
        return []
    return [loss for loss in attic.overwritten(new, old) if loss.field != "extensions"]


def _beads_of(issue: Issue) -> dict[str, Any]:
    extensions = issue.get("extensions")
    found = extensions.get("beads") if isinstance(extensions, dict) else None
    return found if isinstance(found, dict) else {}


def validate(k: Kernel, folder: str) -> dict[str, Any]:
    """Compare the tracker with `folder`/issues.jsonl: {total, valid, missing: [{id, line}], different: [{id, issue,
    fields}]}, `id` being Beads', `issue` the display id. Raises NotFound, BadFile, Disk."""
    path = os.path.join(folder, "issues.jsonl")
    good, bad = beads.read(_bytes_of(k, path))
    k.open()
    _say(k, path, bad)
    held, _ = load(k, k.repo)
    plan = Plan(held, k.now())
    missing, different = [], []
    for row in beads.latest(good)[0]:
        internal = plan.known.get(row.id)
        if internal is None:
            missing.append({"id": row.id, "line": row.line})
        elif fields := _differing(plan, row, held[internal].issue):
            different.append({"id": row.id, "issue": k.display(internal), "fields": fields})
    return {"total": len(good), "valid": not missing and not different, "missing": missing, "different": different}


def _differing(plan: Plan, row: Row, issue: Issue) -> list[str]:
    """The fields in which an issue is not what its line says."""
    said = beads.fields_of(row, plan.now)
    edges, parent, _ = beads.links(row)
    fields = [name for name in COMPARED if _plain(said.get(name)) != _plain(issue.get(name))]
    if parent in plan.known and issue.get("parent_id") != plan.known[parent]:
        fields.append("parent_id")
    for blocker, blocked in edges:
        ends = plan.known.get(blocker), plan.known.get(blocked)
        if ends[0] and ends[1] and blocks(ends[1]) not in plan.held[ends[0]].issue["dependencies"]:
            return [*fields, "dependencies"]
    return fields


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return sorted(value)
    return value.strip(codec.BLANK) if isinstance(value, str) else value


def _bytes_of(k: Kernel, path: str) -> bytes:
    """A file that the user named: a link is theirs to use, anything but a plain file behind it is not read."""
    if not path or "\0" in path:
        raise NotFound(f"File not found: {path!r}")
    try:
        data = files.read(os.path.realpath(os.path.join(k.cwd, path)), LARGEST)
    except FileNotFoundError:
        raise NotFound(f"File not found: {path}")
    if len(data) > LARGEST:
        raise BadFile(f"the file is larger than {LARGEST} bytes", path=path)
    return data


def _say(k: Kernel, path: str, bad: list[tuple[int, str]]) -> None:
    for line, why in sorted(bad)[:MOST_SAID]:
        k.say("warn", f"{path}:{line}: {why}")
    if len(bad) > MOST_SAID:
        k.say("warn", f"{path}: {len(bad) - MOST_SAID} more lines have something that cannot be used")
