"""Workspaces: copies of issues that travel beside the sync branch, and how they come back.

A copy is a folder with `issues/`, `mappings/ids.yml` and `attic/`, in `.tbd/workspaces/<name>` or anywhere. Two
versions of an issue meet as in tbd: the later one stands whole, and versions of the same instant are merged field by
field. What loses goes to the attic, unless the loser is provably an earlier state of the winner: this clone saw the
copy so, or the sync branch holds it so.
"""

from __future__ import annotations

import os
import stat

from tbdx.core import codec, ids
from tbdx.core.attic import Loss
from tbdx.core.merge import canonical, merge_issues
from tbdx.errors import BadFile, Disk, NotFound, TbdxError, Unsupported
from tbdx.kernel import Kernel, attic, copies
from tbdx.kernel.copies import Held, Seen
from tbdx.store import entities, files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any


def save(
    k: Kernel,
    workspace: str | None = None,
    folder: str | None = None,
    outbox: bool = False,
    updates_only: bool = False,
    dry: bool = False,
) -> dict[str, Any]:
    """Copy issues and their short ids; {saved, conflicts, target, totalSource, filtered}.

    `saved` counts the issues that the copy holds afterwards in this state or a later one, `conflicts` the values that
    went to the copy's attic. The outbox, and `updates_only`, take what differs from the sync branch as last fetched.
    """
    target, path = copies.place(k, workspace, folder, outbox)
    with k.writing():
        copy = copies.opened(k, path)
        source, _ = copies.load(k, k.repo)
        theirs, damaged = copies.load(k, copy)
        filtered = outbox or updates_only
        chosen = copies.unpublished(k, source) if filtered else source
        seen, conflicts, saved = Seen(k, path), 0, 0
        base = copies.base_of(k) if outbox else None
        beside = copies.beside_issues(k, base)
        if (chosen or beside) and outbox and not dry:
            copies.note_base(k, path, base, beside, is_new=not theirs and not damaged)
        for n, (internal, mine) in enumerate(chosen.items(), 1):
            k.step("saving", n, len(chosen))
            if internal in damaged:
                continue  # said already, and left as it is
            there = theirs.get(internal)
            result, losses = (mine, list[Loss]()) if there is None else meet(mine, there, seen.knows)
            losses = [x for x in losses if x.loser is not mine.issue]  # our own values are where they were
            saved += 1
            if dry:
                conflicts += len(losses)
                continue
            conflicts += attic.keep(k, path, losses, mine.issue)
            if there is None or result.text != there.text:
                files.make_folder(files.inside(path, "issues"))
                place = entities.path_of(copy, internal)  # what the tracker holds needs no flush of its own
                files.write(place, result.text.encode(), scratch=k.repo.scratch, durable=result is not mine)
            if result is mine:
                seen.note(internal, mine.text)
        if chosen and not dry:
            copies.save_names(k, copy, chosen)
            seen.write()
    answer = {"saved": saved, "conflicts": conflicts, "target": target}
    return answer | {"totalSource": len(source), "filtered": filtered}


def import_workspace(
    k: Kernel,
    workspace: str | None = None,
    folder: str | None = None,
    outbox: bool = False,
    clear: bool = False,
    dry: bool = False,
) -> dict[str, Any]:
    """Take a copy's issues, short ids and attic in; {imported, conflicts, source, cleared}.

    `imported` counts the issues taken in or found the same, `conflicts` the values that newly went to the attic. A
    copy that is not there has none. It is cleared only when all of it could be taken in.
    """
    source, path = copies.place(k, workspace, folder, outbox)
    answer: dict[str, Any] = {"imported": 0, "conflicts": 0, "source": source, "cleared": False}
    with k.writing():
        k.names.load()
        copy = copies.opened(k, path)
        if not os.path.isdir(path):
            return answer
        theirs, damaged = copies.load(k, copy)
        held, unusable = copies.load(k, k.repo)
        short_of, seen = ids.by_ulid(dict(reversed(copies.rows(k, copy)))), Seen(k, path)
        whole = not damaged
        if not dry:
            _give_short(k, [i for i in theirs if i not in held and i not in unusable], short_of)
        for n, (internal, other) in enumerate(theirs.items(), 1):
            k.step("importing", n, len(theirs))
            if internal in unusable:
                whole = False
                continue
            try:
                answer["conflicts"] += _take_in(k, other, held.get(internal), seen, dry)
            except Unsupported as e:
                k.say("warn", f"{internal} is not imported: {e.message}")
                whole = False
                continue
            answer["imported"] += 1
        if dry:
            return answer
        taken = copies.take_attic(k, copy)
        if clear and whole:
            k.names.save()  # the copy's short ids are here, too, before they are gone there
            copies.emptied(k, copy, theirs, taken)
            seen.forget()
            answer["cleared"] = True
        else:
            seen.write()
            if clear:
                k.say("warn", f"{source} is not cleared: not all of it could be imported")
    return answer


