"""Commands on single issues."""

from __future__ import annotations

from tbdx.cli.common import Call
from tbdx.cli.output import one_line
from tbdx.errors import TbdxError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def create(c: Call) -> None:
    from tbdx.kernel import work

    text = c.body(c["description"], c["file"], ("--description", "--file"))
    made = work.create(c.kernel, c["title"], c.opts | {"description": text}, dry=c.dry)
    if c.dry:
        kind = c["type"] or "task"
        c.would("Would create issue", title=c["title"], kind=kind, priority=c["priority"] or "2", type=kind)
    else:
        word = "Created before:" if made.get("duplicate") else "Created"
        c.done(made, f"{word} {made['id']}: {one_line(made['title'])}")


def show(c: Call) -> None:
    from tbdx.kernel import look

    k = c.kernel
    try:
        issues, missing = look.show(k, c["ids"], ignore_missing=c["ignore_missing"])
    except look.Damaged as e:
        if e.last_good:
            c.result(look.as_json(k, e.last_good), look.plain(e.last_good))
        raise
    if missing:
        c.out.say("warn", f"Not found: {', '.join(missing)}")
    several = len(dict.fromkeys(c["ids"])) > 1
    parent = look.parent_of(k, issues[0]) if issues and not several and not c["no_parent"] else None
    said = look.comments(k, issues)
    if c.json:
        rows = [look.as_json(k, i) | ({"comments": said[i["id"]]} if said.get(i["id"]) else {}) for i in issues]
        if several:
            c.out.data(rows)
        else:
            c.out.data(rows[0] | ({"parent": look.as_json(k, parent)} if parent else {}) if rows else None)
        return
    if not issues:
        return
    from tbdx.kernel.snapshot import load

    at = load(k, *(("more",) if c["show_order"] else ()))
    texts = [_cut(look.as_text(k, i, at), c["max_lines"]) for i in issues]
    if c["show_order"]:
        for n, issue in enumerate(issues):
            below = look.children(at, issue)
            texts[n] += "\n\nChildren, in order:" if below else ""
            texts[n] += "".join(f"\n  {i['shown']}  {one_line(i['title'])}" for i in below)
    for n, issue in enumerate(issues):
        if said.get(issue["id"]):
            from tbdx.cli.msg import comments_text

            texts[n] += f"\n\nComments:\n{comments_text(said[issue['id']])}"
    if parent:
        texts.append(f"The parent of this bead is:\n{look.as_text(k, parent, at)}")
    c.result(None, "\n\n".join(texts))


def _cut(text: str, limit: str | None) -> str:
    lines = text.split("\n")
    most = int(limit) if limit and limit.isdigit() and int(limit) > 0 else len(lines)
    left = len(lines) - most
    return "\n".join(lines[:most]) + (f"\n… [{left} lines omitted]" if left > 0 else "")


def update(c: Call) -> None:
    from tbdx.kernel import work

    given = dict(c.opts)
    ids = given.pop("ids")
    given["description"] = c.body(given["description"], None, ("--description", ""))
    given["notes"] = c.body(given["notes"], given.pop("notes_file"), ("--notes", "--notes-file"))
    changes = {n: v for n, v in given.items() if v not in (None, (), False)}
    answer = work.update(c.kernel, ids, given, dry=c.dry)
    if c.dry:
        details = changes | ({"priority": int(changes["priority"][-1])} if "priority" in changes else {})
        details.pop("ignore_missing", None)
        shown = [c.kernel.display(found) for _, found in c.kernel.pick(ids, ignore_missing=True) if found]
        one = len(shown) == 1
        c.would("Would update issue" if one else "Would update issues", **_target(shown, one), **details)
    else:
        _said(c, answer, "Updated")


def _target(shown: list[str], one: bool) -> dict[str, Any]:
    return {"id": shown[0]} if one else {"ids": shown}


