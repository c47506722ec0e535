"""A sync killed around its push, and a fix at each of its steps: nothing twice, nothing out of reach (A6-A8)."""

from __future__ import annotations

from typing import Any

import pytest

from conftest import git
from kernel.test_heal import worktree
from kernel.test_sync import Clones, fields, origin, settle, sync, tip
from killing import Killed, stopping
from tbdx.store import failpoint
from tbdx.store.git import Git


@pytest.mark.parametrize("published", [False, True], ids=["before the push", "after it"])
def test_a_sync_killed_around_its_push_is_finished_by_the_next_without_a_commit(
    clones: Clones, monkeypatch: pytest.MonkeyPatch, published: bool
) -> None:
    a, b = clones
    sync(b)
    x = a.create("T")
    push, pushed = Git.push, list[str]()

    def killed(self: Git, *args: Any) -> tuple[bool, str]:
        if published:
            push(self, *args)
        raise Killed

    def counted(self: Git, *args: Any) -> tuple[bool, str]:
        pushed.append(args[-1])
        return push(self, *args)

    monkeypatch.setattr(Git, "push", killed)
    with stopping(lambda _: ""):
        a.run("sync")
    made = tip(a)
    assert (git(origin(a), "rev-parse", "tbd-sync").strip() == made) is published
    monkeypatch.setattr(Git, "push", counted)
    sync(a)
    coord = a.git("rev-parse", "tbd-coord").strip()
    assert tip(a) == made and pushed == [made] * (not published) + [coord]
    sync(b)
    assert fields(b, x)["title"] == "T" and tip(b) == made
    settle(a, b)


def test_at_every_step_of_a_fix_a_ref_holds_the_tip_it_began_with(
    clones: Clones, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, _ = clones
    first = tip(a)
    x = a.create("T")
    sync(a)
    old = tip(a)
    git(worktree(a), "checkout", "-q", "--detach", first)
    origin(a).rename(origin(a).with_suffix(".gone"))
    out_of_reach, steps = [], []

    def look(name: str) -> None:
        steps.append(name)
        if not git(a.path, "for-each-ref", "--contains", old, "refs/heads", "refs/tbdx/backup"):
            out_of_reach.append((len(steps), name))

    monkeypatch.setattr(failpoint, "hook", look)
    assert a.run("doctor", "--fix").code == 0
    assert "git.update-ref" in steps and out_of_reach == []
    assert fields(a, x)["title"] == "T"
