"""`edit`: one issue's file in a person's editor, checked on every save.

No lock is held while the editor is open. What was typed is never lost: a text that cannot be saved stays in a folder
of its own under `.git/tbdx/tmp`, and the next `edit` of the same issue takes it up again.
"""

from __future__ import annotations

import os
import shutil

from tbdx.core import codec, merge
from tbdx.core.entity import FIELDS
from tbdx.errors import BadFile, Disk, NotFound, TbdxError
from tbdx.kernel import Kernel, attic, validate
from tbdx.kernel.bulk import closing_fields
from tbdx.store import entities, files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Issue = dict[str, Any]

ROUNDS = 10
FIXED = [name for name, _, _, rule in FIELDS if rule == "fixed"]


class Draft:
    """A private folder with the text as the editor sees it and, beside it, as it was when it was opened."""

    def __init__(self, k: Kernel, internal: str, folder: str) -> None:
        self.internal, self.folder = internal, folder
        self.shown = k.display(internal)
        self.path = files.inside(folder, f"{self.shown}.md")
        self.opened_path = f"{folder}/opened"

    def typed(self) -> bytes:
        try:
            return files.read(self.path)
        except FileNotFoundError:
            raise TbdxError("the editor left no file behind; nothing was changed")

    def opened(self) -> bytes:
        return files.read(self.opened_path)


def edit(
    k: Kernel, text: str, show: Callable[[str], None], run_editor: Callable[[str], int], *, dry: bool = False
) -> dict[str, Any]:
    """Let a person edit an issue; {id: display id, updated}. `show` explains, `run_editor(path)` gives an exit code.

    A damaged file can be opened, too: this is the way to mend it. Raises NotFound, BadFile for what is no text at all,
    and TbdxError with the place of the kept text for what could not be saved.
    """
    k.open()
    internal = k.need(text)
    source = _source(k, internal)
    try:
        codec.decode(source)
    except BadFile as e:
        raise e.at(entities.path_of(k.repo, internal))
    if dry:
        return {"id": k.display(internal), "updated": False}
    draft = _take_up(k, internal, show) or _begin(k, internal, source)
    try:
        updated = _rounds(k, draft, show, run_editor)
    except (TbdxError, KeyboardInterrupt) as e:
        kept = _keep(k, draft)
        if kept and isinstance(e, TbdxError):
            e.hint = f"{e.hint}\n  " if e.hint else ""
            e.hint += f"your text is kept in {kept}\n  tbdx edit {draft.shown} takes it up again"
        raise
    shutil.rmtree(draft.folder, ignore_errors=True)
    return {"id": draft.shown, "updated": updated}


def _source(k: Kernel, internal: str) -> bytes:
    path = entities.path_of(k.repo, internal)
    try:
        return files.read(path)
    except FileNotFoundError:
        raise NotFound(f"Issue not found: {k.display(internal)}")


def _rounds(k: Kernel, draft: Draft, show: Callable[[str], None], run_editor: Callable[[str], int]) -> bool:
    """Open the editor until its text can be saved or is as it was opened. True when the issue was changed."""
    opened, before = draft.opened(), draft.typed()
    for _ in range(ROUNDS):
        code = run_editor(draft.path)
        if code:
            raise TbdxError(f"the editor ended with exit code {code}; nothing was changed")
        typed = draft.typed()
        if typed == opened or not typed.strip():
            return False
        try:
            text, edited = _checked(k, draft, typed)
        except TbdxError as e:
            named = e.at(os.path.basename(draft.path)) if isinstance(e, BadFile) and not e.path else e
            show(named.message)
            if typed == before:
                raise TbdxError(f"{draft.shown} was not saved: {e.message}")
            before = typed
        else:
            return _store(k, draft, text, edited, show)
    raise TbdxError(f"{draft.shown} was not saved: it was not valid in {ROUNDS} tries")


def _checked(k: Kernel, draft: Draft, typed: bytes) -> tuple[str, Issue]:
    """(text, issue) of what was typed. Raises BadFile with the line, TbdxError."""
    text = codec.decode(typed)
    edited = codec.parse(text, draft.internal)
    base = _base(draft) or {}
    for name in FIXED:
        if base and edited.get(name) != base.get(name):
            line = next((n for n, row in enumerate(text.split("\n"), 1) if row.startswith(f"{name}:")), 0)
            raise BadFile(f"{name}: cannot be changed; it was {base.get(name)}", line=line)
    k.check_keys(base, edited)
    validate(edited, over=base or edited)
    if edited.get("parent_id") and edited["parent_id"] != base.get("parent_id"):
        _check_parent(k, edited)
    return text, edited


