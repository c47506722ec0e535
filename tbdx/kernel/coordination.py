"""Turning the sharing of events on and off, and how it stands."""

from __future__ import annotations

import os

from tbdx.errors import Sync
from tbdx.kernel import Kernel, carried, coord, log
from tbdx.kernel.journal import locked
from tbdx.store import config as settings
from tbdx.store import files, journal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def turn(k: Kernel, *, on: bool, dry: bool = False) -> dict[str, Any]:
    """{on, branch, changed}. Turned on, agents get new journals, and what was journaled before stays in this clone.

    Raises Sync for a branch that is something else, or is checked out.
    """
    k.open()
    branch, changed = k.coordination.branch, k.coordination.on != on
    answer = {"on": on, "branch": branch, "changed": changed}
    if dry or not changed:
        return answer
    if on:
        taken = k.git.checked_out_at(branch)
        if taken:
            raise Sync(f"{branch} is checked out at {taken}", hint="coordination_branch in .tbd/tbdx.yml names another")
        coord.tree_of(k, k.git.branch_tip(branch), branch)
        with locked(k):
            _set_aside(k)
            files.discard(f"{k.repo.own}/cache/{journal.TAKEN}")  # what the branch has of them is read from there now
    settings.set_own(k.repo, "coordination", on)
    return answer


def _set_aside(k: Kernel) -> None:
    """Move the journals of before where no sync looks; `ev replay` still reads them."""
    folder = journal.own(k.repo)
    for writer in journal.writers(folder):
        for name in (f"{writer}.jsonl", writer, f"{writer}.retired"):
            if os.path.lexists(f"{folder}/{name}"):
                files.move(f"{folder}/{name}", f"{folder}/local/{name}")


def status(k: Kernel) -> dict[str, Any]:
    """{on, branch, writers, events, unpublished}: all that are here, and how many of our own the remote lacked."""
    k.open()
    branch = k.coordination.branch
    out: dict[str, Any] = {"on": k.coordination.on, "branch": branch}
    found = log.sources(k)
    out["writers"] = len(found)
    out["events"] = sum(journal.read(path).count(b"\n") for s in found.values() for path, _ in s.files())
    return out | {"unpublished": carried.unpublished(k)}
