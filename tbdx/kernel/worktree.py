"""The hidden worktree: made from the local branch, else the remote's, else a first commit that is the same everywhere.

Files are written by us from git's objects, never checked out: no filter, hook or line-end setting of the user's can
change a byte, and nothing but plain files is taken.
"""

from __future__ import annotations

import os
import shutil

from tbdx.core.ids import is_internal
from tbdx.errors import Disk, TbdxError
from tbdx.errors import Git as GitError
from tbdx.kernel import Kernel
from tbdx.store import config as settings
from tbdx.store import files

NOTICE = "tbd-sync worktree was missing; auto-materialized it (fresh clone, or the worktree was removed)."


def materialize(k: Kernel, *, fresh: bool = False) -> None:
    """Bring the hidden worktree into being. `fresh` when `init` makes it: nothing to tell.

    The network comes first and the lock after it. Whatever a killed attempt left is made anew: the data folder
    appears whole, or not at all.
    """
    git, repo, config = k.git, k.repo, k.config
    settings.check_layout(repo)
    begin = _adopt_or_begin(k) if git.branch_tip(config.branch) is None else None
    with k.locked():
        tip = git.branch_tip(config.branch)
        if tip is None and begin is not None:
            git.move_branch(config.branch, begin, None)
            tip = begin
        if tip is None:
            raise TbdxError(f"branch {config.branch} went away", hint="repeat the command")
        if not os.path.exists(f"{repo.worktree}/.git"):
            if os.path.isdir(repo.worktree) and os.listdir(repo.worktree):
                raise TbdxError(
                    f"{repo.worktree} holds files but is not a git worktree",
                    hint="move it aside, then repeat the command: it is made anew from the sync branch",
                )
            files.make_folder(os.path.dirname(repo.worktree))
            git.add_worktree(config.branch)
        if not os.path.isdir(repo.issues):
            populate(k, tip)
            if not fresh:
                k.say("notice", NOTICE)
        if not repo.legacy and not os.path.exists(settings.layout_path(repo)):
            files.write(settings.layout_path(repo), settings.layout_yml(config.format, k.now()).encode())


def _adopt_or_begin(k: Kernel) -> str:
    """The commit that a missing local branch should begin at: the remote's as it is now, as last fetched, or ours."""
    git, config = k.git, k.config
    known = git.remote_tip(config.remote, config.branch)
    if not git.has_remote(config.remote):
        return known or git.first_commit()
    try:
        return git.fetch(config.remote, config.branch) or known or git.first_commit()
    except GitError as e:
        if known:
            k.say("notice", f"{e.message}; begun from what was last fetched")
            return known
        raise GitError(
            f"{e.message}\nWhether the remote has a {config.branch} branch is not known, so none is begun here",
            hint="repeat the command when the remote can be reached",
        )


def populate(k: Kernel, commit: str) -> None:
    """Put the files of a commit into the worktree in one step, and its index; what was there is kept aside.

    A half-filled data folder must never be seen: the next sync would take what is missing for deleted.
    """
    tree = k.git.tree(commit)
    odd = sorted(path for path in tree if not is_ours(path, tree[path][0]))
    for path in odd:
        k.say("warn", f"{path} on the sync branch is not a plain data file; it is left out of the worktree")
    wanted = {path: blob for path, (_, blob) in tree.items() if path not in odd}
    contents = k.git.blobs(wanted.values()) if wanted else {}
    made = f"{k.repo.scratch}/data.{os.getpid()}.{k.entropy(4).hex()}"
    for folder in (k.repo.scratch, *(f"{made}/.tbd/data-sync/{name}" for name in ("issues", "mappings"))):
        files.make_folder(folder)
    for path, blob in wanted.items():
        target = files.inside(made, *path.split("/"))
        files.make_folder(os.path.dirname(target))
        files.write_new(target, contents[blob])
    place = f"{k.repo.worktree}/.tbd"
    try:
        if os.path.lexists(place):
            aside = f"{k.repo.own}/backup/data-{k.now()[:23].replace(':', '-')}"
            files.make_folder(os.path.dirname(aside))
            shutil.move(place, aside)
            k.say("notice", f"what was in {place} is kept in {aside}")
        shutil.move(f"{made}/.tbd", place)  # a rename, unless the worktree lies on another disk
    except OSError as e:
        raise Disk(f"cannot put the data folder in place: {e.strerror}", hint=files.hint_for(e))
    finally:
        shutil.rmtree(made, ignore_errors=True)
    k.git.reset_worktree_index(commit)


def is_ours(path: str, mode: str) -> bool:
    """True for a plain file below .tbd/data-sync whose every part is an ordinary name."""
    parts = path.split("/")
    plain = all(p not in ("", ".", "..", ".git") and "\\" not in p and p.isprintable() for p in parts)
    if mode != "100644" or not plain or parts[:2] != [".tbd", "data-sync"]:
        return False
    if parts[2] == "issues" and parts[-1].endswith(".md"):
        return len(parts) == 4 and is_internal(parts[3][:-3])
    return True
