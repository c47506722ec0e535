"""Our merge for people who use git by hand: a driver for plain `git merge` and `git pull` on the sync branch.

Installing it is a person's choice: it writes the clone's own git settings and attributes, and nothing that a commit can
carry. A driver sees one file at a time, so what loses goes to attic files in the working tree, which the next
`tbdx sync` commits.
"""

from __future__ import annotations

import os
import shlex

from tbdx.core import merge as merging
from tbdx.errors import BadFile, TbdxError
from tbdx.kernel import Kernel
from tbdx.kernel.pending import MOST
from tbdx.kernel.worktree import is_ours
from tbdx.store import files
from tbdx.store.objects import PLAIN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

_LINE = "/.tbd/data-sync/** merge=tbdx"
_MARK = "# tbdx: the merge of the tracker's files, by `tbdx merge-driver install`"


def install(k: Kernel, command: Sequence[str], *, dry: bool = False) -> dict[str, Any]:
    """Let git call us for the tracker's files in this clone; {driver, attributes, changed}. `command` starts tbdx."""
    driver = f"{shlex.join(command)} merge-driver run %O %A %B %P"
    path, text = _attributes(k)
    new = _without(text) + f"{_MARK}\n{_LINE}\n"
    changed = new != text or k.git.driver() != driver
    if changed and not dry:
        k.git.set_driver(driver)
        files.make_folder(os.path.dirname(path))
        files.write(path, new.encode("utf-8", "surrogateescape"))
    return {"driver": driver, "attributes": path, "changed": changed}


def remove(k: Kernel, *, dry: bool = False) -> dict[str, Any]:
    """Take back what `install` wrote; {attributes, changed}."""
    path, text = _attributes(k)
    new = _without(text)
    changed = new != text or k.git.driver() is not None
    if changed and not dry:
        k.git.set_driver(None)
        if new:
            files.write(path, new.encode("utf-8", "surrogateescape"))
        else:
            files.remove(path)
    return {"attributes": path, "changed": changed}


def _attributes(k: Kernel) -> tuple[str, str]:
    path = f"{k.repo.common}/info/attributes"
    try:
        text = files.read(path).decode("utf-8", "surrogateescape")
    except FileNotFoundError:
        return path, ""
    return path, text if text[-1:] in ("", "\n") else f"{text}\n"


def _without(text: str) -> str:
    return "".join(line for line in text.splitlines(keepends=True) if line.rstrip("\n") not in (_MARK, _LINE))


def run(cwd: str, base: str, ours: str, theirs: str, path: str) -> None:
    """What git calls: the merged content replaces the file `ours`, and what lost is put below `cwd`, the top of the
    working tree. Raises TbdxError, and then git leaves a conflict."""
    if not is_ours(path, PLAIN):
        raise TbdxError(f"{path} is none of the tracker's files")
    was, a, b = (_content(os.path.join(cwd, name)) for name in (base, ours, theirs))
    tree, _ = merging.merge_trees({path: was} if was else {}, {path: a}, {path: b}, lambda rel: _held(cwd, rel))
    for rel, data in tree.items():
        if rel != path and data is not None:
            *folders, name = rel.split("/")
            folder = files.inside(cwd, *folders)
            files.make_folder(folder)
            files.write(files.inside(folder, name), data)
    merged = tree[path]
    if merged is None:
        raise TbdxError(f"{path} is gone on one side")
    files.write(os.path.join(cwd, ours), merged, durable=False)


def _content(path: str) -> bytes:
    try:
        return files.read(path, MOST)
    except FileNotFoundError:
        raise BadFile("no such file", path=path)


def _held(cwd: str, rel: str) -> bytes | None:
    try:
        return files.read(files.inside(cwd, *rel.split("/")))
    except (FileNotFoundError, TbdxError):
        return None