def _said(c: Call, answer: dict[str, Any], word: str) -> None:
    """Print what a command on one or many issues did."""
    if c.json:
        c.out.data(answer)
        return
    if "results" not in answer:
        c.done(None, f"{word} {answer['id']}" + (" (already closed)" if answer.get("alreadyClosed") else ""))
        return
    changed = [r["id"] for r in answer["results"] if r["action"] not in ("skipped", "missing")]
    if changed:
        c.done(None, f"{word} {len(changed)}: {' '.join(changed)}")
    for row in answer["results"]:
        if "skippedReason" in row:
            c.out.notice(f"{row['id']}: {row['skippedReason']}")
    if answer["sync"]["pending"]:
        c.out.notice("Unsynced changes — run `tbd sync` to publish.")


def edit(c: Call) -> None:
    from tbdx.kernel import edit as verb

    said = verb.edit(c.kernel, c["id"], lambda text: c.out.say("warn", text), _run_editor, dry=c.dry)
    if c.dry:
        c.would("Would open an editor", id=said["id"])
        return
    c.done(said, f"Updated {said['id']}" if said["updated"] else f"{said['id']}: nothing changed")


def _run_editor(path: str) -> int:
    """Open the person's editor on a file, on this terminal; its exit code. Ctrl-C is the editor's while it runs."""
    import os
    import shlex
    import signal
    import subprocess

    said = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
    try:
        child = subprocess.Popen([*shlex.split(said), path])
    except (OSError, ValueError) as e:
        raise TbdxError(f"cannot start the editor {said!r}: {e}", hint="set VISUAL or EDITOR to one that is installed")
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        return child.wait()
    finally:
        signal.signal(signal.SIGINT, before)


def start(c: Call) -> None:
    from tbdx.kernel import bulk

    answer = bulk.start(c.kernel, c["ids"], c.kernel.actor["name"], dry=c.dry)
    if c.dry:
        c.would("Would start issues", ids=answer["claimed"])
        return
    if c.json:
        c.out.data(answer)
        return
    name = answer.get("delegate") or answer["assignee"]
    if answer["claimed"]:
        c.done(None, f"Started {' '.join(answer['claimed'])} as {name}")
    for row in answer["skipped"]:
        c.out.notice(f"{row['id']}: {row['reason']}")


def close(c: Call) -> None:
    from tbdx.kernel import bulk

    answer = bulk.close(
        c.kernel,
        c["ids"],
        reason=c.body(c["reason"], c["reason_file"], ("--reason", "--reason-file")),
        resolution=c["how"],
        duplicate_of=c["duplicate_of"],
        ignore_missing=c["ignore_missing"],
        dry=c.dry,
    )
    _finish(c, answer, "close", "Closed")


def reopen(c: Call) -> None:
    from tbdx.kernel import bulk

    reason = c.body(c["reason"], c["reason_file"], ("--reason", "--reason-file"))
    answer = bulk.reopen(c.kernel, c["ids"], reason=reason, ignore_missing=c["ignore_missing"], dry=c.dry)
    _finish(c, answer, "reopen", "Reopened")


def pause(c: Call) -> None:
    from tbdx.kernel import bulk

    reason = c.body(c["reason"], None, ("--reason", ""))
    more = {"until": c["until"], "reason": reason, "ignore_missing": c["ignore_missing"]}
    _finish(c, bulk.pause(c.kernel, c["ids"], **more, dry=c.dry), "pause", "Paused")


def resume(c: Call) -> None:
    from tbdx.kernel import bulk

    reason = c.body(c["reason"], None, ("--reason", ""))
    answer = bulk.resume(c.kernel, c["ids"], reason=reason, ignore_missing=c["ignore_missing"], dry=c.dry)
    _finish(c, answer, "resume", "Resumed")


def _finish(c: Call, answer: dict[str, Any], verb: str, word: str) -> None:
    if not c.dry:
        _said(c, answer, word)
        return
    changed = [r["id"] for r in answer.get("results", [answer]) if r.get("action") not in ("skipped", "missing")]
    c.would(f"Would {verb} issue{'s' if len(changed) != 1 else ''}", **_target(changed, len(changed) == 1))
