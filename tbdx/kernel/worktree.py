"""The hidden worktree: made from the local branch, else the remote's, else a first commit that is the same everywhere.

Files are written by us from git's objects, never checked out: no filter, hook or line-end setting of the user's can
change a byte, and nothing but plain files is taken.
"""

from __future__ import annotations

import os
import time

from tbdx.core.ids import is_internal
from tbdx.core.merge import ISSUES, NAMES
from tbdx.errors import Git as GitError
from tbdx.errors import TbdxError
from tbdx.kernel import Kernel
from tbdx.store import config as settings
from tbdx.store import files
from tbdx.store.objects import PLAIN, STANDS_ON

STILL_S = 2.0  # a lock of git's that stays the same so long, while we hold tbd's, has no holder
# where no file can be
FOLDERS = (["issues"], ["mappings"], ["attic"], ["agents"], ["messages"], ["artifacts"], ["artifacts", "blobs"])
NOTICE = "tbd-sync worktree was missing; auto-materialized it (fresh clone, or the worktree was removed)."


def materialize(k: Kernel, *, fresh: bool = False) -> None:
    """Bring the hidden worktree into being. `fresh` when `init` makes it: nothing to tell.

    The network comes first and the lock after it. Whatever a killed attempt left is made anew: the data folder
    appears whole, or not at all.
    """
    git, repo, config = k.git, k.repo, k.config
    settings.check_layout(repo)
    with k.locked():
        clear_locks(k)
    tip = git.branch_tip(config.branch)
    begin = _adopt_or_begin(k) if tip is None else None
    if (tip or begin) and not os.path.isdir(repo.issues):
        _bring_objects(k, tip or begin or "")
    with k.locked():
        tip = git.branch_tip(config.branch)
        if tip is None and begin is not None:
            git.move_refs({f"refs/heads/{config.branch}": (begin, None)})
            tip = begin
        if tip is None:
            raise TbdxError(f"branch {config.branch} went away", hint="repeat the command")
        if not os.path.exists(f"{repo.worktree}/.git"):
            found = set(os.listdir(repo.worktree)) if os.path.isdir(repo.worktree) else set()
            if found == {".tbd"}:
                register(k)
            elif found:
                raise TbdxError(
                    f"{repo.worktree} holds files but is not a git worktree",
                    hint="move it aside, then repeat the command: it is made anew from the sync branch",
                )
            else:
                files.make_folder(os.path.dirname(repo.worktree))
                git.add_worktree(config.branch)
        if not os.path.isdir(repo.issues):
            populate(k, tip)
            git.move_refs({STANDS_ON: (tip, "")})
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
        there = git.heads(config.remote, config.branch).get(config.branch)
        if there:
            git.fetch(config.remote, config.branch, there)
            return there
        return known or git.first_commit()
    except GitError as e:
        if known:
            k.say("notice", f"{e.message}; begun from what was last fetched")
            return known
        raise GitError(
            f"{e.message}\nWhether the remote has a {config.branch} branch is not known, so none is begun here",
            hint="repeat the command when the remote can be reached",
        )


def _bring_objects(k: Kernel, commit: str) -> None:
    """In a partial clone, fetch now what would else be fetched under the lock, file by file."""
    try:
        k.git.fetch_missing(k.config.remote, commit)
    except GitError as e:
        k.say("notice", e.message)


def register(k: Kernel) -> None:
    """Make a folder that lost its tie to git the hidden worktree again. The files in it are not touched."""
    git, branch = k.git, k.config.branch
    stands = git.refs(STANDS_ON).get(STANDS_ON) or git.branch_tip(branch)
    if git.branch_tip(branch) is None:
        stands = stands or git.first_commit()
        git.move_refs({f"refs/heads/{branch}": (stands, None)})
    git.tie_worktree(branch)
    git.put_worktree_on(branch)
    git.set_worktree_index(stands or "")
    k.say("notice", f"{k.repo.worktree} was no git worktree any more; it is one again, its files as they were")