def _base(draft: Draft) -> Issue | None:
    """The issue as it was opened, None when its file was damaged."""
    try:
        return codec.parse(codec.decode(draft.opened()), draft.internal)
    except BadFile:
        return None


def _check_parent(k: Kernel, edited: Issue) -> None:
    parent = edited["parent_id"]
    k.read(parent)  # it must be there
    if edited["id"] in [parent, *k.ancestors(parent)]:
        raise TbdxError("parent_id: an issue cannot be its own ancestor")


def _store(k: Kernel, draft: Draft, text: str, edited: Issue, show: Callable[[str], None]) -> bool:
    """Write what was typed, with what others changed meanwhile merged in; False when that says all of it already."""
    base = _base(draft)
    with k.writing():
        source = _source(k, draft.internal)
        current, new = base or edited, edited
        if source != draft.opened():
            if base is None:
                raise TbdxError(f"{draft.shown} was damaged when it was opened, and somebody else changed it meanwhile")
            current = codec.parse(codec.decode(source), draft.internal)
            new = _merged(k, draft, base, edited, current, show)
            if merge.canonical(new) == merge.canonical(current) and codec.rewrite(text, current).encode() == source:
                return False
        if base and new["status"] != current["status"]:
            follows = closing_fields(k, current, new["status"])
            new = new | {n: v for n, v in follows.items() if new.get(n) == current.get(n)}
        new = new | {"version": current["version"] + 1, "updated_at": k.next_time(current["updated_at"])}
        validate(new)
        was = current if base or source != draft.opened() else None
        k.put(new, codec.rewrite(text, new), was, codec.decode(source))
        return True


def _merged(k: Kernel, draft: Draft, base: Issue, edited: Issue, current: Issue, show: Callable[[str], None]) -> Issue:
    """The typed issue and the one that is there now, met as in a sync; what loses goes to the attic."""
    mine = edited | {"version": base["version"] + 1, "updated_at": k.next_time(base["updated_at"])}
    new, losses = merge.merge_issues(base, mine, current)
    validate(new)
    attic.keep(k, k.repo.data, losses, current)
    said = f"{draft.shown} changed while you edited; both were merged"
    if losses:
        fields = ", ".join(dict.fromkeys(loss.field for loss in losses))
        said += f"; both changed {fields}, and tbdx attic list {draft.shown} shows what lost"
    show(said)
    return new


# drafts


def _begin(k: Kernel, internal: str, source: bytes) -> Draft:
    folder = _new_folder(k, internal)
    try:
        os.mkdir(folder, 0o700)
    except OSError as e:
        raise Disk(f"cannot make {folder}: {e.strerror}", hint=files.hint_for(e))
    draft = Draft(k, internal, folder)
    files.write(draft.opened_path, source, durable=False)
    files.write(draft.path, source, durable=False)
    return draft


def _new_folder(k: Kernel, internal: str) -> str:
    files.make_folder(k.repo.scratch)
    return f"{k.repo.scratch}/edit.{internal}.{k.entropy(6).hex()}"


def _kept_at(k: Kernel, internal: str) -> str:
    return f"{k.repo.scratch}/kept.{internal}"


def _take_up(k: Kernel, internal: str, show: Callable[[str], None]) -> Draft | None:
    """The text that an earlier edit could not save; the renaming is the election between two who want it."""
    folder = _new_folder(k, internal)
    try:
        os.rename(_kept_at(k, internal), folder)
    except OSError:
        return None
    draft = Draft(k, internal, folder)
    for name in os.listdir(folder):
        if name.endswith(".md"):  # the short id may have changed since
            os.replace(f"{folder}/{name}", draft.path)
    show(f"this is your text from an earlier edit of {draft.shown}; empty its file to drop it")
    return draft


def _keep(k: Kernel, draft: Draft) -> str | None:
    """Leave the text for a later `edit`; its path, None when there is nothing worth keeping."""
    try:
        if draft.typed() in (draft.opened(), b""):
            shutil.rmtree(draft.folder, ignore_errors=True)
            return None
        place = _kept_at(k, draft.internal)
        os.rename(draft.folder, place)
    except (TbdxError, FileNotFoundError):
        return None
    except OSError:  # an older kept text is there; both stay
        return draft.path
    return f"{place}/{os.path.basename(draft.path)}"
