"""`doctor --fix`: what a sync would heal, without a remote, and what is left of dead processes.

Nothing is deleted: what is in the way is moved to `.git/tbdx/backup/`, and an old tip is kept under a backup ref first.
"""

from __future__ import annotations

import os

from tbdx.core.digest import blob_id
from tbdx.errors import Git as GitError
from tbdx.errors import TbdxError
from tbdx.kernel import Kernel, heal
from tbdx.kernel.pending import MOST
from tbdx.kernel.scene import abandoned
from tbdx.kernel.sync import Report, integrate
from tbdx.store import config as settings
from tbdx.store import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


def mend(k: Kernel) -> list[str]:
    """Put right what can be put right without losing anything; what was done, for people. Raises TbdxError."""
    done: list[str] = []
    say = k.say

    def note(level: str, text: str) -> None:
        done.append(text)
        say(level, text)

    k.say = note
    trouble = None
    try:
        _layout(k)
        k.open()
        try:
            _objects(k)
        except GitError as e:
            trouble = e
        with k.writing():
            _locks(k)
            heal.worktree(k)
            unfinished = heal.intent(k)
            if unfinished:
                integrate(k, unfinished, Report())
                note("notice", "a merge that an earlier command began is finished")
            k.names.load()
            k.names.save()
            _temporary(k)
        if trouble:
            raise trouble
    finally:
        k.say = say
    return done


def _aside(k: Kernel, path: str) -> None:
    name = f"{k.now()[:23].replace(':', '-')}-{os.path.basename(path)}"
    files.move(path, f"{k.repo.own}/backup/{name}")
    k.say("notice", f"{path} is moved to {k.repo.own}/backup/{name}")


def _layout(k: Kernel) -> None:
    """A layout.yml that is missing or cannot be read is written anew; one that can is somebody's."""
    path = settings.layout_path(k.repo)
    if k.config and k.repo.legacy:
        return
    try:
        settings.parse(files.read(path))
        return
    except FileNotFoundError:
        pass
    except TbdxError:
        _aside(k, path)
    files.make_folder(os.path.dirname(path))
    files.write(path, settings.layout_yml(k.config.format, k.now()).encode())
    k.say("notice", f"{path} is written anew")


def _locks(k: Kernel) -> None:
    """What dead processes left of locks; the lock itself is ours now."""
    for path, _ in abandoned(k):
        if path != k.repo.lock:
            _aside(k, path)


def _temporary(k: Kernel) -> None:
    for rel, odd in files.walk(k.repo.data):
        path = f"{k.repo.data}/{rel}"
        if not odd and rel.endswith((".tmp", ".temp")) and k.now_ms() / 1000 - os.lstat(path).st_mtime > heal.OLD_S:
            _aside(k, path)


def _contents(k: Kernel) -> Iterator[bytes]:
    for rel, odd in files.walk(k.repo.data):
        if not odd:
            try:
                yield files.read(f"{k.repo.data}/{rel}", MOST)
            except (FileNotFoundError, TbdxError):
                continue


def _objects(k: Kernel) -> None:
    """Objects of the sync branch that cannot be read: from the worktree's files, else from the remote."""
    git = k.git
    damaged = git.damaged(k.config.branch)
    if not damaged:
        return
    for data in _contents(k):
        name = blob_id(data, damaged[0])
        if name in damaged:
            git.put_loose(name, "blob", data)
    left = git.damaged(k.config.branch)
    if left and git.has_remote(k.config.remote):
        git.fetch_again(k.config.remote, k.config.branch)
        left = git.damaged(k.config.branch)
    mended = len(damaged) - len(git.unreadable(damaged))
    if mended:
        k.say("notice", f"{mended} damaged object(s) of the sync branch are whole again")
    if left:
        raise GitError(
            f"{len(left)} object(s) of the sync branch cannot be read, {left[0]} among them",
            hint="in a clone that has them: tbdx bundle create FILE; here: tbdx bundle apply FILE",
            reason="damaged",
        )
