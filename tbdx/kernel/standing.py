"""Where the sync branch stands: in the hidden worktree, against the files there, against the remote as last fetched.

Only asks; nothing is fetched, stored or moved.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from tbdx.core.merge import ISSUES
from tbdx.errors import TbdxError
from tbdx.kernel import Kernel, pending
from tbdx.kernel.setup import worktree_status
from tbdx.store import files, git, layout

WORDS = {"A": "new", "M": "modified", "D": "deleted"}  # tbd's, of `sync --status`


def ask(k: Kernel, branch: str, remote: str, *, readable: bool) -> dict[str, Any]:
    """The git part of a `Scene`. `readable`: the data folder can be compared with the branch.

    When git fails, `git_said` says how, and the rest is what it told until then.
    """
    out: dict[str, Any] = {"git_said": ""}
    try:
        for more in _answers(k, branch, remote):
            out |= more
        if out["tip"] and readable:
            out |= _against_files(k, out["tip"])
    except (TbdxError, OSError) as e:
        out["git_said"] = str(e)
    return out


def _against_files(k: Kernel, tip: str) -> dict[str, Any]:
    try:
        found = pending.look(k, tip)
    except OSError as e:
        return {"withheld": [f"cannot be read: {e.filename}: {e.strerror}"]}
    return {
        "unsaved": [f"{WORDS[kind]}: {path}" for path, kind in sorted(found.changed.items())],
        "withheld": [f"withheld: {path}: {why}" for path, why in sorted(found.withheld.items())],
    }


def user_branch(repo: layout.Repo) -> str | None:
    """The branch of the user's own checkout; None when detached. Read from HEAD, so that it is there without git."""
    try:
        text = files.read(f"{repo.git_dir}/HEAD", 4096).decode("utf-8", "replace").strip()
    except (OSError, TbdxError):
        return None
    return text.removeprefix("ref: refs/heads/") if text.startswith("ref: refs/heads/") else None


def _answers(k: Kernel, branch: str, remote: str) -> Iterator[dict[str, Any]]:
    text, number = git.version(k.env)
    yield {"git_version": text.split(" ")[0], "git_number": number}
    yield {"worktree": worktree_status(k)}
    own = k.git.worktree_git_dir()
    if own:
        on = k.git.worktree_branch()
        head = k.git.branch_tip(on) if on else _first_line(f"{own}/HEAD")
        yield {"on": on, "head": head, "merging": os.path.exists(f"{own}/MERGE_HEAD")}
    tip, remote_tip = k.git.branch_tip(branch), k.git.remote_tip(remote, branch)
    yield {"tip": tip, "remote_tip": remote_tip, "has_remote": k.git.has_remote(remote)}
    if remote_tip:
        there = k.git.tree(remote_tip)
        yield {"remote_total": sum(path.startswith(ISSUES) and path.endswith(".md") for path in there)}
    if tip and remote_tip:
        yield {"related": k.git.merge_base(tip, remote_tip) is not None}
        yield {"ahead": k.git.count(tip, remote_tip), "behind": k.git.count(remote_tip, tip)}
    if tip and os.path.exists(f"{k.repo.common}/shallow"):
        ends = files.read(f"{k.repo.common}/shallow").decode("ascii", "replace").split()
        yield {"cut": [end for end in ends if k.git.is_ancestor(end, tip)]}


def _first_line(path: str) -> str | None:
    try:
        return files.read(path, 4096).decode("ascii", "replace").strip() or None
    except (OSError, TbdxError):
        return None
