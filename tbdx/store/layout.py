"""Where things are: the tbd root, git's folders, the hidden worktree. Found by reading `.git` itself; no process.

A folder belongs to a tbd repository when it or an ancestor has `.tbd/config.yml`; a bare `.tbd/` does not count.
"""

from __future__ import annotations

import os
import stat

from tbdx.errors import BadFile, NotInitialized, TbdxError

NOT_HERE = "Not a tbd repository (run 'tbd setup --auto --prefix=<name>' first)"
NO_GIT = "Not a git repository"


class Repo:
    """The places of one clone, as absolute paths. `legacy` is True for f03, whose worktree lies in the checkout."""

    def __init__(self, root: str, git_dir: str, common: str) -> None:
        self.root = root
        self.git_dir = git_dir  # this worktree's own
        self.common = common  # shared by all worktrees of the clone
        self.legacy = False

    @property
    def config(self) -> str:
        return self.root + "/.tbd/config.yml"

    @property
    def shared(self) -> str:
        return self.common + "/tbd"

    @property
    def worktree(self) -> str:
        return (self.root + "/.tbd" if self.legacy else self.shared) + "/data-sync-worktree"

    @property
    def data(self) -> str:
        return self.worktree + "/.tbd/data-sync"

    @property
    def issues(self) -> str:
        return self.data + "/issues"

    @property
    def lock(self) -> str:
        return self.shared + "/locks/data-sync.lock"

    @property
    def own(self) -> str:
        """What tbdx alone keeps in the clone."""
        return self.common + "/tbdx"

    @property
    def scratch(self) -> str:
        return self.own + "/tmp"

    @property
    def workspaces(self) -> str:
        return self.root + "/.tbd/workspaces"

    @property
    def state(self) -> str:
        return self.root + "/.tbd/state.yml"


def find(start: str) -> Repo:
    """The repository that `start` lies in. Raises NotInitialized, and BadFile for a link where the config should be."""
    folder = start
    while True:
        path = folder + "/.tbd/config.yml"
        try:
            mode = os.lstat(path).st_mode
        except OSError:
            pass
        else:
            if not stat.S_ISREG(mode) or stat.S_ISLNK(os.lstat(folder + "/.tbd").st_mode):
                raise BadFile("not a regular file; it is not followed", path=path)
            break
        parent = os.path.dirname(folder)
        if parent == folder:
            hint = "tbdx init --prefix=<name> sets one up here"
            raise NotInitialized(NOT_HERE, hint=hint if find_git(start) else f"{NO_GIT}: git init comes first")
        folder = parent
    git = find_git(folder)
    if git is None:
        raise TbdxError(f"{NO_GIT}: {folder} has .tbd/config.yml but no .git here or above", hint="git init")
    return Repo(folder.rstrip("/"), *git[1:])


def find_git(start: str) -> tuple[str, str, str] | None:
    """(top of the working tree, its git folder, the common git folder); None outside of any. A bare one raises."""
    folder = start
    while True:
        path = os.path.join(folder, ".git")
        try:
            mode = os.stat(path).st_mode
        except OSError:
            if _is_bare(folder):
                raise TbdxError(f"{folder} is a bare git repository or a .git folder: no working tree to keep .tbd/ in")
        else:
            git_dir = path if stat.S_ISDIR(mode) else _pointer(path, "gitdir: ")
            return folder, git_dir, _common(git_dir)
        parent = os.path.dirname(folder)
        if parent == folder:
            return None
        folder = parent


def _is_bare(folder: str) -> bool:
    return os.path.isfile(folder + "/HEAD") and os.path.isdir(folder + "/objects") and os.path.isdir(folder + "/refs")


def _pointer(path: str, key: str) -> str:
    """The folder that a one-line pointer file names, relative to the file's own folder."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as f:
            text = f.read(4096).rstrip("\n")
    except OSError as e:
        raise TbdxError(f"cannot read {path}: {e.strerror}")
    if not text.startswith(key):
        raise BadFile("not a pointer to a git folder", path=path)
    return os.path.normpath(os.path.join(os.path.dirname(path), text[len(key) :]))


def _common(git_dir: str) -> str:
    return _pointer(git_dir + "/commondir", "") if os.path.isfile(git_dir + "/commondir") else git_dir
