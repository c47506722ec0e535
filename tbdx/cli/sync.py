"""Commands that speak with the remote, and the history they make."""

from __future__ import annotations

from tbdx.cli.common import Call
from tbdx.cli.output import one_line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def sync(c: Call) -> int:
    from tbdx.kernel import coord, outbox
    from tbdx.kernel import sync as verb

    verb.check_modes(c.opts)
    if c["status"]:
        return _status(c)
    k = c.kernel
    if (c["docs"] or c["integrations"]) and not (c["issues"] or c["push"] or c["pull"]):
        k.open()
        c.out.notice("tbdx keeps no documents and no integrations: nothing to sync")
        return 0
    if c.dry:
        now = verb.status(k)
        c.would("Would sync issues", localChanges=now["localChanges"], behind=now["behind"])
        return 0
    try:
        report, more = outbox.sync_all(
            k, push=not c["pull"], pull=not c["push"], auto_save=not c["no_auto_save"], take_in=not c["no_outbox"]
        )
    except verb.Kept as e:
        if c.json:
            c.out.data(e.as_json())
        elif e.saved is not None:
            c.out.notice(f"{e.saved} issues saved to .tbd/workspaces/outbox: commit it to your branch to pass them on")
        if not c.json:
            _tell_events(c, e.more)
        raise
    except coord.EventsKept as e:  # the issues are out all the same
        if c.json:
            c.out.data(e.report.as_json() | e.more)
        else:
            _tell(c, e.report)
            _tell_events(c, e.more)
        raise
    one_way = c["push"] or c["pull"]
    if c.json:
        if not one_way or report.withheld:
            c.out.data(report.as_json() | more)
    else:
        _tell(c, report)
        if "importedFromOutbox" in more:
            c.out.notice(f"{more['importedFromOutbox']} issues taken in from the outbox and published")
        _tell_events(c, more)
    return 1 if report.withheld else 0


def _status(c: Call) -> int:
    from tbdx.kernel import sync as verb

    now = verb.status(c.kernel)
    if c.json:
        c.out.data(now)
        return 0
    lines = [f"  {row}" for row in now["localChanges"]]
    if lines:
        lines.insert(0, "Local changes")
    if now["remoteChanges"]:
        lines += ["Remote changes", *(f"  {one_line(row)}" for row in now["remoteChanges"])]
    lines += [f"{now['ahead']} ahead, {now['behind']} behind {now['remote']}/{now['syncBranch']}"]
    c.out.text("\n".join(["✓ In sync"] if now["synced"] else lines))
    return 0


def _tell(c: Call, report: Any, nothing: str = "Already in sync", done: str = "Synced") -> None:
    parts = []
    for word, counts in (("sent", report.sent), ("received", report.received)):
        said = ", ".join(f"{n} {name}" for name, n in counts.items() if n)
        if said:
            parts.append(f"{word} {said}")
    if report.local_only:
        c.out.success("Committed here; local only: no remote is configured" if parts else "Local only: no remote")
    elif parts:
        c.out.success(f"{done}: {'; '.join(parts)}")
    elif not report.withheld:
        c.out.success(nothing)
    for issue, field in report.conflicts:
        shown = c.kernel.display(issue)
        c.out.notice(f"{shown}: two values of {field} met; the other one is kept: tbdx attic list {shown}")
    _tell_withheld(c, report.withheld)


def _tell_events(c: Call, more: dict[str, Any]) -> None:
    """What became of the events."""
    events = more.get("coordination", {})
    if events.get("savedToOutbox"):
        n = events["savedToOutbox"]
        c.out.notice(f"{n} events saved to .coord/outbox: commit it to your branch to pass them on")
    elif not events.get("error") and (events.get("sent") or events.get("received")):
        where = "" if events["state"] == "synced" else f" ({events['state']} only)"
        c.out.notice(f"events: {events['sent']} sent, {events['received']} received{where}")


def _tell_withheld(c: Call, withheld: dict[str, str]) -> None:
    for path, why in sorted(withheld.items()):
        c.out.say("warn", f"withheld {path}: {why}")
    if withheld:
        c.out.say("warn", f"{len(withheld)} file(s) withheld, the others are out; tbdx doctor tells more")


def bundle_create(c: Call) -> int:
    from tbdx.kernel import bundle

    if c.dry:
        c.would("Would write a bundle", file=c["file"])
        return 0
    made = bundle.create(c.kernel, c["file"])
    c.done(made, f"Wrote {made['issues']} issues, at {made['commit'][:10]}, to {made['file']}")
    _tell_withheld(c, made["withheld"])
    return 1 if made["withheld"] else 0


def bundle_apply(c: Call) -> int:
    from tbdx.kernel import bundle

    if c.dry:
        c.would("Would merge a bundle", file=c["file"])
        return 0
    report = bundle.apply(c.kernel, c["file"])
    if c.json:
        c.out.data(report.as_json())
    else:
        _tell(c, report, "No new issues in the bundle" if report.events else "Nothing new in the bundle", "Merged")
        if report.events:
            c.out.notice(f"{report.events} events taken in, unverified")
    return 1 if report.withheld else 0


def driver_install(c: Call) -> None:
    from tbdx.cli.agents import own_command
    from tbdx.kernel import mergedriver

    done = mergedriver.install(c.kernel, own_command(), dry=c.dry)
    if c.dry:
        c.would("Would install the merge driver", **done)
    else:
        c.done(done, f"git merges the tracker's files with: {done['driver']}")


def driver_remove(c: Call) -> None:
    from tbdx.kernel import mergedriver

    done = mergedriver.remove(c.kernel, dry=c.dry)
    if c.dry:
        c.would("Would remove the merge driver", **done)
    else:
        c.done(done, "The merge driver is removed" if done["changed"] else "There was no merge driver")


def driver_run(c: Call) -> None:
    from tbdx.cli.common import working_folder
    from tbdx.kernel import mergedriver

    mergedriver.run(working_folder(), c["base"], c["ours"], c["theirs"], c["path"])


def changes(c: Call) -> int:
    from tbdx.kernel import history

    found = history.changes(c.kernel, c.opts | {"bead": (*c["bead"], *c["more"])})
    if c.json:
        c.out.data(found)
    elif found["changes"]:
        texts = [f"{r['id']} [{r['change']}] {one_line(r['title'])}{_fields(r['fields'])}" for r in found["changes"]]
        c.result(None, f"Changes {found['since']}..{found['tip']}\n\n" + "\n\n".join(texts))
    else:
        c.out.say("notice", "No matching changes")
    return 0 if found["changes"] else 3


def _fields(fields: list[dict[str, Any]]) -> str:
    out = ""
    for row in fields:
        if "hunks" in row:
            out += f"\n  {row['field']}:"
            marks = {"context": " ", "add": "+", "remove": "-"}
            for hunk in row["hunks"]:
                out += "".join(f"\n    {marks[x['type']]}{x['text']}" for x in hunk["lines"])
        else:
            out += f"\n  {row['field']}: {_value(row['before'])} -> {_value(row['after'])}"
    return out


def _value(value: Any) -> str:
    import json

    return one_line(value) if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
