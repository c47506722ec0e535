"""Bundles: the whole sync branch in one file, for places that no remote reaches. Applying one is a sync from a file."""

from __future__ import annotations

import os

from tbdx.core import merge
from tbdx.errors import Disk, TbdxError
from tbdx.kernel import Kernel
from tbdx.kernel.sync import Report, begin, integrate
from tbdx.kernel.worktree import is_ours
from tbdx.store import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def create(k: Kernel, path: str) -> dict[str, Any]:
    """Commit what is pending and write the branch to a file; {file, commit, issues, withheld}. Raises Disk, Git."""
    k.open()
    target = os.path.join(k.cwd, path)
    if os.path.isdir(target) or not os.path.isdir(os.path.dirname(target)):
        raise Disk(f"cannot write {path}: {'a folder' if os.path.isdir(target) else 'its folder is not there'}")
    report = Report()
    with k.writing():
        head = begin(k, report)
        made = f"{k.repo.scratch}/bundle.{os.getpid()}"
        try:
            more = [k.coordination.branch] if _commit_events(k) else []
            k.git.write_bundle(made, k.config.branch, *more)
            files.flush(made)
            files.move(made, target)
        finally:
            files.discard(made)
    issues = sum(p.startswith(merge.ISSUES) and p.endswith(".md") for p in k.git.tree(head))
    return {"file": path, "commit": head, "issues": issues, "withheld": report.withheld}


def apply(k: Kernel, path: str) -> Report:
    """Merge what a bundle holds into the branch; nothing is published. Raises TbdxError for what is no bundle."""
    source = os.path.join(k.cwd, path)
    if not os.path.isfile(source):
        raise TbdxError(f"cannot read {path}: no such file")
    k.open()
    tip = k.git.read_bundle(source, k.config.branch)
    if not any(is_ours(p, mode) for p, (mode, _) in k.git.tree(tip).items()):
        raise TbdxError(f"{path} holds no tracker", hint="tbdx bundle create writes one that does")
    report = Report()
    with k.writing():
        begin(k, report)
        integrate(k, tip, report)
    if k.coordination.on:
        from tbdx.kernel import carried

        events = k.git.in_bundle(source, k.coordination.branch)
        report.events = carried.take_bundle(k, events, path) if events else 0
    return report


def _commit_events(k: Kernel) -> bool:
    """Put our own events on the coordination branch; whether there is one."""
    if not k.coordination.on:
        return False
    from tbdx.kernel import coord
    from tbdx.kernel.journal import locked

    with locked(k):
        return coord.take_in(k, [], coord.Exchanged("local")) is not None
