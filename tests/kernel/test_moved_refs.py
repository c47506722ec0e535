"""A branch that somebody moves between our look and our move keeps what they put there, and what we have is added."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from conftest import Clone, git
from kernel.test_heal import worktree
from kernel.test_sync import Clones, fields, settle, sync, tip
from tbdx.errors import Git as GitError
from tbdx.kernel import heal
from tbdx.kernel import worktree as hidden
from tbdx.store import failpoint
from tbdx.store.objects import BACKUP


@contextmanager
def just_before(name: str, n: int, act: Callable[[], object]) -> Iterator[list[str]]:
    """Do something when a failpoint is reached for the n-th time; the list tells that it was done."""
    reached, done = [0], list[str]()

    def hook(point: str) -> None:
        reached[0] += point == name
        if point == name and reached[0] == n:
            act()
            done.append(point)

    failpoint.hook = hook
    try:
        yield done
    finally:
        failpoint.hook = None


def with_news(clones: Clones) -> tuple[str, str, str]:
    """An issue that both know, and two that b made: one is published, and `meanwhile` in a has the other one, too."""
    a, b = clones
    x = a.create("x")
    sync(a, b)
    b.run("update", x, "--title", "from b")
    y = b.create("published")
    sync(b)
    z = b.create("by hand")
    b.run("bundle", "create", "../z.bundle")
    a.git("fetch", "-q", str(b.path), "tbd-sync:refs/heads/meanwhile")
    return x, y, z


def all_is_kept(clones: Clones, issues: tuple[str, str, str]) -> None:
    assert clones[0].git("merge-base", "--is-ancestor", "meanwhile", "tbd-sync") == ""
    settle(*clones)
    for clone in clones:
        found = fields(clone, issues[0])
        assert (found["title"], found["priority"]) == ("from b", 0)
        assert [fields(clone, x)["title"] for x in issues[1:]] == ["published", "by hand"]


# in these a person moves the branch with git alone, who knows of no lock


@pytest.mark.parametrize("n", [1, 2], ids=["while edits are committed", "while a merge is"])
def test_a_branch_moved_in_that_moment_is_not_moved_back(clones: Clones, n: int) -> None:
    a, _ = clones
    issues = with_news(clones)
    a.run("update", issues[0], "--priority", "0")
    with just_before("git.update-ref", n, lambda: a.git("update-ref", "refs/heads/tbd-sync", "meanwhile")) as done:
        sync(a)
    assert done
    all_is_kept(clones, issues)


def test_the_coordination_branch_moved_in_that_moment_is_not_moved_back(clones: Clones) -> None:
    a, b = clones
    emit = ("ev", "emit", "--type", "agent.session_started", "--as")
    assert b.run(*emit, "theirs").code == b.run("bundle", "create", "../x.bundle").code == 0
    a.git("fetch", "-q", "../x.bundle", "tbd-coord:refs/heads/meanwhile")
    assert a.run(*emit, "first").code == 0
    sync(a)
    assert a.run(*emit, "mine").code == 0
    with just_before("git.update-ref", 1, lambda: a.git("update-ref", "refs/heads/tbd-coord", "meanwhile")) as done:
        sync(a)
    assert done and a.git("merge-base", "--is-ancestor", "meanwhile", "tbd-coord") == ""
    settle(a, b)
    for clone in clones:
        found = [json.loads(line)["actor"]["agent_id"] for line in clone.run("ev", "export").out.splitlines()]
        assert sorted(found) == ["agent:first", "agent:mine", "agent:theirs"]


def test_a_branch_moved_while_the_worktree_is_healed_is_not_moved_back(clones: Clones) -> None:
    a, _ = clones
    issues = with_news(clones)
    git(worktree(a), "checkout", "-q", "--detach", "HEAD~1")
    a.create("pending")
    with just_before("git.update-ref", 2, lambda: a.git("update-ref", "refs/heads/tbd-sync", "meanwhile")) as done:
        sync(a)  # the first of them keeps the old tip
    assert done
    a.run("update", issues[0], "--priority", "0")
    all_is_kept(clones, issues)


def begun(clone: Clone) -> tuple[str, Callable[[], object]]:
    """A clone without a sync branch and worktree, of which the first command is given."""
    shutil.rmtree(clone.kernel.repo.shared)
    clone.git("worktree", "prune")
    clone.git("update-ref", "-d", "refs/heads/tbd-sync")
    return "refs/heads/tbd-sync", lambda: hidden.materialize(clone.kernel)


def untied(clone: Clone) -> tuple[str, Callable[[], object]]:
    """A worktree that lost its tie to git, and the branch its commits."""
    (worktree(clone) / ".git").unlink()
    clone.git("worktree", "prune")
    clone.git("update-ref", "-d", "refs/heads/tbd-sync")
    return "refs/heads/tbd-sync", lambda: hidden.register(clone.kernel)


def backed_up(clone: Clone) -> tuple[str, Callable[[], object]]:
    """A commit that is kept at the same millisecond as another process keeps one."""
    k, head = clone.kernel, tip(clone)
    at = clone.clock.at
    name = f"{BACKUP}{k.now()[:23].replace(':', '-')}"
    clone.clock.at = at
    return name, lambda: heal.backup(k, head)


@pytest.mark.parametrize("prepare", [begun, untied, backed_up], ids=lambda f: f.__name__)
def test_a_ref_that_somebody_made_in_that_moment_is_not_written_over(
    clones: Clones, prepare: Callable[[Clone], tuple[str, Callable[[], object]]]
) -> None:
    a, b = clones
    a.create("x")
    sync(a)
    other = git(a.path, "rev-parse", "main").strip()
    ref, act = prepare(a)
    moving = just_before("git.update-ref", 1, lambda: a.git("update-ref", ref, other))
    with moving as done, pytest.raises(GitError) as e:
        act()
    assert done and e.value.reason == "moved"
    assert git(a.path, "rev-parse", ref).strip() == other


# a kill at that moment leaves files and an index that the next sync can tell from the branch's


def _commit(a: Clone, b: Clone) -> None:
    a.create("pending")


def _merge(a: Clone, b: Clone) -> None:
    b.create("news")
    sync(b)


def _heal(a: Clone, b: Clone) -> None:
    git(worktree(a), "checkout", "-q", "--detach", "HEAD~1")
    git(worktree(a), "read-tree", "tbd-sync")


# how it is prepared, and which git call moves the branch, or the HEAD
LAST = {
    "commit": (_commit, "git.update-ref", 1),
    "merge": (_merge, "git.update-ref", 1),
    "heal": (_heal, "git.symbolic-ref", 2),  # the first one only reads
}


@pytest.mark.parametrize("what", LAST)
def test_a_branch_is_moved_last(clones: Clones, what: str) -> None:
    a, b = clones
    x = a.create("x")
    sync(a, b)
    prepare, point, n = LAST[what]
    prepare(a, b)
    held: list[str | None] = []

    def look() -> None:
        hook, failpoint.hook = failpoint.hook, None
        held.append(a.kernel.git.worktree_tree())
        failpoint.hook = hook

    stands = git(worktree(a), "rev-parse", "HEAD^{tree}").strip()
    with just_before(point, n, look):
        sync(a)
    wanted = stands if what == "heal" else a.git("rev-parse", "tbd-sync^{tree}").strip()
    assert held == [wanted] and fields(a, x)["title"] == "x"
