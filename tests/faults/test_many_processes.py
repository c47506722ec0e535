"""Many processes at once: nothing is lost, no id is given twice, and there is one root (faults.md C1, C2, C3)."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from conftest import Clone, git, new_git
from kernel.test_formats import FIRST, bare
from kernel.test_sync import Clones, fields, settle, sync

GATED = ["sh", "-c", 'while [ ! -e "$0" ]; do sleep 0.02; done; exec "$@"']


def at_once(lines: list[tuple[Path, list[str]]]) -> list[str]:
    """What command lines print, each from its folder, when they start at one moment; all must succeed."""
    gate = lines[0][0].parent / f"gate{len(lines)}-{lines[0][1][0]}"
    children = [
        subprocess.Popen(
            [*GATED, str(gate), sys.executable, "-m", "tbdx", *argv], cwd=cwd, stdin=-3, stdout=-1, stderr=-1, text=True
        )
        for cwd, argv in lines
    ]
    time.sleep(0.01 * len(lines))
    gate.touch()
    ends = [(*child.communicate(timeout=120), child.returncode) for child in children]
    assert [code for *_, code in ends] == [0] * len(lines), [end for end in ends if end[2]]
    return [out for out, *_ in ends]


def crowd(repo: Clone, n: int) -> None:
    """n creates and n updates of one issue, from four worktrees, while git tidies up."""
    places = [repo.path]
    repo.git("add", ".tbd")
    repo.git("commit", "-qm", "tracker")
    for name in ("w1", "w2", "w3"):
        repo.git("worktree", "add", "-q", f"../{name}", "-b", name)
        places.append(repo.path.parent / name)
    x = repo.create("Shared")
    line = (
        "while [ ! -e stop ]; do git gc -q --prune=now && git worktree prune && git pack-refs --all || echo bad; done"
    )
    loop = subprocess.Popen(["sh", "-c", line], cwd=repo.path, stdout=-1, stderr=-1, text=True)
    try:
        creates = [(places[i % 4], ["create", f"Issue {i}", "--json"]) for i in range(n)]
        updates = [(places[(i + 1) % 4], ["update", x, "--add-label", f"l{i}"]) for i in range(n)]
        said = at_once([line for pair in zip(creates, updates, strict=True) for line in pair])
    finally:
        (repo.path / "stop").touch()
        tidied = loop.communicate(timeout=60)
    assert "bad" not in tidied[0], tidied
    made = [json.loads(out) for out in said[::2]]
    for key in ("id", "internalId"):
        assert len({row[key] for row in made}) == n
    found = fields(repo, x)
    assert found["version"] == n + 1 and Counter(found["labels"]) == Counter(f"l{i}" for i in range(n))
    listed = {row["id"]: row["title"] for row in repo.json("list")}
    assert listed == {row["id"]: row["title"] for row in made} | {x: "Shared"}
    assert list((repo.path / ".git/tbd/locks").iterdir()) == []


def test_creates_and_updates_of_one_issue_at_once_are_all_kept(repo: Clone) -> None:
    crowd(repo, 15)


@pytest.mark.long
def test_a_hundred_creates_and_updates_at_once_are_all_kept(repo: Clone) -> None:
    crowd(repo, 50)


def first_commands(clones: Clones, n: int) -> None:
    a, b = clones
    a.create("T")
    sync(a)
    lines = [["create", "x", "--json"], ["list", "--json"], ["ready", "--json"]]
    said = at_once([(b.path, lines[i % 3]) for i in range(n)])
    for out in said[1::3] + said[2::3]:
        assert "T" in {row["title"] for row in json.loads(out)}
    assert len({json.loads(out)["id"] for out in said[::3]}) == len(said[::3])
    assert Counter(row["title"] for row in b.json("list")) == {"T": 1, "x": len(said[::3])}
    assert b.git("worktree", "list").count("data-sync-worktree") == 1
    assert b.git("rev-list", "--max-parents=0", "tbd-sync").split() == [FIRST]
    settle(a, b)


def test_first_commands_in_a_fresh_clone_at_once_make_one_worktree(clones: Clones) -> None:
    first_commands(clones, 9)


@pytest.mark.long
def test_thirty_first_commands_in_a_fresh_clone_at_once_make_one_worktree(clones: Clones) -> None:
    first_commands(clones, 30)


def test_two_hosts_that_begin_and_publish_at_once_end_on_one_root(tmp_path: Path, at: Callable[[Path], Clone]) -> None:
    origin = bare(tmp_path)
    hosts = [at(new_git(tmp_path / name)) for name in ("one", "two")]
    for host in hosts:
        host.git("remote", "add", "origin", str(origin))
    for argv in (["init", "--prefix=test"], ["create", "Made there"], ["sync"], ["sync", "--json"]):
        at_once([(host.path, argv) for host in hosts])
    settle(*hosts)
    assert git(origin, "rev-list", "--max-parents=0", "tbd-sync").split() == [FIRST]
    assert all([row["title"] for row in host.json("list")] == ["Made there"] * 2 for host in hosts)
