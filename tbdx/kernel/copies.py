"""Saved copies of a tracker on disk: where they are, what they hold, and what this clone knows of them.

A copy is a folder with `issues/`, `mappings/ids.yml` and `attic/`. It comes with a clone or from a folder that
somebody named, so none of its parts may be a link, and a file that cannot be used is said and stepped over.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from typing import NamedTuple

from tbdx.core import canon, codec, ids, names
from tbdx.core.digest import blob_id
from tbdx.core.entity import COLLECTIONS
from tbdx.core.merge import DATA, ISSUES, merge_names
from tbdx.errors import BadFile, Disk, Invalid, TbdxError
from tbdx.kernel import Kernel, attic, skipping
from tbdx.store import entities, files
from tbdx.store.layout import Repo

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    Issue = dict[str, Any]

OUTBOX = "outbox"
OTHERS = tuple(f"{folder}/" for kind, (folder, _) in COLLECTIONS.items() if kind != "issue")
BASE = "base.yml"  # in an outbox: the commit of the sync branch that its issues were compared with


class Held(NamedTuple):
    """An issue and the text of its file."""

    issue: Issue
    text: str


class Copy(Repo):
    """A saved copy, read and written as the tracker's own data folder is."""

    def __init__(self, repo: Repo, path: str) -> None:
        super().__init__(repo.root, repo.git_dir, repo.common)
        self.path = path

    @property
    def data(self) -> str:
        return self.path


def is_name(text: str) -> bool:
    """tbd's rule: `[a-z0-9][a-z0-9_-]*`."""
    return 0 < len(text) <= 200 and text[0] in ids.BASE36 and all(c in ids.BASE36 or c in "_-" for c in text)


def place(k: Kernel, workspace: str | None, folder: str | None, outbox: bool) -> tuple[str, str]:
    """(what to call it, its folder) of the one place that was named. Raises Invalid, BadFile for a link."""
    if sum((workspace is not None, folder is not None, outbox)) != 1:
        raise Invalid("Exactly one of --workspace, --dir and --outbox is needed")
    if folder is not None:
        if not folder or "\0" in folder:
            raise Invalid(f"Invalid --dir value: {folder!r}")
        path = os.path.realpath(os.path.join(k.cwd, folder))
        if f"{path}/".startswith(os.path.realpath(k.repo.worktree) + "/"):
            raise Invalid(f"Invalid --dir value: {folder} is the tracker itself")
        return folder, path
    name = OUTBOX if workspace is None else workspace
    if not is_name(name):
        raise Invalid(
            f"Invalid workspace name: {name}", hint="lower-case letters, digits, - and _; a letter or digit first"
        )
    return name, files.inside(k.repo.root, ".tbd", "workspaces", name)


def opened(k: Kernel, path: str) -> Copy:
    """The copy at `path`, none of whose folders is a link or a file. Raises BadFile."""
    if os.path.lexists(path) and not os.path.isdir(path):
        raise BadFile("not a folder", path=path)
    for name in ("issues", "mappings", "attic"):
        part = files.inside(path, name)
        if os.path.lexists(part) and not os.path.isdir(part):
            raise BadFile("not a folder", path=part)
    return Copy(k.repo, path)


def load(k: Kernel, repo: Repo) -> tuple[dict[str, Held], set[str]]:
    """({internal id: issue and text} of the good issue files, the names without .md of the others, which are said)."""
    good: dict[str, Held] = {}
    bad: set[str] = set()
    for name in entities.listing(repo):
        internal, path = name[:-3], f"{repo.issues}/{name}"
        try:
            text = codec.decode(files.read(path))
            good[internal] = Held(codec.parse(text, internal), text)
        except FileNotFoundError:
            continue
        except (BadFile, Disk) as e:
            bad.add(internal)
            k.say("warn", skipping(e.at(path) if isinstance(e, BadFile) else BadFile(e.message, path=path)))
    return good, bad


def rows(k: Kernel, copy: Copy) -> list[tuple[str, str]]:
    """The (short id, ULID) rows of a copy; what is none is said."""
    found, said = names.parse(_names_of(k, copy).decode("utf-8", "replace"))
    for text in said:
        k.say("warn", f"{copy.path}: {text}")
    return found


def _names_of(k: Kernel, copy: Copy) -> bytes:
    try:
        return files.read(entities.names_path(copy), 64 * codec.LARGEST)
    except FileNotFoundError:
        return b""
    except BadFile as e:
        k.say("warn", e.at(entities.names_path(copy)).message)
        return b""


def save_names(k: Kernel, copy: Copy, internals: Iterable[str]) -> None:
    """Add the short ids of issues to a copy's; rows that it has stay."""
    ulids = {x[3:] for x in internals}
    ours = {short: of for short, of in k.names.ulid_of.items() if of in ulids}
    old = _names_of(k, copy)
    new = merge_names(b"", old, canon.dumps(ours).encode())
    if new != old:
        files.make_folder(files.inside(copy.path, "mappings"))
        files.write(entities.names_path(copy), new, scratch=k.repo.scratch)


def base_of(k: Kernel) -> str | None:
    """The commit that an outbox is made against: the last one that the remote is known to have."""
    tip, head = k.git.remote_tip(k.config.remote, k.config.branch), k.git.branch_tip(k.config.branch)
    return k.git.merge_base(head, tip) if head and tip else None  # what was fetched may not have been merged yet


