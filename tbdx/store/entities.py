"""Files of entities, and the short ids that people use for issues, in the hidden worktree.

Where nothing but issues may be written to the sync branch, the other collections lie in the clone (`local`).
"""

from __future__ import annotations

import os
import stat

from tbdx.core import codec, names
from tbdx.core.entity import COLLECTIONS
from tbdx.core.ids import by_ulid, is_internal, is_ulid, repair
from tbdx.errors import BadFile, Disk, NotFound
from tbdx.store import files
from tbdx.store.layout import Repo

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


def check_folders(repo: Repo) -> None:
    """Refuse a data tree in which a link stands for one of our folders. Raises BadFile."""
    for path in (repo.worktree, f"{repo.worktree}/.tbd", repo.data, repo.issues, f"{repo.data}/mappings"):
        try:
            mode = os.lstat(path).st_mode
        except FileNotFoundError:
            continue
        if not stat.S_ISDIR(mode):
            raise BadFile(f"{files.kind_of(mode)}, not a folder; it is not followed", path=path)


def folder(repo: Repo, kind: str = "issue") -> str:
    return f"{repo.data}/{COLLECTIONS[kind][0]}"


def local(repo: Repo, kind: str) -> str:
    """Where entities of a kind lie that are not shared."""
    return f"{repo.own}/local/{COLLECTIONS[kind][0]}"


def folders(repo: Repo, kind: str) -> tuple[str, ...]:
    """Where entities of a kind may lie."""
    return (folder(repo),) if kind == "issue" else (folder(repo, kind), local(repo, kind))


def path_of(repo: Repo, internal: str, kind: str = "issue") -> str:
    """The file of an entity. The id is checked, so that it cannot be anything but a file name."""
    if not is_internal(internal, COLLECTIONS[kind][1]):
        raise NotFound(f"not an id: {internal}")
    paths = [f"{place}/{internal}.md" for place in folders(repo, kind)]
    return next((path for path in paths[1:] if os.path.lexists(path)), paths[0])


def read(repo: Repo, internal: str) -> tuple[dict[str, Any], str]:
    """(issue, the text of its file). Raises NotFound, BadFile with the path and line."""
    path = path_of(repo, internal)
    try:
        text = codec.decode(files.read(path))
        return codec.parse(text, internal), text
    except FileNotFoundError:
        raise NotFound(f"Issue not found: {internal}")
    except BadFile as e:
        raise e.at(path)


def read_of(repo: Repo, internal: str, kind: str) -> tuple[dict[str, Any], str]:
    """(an entity of another kind than issue, the text of its file). Raises NotFound, BadFile with the path and line."""
    from tbdx.core import kinds

    path = path_of(repo, internal, kind)
    try:
        text = codec.decode(files.read(path))
        return kinds.parse(text, kind, internal), text
    except FileNotFoundError:
        raise NotFound(f"{kind} not found: {internal}")
    except BadFile as e:
        raise e.at(path)


def parsed(path: str, kind: str = "issue") -> dict[str, Any]:
    """The entity in a file, whose name must be its id. Raises FileNotFoundError, BadFile, Disk."""
    text, name = codec.decode(files.read(path)), os.path.basename(path)[:-3]
    if kind == "issue":
        return codec.parse(text, name)
    from tbdx.core import kinds

    return kinds.parse(text, kind, name)


def scan(repo: Repo, kind: str = "issue") -> tuple[list[dict[str, Any]], list[BadFile]]:
    """(every good entity of a kind in file-name order, a complaint for each file that is not one)."""
    issues, bad = [], []
    paths = [f"{base}/{name}" for base in folders(repo, kind) for name in listed(base, COLLECTIONS[kind][1])]
    for path in sorted(paths, key=os.path.basename) if kind != "issue" else paths:
        try:
            issues.append(parsed(path, kind))
        except FileNotFoundError:
            continue  # gone between the listing and the look
        except BadFile as e:
            bad.append(e.at(path))
        except Disk as e:
            bad.append(BadFile(e.message, path=path))
    return issues, bad


def listing(repo: Repo) -> list[str]:
    """The names of the issue files, sorted; files of other names are nobody's entity."""
    return listed(folder(repo), "is")


