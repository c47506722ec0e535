"""Whatever tidies a repository up while tbdx works in it takes nothing of ours with it (faults.md C8)."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from conftest import Clone, git
from kernel.test_sync import Clones, fields, settle, start, sync, tip
from tbdx.store import failpoint
from tbdx.store.git import Git


def loose(clone: Clone) -> set[Path]:
    return {p for p in (clone.path / ".git/objects").glob("??/*") if p.is_file()}


def is_sound(clone: Clone) -> bool:
    done = subprocess.run(["git", "fsck", "--no-dangling"], cwd=clone.path, capture_output=True, text=True)
    return done.returncode == 0 and "error" not in done.stderr


def test_objects_taken_before_the_branch_held_them_are_stored_again(
    clones: Clones, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b = clones
    sync(a, b)
    x = a.create("T")
    pruned: list[str] = []

    def prune(name: str) -> None:
        if name == "git.update-ref" and not pruned:
            pruned.append(git(a.path, "prune", "--expire=now", "-v"))

    monkeypatch.setattr(failpoint, "hook", prune)
    sync(a)
    assert "commit" in pruned[0] and is_sound(a)
    sync(b)
    assert fields(b, x)["title"] == "T"


def test_objects_taken_by_a_gc_that_looked_before_the_branch_held_them_are_stored_again(
    clones: Clones, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b = clones
    x = a.create("T")
    sync(a, b)
    b.run("update", x, "--title", "from b")
    sync(b)
    secure, taken = Git._secure, list[Path]()

    def late(self: Git, new: str, old: str) -> bool:
        if len(taken) < 3:  # a blob, a tree, the commit, of one attempt each
            name = git(a.path, "rev-parse", (f"{new}^{{tree}}", f"{new}:.tbd", new)[len(taken)]).strip()
            taken.append(a.path / f".git/objects/{name[:2]}/{name[2:]}")
            taken[-1].unlink()
        return secure(self, new, old)

    monkeypatch.setattr(Git, "_secure", late)
    a.run("update", x, "--priority", "0")
    sync(a)
    assert len(taken) == 3 and is_sound(a)
    settle(a, b)
    assert (fields(b, x)["title"], fields(b, x)["priority"]) == ("from b", 0)


@pytest.mark.long
def test_while_a_gc_runs_what_is_new_is_not_loose_alone(clones: Clones) -> None:
    a, b = clones
    x = a.create("T")
    sync(a, b)
    b.run("update", x, "--title", "from b")
    sync(b)
    a.run("update", x, "--priority", "0")
    before = loose(a)
    (a.path / ".git/gc.pid").write_text("1 elsewhere\n")
    sync(a)
    assert loose(a) - before
    for path in loose(a) - before:  # as its last step may do
        path.unlink()
    assert is_sound(a) and not list((a.path / ".git/objects/pack").glob("*.keep"))
    settle(a, b)


def test_objects_taken_just_after_they_were_fetched_are_fetched_again(
    clones: Clones, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b = clones
    x = a.create("T")
    sync(a, b)
    b.run("update", x, "--title", "from b")
    sync(b)
    fetch, taken = Git._fetch, list[str]()

    def late(self: Git, *args: Any, **more: Any) -> tuple[int, str]:
        before = loose(a)
        done = fetch(self, *args, **more)
        for path in loose(a) - before if not taken else ():
            path.unlink()
            taken.append(path.name)
        return done

    monkeypatch.setattr(Git, "_fetch", late)
    a.run("update", x, "--priority", "0")
    sync(a)
    assert taken and is_sound(a)
    settle(a, b)
    assert (fields(b, x)["title"], fields(b, x)["priority"]) == ("from b", 0)


TIDYING = "git gc -q {} ; git worktree prune ; git pack-refs --all ; {}"


def tidied(clones: Clones, rounds: int, how: str, good: Callable[[int], bool]) -> None:
    """Both clones create and sync, one of them while everything there is tidied up over and over."""
    a, b = clones
    sync(a, b)
    newer = subprocess.run(["git", "maintenance", "run"], cwd=b.path, capture_output=True).returncode == 0
    line = TIDYING.format(how, "git maintenance run" if newer else "true")
    loop = subprocess.Popen(["sh", "-c", f"while [ ! -e stop ]; do {line}; done"], cwd=a.path, stderr=-1, stdout=-1)
    try:
        made = []
        for n in range(rounds):
            for clone in clones:
                done = start(clone, "create", f"{clone.path.name} {n}")
                made.append((done.communicate(timeout=60), done.returncode))
                done = start(clone, "sync")
                said = done.communicate(timeout=120)
                assert good(done.returncode), said
        assert all(code == 0 for _, code in made)
    finally:
        (a.path / "stop").touch()
        loop.communicate(timeout=60)
    settle(a, b)
    titles = {f"{clone.path.name} {n}" for clone in clones for n in range(rounds)}
    for clone in clones:
        assert {row["title"] for row in clone.json("list")} == titles and is_sound(clone)
    assert tip(a) == tip(b)


@pytest.mark.long
def test_tidying_up_all_the_time_has_no_effect(clones: Clones) -> None:
    tidied(clones, 4, "", lambda code: code == 0)


@pytest.mark.long
def test_tidying_up_all_the_time_has_no_effect_for_long(clones: Clones) -> None:
    tidied(clones, 10, "", lambda code: code == 0)


@pytest.mark.long
def test_a_gc_that_spares_nothing_loses_nothing(clones: Clones) -> None:
    """git itself warns of --prune=now beside writers: a sync may fail there, and the next one goes on."""
    tidied(clones, 10, "--prune=now", lambda code: code in (0, 1, 6))