def beside_issues(k: Kernel, base: str | None) -> list[str]:
    """The files that an outbox carries beside issues: what its base lacks of the attic and of the other collections."""
    if base is None:
        return []
    there = k.git.tree(base)
    out = []
    for folder in ("attic/", *(OTHERS if k.coordination.on else ())):
        for rel, odd in files.walk(f"{k.repo.data}/{folder[:-1]}"):
            name, known = f"{folder}{rel}", there.get(f"{DATA}{folder}{rel}")
            if not odd and (known is None or known[1] != blob_id(_held(k, name), base)):
                out.append(name)
    return out


def _held(k: Kernel, rel: str) -> bytes:
    return files.read(f"{k.repo.data}/{rel}", 64 * codec.LARGEST)


def note_base(k: Kernel, path: str, base: str | None, beside: Iterable[str], *, is_new: bool) -> None:
    """Let an outbox tell the commit that it was made against, and carry what that commit lacks beside issues.

    Called before issues are put there. One that holds issues already (not `is_new`) keeps the base that it has, which
    is a base of what is added, too; or none, as a newer one would make edits of its old values.
    """
    if base is None:
        return
    for rel in beside:
        target = files.inside(path, *rel.split("/"))
        files.make_folder(os.path.dirname(target))
        files.write(target, _held(k, rel), scratch=k.repo.scratch)
    if is_new and not os.path.lexists(f"{path}/{BASE}"):
        files.make_folder(path)
        files.write(files.inside(path, BASE), f"commit: {base}\n".encode(), scratch=k.repo.scratch)


def unpublished(k: Kernel, held: Mapping[str, Held]) -> dict[str, Held]:
    """The issues that differ from the sync branch as last fetched; all when it never was."""
    tip = k.git.remote_tip(k.config.remote, k.config.branch)
    if tip is None:
        return dict(held)
    there = k.git.content(tip, [f"{ISSUES}{x}.md" for x in held])
    return {x: h for x, h in held.items() if _plain(there.get(f"{ISSUES}{x}.md")) != h.text.encode()}


def _plain(data: bytes | None) -> bytes | None:
    return None if data is None else data.replace(b"\r\n", b"\n")


def take_attic(k: Kernel, copy: Copy) -> list[str]:
    """Bring the entries of a copy's attic into the tracker's; the names of the files that are now here too."""
    taken = []
    for name, entry in attic.read_all(k, copy.path):
        of = entry["entity_id"], entry["timestamp"], entry["field"]
        k.wrote |= attic.put(k, k.repo.data, *of, canon.dumps(entry))
        taken.append(name)
    return taken


def emptied(k: Kernel, copy: Copy, issues: Iterable[str], entries: Iterable[str], others: Iterable[str] = ()) -> None:
    """Remove the named files of a copy, `others` by their path in it, its short ids, and the folders that are empty
    then. What else is there stays, and is said.

    An outbox's note of its base goes last: while it is there, one that was half removed is known for what it is.

    Nothing is removed for being there: a folder that somebody named may hold more than a copy.
    """
    paths = [f"{copy.issues}/{x}.md" for x in issues] + [f"{copy.path}/attic/{name}" for name in entries]
    paths += [f"{copy.path}/{rel}" for rel in others]
    for path in (*paths, entities.names_path(copy), f"{copy.path}/{BASE}"):
        if not os.path.isdir(path) or os.path.islink(path):
            files.remove(path, durable=False)
    for folder in (
        copy.issues,
        f"{copy.path}/mappings",
        f"{copy.path}/attic/conflicts",
        f"{copy.path}/attic",
        f"{copy.path}/artifacts/blobs",
        *(f"{copy.path}/{folder[:-1]}" for folder in OTHERS),
        copy.path,
    ):
        files.remove_empty(folder)
    if os.path.lexists(copy.path):
        k.say("notice", f"{copy.path} holds files that are no part of a copy; they stay")


class Seen:
    """Which texts of a copy this clone has taken in, by digest, so that an unchanged copy is known for what it is.

    Kept beside git's own files. Without it nothing goes wrong: values are then kept in the attic once too often.
    """

    def __init__(self, k: Kernel, path: str) -> None:
        self.k = k
        self.path = f"{k.repo.own}/seen/{hashlib.sha256(os.fsencode(path)).hexdigest()[:16]}.yml"
        self._tip: dict[str, bytes] | None = None
        self.digests: dict[str, Any] = {}
        with contextlib.suppress(OSError, TbdxError, canon.Declined):
            self.digests = canon.loads(codec.decode(files.read(self.path, 64 * codec.LARGEST)))

    def knows(self, internal: str, text: str, of_copy: bool) -> bool:
        """True for a text whose values this clone holds. The local branch proves it for a copy's text only: that our
        own text is published does not tell that a copy is made from it."""
        if self.digests.get(internal) == _digest(text):
            return True
        return of_copy and _plain(self._on_branch().get(f"{ISSUES}{internal}.md")) == text.encode()

    def _on_branch(self) -> dict[str, bytes]:
        if self._tip is None:
            tip = self.k.git.branch_tip(self.k.config.branch)
            self._tip = self.k.git.content(tip) if tip else {}
        return self._tip

    def note(self, internal: str, text: str) -> None:
        self.digests[internal] = _digest(text)

    def write(self) -> None:
        with contextlib.suppress(TbdxError):
            files.make_folder(os.path.dirname(self.path))
            files.write(self.path, canon.dumps(self.digests).encode(), scratch=self.k.repo.scratch, durable=False)

    def forget(self) -> None:
        files.remove(self.path, durable=False)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
