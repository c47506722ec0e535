"""Every git call of tbdx, each a function that says what is meant.

All are plumbing on our own branch: no hook, filter, signing, template or locale of the user's has a say, their index
and HEAD are not touched, and options newer than git 2.25 are not used. What is stored is flushed before a branch is
moved to it. GitPython serves where its object model helps (`describe`); batches go to git processes.

The kernel uses `Git` alone; the tests have another one in memory with the same face (`tests/sim/memory_git.py`).
"""

from __future__ import annotations

from tbdx.errors import Git as GitError
from tbdx.store.process import clean_env, run
from tbdx.store.remote import Remote
from tbdx.store.worktree import Worktree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

OLDEST = (2, 25)


class Git(Worktree, Remote):
    """Git on one clone."""

    def driver(self) -> str | None:
        """The command of the merge driver `tbdx`, as this clone's settings have it."""
        code, out, _ = self.run("config", "--local", "--get", "merge.tbdx.driver")
        return None if code else out.decode("utf-8", "surrogateescape").rstrip("\n")

    def set_driver(self, command: str | None) -> None:
        if command is not None:
            self.ask("config", "--local", "merge.tbdx.name", "tbdx: issues field by field")
            self.ask("config", "--local", "merge.tbdx.driver", command)
        elif self.driver() is not None:
            self.ask("config", "--local", "--remove-section", "merge.tbdx")


def version(env: Mapping[str, str]) -> tuple[str, tuple[int, ...]]:
    """('2.39.5 (Apple Git-154)', (2, 39)): git's version as text and its first two numbers. Raises GitError."""
    _, out, _ = run(["git", "version"], clean_env(env), cwd="/", limit_s=10)
    text = out.decode("utf-8", "replace").strip().removeprefix("git version ")
    numbers = text.split(" ")[0].split(".")
    return text, tuple(int(n) if n.isdigit() else 0 for n in numbers[:2])


def describe(root: str) -> dict[str, object]:
    """What a person asks about their repository: branch (None when detached), whether it has commits, remotes."""
    try:
        import git as gitpython
    except ImportError as e:  # it looks for the git program when it is imported
        raise GitError(f"git is not installed, or not on PATH: {str(e).splitlines()[0]}")

    repo = gitpython.Repo(root, search_parent_directories=True)
    with repo:
        detached = repo.head.is_detached
        return {
            "branch": None if detached else repo.active_branch.name,
            "detached": detached,
            "unborn": not repo.head.is_valid(),
            "remotes": [r.name for r in repo.remotes],
        }
