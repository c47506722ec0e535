"""Issue files and the short ids that people use for them, in the hidden worktree."""

from __future__ import annotations

import os
import stat

from tbdx.core import canon, codec
from tbdx.core.entity import COLLECTIONS
from tbdx.core.ids import by_ulid, is_internal, is_key, is_ulid, repair
from tbdx.errors import BadFile, Disk, NotFound
from tbdx.store import files
from tbdx.store.layout import Repo

TYPE_CHECKING = False
if TYPE_CHECKING:
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


def path_of(repo: Repo, internal: str, kind: str = "issue") -> str:
    """The file of an entity. The id is checked, so that it cannot be anything but a file name."""
    if not is_internal(internal, COLLECTIONS[kind][1]):
        raise NotFound(f"not an id: {internal}")
    return f"{folder(repo, kind)}/{internal}.md"


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


def scan(repo: Repo, kind: str = "issue") -> tuple[list[dict[str, Any]], list[BadFile]]:
    """(every good issue in file-name order, a complaint for each file that is not one)."""
    base, issues, bad = folder(repo, kind), [], []
    for name in listing(repo, kind):
        path = f"{base}/{name}"
        try:
            issues.append(codec.parse(codec.decode(files.read(path)), name[:-3]))
        except FileNotFoundError:
            continue  # gone between the listing and the look
        except BadFile as e:
            bad.append(e.at(path))
        except Disk as e:
            bad.append(BadFile(e.message, path=path))
    return issues, bad


def listing(repo: Repo, kind: str = "issue") -> list[str]:
    """The names of the entity files, sorted; files of other names are nobody's entity."""
    prefix = COLLECTIONS[kind][1]
    try:
        names = os.listdir(folder(repo, kind))
    except FileNotFoundError:
        return []
    except OSError as e:
        raise Disk(f"cannot list {folder(repo, kind)}: {e.strerror}")
    return sorted(n for n in names if n.endswith(".md") and n[: len(prefix) + 1] == prefix + "-")


def write(repo: Repo, internal: str, text: str) -> None:
    """Replace the file of an issue. Raises Disk."""
    files.write(path_of(repo, internal), codec.encode(text), scratch=repo.scratch)


def create(repo: Repo, internal: str, text: str) -> bool:
    """Write the file of a new issue; False when that id has a file already. Raises Disk."""
    return files.create(path_of(repo, internal), codec.encode(text), scratch=repo.scratch)


class Names:
    """Which short id belongs to which ULID.

    `rows` is what ids.yml holds; `short_of` and `ulid_of` are after repair, which the next write makes lasting.
    `said` tells what was repaired.
    """

    def __init__(self, rows: list[tuple[str, str]], said: list[str], issues: list[str]) -> None:
        self.ulid_of, more = repair(rows, issues)
        self.said = said + more
        self.short_of = by_ulid(self.ulid_of)
        self.repaired = bool(self.said)


def names_path(repo: Repo) -> str:
    return f"{repo.data}/mappings/ids.yml"


def load_names(repo: Repo) -> Names:
    """The short ids, healed: an issue without a row has one made from its own ULID. Raises BadFile for a link."""
    path = names_path(repo)
    try:
        rows, said = parse_names(files.read(path, 64 * codec.LARGEST).decode("utf-8", "replace"))
    except FileNotFoundError:
        rows, said = [], []
    except BadFile as e:
        raise e.at(path)
    issues = [name[3:-3] for name in listing(repo) if is_ulid(name[3:-3])]
    if not rows and issues and not said:
        said = ["ids.yml is missing"]
    return Names(rows, said, issues)


def parse_names(text: str) -> tuple[list[tuple[str, str]], list[str]]:
    """(rows of ids.yml as (short, ulid), a complaint for each line that is none)."""
    rows, said = [], []
    for n, line in enumerate(text.split("\n"), 1):
        key, colon, value = line.partition(": ")
        value = value.strip(" \t\r\"'")
        key = key.strip("\"'")
        if colon and is_key(key) and is_ulid(value):
            rows.append((key, value))
        elif line.strip() not in ("", "{}") and not line.startswith("#"):
            said.append(f"ids.yml:{n}: not a row of short id and ULID")
    return rows, said


def render_names(names: dict[str, str]) -> str:
    """ids.yml as tbd writes it, in string order."""
    return canon.dumps({short: names[short] for short in sorted(names)})


def save_names(repo: Repo, names: dict[str, str]) -> None:
    """Write ids.yml. `names` must hold every good row that the file has: rows are only ever added."""
    files.make_folder(os.path.dirname(names_path(repo)))
    files.write(names_path(repo), render_names(names).encode(), scratch=repo.scratch)
