"""What agents see of tbdx in a repository: the live part of `prime`, the skill file, the block in AGENTS.md.

Every file is looked at before the first is written. tbd's own files and its block in AGENTS.md are never touched, and
nothing from an issue but its id ever becomes part of a text that agents take for instructions.
"""

from __future__ import annotations

import difflib
import os
import re
import stat

from tbdx.core import guide, lists
from tbdx.core.codec import LARGEST
from tbdx.core.snapshot import of as columns_of
from tbdx.errors import BadFile, Disk, Invalid, NotFound, NotInitialized, TbdxError
from tbdx.kernel import Kernel
from tbdx.kernel import setup as beginning
from tbdx.store import entities, files, layout

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

SKILL_PATH = ".agents/skills/tbdx/SKILL.md"
BLOCK_PATH = "AGENTS.md"
SURFACES = {"portable": SKILL_PATH, "agents-md": BLOCK_PATH}
NEXT = 5  # ready issues named by prime
_PLAIN_ID = re.compile(r"[a-z][0-9a-z._]{0,19}-[0-9a-z]{1,8}(\.[0-9]{1,3}){0,3}")


class Edit:
    """What is to become of one file: `old` None for one that is not there, `new` None for one that goes."""

    def __init__(self, path: str, full: str, old: bytes | None, new: bytes | None) -> None:
        self.path, self.full, self.old, self.new = path, full, old, new

    @property
    def action(self) -> str:
        if self.old == self.new:
            return "unchanged"
        return "created" if self.old is None else "removed" if self.new is None else "updated"

    def diff(self) -> str:
        """A unified diff; what kind of line ends there are is not shown."""
        old, new = ((side or b"").decode("utf-8", "replace").splitlines() for side in (self.old, self.new))
        before = "/dev/null" if self.old is None else f"a/{self.path}"
        after = "/dev/null" if self.new is None else f"b/{self.path}"
        return "\n".join(difflib.unified_diff(old, new, before, after, lineterm=""))

    def row(self) -> dict[str, str]:
        return {"path": self.path, "action": self.action}


def state(k: Kernel) -> dict[str, Any] | None:
    """{ready, inProgress, blocked, unreadable, next: [ids]}, None where nothing is set up. Raises TbdxError.

    Ids only: titles and texts are other people's words. An id made to read like a sentence is left out.
    """
    try:
        k.open()
    except NotInitialized:
        return None
    issues, bad = entities.scan(k.repo)
    at = columns_of(issues, str)
    ready = lists.ready(at, claimed_by=k.config.claimed_by, now=k.now())
    shown = [text for text in (k.display(at["id"][n]) for n in ready) if _PLAIN_ID.fullmatch(text)]
    return {
        "ready": len(ready),
        "inProgress": sum(i["status"] == "in_progress" for i in issues),
        "blocked": len(lists.blocked(at)),
        "unreadable": len(bad),
        "next": shown[:NEXT],
    }


# setup


def chosen(text: str | None) -> list[str]:
    """The surfaces that `--surfaces` names, in our order. Raises Invalid."""
    names = [part.strip() for part in (text or "all").split(",") if part.strip()]
    unknown = [name for name in names if name != "all" and name not in SURFACES]
    if unknown or not names:
        what = f"Unknown surface: {', '.join(unknown)}" if unknown else "--surfaces names none"
        raise Invalid(what, hint=f"{', '.join(SURFACES)} or all; a tbd's other surfaces are its own")
    return [name for name in SURFACES if name in names or "all" in names]


def plan(k: Kernel, surfaces: Iterable[str], *, force: bool = False) -> list[Edit]:
    """What setup would write into the working tree. Raises BadFile for a path that is not plainly ours to write."""
    root, edits = root_of(k), []
    for name in surfaces:
        path = SURFACES[name]
        full, old = _look(root, path)
        if name == "agents-md":
            edits.append(Edit(path, full, old, _at(full, guide.with_block, old or b"")))
            continue
        if old is not None and not guide.skill_ours(old) and not force:
            raise BadFile("not written by tbdx setup", path=full, hint="--force replaces it")
        new = guide.SKILL.encode()
        same = old is not None and old.replace(b"\r\n", b"\n") == new  # git may have changed its line ends
        edits.append(Edit(path, full, old, old if same else new))
    return edits