def listed(base: str, prefix: str) -> list[str]:
    """The names of the entity files in a folder, sorted."""
    try:
        names = os.listdir(base)
    except FileNotFoundError:
        return []
    except OSError as e:
        raise Disk(f"cannot list {base}: {e.strerror}")
    return sorted(n for n in names if is_entity(n, prefix))


def is_entity(name: str, prefix: str = "is") -> bool:
    """True for the name of an entity's file."""
    return name.endswith(".md") and name.startswith(prefix + "-")


def write(repo: Repo, internal: str, text: str) -> None:
    """Replace the file of an issue. Raises Disk."""
    files.write(path_of(repo, internal), codec.encode(text), scratch=repo.scratch)


def create(repo: Repo, internal: str, text: str) -> bool:
    """Write the file of a new issue; False when that id has a file already. Raises Disk."""
    return files.create(path_of(repo, internal), codec.encode(text), scratch=repo.scratch)


class Names:
    """Which short id belongs to which ULID, as ids.yml says or, where it is damaged, as every clone would repair it.

    One id is looked up in the file's bytes; `ulid_of` and `short_of` are the whole table, made when it is needed, and
    then `tell` hears what was repaired. A repair becomes lasting with the next sync, or a write that needed the table.
    """

    def __init__(self, repo: Repo, tell: Callable[[list[str]], None]) -> None:
        self.repo, self.tell = repo, tell
        self.changed = False
        self._table: tuple[dict[str, str], dict[str, str]] | None = None
        self.data = self._read()

    def _read(self) -> bytes:
        try:
            return files.read(names_path(self.repo), 64 * codec.LARGEST)
        except FileNotFoundError:
            return b""
        except BadFile as e:
            raise e.at(names_path(self.repo))

    def ulid(self, short: str) -> str | None:
        found = None if self._table else names.ulid_of(self.data, short)
        if found is None and "-" in short and short.encode() not in self.data:
            return None  # no row has it, and no repair makes an id with a dash
        return found or self.ulid_of.get(short)

    def short(self, ulid: str) -> str | None:
        """The first short id in text order, where an issue has several."""
        found = None if self._table else names.short_of(self.data, ulid)
        return found or self.short_of.get(ulid)

    def is_taken(self, short: str) -> bool:
        """Whether no new issue may have it; without the table, also for the end of a longer one."""
        return short in self.ulid_of if self._table else f"{short}: ".encode() in self.data.translate(None, b"\"'")

    def count(self) -> int:
        return len(self.ulid_of) if self._table else self.data.count(b"\n")

    def add(self, short: str, ulid: str) -> None:
        """One more row, which `save` makes lasting."""
        more = None if self._table else names.insert(self.data, short, ulid)
        if more is None:
            table, reverse = self._whole()
            table[short], reverse[ulid] = ulid, short
        else:
            self.data = more
        self.changed = True

    @property
    def ulid_of(self) -> dict[str, str]:
        return self._whole()[0]

    @property
    def short_of(self) -> dict[str, str]:
        return self._whole()[1]

    def _whole(self) -> tuple[dict[str, str], dict[str, str]]:
        """(ulid of each short id, short id of each ulid)."""
        if self._table is None:
            issues = [name[3:-3] for name in listing(self.repo) if is_ulid(name[3:-3])]
            # read again, unless we have changed it: a short id is on disk before its issue, so none of these lacks one
            data = self.data if self.changed else self._read()
            rows, said = names.parse(data.decode("utf-8", "replace"))
            if not rows and issues and not said:
                said = ["ids.yml is missing"]
            table, more = repair(rows, issues)
            self._table = table, by_ulid(table)
            if said or more:
                self.changed = True
                self.tell(said + more)
        return self._table

    def load(self) -> None:
        """Read the whole table now: before issues come that it does not know, or when every one is to be shown."""
        self._whole()

    def save(self) -> None:
        """Write what was added or repaired, if anything was. Rows are only ever added."""
        if self.changed:
            data = names.render(self.ulid_of).encode() if self._table else self.data
            files.make_folder(os.path.dirname(names_path(self.repo)))
            files.write(names_path(self.repo), data, scratch=self.repo.scratch)
            self.changed = False


def names_path(repo: Repo) -> str:
    return f"{repo.data}/mappings/ids.yml"