def clear_locks(k: Kernel, *paths: str) -> None:
    """Move git's locks aside, those at `paths` and of our refs, that nobody can hold: all that use them for long hold
    tbd's lock first, and we have that."""
    config = k.config
    refs = (f"refs/heads/{config.branch}", STANDS_ON, f"refs/remotes/{config.remote}/{config.branch}")
    move_aside(k, *paths, *(f"{k.repo.common}/{ref}.lock" for ref in refs))


def move_aside(k: Kernel, *paths: str) -> None:
    """Move those locks of git's aside that stay the same for longer than any git holds one."""
    before = {path: look for path in paths if (look := _look(path))}
    deadline = time.monotonic() + STILL_S
    while before and time.monotonic() < deadline:
        time.sleep(0.05)
        before = {path: look for path, look in before.items() if _look(path) == look}
    for path in before:
        aside = f"{k.repo.own}/backup/{os.path.basename(path)}-{k.now()[:23].replace(':', '-')}"
        files.move(path, aside)
        k.say("notice", f"{path} was left by a process that ended; it is kept as {aside}")


def _look(path: str) -> tuple[int, int] | None:
    try:
        status = os.lstat(path)
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns


def populate(k: Kernel, commit: str) -> None:
    """Put the files of a commit into the worktree in one step, and its index; what was there is kept aside.

    A half-filled data folder must never be seen: the next sync would take what is missing for deleted.
    """
    tree = k.git.tree(commit)
    odd = sorted(path for path in tree if not is_ours(path, tree[path][0]))
    for path in odd:
        k.say("warn", f"{path} on the sync branch is not a plain data file; it is left out of the worktree")
    wanted = {path: blob for path, (_, blob) in tree.items() if path not in odd}
    contents = k.git.blobs(wanted.values())
    made = f"{k.repo.scratch}/data.{os.getpid()}.{k.entropy(4).hex()}"
    place = f"{k.repo.worktree}/.tbd"
    try:
        for name in ("issues", "mappings"):
            files.make_folder(f"{made}/.tbd/data-sync/{name}")
        for n, (path, blob) in enumerate(wanted.items(), 1):
            k.step("writing files", n, len(wanted))
            target = files.inside(made, *path.split("/"))
            files.make_folder(os.path.dirname(target))
            files.write(target, contents[blob])
        if os.path.lexists(place):
            aside = f"{k.repo.own}/backup/data-{k.now()[:23].replace(':', '-')}"
            files.move(place, aside)
            k.say("notice", f"what was in {place} is kept in {aside}")
        files.move(f"{made}/.tbd", place)
    finally:
        files.discard(made)
    k.forget_names()
    k.git.set_worktree_index(commit)


def put(k: Kernel, path: str, data: bytes | None) -> None:
    """Write a file of the worktree, or take it away."""
    *folders, name = path.split("/")
    folder = files.inside(k.repo.worktree, *folders)
    target = files.inside(folder, name)
    if path == NAMES:
        k.forget_names()
    if data is None:
        files.remove(target)
    else:
        files.make_folder(folder)
        files.write(target, data, scratch=k.repo.scratch)


def is_ours(path: str, mode: str) -> bool:
    """True for a plain file below .tbd/data-sync whose every part is an ordinary name, and none of a folder of ours."""
    if mode == PLAIN and path[:22] == ISSUES and path[-3:] == ".md":  # the many, the short way
        return is_internal(path[22:-3])
    parts = path.split("/")
    plain = all(p not in ("", ".", "..", ".git") and "\\" not in p and p.isprintable() for p in parts)
    if mode != PLAIN or not plain or parts[:2] != [".tbd", "data-sync"] or parts[2:] in FOLDERS:
        return False
    if parts[2] == "issues" and parts[-1].endswith(".md"):
        return len(parts) == 4 and is_internal(parts[3][:-3])
    return True