def _give_short(k: Kernel, new: Sequence[str], short_of: Mapping[str, str]) -> None:
    """Short ids for issues that come, those of the copy where they are free; on disk before the issues are."""
    for internal in new:
        wanted = short_of.get(internal[3:])
        if internal[3:] not in k.names.short_of and k.give_short(internal, wanted) != wanted and wanted:
            k.say("notice", f"short id {wanted} is taken here: {internal} is now {k.display(internal)}")
    k.names.save()


def _take_in(k: Kernel, other: Held, mine: Held | None, seen: Seen, dry: bool) -> int:
    """Bring one issue of a copy into the tracker; how many values went to the attic. Raises Unsupported."""
    internal = other.issue["id"]
    result, losses = (other, list[Loss]()) if mine is None else meet(mine, other, seen.knows)
    k.check_keys(mine.issue if mine else {}, result.issue)
    if dry:
        return len(losses)
    new = attic.keep(k, k.repo.data, losses, mine.issue) if mine else 0
    k.wrote |= new > 0
    if mine is None:
        if entities.create(k.repo, internal, result.text):
            k.note(None, result.issue, None, result.text)
    elif result.text != mine.text:
        k.put(result.issue, result.text, mine.issue, mine.text)
    seen.note(internal, other.text)
    return new


def meet(mine: Held, other: Held, known: Callable[[str, str, bool], bool]) -> tuple[Held, list[Loss]]:
    """(what two versions of an issue make, what was lost). Meeting again makes the same, so an import can be repeated.

    `known(id, text, of_copy)` is True for a text that the other side has moved on from.
    """
    a, b = mine.issue, other.issue
    late, early = sorted((mine, other), key=lambda h: (h.issue["updated_at"], h.issue["version"]), reverse=True)
    if canonical(a) == canonical(b):
        return late, []
    if a["updated_at"] != b["updated_at"]:
        merged, losses = merge_issues(early.issue, a, b)  # with the earlier one as base the later one stands whole
        if not known(a["id"], early.text, early is other):
            losses = attic.overwritten(late.issue, early.issue)
    elif known(a["id"], other.text, True) or known(a["id"], mine.text, False):  # a hand's edit moves no time
        return (mine if known(a["id"], other.text, True) else other), []
    else:
        merged, losses = merge_issues(None, a, b)
    if merged is a:
        return mine, losses
    if merged is b:
        return other, losses
    return Held(merged, codec.rewrite(late.text, merged)), losses


def workspaces(k: Kernel) -> list[dict[str, Any]]:
    """[{name, counts: {open, in_progress, closed, total}}] in name order. What is not a workspace is said."""
    _ = k.config
    root = files.inside(k.repo.root, ".tbd", "workspaces")
    try:
        names = sorted(os.listdir(root)) if os.path.lexists(root) else []
    except OSError as e:
        raise Disk(f"cannot list {root}: {e.strerror}")
    out = []
    for name in names:
        path = f"{root}/{name}"
        try:
            if not copies.is_name(name) or not stat.S_ISDIR(os.lstat(path).st_mode):
                raise BadFile("not a workspace; it is left alone", path=path)
            loaded, _bad = copies.load(k, copies.opened(k, path))
        except TbdxError as e:
            k.say("warn", e.message)
            continue
        statuses = [held.issue["status"] for held in loaded.values()]
        counts = {status: statuses.count(status) for status in ("open", "in_progress", "closed")}
        out.append({"name": name, "counts": counts | {"total": len(statuses)}})
    return out


def delete_workspace(k: Kernel, name: str, force: bool = False, dry: bool = False) -> dict[str, Any]:
    """Delete a workspace with all that is in it; {name, deleted}. Raises NotFound, unless forced, Invalid, Disk."""
    _, path = copies.place(k, name, None, False)
    with k.writing():
        if not os.path.isdir(path):
            if not force:
                raise NotFound(f"Workspace not found: {name}", hint="tbdx workspace list shows those that are here")
            return {"name": name, "deleted": False}
        if not dry:
            files.remove_tree(path)
            Seen(k, path).forget()
    return {"name": name, "deleted": not dry}