def setup(
    k: Kernel, *, prefix: str | None, surfaces: str | None, from_beads: bool, force: bool, dry: bool
) -> dict[str, Any]:
    """Set the tracker up where there is none, import Beads when asked, write the agents' files.

    {initialized: True when it was done now, prefix, files: [Edit], imported?: the import's answer}. With `dry` nothing
    is written.
    """
    names = chosen(surfaces)
    fresh = not _is_set_up(k)
    if fresh:
        beginning.check_prefix(prefix, force=force)
    elif prefix and prefix != k.config.prefix:
        k.say("notice", f"ids begin with {k.config.prefix}- here already; --prefix is for a new repository")
    beads = _beads(root_of(k)) if from_beads else None
    edits = plan(k, names, force=force)
    out: dict[str, Any] = {"initialized": fresh, "prefix": prefix if fresh else k.config.prefix, "files": edits}
    if dry:
        return out
    if fresh:
        out["prefix"] = beginning.init(k, prefix, force=force)["prefix"]
    k.open()
    if beads:
        from tbdx.kernel.beads import import_jsonl

        out["imported"] = import_jsonl(k, f"{beads}/issues.jsonl", merge=False, dry=False)
        _rename(beads, f"{beads}-disabled")
    apply(k, edits)
    return out


def _is_set_up(k: Kernel) -> bool:
    try:
        _ = k.config
    except NotInitialized:
        return False
    return True


def root_of(k: Kernel) -> str:
    """The top of the tracker, or of the git working tree where there is none yet."""
    try:
        return k.repo.root
    except NotInitialized:
        found = layout.find_git(k.cwd)
        if found is None:
            raise TbdxError(layout.NO_GIT, hint="git init comes first")
        return found[0]


def _beads(root: str) -> str:
    folder = files.inside(root, ".beads")
    if not os.path.isfile(f"{folder}/issues.jsonl"):
        raise NotFound(f"no {folder}/issues.jsonl", hint="--from-beads imports that file")
    if os.path.lexists(f"{folder}-disabled"):
        raise TbdxError(f"{folder}-disabled exists already", hint="move it away: .beads gets that name")
    return folder


def _rename(old: str, new: str) -> None:
    try:
        os.rename(old, new)
    except OSError as e:
        raise Disk(f"cannot rename {old}: {e.strerror}", hint=files.hint_for(e))


# uninstall


def removal(k: Kernel) -> tuple[list[Edit], list[dict[str, str]]]:
    """(what uninstall takes away, [{path, reason}] of what it leaves though it lies where setup writes)."""
    root, edits, left = root_of(k), [], []
    for name, path in SURFACES.items():
        try:
            full, old = _look(root, path)
            if old is None:
                continue
            if name == "agents-md":
                rest = _at(full, guide.without_block, old)
                edits.append(Edit(path, full, old, rest if rest or not old else None))
            elif old.replace(b"\r\n", b"\n") == guide.SKILL.encode():
                edits.append(Edit(path, full, old, None))
            else:
                left.append({"path": path, "reason": "not as this tbdx writes it"})
        except BadFile as e:
            left.append({"path": path, "reason": e.reason})
    return [edit for edit in edits if edit.action != "unchanged"], left


def apply(k: Kernel, edits: Iterable[Edit]) -> None:
    """Write the files, keeping their modes; folders of ours that are left empty go. Raises Disk."""
    for edit in edits:
        if edit.action == "unchanged":
            continue
        try:
            if edit.new is None:
                os.unlink(edit.full)
                _prune(os.path.dirname(edit.full), edit.path.count("/"))
                continue
            mode = stat.S_IMODE(os.lstat(edit.full).st_mode) if edit.old is not None else None
            files.make_folder(os.path.dirname(edit.full))
            files.write(edit.full, edit.new)
            if mode is not None and mode != stat.S_IMODE(os.lstat(edit.full).st_mode):
                os.chmod(edit.full, mode)
        except OSError as e:
            raise Disk(f"cannot write {edit.full}: {e.strerror}", hint=files.hint_for(e))


def _prune(folder: str, levels: int) -> None:
    """Remove up to so many folders, from the inside out, while they are empty."""
    for _ in range(levels):
        try:
            os.rmdir(folder)
        except OSError:
            return
        folder = os.path.dirname(folder)


def _look(root: str, path: str) -> tuple[str, bytes | None]:
    """(absolute path, its bytes or None). Raises BadFile when a link or anything but folders and a file is there."""
    full = files.inside(root, *path.split("/"))
    try:
        data = files.read(full)
    except FileNotFoundError:
        return full, None
    if len(data) > LARGEST or b"\0" in data:
        raise BadFile("too large for us to change" if len(data) > LARGEST else "not a text file", path=full)
    return full, data


def _at(full: str, change: Any, data: bytes) -> bytes:
    """`change(data)`, its complaint naming the file."""
    try:
        return bytes(change(data))
    except BadFile as e:
        raise e.at(full)
